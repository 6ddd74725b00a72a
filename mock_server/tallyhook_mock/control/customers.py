"""`/_mock/customers/…/timeline` and `.svg`: what happened. `/_mock/declines`, `approvals`: what shall."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock import picture
from tallyhook_mock.control import shown
from tallyhook_mock.control.requests import bad, json_object, missing, mock_of, named_product, only, text

__all__ = ["ROUTES"]


async def timeline(request: Request) -> JSONResponse:
    """Oldest first; `?product=` is needed if there are several."""
    mock = mock_of(request)
    only(request.query_params, ("product",))
    product = named_product(request, request.query_params)
    code = request.path_params["code"]
    entries = mock.timeline.entries(product.code, code)
    if not entries:
        raise missing(f"there is no customer {code!r}")
    return JSONResponse({"customer": code, "timeline": [shown.entry_shown(entry) for entry in entries]})


async def drawn(request: Request) -> Response:
    """The timeline as a picture, of a customer who is still there."""
    mock = mock_of(request)
    only(request.query_params, ("product",))
    customer = mock.state.customer(named_product(request, request.query_params), request.path_params["code"])
    return shown.drawn(picture.tell(mock, customer))


async def decline(request: Request) -> JSONResponse:
    """Have the gateway refuse the next `count` charges of a `customer`."""
    mock = mock_of(request)
    wish = await json_object(request)
    only(wish, ("customer", "count", "product"))
    count = wish.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= 1000:
        raise bad("count: a whole number from 0 to 1000 is required")
    product = named_product(request, wish)
    customer = mock.state.customer(product, text(wish, "customer"))
    mock.decline(customer, count)
    return JSONResponse({"customer": customer.code, "count": customer.declines})


async def approve(request: Request) -> JSONResponse:
    """Let a `customer` who is asked by PayPal agree."""
    mock = mock_of(request)
    wish = await json_object(request)
    only(wish, ("customer", "product"))
    customer = mock.state.customer(named_product(request, wish), text(wish, "customer"))
    mock.approve_paypal(customer)
    return JSONResponse({"customer": customer.code})


ROUTES = [
    Route("/customers/{code:path}/timeline", timeline, methods=["GET"]),
    Route("/customers/{code:path}/timeline.svg", drawn, methods=["GET"]),
    Route("/declines", decline, methods=["POST"]),
    Route("/approvals", approve, methods=["POST"]),
]
