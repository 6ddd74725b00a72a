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
from tallyhook_mock.systems.cheddar.model import InvoiceState
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
    if any(_is_twin(other, listener) for other in mock.state.hooks.listeners.values()):
        told += " Another listener has the same URL, which now gets its hooks twice."
    return f"{told} The header {listener.header} carries its key." if listener.header else told


def _is_twin(other: Listener, made: Listener) -> bool:
    """Return whether some hooks go to one URL twice: for this listener and for the other."""
    is_same = (other.system, other.product, other.url) == (made.system, made.product, made.url)
    is_shared = not (other.events and made.events) or not other.events.isdisjoint(made.events)
    return is_same and other is not made and is_shared


async def remove(mock: Mock, form: Form) -> str:
    listener = _named(mock, form)
    held = _held(mock)
    mock.forget(listener)
    told = f"{listener.url} gets no more hooks."
    if released := held - _held(mock):
        invoices = "1 held invoice is" if released == 1 else f"{released:,} held invoices are"
        told += f" {invoices} released without its answer."
    return told


def _held(mock: Mock) -> int:
    """Return the number of invoices that are held."""
    mock.totals.refresh(mock.state)
    products = mock.state.products.values()
    return sum(mock.totals.of(product).counts[InvoiceState.HELD] for product in products)


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
