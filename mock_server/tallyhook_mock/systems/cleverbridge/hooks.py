"""Notifications: JSON with `meta`, sent up to 24 times within 48 hours (documented) and without a signature.

It is not known how Cleverbridge authenticates notifications, so the mock sends them without authentication. A
listener should not trust a notification, but read the subscription or purchase from the API.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.cleverbridge.charges import VAT, price, renewal_lines, with_vat
from tallyhook_mock.systems.cleverbridge.model import Item, Subscription
from tallyhook_mock.systems.cleverbridge.state import State

__all__ = ["POLICY", "body", "type_of"]

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_PAID, _REMINDER = "PaidOrderNotification", "SubscriptionReminderChargeNotification"
_CANCELED = "RecurringBillingCanceledNotification"
_TYPES = {"billed": _PAID, "reminder": _REMINDER, "subscriptionDeactivated": _CANCELED}

# A notification is sent every two hours (documented) until the answer is any 2xx (inferred).
POLICY = Policy("cleverbridge", tuple(_TYPES.values()), (timedelta(hours=2),) * 23)


def type_of(happening: Happening) -> str:
    """Return the type of the notification that an event sends, or an empty string if it sends none.

    A reminder sends none if its renewal has nothing to bill, and therefore no purchase.
    """
    if happening.kind == "reminder" and not happening.subject:
        return ""
    return _TYPES.get(happening.kind, "")


def body(state: State, happening: Happening, type: str) -> bytes:
    """Return the body of a notification. It shows the subscription or purchase as it is now.

    A reminder shows the purchase, not the subscription (documented). A notification about a paid order also
    shows the purchase.
    """
    subscription = state.subscription(happening.account)
    # The URL of the schema is not known.
    meta = {"type": type, "date": happening.at, "schemaUrl": ""}
    if type == _CANCELED:
        document = _subscription(subscription)
    elif type == _REMINDER:
        lines = with_vat(subscription, renewal_lines(subscription, subscription.items))
        document = _purchase(subscription, happening.subject, "Hold", "HLD", lines)
    else:
        number = happening.invoice or 0
        (bill,) = (bill for bill in subscription.bills if bill.number == number)
        document = _purchase(subscription, state.purchase_ids[number], "Paid", "PAI", bill.lines)
    return _ENCODER.encode({"meta": meta, **document})


def _purchase(
    subscription: Subscription, purchase: int, status: str, status_id: str, lines: tuple[Line, ...]
) -> dict[str, Any]:
    """Return the part of a notification that describes a purchase.

    `purchaseId`, `status`, `statusId`, the contacts and `paymentInfo` are documented. The other fields are
    inferred. The `statusId` "HLD" is from the vendor's example of a reminder, and "PAI" is inferred.
    """
    net = tuple(line for line in lines if line.item != VAT)
    total = price(subscription, net)
    return {
        "purchaseId": purchase,
        "status": status,
        "statusId": status_id,
        "subscriptionId": subscription.number,
        "customerId": subscription.customer.id,
        "customerReferenceId": subscription.customer.reference,
        "billingContact": {"email": subscription.customer.email},
        "deliveryContact": {"email": subscription.customer.email},
        "paymentInfo": {"currencyId": subscription.currency, "isPurchaseOrder": False},
        "customerCurrencyId": subscription.currency,
        "customerGrossPrice": total.gross,
        "customerNetPrice": total.net,
        "customerVatPrice": total.vat,
        "items": [
            {
                "runningNumber": int(line.item),
                "productId": subscription.item(int(line.item)).asked.product_id,
                "productName": line.description,
                "quantity": line.quantity,
                "customerNetPrice": line.amount,
            }
            for line in net
        ],
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription with the documented fields in the documented order."""
    following: datetime | None = subscription.next_billing if subscription.is_active else None
    return {
        "subscriptionId": subscription.number,
        "customerCurrencyId": subscription.currency,
        "customerId": subscription.customer.id,
        "customerReferenceId": subscription.customer.reference,
        "customerReferenceNo": "",
        "gracePeriodDays": 0,
        "billingIntervalDayCount": 0,
        "billingIntervalMonthCount": subscription.months,
        "intervalDayCount": 0,
        "intervalMonthCount": subscription.months,
        "lastBillingIntervalNumber": subscription.interval + 1,
        "lastIntervalNumber": subscription.interval + 1,
        "nextBillingDate": following,
        "nextRenewalDate": following,
        "nextBillingDateReminder": subscription.next_reminder if subscription.is_active else None,
        "startDate": subscription.start,
        "endDate": subscription.ended,
        "items": [_item(item) for item in subscription.items],
    }


def _item(item: Item) -> dict[str, Any]:
    terms = item.asked
    return {
        "runningNumber": item.running_number,
        "quantity": terms.quantity,
        "productId": terms.product_id,
        "productName": terms.product_name,
        "productNameExtension": terms.extension,
        "recurrenceCount": None,
        "status": item.status.name.title().replace("_", ""),
        "deactivationDate": item.deactivated,
        "startDate": item.added,
        "endDate": item.ended,
        "isCurrent": True,
        "version": item.version,
        "versionActiveDate": item.since,
        "couponCode": terms.coupon.code if terms.coupon else "",
        "promotionId": None,
        "subscriptionEventTypeId": None,
        "yourRenewalPrice": cents(terms.total),
        "customerRenewalPrice": cents(terms.total),
    }
