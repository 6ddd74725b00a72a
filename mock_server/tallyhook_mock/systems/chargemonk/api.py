"""The known calls of Chargemonk's JSON API: two calls that return lists.

A third call, which adds a charge, is inferred and off by default. No hooks are documented, so none are sent.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tallyhook_mock.clock import parse_moment
from tallyhook_mock.core import base
from tallyhook_mock.core.bills import Bill
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.middleware import Face, api_app
from tallyhook_mock.systems.chargemonk import rules
from tallyhook_mock.systems.chargemonk.model import Refusal, Subscription, Unbilled
from tallyhook_mock.systems.chargemonk.state import State

if TYPE_CHECKING:
    from tallyhook_mock.mock import Mock

__all__ = ["ACTIONS", "ROUTES", "face"]

_ENCODER = msgspec.json.Encoder(decimal_format="number")
ACTIONS = ()  # faults don't apply to these calls
_LONGEST_BODY = 100_000
_USUAL_TOKENS = ("test_chargemonk",)  # if the catalogue has none
_MOST = 1000  # entries of a list
_NUMBER = re.compile(r"[0-9]{1,40}(\.[0-9]{1,40})?")
_COMPARED: Mapping[str, Callable[[int, int], bool]] = {
    "[is]": lambda one, other: one == other,
    "[is_not]": lambda one, other: one != other,
    "[less_than]": lambda one, other: one < other,
    "[less_than_equal]": lambda one, other: one <= other,
    "[greater_than]": lambda one, other: one > other,
    "[greater_than_equal]": lambda one, other: one >= other,
}


def face(mock: "Mock") -> Face:
    """Return the mock's Chargemonk API, at the paths in `ROUTES`. Faults don't apply to it."""

    def respond(request: Request, body: bytes | None) -> Response:
        document = _carry_out(mock.systems.of(State), request, body, mock.caught_up())
        return _answer({"status": "success", **document}, 200)

    broken = Refusal("the server broke", 500)
    return Face(_serves, api_app(respond, _refused, mock.changed, _LONGEST_BODY, broken))


def _serves(path: str) -> bool:
    return path.strip("/") in ROUTES


def _answer(document: dict[str, Any], status: int) -> Response:
    return Response(_ENCODER.encode(document), status, media_type="application/json")


def _refused(refusal: base.Refusal) -> Response:
    """Return the answer to a refused call.

    No page of the vendor shows an error, so the status, shape and text are inferred.
    """
    return _answer({"status": "error", "message": refusal.message}, refusal.status)


def _carry_out(state: State, request: Request, body: bytes | None, at: datetime) -> dict[str, Any]:
    """Carry out a call, and return the fields of the answer.

    The API token is sent in the form or in the query (both are documented, on different pages).
    """
    if request.method != "POST":
        raise Refusal("POST is expected, also for lists")
    if body is None:
        raise Refusal("the body is too long")
    try:
        form = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise Refusal("the body is not a form") from None
    pairs = [*request.query_params.multi_items(), *form]
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise Refusal(f"{_twice(pairs)[:60]} is there twice")
    token = fields.pop("api_token", "")
    known = state.api_tokens or _USUAL_TOKENS
    if not any(hmac.compare_digest(token.encode(), each.encode()) for each in known):
        raise Refusal("api_token: a known one is required", 401)
    state.catch_up(at)
    state.actor = "api"
    return ROUTES[request.url.path.strip("/")](state, fields, at)


def _twice(pairs: Sequence[tuple[str, str]]) -> str:
    names = [name for name, _ in pairs]
    return next(name for name in names if names.count(name) > 1)


def list_invoices(state: State, fields: dict[str, str], at: datetime) -> dict[str, Any]:
    """List the invoices, newest first.

    The call's parameters are not known. `limit` is assumed to work as in the list of charges.
    """
    limit = _limit(fields)
    _nothing_else(fields)
    found = [_invoice(state, bill) for bill in reversed(state.bills)]
    return {"list": {"invoice": found[:limit]}}


def list_unbilled(state: State, fields: dict[str, str], at: datetime) -> dict[str, Any]:
    """List the charges that haven't been invoiced yet.

    The parameters are documented. Leaving out charges that were already invoiced is inferred.
    """
    found = [each for each in state.unbilled if each.invoice is None]
    if (code := fields.pop("subscription_code", None)) is not None:
        found = [each for each in found if each.subscription == code]
    if (words := fields.pop("search_value", "")) != "":
        found = [each for each in found if words.lower() in each.description.lower()]
    for name in [name for name in fields if name.startswith("created_at")]:
        compare = _COMPARED.get(name.removeprefix("created_at"))
        if compare is None:
            raise Refusal(f"{name[:60]}: created_at[is], [less_than] and so on are expected")
        wanted = _moment(fields.pop(name))
        found = [each for each in found if compare(int(each.at.timestamp()), wanted)]
    by, order = fields.pop("order_param", "created_at"), fields.pop("order_by", "desc")
    if by not in ("created_at", "amount") or order not in ("asc", "desc"):
        raise Refusal("order_param is created_at or amount, and order_by is asc or desc")
    limit = _limit(fields)
    _nothing_else(fields)
    found.sort(
        key=lambda each: each.amount if by == "amount" else each.at.timestamp(), reverse=order == "desc"
    )
    return {"data": [_unbilled(each) for each in found[:limit]]}


def add_charge(state: State, fields: dict[str, str], at: datetime) -> dict[str, Any]:
    """Add a charge to the next automatic invoice.

    This is documented as "invoice later", but the call's path and parameters are inferred.
    """
    if not state.has_inferred_calls:
        raise Refusal("addCharge is inferred, and off: set inferredCalls in the catalogue")
    subscription = state.subscriptions.get(fields.pop("subscription_code", ""))
    if subscription is None:
        raise Refusal("subscription_code: there is no such subscription")
    description, later = fields.pop("description", ""), fields.pop("invoice_later", "true")
    amount, quantity = _number(fields, "amount", None), _number(fields, "quantity", Decimal(1))
    _nothing_else(fields)
    if not description or len(description) > 255 or not description.isprintable():
        raise Refusal("description: a string of up to 255 characters is required")
    if later != "true":
        raise Refusal("invoice_later: only true is supported here")
    return {"data": _unbilled(rules.charge_later(state, subscription, description, amount, quantity, at))}


def _number(fields: dict[str, str], name: str, default: Decimal | None) -> Decimal:
    written = fields.pop(name, None)
    if written is None and default is not None:
        return default
    if not _NUMBER.fullmatch(written or ""):
        raise Refusal(f"{name}: a number is required")
    number = Decimal(written or "")
    if not 0 < number < 10**10 or (name == "amount" and number != round(number, 2)):
        raise Refusal(f"{name}: a number above 0 is required; an amount has at most two decimals")
    return number


def _limit(fields: dict[str, str]) -> int:
    written = fields.pop("limit", "25")  # documented
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= _MOST):
        raise Refusal(f"limit: from 1 to {_MOST}")
    return int(written)


def _moment(written: str) -> int:
    if written.isascii() and written.isdigit() and len(written) < 12:
        return int(written)
    try:
        return int(parse_moment(written).timestamp())
    except ValueError:
        raise Refusal("created_at: Unix seconds or a date are expected") from None


def _nothing_else(fields: Mapping[str, str]) -> None:
    for name in fields:
        raise Refusal(f"{name[:60]} is not known here")


def _invoice(state: State, bill: Bill) -> dict[str, Any]:
    """Return an invoice with the fields that the vendor's documentation shows.

    Fields that have no value in the mock are left out.
    """
    subscription = state.subscriptions[bill.account]
    sent = int(bill.at.timestamp())
    return {
        "invoiceId": f"INV{bill.number}",
        "planId": subscription.plan_at(bill.lines[0].start or bill.at).code,
        "invoiceNumber": bill.number,
        "invoiceStatus": "success",
        "invoiceTotal": amount_text(bill.total),
        "invoiceType": "Recurring",
        "invoiceUrl": "",
        "invoiceDate": sent,
        "invoiceCreatedAt": sent,
        "invoiceRetryDate": None,
        "invoiceUpdatedAt": None,
        "invoiceCurrencyCode": bill.currency,
        "dunning": False,
        "subscription": _subscription(subscription),
        "customer": {"customerId": subscription.id, "firstName": "", "lastName": ""},
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    coming = subscription.next_billing
    return {
        "subscriptionId": subscription.id,
        "subscriptionStartDate": int(subscription.created.timestamp()),
        "subscriptionNextBilling": int(coming.timestamp()) if coming else None,
        "pricingModel": "flat_fee",
        "planQuantity": 1,
    }


def _unbilled(charge: Unbilled) -> dict[str, Any]:
    return {
        "unbilledCode": charge.code,
        "subscriptionCode": charge.subscription,
        "description": charge.description,
        "amount": amount_text(charge.amount),
        "created_at": int(charge.at.timestamp()),
        "status": charge.status,
        "quantity": charge.quantity,
    }


ROUTES: Mapping[str, Callable[[State, dict[str, str], datetime], dict[str, Any]]] = {
    "listInvoices": list_invoices,
    "listSubscriptionUnbilledCharges": list_unbilled,
    "addCharge": add_charge,
}
