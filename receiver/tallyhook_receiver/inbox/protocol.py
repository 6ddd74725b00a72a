"""What an inbox must be able to do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from tallyhook.events import SubscriptionBillable
from tallyhook.review import Outcome
from tallyhook.review.journal import Entry

__all__ = ["FRESH", "MAX_HOOKS", "Inbox", "Letter", "Record", "State", "Stats", "Taken"]

# A 2xx may be lost on its way: the sender comes again within a day (inferred), and an inbox that has dropped
# the hook by then would let its charges be added twice.
FRESH = timedelta(days=2)

MAX_HOOKS = 1_000_000


class State(StrEnum):
    """Where a hook stands. All but `DONE` are handled when the hook comes again."""

    WORKING = "working"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    IGNORED = "ignored"
    UNDECODABLE = "undecodable"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A hook as it came: its identity, whose and what it is, and its bytes."""

    key: str
    product: str
    type: str
    body: bytes


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `take`: the state that the hook was found in, and whether it is the caller's to handle
    now.

    `free_in`: if another worker has it, the seconds until its lease ends unless it is renewed.
    """

    mine: bool
    state: State
    free_in: float = 0.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What an inbox knows of a hook; `body` is that of the first delivery.

    `note` is the reason of the last attempt's failure, or what came of the work.
    """

    key: str
    product: str
    type: str
    state: State
    body: bytes
    note: str
    deliveries: int
    attempts: int
    received: datetime
    changed: datetime

    @property
    def outcome(self) -> Outcome | None:
        """What came of a review, where that is what the note tells."""
        if self.type != SubscriptionBillable.TYPE:
            return None
        try:
            return msgspec.json.decode(self.note, type=Outcome)
        except msgspec.DecodeError:
            return None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What an inbox holds: hooks by state (states without any are left out), journal entries, its bytes on
    the disk or in memory, and when the hook that is there the longest was received.
    """

    hooks: Mapping[State, int]
    entries: int
    size: int
    oldest: datetime | None


class Inbox(Protocol):
    """A durable memory of hooks, shared by all workers of a listener.

    Any method may raise InboxUnavailable. Every write returns only once it would survive a power cut, but for
    what only the living need: that a hook was taken, and what its review declared, is seen by every worker
    from then on and survives the worker, yet the end of the machine that they all run on may undo it, until
    anything else is written. Such a hook was not acknowledged nor charged, and comes again as if for the
    first time.

    Workers that share an inbox each have an `owner` of their own; a lease says whose turn it is on a hook.

    An inbox is bounded: when it is full the oldest hooks that are done or ignored are dropped, none of them
    younger than FRESH, and if that makes no room it is unavailable for new ones.
    """

    async def open(self) -> None:
        """Make ready; harmless if it is open already."""

    async def close(self) -> None:
        """Let go of everything, once what was asked before is done; harmless if it is closed already."""

    async def check(self) -> None:
        """Find out whether it can be read and written now, without leaving a trace."""

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        """Remember a delivery that isn't handled. What was done already stays done."""

    async def repeated(self, key: str) -> bool:
        """Whether a hook is done; if so, this is one more delivery of it. Else nothing is written.

        Such deliveries may be counted a little later, and are not worth a flush of the disk.
        """

    async def take(self, letter: Letter, owner: str, seconds: float, *, durably: bool = False) -> Taken:
        """Remember a delivery, and take the hook unless it is done or another owner's lease runs.

        `durably`: whether even the end of the machine may not undo it.
        """

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        """Prolong the lease, from now on. Raises LeaseLost if another owner has taken the hook."""

    async def settle(self, key: str, owner: str, state: State, note: str = "") -> None:
        """End attempt and lease. Raises LeaseLost, and writes nothing, if the hook is another owner's."""

    async def entries(self, key: str) -> Sequence[Entry]:
        """The journal of a hook's review, in order."""

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        """Add to the journal. Raises LeaseLost, and writes nothing, if the hook is another owner's."""

    async def get(self, key: str) -> Record | None:
        """One hook by its key, or by the beginning of its key if no other begins so; logs show 16 digits."""

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        """The hooks that changed last, newest first; all, or those in one state."""

    async def stats(self) -> Stats:
        """Everything, counted."""

    async def retry(self, key: str) -> bool:
        """Let a hook be handled again when it is delivered next, a done one too; its journal is kept.

        False if there is none, or if a worker is at it.
        """

    async def forget(self, key: str) -> bool:
        """Delete a hook with its journal. False if there is none, or if a worker is at it."""

    async def prune(self, age: timedelta) -> int:
        """Delete the hooks that have been done or ignored for longer than that; how many there were."""
