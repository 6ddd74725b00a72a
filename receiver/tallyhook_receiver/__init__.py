"""Listeners for signed hooks: verify, remember, handle, and only then acknowledge."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallyhook_receiver.errors import InboxUnavailable, LeaseLost, NotYet, SettingsError, Unconfirmed
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
    from tallyhook_receiver.settings import Options
    from tallyhook_receiver.sources import (
        Cheddar,
        Cleverbridge,
        Event,
        Fusebill,
        Notification,
        SharedKey,
        Source,
        StandardWebhooks,
        UnsignedSource,
    )

__all__ = [
    "Cheddar",
    "Claim",
    "Cleverbridge",
    "Due",
    "Event",
    "Fusebill",
    "Inbox",
    "InboxUnavailable",
    "LeaseLost",
    "Letter",
    "MemoryInbox",
    "NotYet",
    "Notification",
    "Observer",
    "Options",
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
    "Unconfirmed",
    "UnsignedSource",
    "open_inbox",
]

_HOMES = {
    "Cheddar": "sources",
    "Claim": "inbox",
    "Cleverbridge": "sources",
    "Due": "inbox",
    "Event": "sources",
    "Fusebill": "sources",
    "Inbox": "inbox",
    "InboxUnavailable": "errors",
    "LeaseLost": "errors",
    "Letter": "inbox",
    "MemoryInbox": "inbox",
    "NotYet": "errors",
    "Notification": "sources",
    "Observer": "observer",
    "Options": "settings",
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
    "Unconfirmed": "errors",
    "UnsignedSource": "sources",
    "open_inbox": "inbox",
}


def __getattr__(name: str) -> Any:
    # Loaded when asked for: a command that only prints does not wait for a receiver.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
