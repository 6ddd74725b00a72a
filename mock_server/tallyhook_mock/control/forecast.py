"""`/_mock/…/forecast`: the next invoices of an account, as things stand now. Nothing changes by it."""

from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.control.requests import bad, missing, mock_of, named_product, only
from tallyhook_mock.control.shown import line_shown, moment_shown
from tallyhook_mock.core.forecast import Coming
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.systems import Systems
from tallyhook_mock.systems.chargemonk.forecast import forecast as chargemonk
from tallyhook_mock.systems.cheddar.forecast import forecast as cheddar
from tallyhook_mock.systems.cleverbridge.forecast import forecast as cleverbridge
from tallyhook_mock.systems.fusebill.forecast import forecast as fusebill

__all__ = ["ROUTES"]

_USUAL, _MOST = 3, 60
_OTHERS: dict[str, Callable[[Systems, str, int], list[Coming]]] = {
    "cleverbridge/subscriptions": lambda systems, *wish: cleverbridge(systems.cleverbridge, *wish),
    "fusebill/customers": lambda systems, *wish: fusebill(systems.fusebill, *wish),
    "chargemonk/subscriptions": lambda systems, *wish: chargemonk(systems.chargemonk, *wish),
}


async def of_customer(request: Request) -> JSONResponse:
    """Cheddar's; `?product=` is needed if there are several, and `?invoices=` says how many."""
    mock, given = mock_of(request), request.query_params
    only(given, ("product", "invoices"))
    count = _count(given.get("invoices"))
    customer = mock.state.customer(named_product(request, given), request.path_params["code"])
    return _answer(customer.code, cheddar(mock.state, customer, count, mock.clock.now()))


async def of_account(request: Request) -> JSONResponse:
    """Those of the other systems."""
    only(request.query_params, ("invoices",))
    count = _count(request.query_params.get("invoices"))
    account = request.path_params["account"]
    look = _OTHERS[request.url.path.removeprefix("/_mock/").removesuffix(f"/{account}/forecast")]
    try:
        return _answer(account, look(mock_of(request).systems, account, count))
    except (KeyError, ValueError):
        raise missing(f"there is no account {account!r}") from None


def _count(written: str | None) -> int:
    if written is None:
        return _USUAL
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= _MOST):
        raise bad(f"invoices: a whole number from 1 to {_MOST} is required")
    return int(written)


def _answer(account: str, coming: Iterable[Coming]) -> JSONResponse:
    return JSONResponse({"account": account, "invoices": [_shown(each) for each in coming]})


def _shown(coming: Coming) -> dict[str, Any]:
    return {
        "at": moment_shown(coming.at),
        "number": coming.number,
        "currency": coming.currency,
        "lines": [line_shown(line) for line in coming.lines],
        "total": amount_text(coming.total),
    }


ROUTES = [
    Route("/customers/{code:path}/forecast", of_customer, methods=["GET"]),
    *(Route(f"/{accounts}/{{account}}/forecast", of_account, methods=["GET"]) for accounts in _OTHERS),
]
