"""`/console/calls`: the calls to the billing APIs, with their results."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.calls import CallMade
from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.console.listing import number, shown
from tallyhook_mock.console.page import page

__all__ = ["ROUTES"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects the calls to show. An empty field matches every call."""

    action: str
    customer: str
    failed: str

    @classmethod
    def of(cls, wanted: Mapping[str, str]) -> "Filter":
        return cls(*(wanted.get(name, "").strip() for name in ("action", "customer", "failed")))

    def __bool__(self) -> bool:
        return bool(self.action or self.customer or self.failed)

    def fits(self, call: CallMade) -> bool:
        return (
            self.action.lower() in call.action.lower()
            and self.customer in ("", call.customer)
            and (not self.failed or call.failed)
        )


async def index(request: Request) -> Response:
    """Show the calls, newest first."""
    wanted = Filter.of(request.query_params)
    return page(
        request,
        "calls.html",
        "Calls",
        shown=shown(
            request,
            mock_of(request).calls.by_number,
            read=number,
            write=str,
            fits=wanted.fits if wanted else None,
            newest_first=True,
        ),
        wanted=wanted,
    )


ROUTES = [Route("/calls", index)]
