"""The inbox: what was received, what came of it, and the reviews' journals. One protocol, several stores."""

from tallyhook_receiver.inbox.protocol import Inbox, Letter, Record, State, Taken
from tallyhook_receiver.inbox.sqlite import SQLiteInbox

__all__ = ["Inbox", "Letter", "Record", "SQLiteInbox", "State", "Taken"]
