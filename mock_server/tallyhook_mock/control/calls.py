"""`/_mock/calls`: what was asked of the billing APIs, and calls made without credentials.

`/_mock/customers/…/bill` plays a period to its end.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.calls import CallMade
from tallyhook_mock.catalog.table import Required, Table, Text
from tallyhook_mock.control.requests import PAGE, asks, bad, mock_of, named_product, page, takes
from tallyhook_mock.core.money import exact
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.play import bill_period
from tallyhook_mock.systems.cheddar.api import actions_of, handler
from tallyhook_mock.systems.cheddar.names import unknown_parameters
from tallyhook_mock.systems.cheddar.request import Call, read

__all__ = ["ROUTES"]

_FILTERS = ("system", "action", "product", "customer")


@asks(*_FILTERS, "failed", "order", *PAGE)
async def index(request: Request) -> JSONResponse:
    """Oldest first, or with `order=newest` the other way; `failed=true` leaves out what was carried out."""
    wanted = dict(request.query_params)
    if wanted.get("order", "oldest") not in ("oldest", "newest"):
        raise bad("order: one of oldest, newest is required")
    if wanted.get("failed", "true") != "true":
        raise bad("failed: true is required, or nothing")
    calls = list(mock_of(request).calls)
    if wanted.get("order") == "newest":
        calls.reverse()
    elif "after" in wanted and wanted["after"].isdigit():
        # The one that it names may be forgotten: what came after it is meant all the same.
        after = int(wanted["after"][:18])
        calls = [call for call in calls if call.number > after]
        del wanted["after"]
    found, more = page((call for call in calls if _fits(call, wanted)), wanted, lambda call: str(call.number))
    return JSONResponse({"calls": [_shown(call) for call in found], **more})


class CallTable(Table):
    call: Required
    product: Required | None = None
    parameters: dict[str, str] = field(default_factory=dict)


@takes(CallTable)
async def make(request: Request, wish: CallTable) -> JSONResponse:
    """Carry out a call of Cheddar's API, such as `customers/new`, with `parameters` as its form has them.

    Faults don't strike it, and it isn't in the log. A parameter that the call doesn't know is refused.
    """
    mock = mock_of(request)
    controller, _, action = wish.call.partition("/")
    product = named_product(request, wish.product)
    handle = handler(actions_of(controller), action)
    parameters = read([], b"", urlencode(wish.parameters).encode())
    if unknown := unknown_parameters(wish.call, parameters):
        raise bad(f"parameters: {wish.call} knows no {', '.join(unknown)}")
    mock.state.actor = "operator"
    try:
        with exact():
            document = handle(Call(mock.state, product, parameters, mock.clock.now(), ""))
    finally:
        mock.changed()  # also after a refusal: a declined transaction leaves events
    return JSONResponse({"call": wish.call, "product": product.code, "document": document})


class BillTable(Table):
    product: Required | None = None
    within: Text = "1d"


@takes(BillTable)
async def bill(request: Request, wish: BillTable) -> JSONResponse:
    """Play a customer's period to its end: the bill date, the hooks, the hour, the run. Gives its number."""
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), request.path_params["code"])
    try:
        within = parse_duration(wish.within)
    except ValueError as error:
        raise bad(f"within: {error}") from None
    try:
        invoice = await bill_period(mock, customer, within)
    except LookupError as error:
        raise HTTPException(409, str(error)) from None
    return JSONResponse({"customer": customer.code, "invoice": invoice.number, "state": invoice.state})


def _fits(call: CallMade, wanted: Mapping[str, str]) -> bool:
    return all(getattr(call, name) == wanted.get(name, getattr(call, name)) for name in _FILTERS) and (
        "failed" not in wanted or call.failed
    )


def _shown(call: CallMade) -> dict[str, Any]:
    return {
        "number": call.number,
        "at": call.at.isoformat(),
        "system": call.system,
        "method": call.method,
        "action": call.action,
        "product": call.product,
        "customer": call.customer,
        "status": call.status,
        "seconds": round(call.seconds, 4),
        "reason": call.reason,
        "fault": call.fault or None,
    }


ROUTES = [
    Route("/calls", index, methods=["GET"]),
    Route("/calls", make, methods=["POST"]),
    Route("/customers/{code:path}/bill", bill, methods=["POST"]),
]
