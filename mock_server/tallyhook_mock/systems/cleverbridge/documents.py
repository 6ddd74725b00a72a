"""Answers as JSON, money as numbers with two decimals."""

from datetime import datetime
from typing import Any

import msgspec
from starlette.responses import Response

from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.cleverbridge.model import Item, Refusal, Status, Subscription
from tallyhook_mock.systems.cleverbridge.rules import Outcome, Price

__all__ = [
    "answer",
    "broken",
    "outcome_document",
    "refusal_answer",
    "subscription_document",
]

# The standard library writes no decimals; a float would not be exact.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def answer(document: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_ENCODER.encode(document), status, headers, "application/json")


def refusal_answer(refusal: Refusal, headers: dict[str, str] | None = None) -> Response:
    """A refusal as the caller gets it (inferred but for the name `ResultMessage`)."""
    document = {"ResultMessage": refusal.message, "ErrorCode": refusal.code}
    return answer(document, refusal.status, headers)


def broken() -> Refusal:
    """What a caller is told of an error that is this server's own."""
    return Refusal(500, "InternalError", "The server broke; the call may have been carried out or not")


def subscription_document(subscription: Subscription) -> dict[str, Any]:
    """The answer to GetSubscription; its names are inferred."""
    document: dict[str, Any] = {
        "Id": subscription.id,
        "Status": subscription.status,
        "StartDate": subscription.start,
        "NextBillingDate": _if_active(subscription, subscription.next_billing),
        "NextReminderDate": _if_active(subscription, subscription.next_reminder),
        "IntervalLengthMonths": subscription.months,
        "Currency": subscription.currency,
    }
    if subscription.customer:
        document["CustomerId"] = subscription.customer
    document["Items"] = [_item(item, subscription.status) for item in subscription.items]
    return {"ResultMessage": "OK", "Subscription": document}


def outcome_document(outcome: Outcome) -> dict[str, Any]:
    """The answer to an update or its preview; the names of the prices and the date are inferred."""
    return {
        "ResultMessage": "OK",
        "AlignmentCustomerPrice": _price(outcome.now),
        "NextBillingCustomerPrice": _price(outcome.next),
        "NextBillingDate": outcome.next_billing,
    }


def _item(item: Item, status: Status) -> dict[str, Any]:
    terms = item.terms
    return {
        "RunningNumber": item.running_number,
        "ProductId": terms.product_id,
        "ProductName": terms.product_name,
        "Quantity": terms.quantity,
        "UnitPrice": cents(terms.unit_price),
        "BillingMode": item.mode,
        "CouponCode": terms.coupon.code if terms.coupon else None,
        "PendingQuantity": item.pending_quantity,
        "Status": status,
    }


def _price(price: Price) -> dict[str, Any]:
    return {
        "Currency": price.currency,
        "GrossPrice": price.gross,
        "NetPrice": price.net,
        "VatPrice": price.vat,
    }


def _if_active(subscription: Subscription, moment: datetime) -> datetime | None:
    return moment if subscription.is_active else None
