"""The JSON API as an ASGI application: which call a request is, and what the call does."""

import hmac
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.fusebill.documents import FIELDS, definition_document, error_document, write
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    BillingPeriodType,
    Cycle,
    InvoiceDate,
    Refusal,
    Settings,
    State,
    invalid,
)
from tallyhook_mock.systems.fusebill.request import DIGITS, Fields
from tallyhook_mock.systems.fusebill.rules import (
    activation_date,
    delete_definition,
    edit_definition,
    move,
    new_definition,
)

__all__ = [
    "ACTIONS",
    "MAX_BODY",
    "Call",
    "Handler",
    "WrongMethod",
    "find",
    "fusebill_app",
    "is_fusebill",
    "refused",
]

MAX_BODY = 1_000_000

logger = logging.getLogger("tallyhook_mock.fusebill")


def fusebill_app(
    state: Callable[[], State], now: Callable[[], datetime], changed: Callable[[], None]
) -> ASGIApp:
    """Fusebill's API for the paths that `is_fusebill` knows.

    Args:
        state: the engine's state at the time of a call.
        now: the moment of a call, aware.
        changed: called after each call, before its answer: take what happened.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _read_body(request)
        # From here to the answer nothing waits, so that a call sees and leaves the state whole.
        try:
            try:
                response = _answer(_carry_out(state(), request, body, now()))
            finally:
                changed()
        except Refusal as refusal:
            response = refused(refusal)
        except Exception:
            logger.exception("a call broke")
            response = refused(Refusal(500, "server", "something broke; the mock's log says what"))
        await response(scope, receive, send)

    return app


def refused(refusal: Refusal) -> Response:
    """The answer to a call that was not carried out."""
    headers = {"WWW-Authenticate": 'Basic realm="Fusebill"'} if refusal.status == 401 else {}
    if isinstance(refusal, WrongMethod):
        headers["Allow"] = ", ".join(refusal.allowed)
    return Response(write(error_document(refusal)), refusal.status, headers, "application/json")


def _answer(document: object) -> Response:
    if document is None:
        return Response(status_code=204)
    return Response(write(document), media_type="application/json")


async def _read_body(request: Request) -> bytes | None:
    """None if it is too long. It is read to the end all the same, so that the answer is heard."""
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY:
            body += chunk
    return bytes(body) if length <= MAX_BODY else None


def _carry_out(state: State, request: Request, body: bytes | None, at: datetime) -> object:
    _sign_in(state, request.headers.get("authorization", ""))
    action, number = find(request.method, request.scope["path"])
    if body is None:
        raise Refusal(413, "body", f"longer than {MAX_BODY} bytes")
    state.catch_up(at)  # when the clock runs by itself, what is due now may not have been done yet
    state.actor = "api"
    document: object = ACTIONS[action](Call(state, number, body, at))
    return document


def _sign_in(state: State, authorization: str) -> None:
    """The key itself stands behind `Basic` (documented), not a user and a password."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "basic" or not any(
        hmac.compare_digest(key.strip().encode(), known.encode()) for known in state.api_keys
    ):
        raise Refusal(401, "Authorization", "an API key is required: Basic <key>")


_TARGET = ("billingPeriodDefinitionId", "invoiceDay", "invoiceMonth")


class Call(Value, frozen=True):
    state: State
    id: int  # in the path; 0 if there is none
    body: bytes
    at: datetime


Handler: TypeAlias = Callable[[Call], Any]


def list_definitions(call: Call) -> Any:
    return [definition_document(each) for each in call.state.customer(call.id).definitions]


def get_definition(call: Call) -> Any:
    return definition_document(call.state.definition(call.id))


def get_by_subscription(call: Call) -> Any:
    return definition_document(call.state.subscription(call.id).definition)


def create(call: Call) -> Any:
    """Fields that only answers have may come along and mean nothing (inferred)."""
    fields = Fields(call.body, FIELDS)
    customer = call.state.customer(fields.id("customerId"))
    cycle = fields.choice("cycle", Cycle)
    if cycle is None:
        raise invalid("cycle", f"one of {', '.join(Cycle)} is required")
    _check_intervals(fields)
    kind = fields.choice("billingPeriodType", BillingPeriodType) or BillingPeriodType.SPECIFIED_DATE
    day, month = fields.whole("invoiceDay", None), fields.whole("invoiceMonth", None)
    if kind is BillingPeriodType.SPECIFIED_DATE and day is not None:
        date = InvoiceDate(cycle, day, month)
    elif day is None and month is None:
        date = activation_date(customer, kind, cycle)
    else:
        raise invalid("invoiceDay", f"goes with {BillingPeriodType.SPECIFIED_DATE}, which needs it")
    settings = _settings(fields, Settings())
    definition = new_definition(
        call.state, customer, date, at=call.at, type=kind, settings=settings, manually_created=True
    )
    return definition_document(definition)


def edit(call: Call) -> Any:
    """What an answer had may come back whole: what can't be changed may stand there if it is the same."""
    fields = Fields(call.body, FIELDS)
    definition = call.state.definition(fields.id("id"))
    if fields.whole("customerId", definition.customer.id) != definition.customer.id:
        raise invalid("customerId", "a definition stays with its customer")
    if fields.choice("cycle", Cycle) not in (None, definition.cycle):
        raise invalid("cycle", f"it stays {definition.cycle}; make another definition")
    _check_intervals(fields)
    kind = fields.choice("billingPeriodType", BillingPeriodType)
    if kind not in (None, definition.type, BillingPeriodType.SPECIFIED_DATE):
        raise invalid("billingPeriodType", f"only {BillingPeriodType.SPECIFIED_DATE} can be changed to")
    date = InvoiceDate(
        definition.cycle,
        fields.whole("invoiceDay", definition.date.day),
        fields.whole("invoiceMonth", definition.date.month),
    )
    settings = _settings(fields, definition.settings)
    edit_definition(call.state, definition, at=call.at, date=date, settings=settings)
    return definition_document(definition)


def delete(call: Call) -> None:
    delete_definition(call.state, call.state.definition(call.id), call.at)


def move_subscription(call: Call) -> Any:
    """To a definition that is there, or to a new one (inferred: the source names no call for it)."""
    subscription = call.state.subscription(call.id)
    fields = Fields(call.body, _TARGET)
    move(call.state, subscription, _target(call.state, fields, subscription.interval), call.at)
    return definition_document(subscription.definition)


def _target(state: State, fields: Fields, interval: Cycle) -> BillingPeriodDefinition | InvoiceDate:
    wanted, day = fields.whole("billingPeriodDefinitionId", None), fields.whole("invoiceDay", None)
    month = fields.whole("invoiceMonth", None)
    if wanted is not None and day is None and month is None:
        return state.definition(wanted)
    if wanted is None and day is not None:
        return InvoiceDate(interval, day, month)
    raise invalid("billingPeriodDefinitionId", "either it or the invoiceDay of a new definition is required")


def _check_intervals(fields: Fields) -> None:
    """Every month, every year: the source speaks of no others."""
    fields.whole("numberOfIntervals", None, least=1, most=1)


def _settings(fields: Fields, present: Settings) -> Settings:
    """The settings with what is given; a purchase order and a payment method can be taken away by `null`."""
    return Settings(
        fields.flag("invoiceInAdvance", present.invoice_in_advance),
        fields.flag("autoCollect", present.auto_collect),
        fields.flag("autoPost", present.auto_post),
        fields.whole("term", present.term, most=365),
        fields.text("poNumber") if "poNumber" in fields else present.po_number,
        fields.whole("paymentMethodId", None) if "paymentMethodId" in fields else present.payment_method_id,
    )


# By name, as faults know them.
ACTIONS: Mapping[str, Handler] = {
    "billingPeriodDefinitions/list": list_definitions,
    "billingPeriodDefinitions/get": get_definition,
    "billingPeriodDefinitions/getBySubscription": get_by_subscription,
    "billingPeriodDefinitions/create": create,
    "billingPeriodDefinitions/edit": edit,
    "billingPeriodDefinitions/delete": delete,
    "subscriptions/move": move_subscription,
}


class WrongMethod(Refusal):
    """A resource that has only these methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(405, "method", f"only {' and '.join(allowed)} can be used here")
        self.allowed = allowed


def is_fusebill(path: str) -> bool:
    """Whether a path belongs to this face."""
    return path.lower().startswith("/v1/")


def find(method: str, path: str) -> tuple[str, int]:
    """The action that a request asks for, and the id in its path, 0 if there is none.

    Capitals make no difference to paths (documented). Refusal for a resource or a method that there is not.
    """
    written = "0"
    match path.lower().strip("/").split("/"):
        case ["v1", "customers", written, "billingperioddefinitions"]:
            actions = {"GET": "billingPeriodDefinitions/list"}
        case ["v1", "billingperioddefinitions", "getbysubscription", written]:
            actions = {"GET": "billingPeriodDefinitions/getBySubscription"}
        case ["v1", "billingperioddefinitions", written]:
            actions = {"GET": "billingPeriodDefinitions/get", "DELETE": "billingPeriodDefinitions/delete"}
        case ["v1", "billingperioddefinitions"]:
            actions = {"POST": "billingPeriodDefinitions/create", "PUT": "billingPeriodDefinitions/edit"}
        case ["v1", "subscriptions", written, "billingperioddefinition"]:
            actions = {"PUT": "subscriptions/move"}
        case _:
            raise Refusal(404, "path", "there is no such resource")
    if method not in actions:
        raise WrongMethod(tuple(actions))
    if not (written.isascii() and written.isdigit() and len(written) <= DIGITS):
        raise Refusal(404, "id", "an id is a whole number")
    return actions[method], int(written)
