"""`/_mock/faults`: planned faults, and how often they were applied."""

import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.control.requests import bad, json_object, mock_of, only, text
from tallyhook_mock.duration import parse_duration
from tallyhook_mock.faults import OPTIONS, Armed, Fault, FaultKind

__all__ = ["ROUTES", "read_fault"]


async def index(request: Request) -> JSONResponse:
    """List all faults in the order of planning, including those that reached their limit."""
    return JSONResponse({"faults": [_shown(armed) for armed in mock_of(request).faults]})


async def create(request: Request) -> JSONResponse:
    """Plan a fault of a `kind`, with the options of that kind."""
    wish = await json_object(request)
    try:
        armed = mock_of(request).plan(read_fault(wish))
    except ValueError as error:
        raise bad(str(error)) from None
    return JSONResponse(_shown(armed), 201)


async def clear(request: Request) -> Response:
    mock_of(request).faults.clear()
    return Response(status_code=204)


def read_fault(wish: Mapping[str, Any]) -> Fault:
    """Read a fault from a JSON object.

    Raises HTTPException 400 for an unknown option or a wrong type, and ValueError for an invalid value.
    """
    written = text(wish, "kind")
    if written not in tuple(FaultKind):
        raise bad(f"kind: one of {', '.join(FaultKind)} is required")
    kind = FaultKind(written)
    names = [name for name in _READ if name in _ALWAYS or name in OPTIONS[kind]]
    only(wish, ("kind", *map(_wire, names)))
    return Fault(kind, **{name: _READ[name](wish, _wire(name)) for name in names if _wire(name) in wish})


def _whole(wish: Mapping[str, Any], name: str) -> int:
    value = wish[name]
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad(f"{name}: a whole number is required")
    return value


def _number(wish: Mapping[str, Any], name: str) -> float:
    value = wish[name]
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise bad(f"{name}: a number is required")
    try:
        return float(value)
    except OverflowError:
        return math.inf  # beyond every limit


def _span(wish: Mapping[str, Any], name: str) -> timedelta:
    duration = parse_duration(text(wish, name))
    if duration.months:
        raise bad(f"{name}: weeks and smaller units only, no months")
    return duration.rest


# The function that reads each field of a Fault. In JSON, `retry_after` is called `retryAfter`.
_READ: dict[str, Callable[[Mapping[str, Any], str], Any]] = {
    "action": text,
    "type": text,
    "customer": text,
    "nth": _whole,
    "times": _whole,
    "probability": _number,
    "seed": _whole,
    "seconds": _number,
    "status": _whole,
    "retry_after": _whole,
    "by": _span,
}
_ALWAYS = ("customer", "nth", "times", "probability", "seed")


def _wire(name: str) -> str:
    return "retryAfter" if name == "retry_after" else name


def _shown(armed: Armed) -> dict[str, Any]:
    fault = armed.fault
    names = [name for name in _READ if name in _ALWAYS or name in OPTIONS[fault.kind]]
    shown = {_wire(name): getattr(fault, name) for name in names}
    if "by" in shown:
        shown["by"] = f"{fault.by.total_seconds():.0f}s"
    return {
        "kind": fault.kind,
        **shown,
        "met": armed.met,
        "struck": armed.struck,
        "isOver": armed.is_over,
    }


ROUTES = [
    Route("/faults", index, methods=["GET"]),
    Route("/faults", create, methods=["POST"]),
    Route("/faults", clear, methods=["DELETE"]),
]
