"""Listeners for signed billing hooks: verify, remember, handle, and only then acknowledge."""

from tallyhook_receiver.answers import Answer
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost, NotYet, SettingsError
from tallyhook_receiver.inbox import (
    Inbox,
    Letter,
    MemoryInbox,
    Record,
    SQLiteInbox,
    State,
    Stats,
    Taken,
    open_inbox,
)
from tallyhook_receiver.product import Product
from tallyhook_receiver.receiver import Receiver
from tallyhook_receiver.watch import Watch

__all__ = [
    "Answer",
    "Inbox",
    "InboxUnavailable",
    "LeaseLost",
    "Letter",
    "MemoryInbox",
    "NotYet",
    "Product",
    "Receiver",
    "Record",
    "SQLiteInbox",
    "SettingsError",
    "State",
    "Stats",
    "Taken",
    "Watch",
    "open_inbox",
]
