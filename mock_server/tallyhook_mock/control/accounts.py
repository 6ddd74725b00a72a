"""The control API for accounts of systems other than Cheddar: timeline, picture and forecast."""

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.control.requests import PAGE, asks, bad, missing, mock_of
from tallyhook_mock.control.shown import drawn, line_shown, moment_shown, timeline_shown
from tallyhook_mock.core.bills import Coming
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.core.system import BillingSystem
from tallyhook_mock.picture.life import story_of
from tallyhook_mock.systems import SYSTEMS

__all__ = ["ROUTES", "coming", "wanted"]

_USUAL, _MOST = 3, 60


def wanted(given: Mapping[str, str]) -> int:
    """Return how many invoices a forecast shows: the query's `invoices`. Answers 400 if it is invalid."""
    written = given.get("invoices", str(_USUAL))
    if not (written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= _MOST):
        raise bad(f"invoices: a whole number from 1 to {_MOST} is required")
    return int(written)


def coming(account: str, invoices: Iterable[Coming]) -> dict[str, Any]:
    """Return an account's forecast invoices as JSON."""
    return {"account": account, "invoices": [_invoice(each) for each in invoices]}


def _invoice(invoice: Coming) -> dict[str, Any]:
    return {
        "at": moment_shown(invoice.at),
        "number": invoice.number,
        "currency": invoice.currency,
        "lines": [line_shown(line) for line in invoice.lines],
        "total": amount_text(invoice.total),
    }


def _routes(name: str, accounts: str) -> list[Route]:
    """Return the routes of one system. `accounts` is its word for accounts, such as `customers`."""
    one = accounts.removesuffix("s")

    def found(request: Request) -> tuple[BillingSystem, Any, str]:
        """Return the system, the account named in the path, and the account's id in the timeline."""
        system, wanted = mock_of(request).systems.others[name], request.path_params["id"]
        try:
            account: Any = system.account(wanted)
        except LookupError:
            raise missing(f"there is no {one} {wanted!r}") from None
        return system, account, str(account.id)

    @asks(*PAGE)
    async def timeline(request: Request) -> JSONResponse:
        """Return what happened to the account, oldest first."""
        _, account, key = found(request)
        entries = mock_of(request).timeline.numbered(key, system=name)
        return JSONResponse({one: account.id, **timeline_shown(request, entries)})

    @asks()
    async def picture(request: Request) -> Response:
        """Return the timeline as an SVG picture, drawn to scale."""
        _, account, _ = found(request)
        return drawn(story_of(mock_of(request), name, account))

    @asks("invoices")
    async def forecast(request: Request) -> JSONResponse:
        """Return the account's next invoices if nothing changes. `invoices` sets how many (default: 3)."""
        count = wanted(request.query_params)
        system, _, key = found(request)
        return JSONResponse(coming(key, system.forecast(key, count)))

    path = f"/{name}/{accounts}/{{id:path}}"
    return [
        Route(f"{path}/timeline", timeline, methods=["GET"]),
        Route(f"{path}/timeline.svg", picture, methods=["GET"]),
        Route(f"{path}/forecast", forecast, methods=["GET"]),
    ]


ROUTES = [
    route for name, accounts in SYSTEMS.items() if name != "cheddar" for route in _routes(name, accounts)
]
