"""The ASGI application for Cheddar's XML API: the table of calls, and the XML documents for refused calls."""

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.core import base, ids
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.middleware import MAX_BODY, Aim, Face, api_app, basic_user
from tallyhook_mock.systems.cheddar import calls_customers, calls_invoices, calls_plans
from tallyhook_mock.systems.cheddar.gateway import failure
from tallyhook_mock.systems.cheddar.known_parameters import unknown_parameters
from tallyhook_mock.systems.cheddar.model import Customer
from tallyhook_mock.systems.cheddar.paypal import PATH, paypal_app
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.refusal import Refusal, not_found
from tallyhook_mock.systems.cheddar.request import Call, Handler, Parameters, decode, read
from tallyhook_mock.systems.cheddar.state import State
from tallyhook_mock.systems.cheddar.xml_documents import customers_document, error_document, error_element

if TYPE_CHECKING:
    from tallyhook_mock.mock import Mock

__all__ = [
    "ACTIONS",
    "ROUTES",
    "actions_of",
    "cheddar_app",
    "face",
    "handler",
]

FORM = "application/x-www-form-urlencoded"
FIRST_ERROR = 73_542
_FIRST_STRUCK = 91_001  # log numbers of errors from faults, far from those of real errors

_METHODS = ("GET", "POST")
# The headers of a refusal, by its status.
_HEADERS = {401: {"WWW-Authenticate": 'Basic realm="CheddarGetter API"'}, 405: {"Allow": ", ".join(_METHODS)}}


def face(mock: "Mock") -> Face:
    """Return the part of a mock that serves Cheddar's XML API, and every path that no other system serves."""
    error_numbers = itertools.count(_FIRST_STRUCK)

    def aim(scope: Scope, form: bytes) -> Aim | None:
        is_call = scope["path"].startswith("/xml/")
        return _aim(mock.state, scope, form, mock.now()) if is_call else None

    def refused(fault: Fault) -> Response:
        refusal = _LOCKED if fault.kind is FaultKind.LOCK else _ERRORS[fault.status]
        return _refused(refusal, next(error_numbers), mock.now())

    app = cheddar_app(lambda: mock.state, mock.now, mock.changed, strict=mock.is_strict, ignored=mock.ignored)
    return Face(lambda path: True, app, aim, refused)


def cheddar_app(
    state: Callable[[], State],
    now: Callable[[], datetime],
    changed: Callable[[], None],
    *,
    max_body: int = MAX_BODY,
    strict: bool = False,
    ignored: Callable[[str, list[str], str, str], None] = lambda action, names, product, code: None,
) -> ASGIApp:
    """Return an app with Cheddar's API under `/xml/` and the simulated page for PayPal payments.

    Args:
        state: a function that returns the current state.
        now: a function that returns the current time, with a time zone.
        changed: called after each call is carried out, before it is answered, to process the call's events.
        max_body: the maximum length of a form in bytes. A longer form is answered with 413.
        strict: refuse a call with an unknown parameter (412) instead of ignoring the parameter.
        ignored: called if a call has unknown parameters, with the action, the parameters' names, the product
            code and the customer code.
    """
    error_numbers = itertools.count(FIRST_ERROR)

    def respond(request: Request, form: bytes | None) -> Response:
        return Response(_carry_out(state(), request, form, now(), strict, ignored), media_type="text/xml")

    def refused(refusal: base.Refusal) -> Response:
        return _refused(refusal, next(error_numbers), now())

    xml = api_app(respond, refused, changed, max_body, _broken())
    paypal = paypal_app(state, now, changed)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (paypal if scope["path"].startswith(PATH) else xml)(scope, receive, send)

    return app


def _carry_out(
    state: State,
    request: Request,
    form: bytes | None,
    at: datetime,
    strict: bool,
    ignored: Callable[[str, list[str], str, str], None],
) -> str:
    if request.method not in _METHODS:
        raise Refusal(405, f"Only {' and '.join(_METHODS)} are allowed")
    if form is None:
        raise Refusal(413, "The request is too large")
    content_type = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if form and content_type != FORM:
        raise Refusal(400, f"The request's content type must be {FORM}")
    email = _sign_in(state, request.headers.get("authorization", ""))
    controller, action, path = _split(request.scope["raw_path"])
    actions = actions_of(controller)
    parameters = read(path, request.scope["query_string"], form)
    is_of_all = (controller, action) == _OF_ALL_PRODUCTS
    product = _product(state, parameters, email, needs_one=not is_of_all)
    # If a client leaves out the action, all that follows shifts, so the error is about a missing product.
    handle = handler(actions, action)
    origin = f"{request.scope.get('scheme', 'http')}://{request.headers.get('host', '')}"
    state.actor = email
    if unknown := unknown_parameters(f"{controller}/{action}", parameters):
        ignored(f"{controller}/{action}", unknown, product.code, parameters.whom("code"))
        if strict:
            raise Refusal(412, f"Unknown parameter '{unknown[0]}'", f"{unknown[0]}:unknown")
    return handle(Call(state, product, parameters, at, origin, _zone(state, email)))


def _zone(state: State, email: str) -> tzinfo:
    """Return the time zone for the dates in a user's calls (documented)."""
    name = state.time_zones.get(email)
    return ZoneInfo(name) if name else UTC


def _sign_in(state: State, authorization: str) -> str:
    """Return the email of the user whose credentials are in the `Authorization` header.

    Raises a Refusal (401) if they are missing or wrong.
    """
    email = basic_user(state.users, authorization)
    if email is None:
        raise Refusal(401, "Authentication required")
    return email


def _split(raw_path: bytes) -> tuple[str, str, list[bytes]]:
    """Split a path into the controller, the action, and the remaining segments, which stay percent-encoded.

    For example, `/xml/customers/get/productCode/ACME` has the controller `customers`, the action `get`, and
    two remaining segments.
    """
    root, *segments = raw_path.rstrip(b"/").split(b"/")[1:] or [b""]
    if root != b"xml":
        raise not_found("Resource not found")
    controller, action, *_ = map(decode, (*segments[:2], b"", b""))
    return controller, action, segments[2:]


def _product(state: State, parameters: Parameters, email: str, *, needs_one: bool) -> Product:
    """Return the product that the call names by code, by id or by both. Raises a Refusal if there is none.

    If the call needs none and names none, the first product is returned. Every user may use all products.
    """
    code, written = parameters.text("productCode"), parameters.text("productId")
    if code and code not in state.products:
        raise Refusal(401, f"User {email} does not have access to productCode={code}")
    if written:
        product = state.product_by_id(ids.parse(written))
        if product is None or code not in ("", product.code):
            raise Refusal(401, f"User does not have access to productId={written}")
        return product
    if code:
        return state.products[code]
    if not needs_one and state.products:
        return next(iter(state.products.values()))
    raise Refusal(400, "No product selected. Need a productId or productCode.")


ROUTES: dict[str, dict[str, Handler]] = {
    "plans": {
        "get": calls_plans.get,
        "new": calls_plans.new,
        "edit": calls_plans.edit,
        "delete": calls_plans.delete,
    },
    "customers": {
        "get": calls_customers.get,
        "get-all": calls_customers.get_all,
        "list": calls_customers.list_,
        "search": calls_customers.search,
        "new": calls_customers.new,
        "import": calls_customers.import_,
        "edit": calls_customers.edit,
        "edit-customer": calls_customers.edit_customer,
        "edit-subscription": calls_customers.edit_subscription,
        "cancel": calls_customers.cancel,
        "delete": calls_customers.delete,
        "delete-all": calls_customers.delete_all,
        "add-item-quantity": calls_customers.add_item_quantity,
        "remove-item-quantity": calls_customers.remove_item_quantity,
        "set-item-quantity": calls_customers.set_item_quantity,
        "add-charge": calls_customers.add_charge,
        "delete-charge": calls_customers.delete_charge,
        "run-outstanding": calls_customers.run_outstanding,
        "paypal-revert": calls_customers.paypal_revert,
    },
    "invoices": {
        "new": calls_invoices.new,
        "refund": calls_invoices.refund,
        "void": calls_invoices.void,
        "void-or-refund": calls_invoices.void_or_refund,
        "waive": calls_invoices.waive,
        "run": calls_invoices.run,
        "send-email": calls_invoices.send_email,
    },
    "promotions": {
        "get": calls_plans.get_promotions,
    },
}
_OF_ALL_PRODUCTS = ("customers", "get-all")  # needs no product (documented)
ACTIONS = tuple(f"{controller}/{action}" for controller in ROUTES for action in ROUTES[controller])


def actions_of(controller: str) -> dict[str, Handler]:
    """Return the handlers of a controller's actions, by action. Controller names are case-sensitive.

    Raises a Refusal, whose text is inferred, if there is no such controller.
    """
    if controller not in ROUTES:
        raise not_found("Resource not found")
    return ROUTES[controller]


def handler(actions: dict[str, Handler], action: str) -> Handler:
    """Return the handler of an action.

    Raises a Refusal, whose text is inferred, if there is no such action.
    """
    if not action:
        raise Refusal(400, "No action selected")
    if action not in actions:
        raise not_found("Resource not found")
    return actions[action]


def _refused(refusal: base.Refusal, id: int, at: datetime) -> Response:
    """Return the answer to a call that is refused: an `<error>` document.

    If `refusal.customer` is set, the answer is that customer's document with the error in it.

    Args:
        refusal: the refusal.
        id: the error's log number.
        at: the time of the call.
    """
    assert isinstance(refusal, Refusal)
    element = error_element(id, refusal.status, refusal.message, refusal.aux_code)
    if refusal.customer is not None:
        document = customers_document((refusal.customer,), at, element)
    else:
        document = error_document(element)
    return Response(document, refusal.status, _HEADERS.get(refusal.status), "text/xml")


def _broken() -> Refusal:
    """Return the refusal for an internal error of the mock.

    It has the text of Cheddar's own internal errors.
    """
    return failure("1000")


# The errors that faults cause, by status. The messages of 500 and 502 are documented for gateway errors. The
# text of 503 is documented for planned maintenance.
_ERRORS = {
    500: _broken(),
    502: failure("4000"),
    503: Refusal(503, "The subscription system is temporarily offline for planned maintenance"),
}
_LOCKED = Refusal(412, "The invoice is being executed", "invoicePeriod:locked")  # inferred


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
    """Return the customer that a call names by code, by id, or by one of the customer's invoices.

    Returns None if there is no such customer.
    """
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
