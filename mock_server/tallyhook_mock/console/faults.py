"""`/console/faults`: planned faults, including those that reached their limit."""

import re
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.console.forms import Form, command, mock_of
from tallyhook_mock.console.page import page
from tallyhook_mock.control.faults import read_fault
from tallyhook_mock.faults import OPTIONS, FaultKind
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems import actions, hook_types

__all__ = ["ROUTES"]

_FIELDS = (
    "kind",
    "action",
    "type",
    "customer",
    "nth",
    "times",
    "probability",
    "seed",
    "seconds",
    "status",
    "retryAfter",
    "by",
)
_NUMBERS = frozenset(("nth", "times", "probability", "seed", "seconds", "status", "retryAfter"))
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_DECIMAL = re.compile(r"\d{0,9}\.\d{1,9}", re.ASCII)


async def index(request: Request) -> Response:
    return page(
        request,
        "faults.html",
        "Faults",
        faults=list(mock_of(request).faults),
        kinds=OPTIONS,
        actions=actions(),
        types=hook_types(),
    )


async def add(mock: Mock, form: Form) -> str:
    """Plan a fault. The form has the same fields as the control API, and empty fields are ignored."""
    wish = {name: _value(name, form[name].strip()) for name in _FIELDS if form.get(name, "").strip()}
    armed = mock.plan(read_fault(wish))
    return f"{FaultKind(armed.fault.kind)} is planned."


async def clear(mock: Mock, form: Form) -> str:
    mock.faults.clear()
    return "All faults are cleared."


def _value(name: str, written: str) -> Any:
    """Return a field's value with the type that it has in the control API's JSON."""
    if name in _NUMBERS and _WHOLE.fullmatch(written):
        return int(written)
    if name in _NUMBERS and _DECIMAL.fullmatch(written):
        return Decimal(written)
    return written


ROUTES = [
    Route("/faults", index),
    command("/faults/add", add),
    command("/faults/clear", clear),
]
