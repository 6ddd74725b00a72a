"""Faults on calls: what a call is about, and how an error looks here."""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from tallyhook_mock.faults import Fault
from tallyhook_mock.faulty import Aim, with_faults
from tallyhook_mock.systems.fusebill.api import MAX_BODY, find, is_fusebill, refused
from tallyhook_mock.systems.fusebill.documents import FIELDS
from tallyhook_mock.systems.fusebill.model import Refusal, State
from tallyhook_mock.systems.fusebill.request import Fields

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
    are_over: Callable[[], bool],
) -> ASGIApp:
    """The API, with what `strike` says done to each call. Faults know a customer by its id."""

    def aim(scope: Scope, body: bytes) -> Aim | None:
        return _aim(state(), scope, body) if is_fusebill(scope["path"]) else None

    return with_faults(app, aim, _refused, strike, are_over, max_body=MAX_BODY)


def _aim(state: State, scope: Scope, body: bytes) -> Aim:
    try:
        action, number = find(scope["method"], scope["path"])
    except Refusal:
        return Aim("", system="fusebill")
    try:
        return Aim(action, customer=str(_customer(state, action, number, body)), system="fusebill")
    except Refusal:
        return Aim(action, system="fusebill")


def _customer(state: State, action: str, number: int, body: bytes) -> int:
    match action.partition("/")[2]:
        case "list":
            return number
        case "get" | "delete":
            return state.definition(number).customer.id
        case "getBySubscription" | "move":
            return state.subscription(number).customer.id
        case "edit":
            return state.definition(Fields(body, FIELDS).id("id")).customer.id
    return Fields(body, FIELDS).id("customerId")


def _refused(fault: Fault) -> Response:
    response = refused(_ERRORS[fault.status])
    if fault.status == 503:
        response.headers["Retry-After"] = str(fault.retry_after)
    return response
