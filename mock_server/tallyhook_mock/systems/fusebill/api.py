"""Fusebill's JSON API as an ASGI application. It finds the call that a request makes, and answers it."""

import hmac
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from tallyhook_mock.core import base
from tallyhook_mock.faults import Fault
from tallyhook_mock.middleware import MAX_BODY, Aim, Face, api_app
from tallyhook_mock.systems.fusebill import (
    calls_customers,
    calls_definitions,
    calls_invoices,
    calls_subscriptions,
)
from tallyhook_mock.systems.fusebill.documents import error_document, write
from tallyhook_mock.systems.fusebill.listing import Page
from tallyhook_mock.systems.fusebill.refusal import Refusal, invalid
from tallyhook_mock.systems.fusebill.request import DIGITS, Call, Handler, Query, check_query
from tallyhook_mock.systems.fusebill.state import State

if TYPE_CHECKING:
    from tallyhook_mock.mock import Mock

__all__ = ["ACTIONS", "ROUTES", "face"]

ROUTES = (
    *calls_definitions.ROUTES,
    *calls_subscriptions.ROUTES,
    *calls_customers.ROUTES,
    *calls_invoices.ROUTES,
)
ACTIONS = tuple(dict.fromkeys(action for _, _, action, _ in ROUTES))
_USUAL_KEYS = ("fusebill-key",)  # if the catalogue has none
# The errors that faults answer with. All are inferred.
_ERRORS = {
    500: Refusal(500, "server", "an unexpected error occurred"),
    502: Refusal(502, "gateway", "a system behind the server gave no answer"),
    503: Refusal(503, "server", "down for maintenance; try again later"),
}


def face(mock: "Mock") -> Face:
    """Return the mock's Fusebill API. A fault's `customer` is the id of a customer."""

    def state() -> State:
        return mock.systems.of(State)

    def aim(scope: Scope, body: bytes) -> Aim:
        return _aim(state(), scope, body)

    def respond(request: Request, body: bytes | None) -> Response:
        return _answer(_carry_out(state(), request, body, mock.caught_up()))

    broken = Refusal(500, "server", "something broke; the mock's log says what")
    app = api_app(respond, _refused, mock.changed, MAX_BODY, broken)
    return Face(_serves, app, aim, _struck)


def _refused(refusal: base.Refusal) -> Response:
    """Return the answer to a refused call."""
    assert isinstance(refusal, Refusal)
    document = write(error_document(refusal))
    return Response(document, refusal.status, refusal.headers, "application/json")


def _answer(document: object) -> Response:
    if document is None:
        return Response(status_code=204)
    if isinstance(document, Page):
        return Response(write(document.entries), 200, dict(document.headers), "application/json")
    return Response(write(document), media_type="application/json")


def _carry_out(state: State, request: Request, body: bytes | None, at: datetime) -> object:
    _sign_in(state, request.headers.get("authorization", ""))
    _, handle, number = _find(request.method, request.scope["path"])
    if body is None:
        raise Refusal(413, "body", f"longer than {MAX_BODY} bytes")
    if request.method in ("GET", "DELETE") and body.strip():
        raise invalid("body", f"{request.method} takes none")
    state.catch_up(at)  # while the clock runs, work that is due now may still be pending
    state.actor = "api"
    query = Query(request.scope["query_string"])
    check_query(handle, query)
    document: object = handle(Call(state, number, body, query, at))
    return document


def _sign_in(state: State, authorization: str) -> None:
    """Raise Refusal unless the header Authorization has a known API key.

    The key itself follows `Basic` (documented), not an encoded user and password.
    """
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "basic" or not any(
        hmac.compare_digest(key.strip().encode(), known.encode()) for known in state.api_keys or _USUAL_KEYS
    ):
        headers = {"WWW-Authenticate": 'Basic realm="Fusebill"'}
        raise Refusal(401, "Authorization", "an API key is required: Basic <key>", headers)


def _serves(path: str) -> bool:
    return path.lower().startswith("/v1/")


def _find(method: str, path: str) -> tuple[str, Handler, int]:
    """Return a request's action, its handler, and the id in its path, or 0 if the path has no id.

    Paths are case-insensitive (inferred). Raises Refusal for an unknown resource or method.
    """
    steps = path.lower().strip("/").split("/")[1:]
    fitting = [route for route in ROUTES if _fits(route[1].split("/"), steps)]
    if not fitting:
        raise Refusal(404, "path", "there is no such resource")
    for allowed, pattern, action, handle in fitting:
        if allowed == method:
            written = next(
                (step for step, part in zip(steps, pattern.split("/"), strict=True) if part == _ID), "0"
            )
            if not (written.isascii() and written.isdigit() and len(written) <= DIGITS):
                raise Refusal(404, "id", "an id is a whole number")
            return action, handle, int(written)
    methods = tuple(dict.fromkeys(route[0] for route in fitting))
    said = f"only {' and '.join(methods)} can be used here"
    raise Refusal(405, "method", said, {"Allow": ", ".join(methods)})


_ID = "{id}"


def _fits(pattern: list[str], steps: list[str]) -> bool:
    return len(pattern) == len(steps) and all(
        part in (_ID, step) for part, step in zip(pattern, steps, strict=True)
    )


def _aim(state: State, scope: Scope, body: bytes) -> Aim:
    try:
        action, _, number = _find(scope["method"], scope["path"])
    except Refusal:
        return Aim("", system="fusebill")
    customer = _customer(state, action, number, _Given(body, scope["query_string"]))
    return Aim(action, customer=customer, system="fusebill") if customer else Aim(action, system="fusebill")


class _Given:
    """The ids in a request's body and query."""

    def __init__(self, body: bytes, query: bytes) -> None:
        try:
            values = msgspec.json.decode(body) if body else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            values = {}
        self._values = values if isinstance(values, dict) else {}
        self._values |= dict(parse_qsl(query.decode("latin-1")))

    def __call__(self, name: str) -> int:
        """Return the id in the field `name`, or 0 if there is none."""
        try:
            return int(self._values.get(name, 0))
        except (TypeError, ValueError):
            return 0


def _customer(state: State, action: str, number: int, given: _Given) -> str:
    """Return the id of the customer that a call is about, or an empty string if there is none."""
    resource, _, verb = action.partition("/")
    try:
        if named := given("customerId"):
            return str(state.customer(named).id)
        if verb in ("list", "listOfCustomer") or resource == "customers":
            return str(state.customer(number or given("id")).id)
        number = number or given("id")
        if resource == "billingPeriodDefinitions" and verb != "getBySubscription":
            return str(state.definition(number).customer.id)
        if resource == "subscriptionProductItems" and verb == "edit":
            return str(state.item(number)[0].customer.id)
        if resource in ("subscriptionProducts", "subscriptionProductItems"):
            return str(state.product(number or given("subscriptionProductId"))[0].customer.id)
        if resource in ("subscriptions", "billingPeriodDefinitions"):
            return str(state.subscription(number or given("subscriptionId")).customer.id)
        if resource == "draftInvoices" or verb == "post":
            return str(state.draft(number or given("draftInvoiceId")).customer.id)
        if resource == "invoices":
            return str(state.invoice(number)[0].id)
        return str(state.purchases[number].customer.id) if number in state.purchases else ""
    except Refusal:
        return ""


def _struck(fault: Fault) -> Response:
    return _refused(_ERRORS[fault.status])
