"""Writes the API's answers as JSON. Amounts of money are numbers with two decimals.

The names of the fields are from an example by the vendor and from a public client.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from starlette.responses import Response

from tallyhook_mock.core.base import Refusal
from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.cleverbridge.charges import price, renewal_lines
from tallyhook_mock.systems.cleverbridge.model import Item, ItemStatus, Subscription, Version
from tallyhook_mock.systems.cleverbridge.updates import Outcome

__all__ = [
    "answer",
    "item_answer",
    "refusal_answer",
    "renewal_answer",
    "subscription_document",
]

# The standard library can't write decimals, and a float would not be exact.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_AUTOMATIC = 1  # a renewal type. The number is from a client.


def answer(document: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(document), status, headers, "application/json")


def refusal_answer(refusal: Refusal) -> Response:
    """Return the answer to a refused call: only text (documented; no page names an error code)."""
    return answer({"ResultMessage": refusal.message}, refusal.status, refusal.headers)


def subscription_document(subscription: Subscription, *, only_current: bool = False) -> dict[str, Any]:
    """Return a subscription as the API shows it.

    The document has every version of every item, or if `only_current` is true, only the current versions. The
    fields up to `Items` are in the order of the vendor's example, and the later ones in the order that a
    client uses.
    """
    is_active = subscription.is_active
    return {
        "CustomerCurrencyId": subscription.currency,
        "CustomerId": subscription.customer.id,
        "CustomerReferenceId": subscription.customer.reference,
        "CustomerReferenceNo": "",
        "EndDate": subscription.ended,
        "GracePeriodDays": 0,
        "Id": subscription.number,
        "IntervalDayCount": 0,
        "IntervalMonthCount": subscription.months,
        "BillingIntervalDayCount": 0,
        "BillingIntervalMonthCount": subscription.months,
        "Items": [
            document
            for item in subscription.items
            for document in _versions(subscription, item, only_current=only_current)
        ],
        "LastIntervalNo": subscription.interval + 1,
        "NextBillingDate": subscription.next_billing if is_active else None,
        "NextBillingDateReminder": subscription.next_reminder if is_active else None,
        "StartDate": subscription.start,
        "RenewalType": _AUTOMATIC,
        "StartIntervalDayCount": 0,
        "StartIntervalMonthCount": subscription.months,
        "SubscriptionStatus": subscription.status,
    }


def item_answer(outcome: Outcome, *, is_priced: bool) -> dict[str, Any]:
    """Return the answer to a call that changes an item. If `is_priced` is false, the prices are null.

    Standing: inferred.
    """
    shown: dict[str, Any] = {"ResultMessage": "OK"}
    for name, each in (("Alignment", outcome.now), ("NextBilling", outcome.next)):
        for part, amount in (("Gross", each.gross), ("Net", each.net), ("Vat", each.vat)):
            shown[f"{name}Customer{part}Price"] = amount if is_priced else None
    return {**shown, "PriceCurrencyId": outcome.now.currency if is_priced else None}


def renewal_answer(subscription: Subscription) -> dict[str, Any]:
    """Return the answer to a call that renews a subscription. The names are from the vendor's XML example."""
    return {
        "ResultMessage": "OK",
        "NextBillingDate": subscription.next_billing,
        "TransactionStatus": "Success",
        "ContinueUrl": "",
    }


def _versions(subscription: Subscription, item: Item, *, only_current: bool) -> list[dict[str, Any]]:
    """Return an item's versions as the API shows them. The current version is last."""
    past = [] if only_current else [_item(subscription, item, version) for version in item.past]
    return [*past, _item(subscription, item, None)]


def _item(subscription: Subscription, item: Item, version: Version | None) -> dict[str, Any]:
    """Return an item's past version as the API shows it, or if `version` is None, the current version.

    A past version bills nothing, so its prices are 0.
    """
    is_current = version is None
    terms = item.asked if version is None else version.terms
    end = item.ended
    if item.last is not None and end is None:
        end = subscription.next_billing
    billing: tuple[Line, ...] = ()
    renewal = Decimal(0)
    if is_current and subscription.is_active:
        billing = renewal_lines(subscription, (item,))
        if item.is_billed_in(subscription.interval + 1):
            renewal = cents(terms.total)
    return {
        "Couponcode": terms.coupon.code if terms.coupon else "",
        "DeactivationDate": item.deactivated,
        "EndDate": end,
        "IsCurrent": is_current,
        "LastIntervalNo": subscription.interval + 1,
        "NextBillingCurrencyId": subscription.currency,
        **_prices("NextBilling", subscription, billing),
        **_prices("NextRenewal", subscription, _as_line(renewal)),
        "ProductId": terms.product_id,
        "ProductName": terms.product_name,
        "ProductNameExtension": terms.extension,
        "PromotionId": None,
        "Quantity": terms.quantity,
        "RecurrenceCount": None,
        "RunningNo": item.running_number,
        "StartDate": item.added,
        "Status": item.status if is_current else ItemStatus.OTHER,
        "SubscriptionId": subscription.number,
        "SubscriptionPurchaseItems": [],
        "Version": item.version if version is None else version.number,
    }


def _as_line(amount: Decimal) -> tuple[Line, ...]:
    return (Line("", "", Decimal(1), amount, amount),)


def _prices(name: str, subscription: Subscription, lines: tuple[Line, ...]) -> dict[str, Decimal]:
    total = price(subscription, lines)
    return {
        f"{name}CustomerGrossPrice": total.gross,
        f"{name}CustomerNetPrice": total.net,
        f"{name}CustomerVatPrice": total.vat,
    }
