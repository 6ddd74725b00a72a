"""Receive signed hooks: verify, store and handle each hook, and only then acknowledge it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tallyhook_receiver.errors import (
        InboxUnavailable,
        LeaseLost,
        NotYet,
        SettingsError,
        Unconfirmed,
        WrongSource,
    )
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
    from tallyhook_receiver.options import Options
    from tallyhook_receiver.receiver import Receiver
    from tallyhook_receiver.responses import Response
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
    "WrongSource",
    "open_inbox",
]

# Each name comes from the first of these modules that exports it.
_HOMES = ("errors", "responses", "inbox", "observer", "sources", "options", "receiver")


def __getattr__(name: str) -> Any:
    # Import on first use, so that commands that need no receiver start fast.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    homes = (vars(import_module(f"{__name__}.{home}")) for home in _HOMES)
    found = globals()[name] = next(home[name] for home in homes if name in home)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
