"""Faults on calls: what a call is about, and how an error looks here."""

from collections.abc import Callable
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from tallyhook_mock.calls import Watched
from tallyhook_mock.faults import Fault
from tallyhook_mock.faulty import Aim, with_faults
from tallyhook_mock.systems.fusebill.api import MAX_BODY, find, is_fusebill, refused
from tallyhook_mock.systems.fusebill.model import Refusal, State

__all__ = ["faulty_fusebill"]

# All inferred.
_ERRORS = {
    500: Refusal(500, "server", "an unexpected error occurred"),
    502: Refusal(502, "gateway", "a system behind the server gave no answer"),
    503: Refusal(503, "server", "down for maintenance; try again later"),
}


def faulty_fusebill(
    app: ASGIApp,
    state: Callable[[], State],
    strike: Callable[[Aim], Fault | None],
    made: Callable[[Aim, str, Watched, float, Fault | None], None],
) -> ASGIApp:
    """The API, with what `strike` says done to each call. Faults know a customer by its id."""

    def aim(scope: Scope, body: bytes) -> Aim | None:
        return _aim(state(), scope, body) if is_fusebill(scope["path"]) else None

    return with_faults(app, aim, _refused, strike, made, max_body=MAX_BODY)


def _aim(state: State, scope: Scope, body: bytes) -> Aim:
    try:
        action, _, number = find(scope["method"], scope["path"])
    except Refusal:
        return Aim("", system="fusebill")
    customer = _customer(state, action, number, Given(body, scope["query_string"]))
    return Aim(action, customer=customer, system="fusebill") if customer else Aim(action, system="fusebill")


class Given:
    """The ids that a request names besides the one in its path."""

    def __init__(self, body: bytes, query: bytes) -> None:
        try:
            values = msgspec.json.decode(body) if body else {}
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            values = {}
        self._values = values if isinstance(values, dict) else {}
        self._values |= dict(parse_qsl(query.decode("latin-1")))

    def __call__(self, name: str) -> int:
        """0 if there is none."""
        try:
            return int(self._values.get(name, 0))
        except (TypeError, ValueError):
            return 0


def _customer(state: State, action: str, number: int, given: Given) -> str:
    """The id of the customer that a call is about; empty if it is about nobody that there is."""
    resource, _, verb = action.partition("/")
    try:
        if named := given("customerId"):
            return str(state.customer(named).id)
        if verb in ("list", "listOfCustomer") or resource == "customers":
            return str(state.customer(number or given("id")).id)
        number = number or given("id")
        if resource == "billingPeriodDefinitions" and verb != "getBySubscription":
            return str(state.definition(number).customer.id)
        if resource == "subscriptionProducts":
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


def _refused(fault: Fault) -> Response:
    response = refused(_ERRORS[fault.status])
    if fault.status == 503:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response
