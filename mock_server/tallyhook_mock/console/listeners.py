"""`/console/listeners`: the URLs that get hooks."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.console.forms import Form, command, mock_of, required
from tallyhook_mock.console.page import page
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import CHEDDAR, Listener
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems import policies
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

__all__ = ["ROUTES"]


async def index(request: Request) -> Response:
    mock = mock_of(request)
    hooks = mock.state.hooks
    return page(
        request,
        "listeners.html",
        "Listeners",
        listeners=list(hooks.listeners.values()),
        deliveries=hooks.counts,
        types=HOOK_TYPES,
        policies=[each for name, each in policies().items() if mock.systems.others[name].is_used()],
    )


async def add(mock: Mock, form: Form) -> str:
    events, system = frozenset(form.get("events", "").split()), form.get("system", CHEDDAR)
    url, header, key = required(form, "url"), form.get("header", "").strip(), form.get("key", "")
    sender = ""
    if system == CHEDDAR:
        try:
            sender = mock.product(form.get("product")).code
        except LookupError as error:
            raise ValueError(f"product: {error}") from None
    listener = mock.listen(sender, url, events, system=system, header=header, key=key)
    told = f"{url} gets {', '.join(sorted(events)) or 'all hooks'} of {sender or system.title()}."
    return f"{told} The header {listener.header} carries its key." if listener.header else told


async def remove(mock: Mock, form: Form) -> str:
    listener = _named(mock, form)
    mock.forget(listener)
    return f"{listener.url} gets no more hooks."


async def pause(mock: Mock, form: Form) -> str:
    listener = _named(mock, form)
    mock.pause(listener)
    return f"Hooks for {listener.url} wait, and their invoices with them."


async def resume(mock: Mock, form: Form) -> str:
    listener = _named(mock, form)
    mock.resume(listener)
    return f"{listener.url} gets its waiting hooks."


def _named(mock: Mock, form: Form) -> Listener:
    listener = mock.state.hooks.listeners.get(ids.parse(form.get("id", "")) or 0)
    if listener is None:
        raise ValueError("this listener no longer exists")
    return listener


ROUTES = [
    Route("/listeners", index),
    command("/listeners/add", add),
    command("/listeners/remove", remove),
    command("/listeners/pause", pause),
    command("/listeners/resume", resume),
]
