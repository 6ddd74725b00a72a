"""`/_mock/customers/…/timeline` and `/_mock/declines`: what happened to a customer, and what shall."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.control.requests import bad, json_object, missing, mock_of, named_product, only, text
from tallyhook_mock.engine.money import amount_text
from tallyhook_mock.timeline import Entry

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
    return JSONResponse({"customer": code, "timeline": [_shown(entry) for entry in entries]})


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


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "kind": entry.kind,
        "actor": entry.actor,
        "invoice": entry.invoice,
        "amount": None if entry.amount is None else amount_text(entry.amount),
        "note": entry.note,
    }


ROUTES = [
    Route("/customers/{code:path}/timeline", timeline, methods=["GET"]),
    Route("/declines", decline, methods=["POST"]),
]
