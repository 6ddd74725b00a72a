"""Listeners for signed hooks: verify, remember, handle, and only then acknowledge."""

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
