"""Listeners for signed hooks: verify, remember, handle, and only then acknowledge."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallyhook_receiver.errors import InboxUnavailable, LeaseLost, NotYet, SettingsError
    from tallyhook_receiver.inbox import (
        Claim,
        Due,
        Inbox,
        Letter,
        MemoryInbox,
        Record,
        SQLiteInbox,
        State,
        Stats,
        open_inbox,
    )
    from tallyhook_receiver.observer import Observer
    from tallyhook_receiver.receiver import Receiver
    from tallyhook_receiver.responses import Response
    from tallyhook_receiver.sources import Cheddar, Event, SharedKey, Source, StandardWebhooks
    from tallyhook_receiver.sources import Cheddar as Product

__all__ = [
    "Cheddar",
    "Claim",
    "Due",
    "Event",
    "Inbox",
    "InboxUnavailable",
    "LeaseLost",
    "Letter",
    "MemoryInbox",
    "NotYet",
    "Observer",
    "Product",
    "Receiver",
    "Record",
    "Response",
    "SQLiteInbox",
    "SettingsError",
    "SharedKey",
    "Source",
    "StandardWebhooks",
    "State",
    "Stats",
    "open_inbox",
]

_HOMES = {
    "Cheddar": "sources",
    "Claim": "inbox",
    "Due": "inbox",
    "Event": "sources",
    "Inbox": "inbox",
    "InboxUnavailable": "errors",
    "LeaseLost": "errors",
    "Letter": "inbox",
    "MemoryInbox": "inbox",
    "NotYet": "errors",
    "Observer": "observer",
    "Receiver": "receiver",
    "Record": "inbox",
    "Response": "responses",
    "SQLiteInbox": "inbox",
    "SettingsError": "errors",
    "SharedKey": "sources",
    "Source": "sources",
    "StandardWebhooks": "sources",
    "State": "inbox",
    "Stats": "inbox",
    "open_inbox": "inbox",
    "Product": "sources",  # the name that `Cheddar` had when Cheddar's hooks were the only ones
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a command that only prints does not wait for a receiver.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), "Cheddar" if name == "Product" else name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
