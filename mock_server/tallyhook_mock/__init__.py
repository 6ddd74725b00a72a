"""A mock billing server for tests and local work, with Cheddar's billing, hooks and API.

with serve(catalog) as server:
    client = Client("ACME", "ops@example.com", "…", base_url=server.xml)
    server.advance("1mo")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallyhook_mock.app import create_app
    from tallyhook_mock.catalog.table import CatalogError
    from tallyhook_mock.clock import ClockBusy, Mode
    from tallyhook_mock.core.hooks import Hook, Listener
    from tallyhook_mock.faults import Armed, Fault, FaultKind
    from tallyhook_mock.mock import Mock
    from tallyhook_mock.picture.life import Life
    from tallyhook_mock.sender import Sender
    from tallyhook_mock.server import Server, serve
    from tallyhook_mock.systems.cheddar.refusal import Refusal
    from tallyhook_mock.testing.context import cheddar

__all__ = [
    "Armed",
    "CatalogError",
    "ClockBusy",
    "Fault",
    "FaultKind",
    "Hook",
    "Life",
    "Listener",
    "Mock",
    "Mode",
    "Refusal",
    "Sender",
    "Server",
    "cheddar",
    "create_app",
    "serve",
]

_HOMES = {
    "Armed": "faults",
    "CatalogError": "catalog.table",
    "ClockBusy": "clock",
    "Fault": "faults",
    "FaultKind": "faults",
    "Hook": "core.hooks",
    "Life": "picture.life",
    "Listener": "core.hooks",
    "Mock": "mock",
    "Mode": "clock",
    "Refusal": "systems.cheddar.refusal",
    "Sender": "sender",
    "Server": "server",
    "cheddar": "testing.context",
    "create_app": "app",
    "serve": "server",
}


def __getattr__(name: str) -> Any:
    # Names are loaded on demand, so that the command line can report that the extra `mock` is not installed.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
