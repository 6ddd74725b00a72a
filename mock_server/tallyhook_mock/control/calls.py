"""`/_mock/calls`: the latest calls to the billing APIs."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.calls import CallMade
from tallyhook_mock.control.requests import PAGE, asks, bad, mock_of, page

__all__ = ["ROUTES"]

_FILTERS = ("system", "action", "product", "customer")


@asks(*_FILTERS, "failed", "order", *PAGE)
async def index(request: Request) -> JSONResponse:
    """List the calls, oldest first. `order=newest` lists newest first, `failed=true` only failed calls."""
    wanted = dict(request.query_params)
    if wanted.get("order", "oldest") not in ("oldest", "newest"):
        raise bad("order: one of oldest, newest is required")
    if wanted.get("failed", "true") != "true":
        raise bad("failed: can only be true")
    calls = list(mock_of(request).calls)
    if wanted.get("order") == "newest":
        calls.reverse()
    elif "after" in wanted and wanted["after"].isdigit():
        # The call that `after` names may have been dropped. List the calls after it anyway.
        after = int(wanted["after"][:18])
        calls = [call for call in calls if call.number > after]
        del wanted["after"]
    found, more = page((call for call in calls if _fits(call, wanted)), wanted, lambda call: str(call.number))
    return JSONResponse({"calls": [_shown(call) for call in found], **more})


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
]
