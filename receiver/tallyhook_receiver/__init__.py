"""Listeners for signed hooks: verify, remember, handle, and only then acknowledge."""

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

Product = Cheddar
"""The name that `Cheddar` had when Cheddar's hooks were the only ones."""
