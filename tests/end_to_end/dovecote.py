"""A product with a plan of every kind, for random tests."""

from typing import Any

from tests.end_to_end.wire import PASSWORD, SECRET, USER

PLANS: list[dict[str, Any]] = [
    {
        "code": "USAGE",
        "recurringChargeAmount": "10.00",
        "billingFrequency": "biweekly",
        "items": [
            {"code": "GB", "quantityIncluded": 2, "overageAmount": "2.50", "isPeriodic": True},
            {"code": "seat", "overageAmount": "0.33"},
        ],
    },
    {"code": "FLAT", "recurringChargeAmount": "20.00"},
    {
        "code": "LIMIT",
        "recurringChargeAmount": "5.00",
        "billingFrequency": "quarterly",
        "items": [{"code": "GB", "quantityIncluded": 10}],
    },
    {
        "code": "NOW",
        "recurringChargeAmount": "31.00",
        "onChangeInitialBillHandler": "now",
        "setupChargeCode": "NOW_SETUP",
        "setupChargeAmount": "2.00",
        "onChangeSetupChargeBillHandler": "now",
        "items": [{"code": "seat", "quantityIncluded": 1, "overageAmount": "1.01"}],
    },
    {
        "code": "TRIAL",
        "recurringChargeAmount": "7.77",
        "trialDays": 10,
        "setupChargeCode": "SETUP",
        "setupChargeAmount": "3.00",
    },
    {"code": "ONCE", "recurringChargeAmount": "50.00", "billingFrequency": "none"},
    {"code": "FREE", "isFree": True, "items": [{"code": "GB", "overageAmount": "0.05"}]},
]
CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [
        {
            "code": "DOVECOTE",
            "secret": SECRET,
            "billReminderDays": [2],
            "plans": PLANS,
            "promotions": [
                {
                    "name": "Spring",
                    "percentage": "12.5",
                    "months": 2,
                    "plans": ["FLAT", "USAGE"],
                    "coupons": [{"code": "SPRING"}],
                },
                {"name": "Friends", "percentage": 100, "coupons": [{"code": "FRIEND", "maxRedemptions": 2}]},
            ],
        }
    ],
}
