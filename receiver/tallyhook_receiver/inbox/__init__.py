"""The inbox: what was received, what came of it, and the reviews' journals. One protocol, several stores.

`PostgresInbox` is in `tallyhook_receiver.inbox.postgres`, which needs the extra `[postgres]`.
"""

from tallyhook_receiver.inbox.base import FRESH, Claim, Due, Inbox, Letter, Record, State, Stats
from tallyhook_receiver.inbox.opening import open_inbox
from tallyhook_receiver.inbox.sqlite import MemoryInbox, SQLiteInbox

__all__ = [
    "FRESH",
    "Claim",
    "Due",
    "Inbox",
    "Letter",
    "MemoryInbox",
    "Record",
    "SQLiteInbox",
    "State",
    "Stats",
    "open_inbox",
]
