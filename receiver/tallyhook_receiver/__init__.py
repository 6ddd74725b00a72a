"""Listeners for signed billing hooks: verify, remember, handle, and only then acknowledge."""

from tallyhook_receiver.answers import Answer
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost, NotYet
from tallyhook_receiver.inbox import Inbox, Letter, Record, SQLiteInbox, State, Stats, Taken, open_inbox
from tallyhook_receiver.product import Product
from tallyhook_receiver.receiver import Receiver

__all__ = [
    "Answer",
    "Inbox",
    "InboxUnavailable",
    "LeaseLost",
    "Letter",
    "NotYet",
    "Product",
    "Receiver",
    "Record",
    "SQLiteInbox",
    "State",
    "Stats",
    "Taken",
    "open_inbox",
]
