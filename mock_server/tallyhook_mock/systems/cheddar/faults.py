"""Faults on calls of the XML API: whom a call is about, and what an error says."""

import itertools
from collections.abc import Callable
from datetime import datetime

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from tallyhook_mock.calls import Watched
from tallyhook_mock.core import ids
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.faulty import Aim, with_faults
from tallyhook_mock.systems.cheddar.api import MAX_BODY, broken, refusal_document
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.gateway import failure
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.request import Call, decode, read
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["faulty_cheddar"]

_FIRST_ERROR = 91_001  # far from the numbers of errors that are real

# The words of 500 and 502 are documented for errors of the gateway, those of 503 for a planned maintenance.
_ERRORS = {
    500: broken(),
    502: failure("4000"),
    503: Refusal(503, "The subscription system is temporarily offline for planned maintenance"),
}
_LOCKED = Refusal(412, "The invoice is being executed", "invoicePeriod:locked")  # inferred


def faulty_cheddar(
    app: ASGIApp,
    state: Callable[[], State],
    now: Callable[[], datetime],
    strike: Callable[[Aim], Fault | None],
    made: Callable[[Aim, str, Watched, float, Fault | None], None],
) -> ASGIApp:
    """The XML API, with what `strike` says done to each call."""
    error_numbers = itertools.count(_FIRST_ERROR)

    def aim(scope: Scope, form: bytes) -> Aim | None:
        return _aim(state(), scope, form, now()) if scope["path"].startswith("/xml/") else None

    def refused(fault: Fault) -> Response:
        refusal = _LOCKED if fault.kind is FaultKind.LOCK else _ERRORS[fault.status]
        headers = {"Retry-After": str(fault.retry_after)} if refusal.status == 503 else {}
        document = refusal_document(refusal, next(error_numbers), now())
        return Response(document, refusal.status, headers, "text/xml")

    return with_faults(app, aim, refused, strike, made, max_body=MAX_BODY)


def _aim(state: State, scope: Scope, form: bytes, at: datetime) -> Aim:
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
