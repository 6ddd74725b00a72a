"""The plans that probes use, created by the call `plans/new`, which Cheddar has but doesn't support."""

from collections.abc import Mapping

from lxml import etree

__all__ = [
    "DAILY",
    "FREE",
    "ITEM",
    "LATER",
    "MONTHLY",
    "PLANS",
    "PRORATED",
    "SETUP",
    "SETUP_CHARGE",
    "TRIAL",
    "differences",
]

ITEM = "conform-unit"
SETUP_CHARGE = "conform-setup"

FREE, MONTHLY, PRORATED, TRIAL, SETUP, DAILY, LATER = (
    "free",
    "monthly",
    "prorated",
    "trial",
    "setup",
    "daily",
    "later",
)

_ITEM = {
    "items[0][code]": ITEM,
    "items[0][name]": "Units",
    "items[0][quantityIncluded]": "0",
    "items[0][overageAmount]": "1.00",
    "items[0][isPeriodic]": "1",
}


def _plan(amount: str, **more: str) -> dict[str, str]:
    return {
        "billingFrequency": "monthly",
        "recurringChargeAmount": amount,
        "recurringChargeCode": "conform-recurring",
        "onChangeInitialBillHandler": "next",
        **more,
    }


PLANS: Mapping[str, Mapping[str, str]] = {
    FREE: {"billingFrequency": "monthly", "isFree": "1", "paymentMethodIsRequired": "0", **_ITEM},
    MONTHLY: {**_plan("300.00"), **_ITEM},
    PRORATED: {**_plan("600.00", onChangeInitialBillHandler="now"), **_ITEM},
    TRIAL: _plan(
        "300.00",
        initialBillCount="10",
        initialBillCountUnit="days",
        setupChargeCode=SETUP_CHARGE,
        setupChargeAmount="50.00",
        setupChargeBillHandler="no",
    ),
    SETUP: _plan("300.00", setupChargeCode=SETUP_CHARGE, setupChargeAmount="50.00"),
    DAILY: {**_plan("10.00", billingFrequency="daily", paymentMethodIsRequired="0"), **_ITEM},
    # This plan needs no card at sign-up.
    LATER: {**_plan("300.00", paymentMethodIsRequired="0"), **_ITEM},
}


def differences(wanted: Mapping[str, str], plan: etree._Element) -> list[str]:
    """Return how a plan differs from the expected terms, such as `initialBillCount: 5 instead of 10`."""
    found = []
    for name, value in wanted.items():
        if name.startswith("items["):
            key = name.removeprefix("items[0][").removesuffix("]")
            item = plan.find("items/item")
            there = (
                "" if item is None else item.get("code", "") if key == "code" else item.findtext(key) or ""
            )
        else:
            there = plan.findtext(name) or ""
        if not _same(there, value):
            found.append(f"{name}: {there or 'nothing'} instead of {value}")
    return found


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False
