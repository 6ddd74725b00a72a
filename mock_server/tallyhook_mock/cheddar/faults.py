"""Faults on calls: ASGI in front of the XML API."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallyhook_mock.cheddar.app import MAX_BODY
from tallyhook_mock.cheddar.call import Call
from tallyhook_mock.cheddar.errors import broken, refusal_document
from tallyhook_mock.cheddar.parameters import decode, read
from tallyhook_mock.connection import drop
from tallyhook_mock.engine import ids
from tallyhook_mock.engine.cheddar.customer import Customer
from tallyhook_mock.engine.cheddar.gateway import failure
from tallyhook_mock.engine.cheddar.refusal import Refusal
from tallyhook_mock.engine.cheddar.state import State
from tallyhook_mock.faults import Fault, FaultKind

__all__ = ["Aim", "with_faults"]

_FIRST_ERROR = 91_001  # far from the numbers of errors that are real

# The words of 500 and 502 are documented for errors of the gateway, those of 503 are inferred.
_ERRORS = {
    500: broken(),
    502: failure("4000"),
    503: Refusal(503, "Cheddar is down for maintenance.  Please try again later."),
}
_LOCKED = Refusal(412, "The invoice is being executed", "invoicePeriod:locked")  # inferred


@dataclass(frozen=True, slots=True)
class Aim:
    """What a call is about, as far as it can be read: codes of product and customer, or empty."""

    action: str
    product: str = ""
    customer: str = ""
    on_outstanding: bool = False


def with_faults(
    app: ASGIApp,
    state: Callable[[], State],
    now: Callable[[], datetime],
    strike: Callable[[Aim], Fault | None],
    are_over: Callable[[], bool],
) -> ASGIApp:
    """The API, with what `strike` says done to each call.

    `are_over`: nothing is planned any more, so that calls need not be looked at.
    """
    error_numbers = itertools.count(_FIRST_ERROR)

    async def refuse(
        refusal: Refusal, headers: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        document = refusal_document(refusal, next(error_numbers), now())
        await Response(document, refusal.status, headers, "text/xml")(scope, receive, send)

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        if are_over() or not scope["path"].startswith("/xml/"):
            await app(scope, receive, send)
            return
        form, again = await _read(receive)
        fault = strike(_aim(state(), scope, form, now()))
        match fault:
            case None:
                await app(scope, again, send)
            case Fault(kind=FaultKind.LATENCY):
                await asyncio.sleep(fault.seconds)
                await app(scope, again, send)
            case Fault(kind=FaultKind.DROP_BEFORE):
                await drop(scope, again)
            case Fault(kind=FaultKind.DROP_AFTER):
                await app(scope, again, _nowhere)
                await drop(scope, again)
            case Fault(kind=FaultKind.TRUNCATE):
                await app(scope, again, _half(send))
                await drop(scope, again)
            case Fault(kind=FaultKind.LOCK):
                await refuse(_LOCKED, {}, scope, again, send)
            case _:
                headers = {"Retry-After": str(fault.retry_after)} if fault.status == 503 else {}
                await refuse(_ERRORS[fault.status], headers, scope, again, send)

    return faulty


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    """The form, as far as it may be long, and a `receive` for whoever wants it from the beginning."""
    messages: list[Message] = []
    form = b""
    while len(form) <= MAX_BODY:
        message = await receive()
        messages.append(message)
        form += message.get("body", b"")
        if not message.get("more_body", False):
            break
    kept = iter(messages)

    async def again() -> Message:
        message = next(kept, None)
        return await receive() if message is None else message

    return form, again


def _aim(state: State, scope: Scope, form: bytes, at: datetime) -> Aim:
    """Read leniently: a call that will be refused can be struck all the same."""
    segments = scope["raw_path"].strip(b"/").split(b"/")
    try:
        action = "/".join(decode(segment) for segment in segments[1:3])
    except Refusal:
        return Aim("")
    try:
        parameters = read(segments[3:], scope["query_string"], form)
        product = state.products.get(parameters.text("productCode")) or state.product_by_id(
            ids.parse(parameters.text("productId"))
        )
        if product is None:
            return Aim(action)
        call = Call(state, product, parameters, at, origin="")
        customer = _customer(call)
        if customer is None:
            return Aim(action, product.code, parameters.whom("code"))
        is_meant = call.is_outstanding or action == "customers/run-outstanding"
        is_there = customer.subscription.outstanding is not None
        return Aim(action, product.code, customer.code, is_meant and is_there)
    except Refusal:
        return Aim(action)


def _customer(call: Call) -> Customer | None:
    """Named themselves, or by their invoice."""
    ways: tuple[Callable[[], Customer], ...] = (
        call.customer,
        lambda: call.invoice().subscription.customer,
        lambda: call.invoice_numbered(call.parameters.text("invoiceNumber")).subscription.customer,
    )
    for way in ways:
        try:
            return way()
        except Refusal:
            continue
    return None


async def _nowhere(message: Message) -> None:
    """Where an answer goes that nobody gets."""


def _half(send: Send) -> Send:
    """The headers and the first half of the document they announce."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message["body"]
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return cut
