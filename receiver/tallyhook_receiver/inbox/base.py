"""What an inbox stores, the protocol that every store follows, and the rules that all of them share."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from tallyhook.cheddar.hooks import SubscriptionBillable
from tallyhook.review import Outcome
from tallyhook.review.journal import Entry

# A 2xx may be lost on its way: the sender comes again within a day (inferred), and an inbox that has dropped
# the hook by then would let its charges be added twice.
FRESH = timedelta(days=2)

MAX_HOOKS = 1_000_000

_DONE_BODIES = 100  # of one hook; the oldest is forgotten
_STEADY = 86_400.0  # seconds

COLUMNS = "key, product, type, state, body, note, deliveries, attempts, received, changed, due"


# Linux's monotonic clock leaves out the time for which the machine slept; others have no such clock.
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def uptime() -> float:
    """Seconds since the machine was started, the same in all of its processes and whatever its clock says."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


class State(StrEnum):
    """Where a hook stands. All but `DONE` are handled when the hook comes again.

    `UNRESOLVED`: a person has to say what became of a charge; see `tallyhook inbox resolve`.
    """

    WORKING = "working"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    IGNORED = "ignored"
    UNDECODABLE = "undecodable"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A hook as it came: its key, the name of its source, its type and its bytes."""

    key: str
    product: str
    type: str
    body: bytes

    @property
    def name(self) -> str:
        """What logs call it: enough of its key to find it in the inbox."""
        return self.key[:16]

    @property
    def about(self) -> dict[str, str]:
        """The fields of logs about it."""
        return {"hook": self.name, "product": self.product, "type": self.type}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `claim`: the state that the hook was found in, and whether the caller may handle it now.

    `free_in`: if another worker has it, the seconds until its lease ends unless it is renewed. `differs`: the
    hook was known with another body, so this is a new announcement of the same thing.
    """

    mine: bool
    state: State
    free_in: float = 0.0
    differs: bool = False


class Record(Letter, frozen=True, kw_only=True):
    """What an inbox knows of a hook; `body` is that of the last delivery that was handled or kept.

    `note` is the reason of the last attempt's failure, or what came of the work. `due`: when its review is
    looked at a second time, by the receiver's clock.
    """

    state: State
    note: str
    deliveries: int
    attempts: int
    received: datetime
    changed: datetime
    due: datetime | None = None

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

    Any method may raise InboxUnavailable. When a method returns, what it wrote is on the disk.

    Workers that share an inbox each have an `owner` of their own; a lease says whose turn it is on a hook. It
    is over when its time is up, and also when it seems to end later than it could have begun by now: then a
    clock was set back.

    An inbox is bounded: when it is full the oldest hooks that are done or ignored are dropped, none of them
    younger than FRESH, and if that makes no room it is unavailable for new ones.
    """

    async def open(self) -> None:
        """Make ready; harmless if it is open already."""

    async def close(self) -> None:
        """Finish what was asked for, then close; harmless if it is closed already."""

    async def check(self) -> None:
        """Try whether it can be read and written now; nothing changes."""

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        """Remember a delivery that isn't handled. A hook that is done, unresolved or at work stays so."""

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        """Remember a delivery, and take the hook for so long.

        Not if this very body is done, or if another owner's lease runs. The hook's record has this body then.
        """

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        """Prolong the lease, from now on. Raises LeaseLost if another owner has taken the hook."""

    async def finish(self, key: str, owner: str, state: State, note: str | None = None) -> None:
        """End attempt and lease; None leaves the note as it is. The body is done if the state is `DONE`.

        Raises LeaseLost, and writes nothing, if the hook is another owner's.
        """

    async def plan(self, key: str, owner: str, due: datetime | None, until: datetime | None = None) -> None:
        """Have the hook's review looked at a second time at this moment, tried again till `until`; None: no
        more. Raises LeaseLost, and writes nothing, if the hook is another owner's.
        """

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> "Due | None":
        """Take one hook whose second look is due at `now`, by the receiver's clock. Its state stays."""

    async def entries(self, key: str) -> Sequence[Entry]:
        """The journal of a hook's review, in order."""

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        """Add to the journal. Raises LeaseLost, and writes nothing, if the hook is another owner's."""

    async def get(self, key: str) -> Record | None:
        """One hook by its key, or by the beginning of its key if no other begins so; logs show 16 digits."""

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        """The hooks that changed last, newest first; all, or those in one state."""

    async def stats(self) -> Stats:
        """Counts of everything."""

    async def retry(self, key: str) -> bool:
        """Let a hook be handled again when it is delivered next, a done one too; its journal is kept.

        False if there is none, or if a worker is at it.
        """

    async def forget(self, key: str) -> bool:
        """Delete a hook with its journal. False if there is none, or if a worker is at it."""

    async def prune(self, age: timedelta) -> int:
        """Delete the hooks that have been done or ignored for longer than that; how many there were.

        None is deleted before the clock has gone on evenly for a day: one that was set far ahead for a moment
        would make everything old. So this has to be asked for now and then.
        """


class Due(NamedTuple):
    """A hook whose second look is due, and until when it is worth trying."""

    record: Record
    until: datetime


class Steadiness(NamedTuple):
    """What an inbox remembers of its clock: when it was last read, and since when it has run evenly."""

    seen: float
    since: float

    def at(self, now: float) -> "Steadiness":
        """The same after another reading. A gap of a day may be a jump, or no receiver ran."""
        went_on = self.seen - 60 <= now <= self.seen + _STEADY
        return Steadiness(now, self.since if went_on else now)

    @property
    def is_steady(self) -> bool:
        return self.seen - self.since >= _STEADY


def digest(body: bytes) -> str:
    """A short hash that tells bodies apart."""
    return hashlib.sha256(body).hexdigest()[:32]


def done_with(bodies: str, body: str, is_done: bool) -> str:
    """The digests of a hook's bodies that are done, separated by spaces, once this one is or isn't."""
    others = [other for other in bodies.split() if other != body]
    return " ".join([*others, body][-_DONE_BODIES:] if is_done else others)


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 has no bytes for.

    A hook's type and the message of an error come from outside: neither may make a hook impossible to keep.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def record(row: Sequence[Any], moment: Callable[[Any], datetime]) -> Record:
    """The record of a row of `COLUMNS`; `moment` reads the database's own kind of time, into UTC."""
    key, product, kind, state, body, note, deliveries, attempts, received, changed, due = row
    return Record(
        key=key,
        product=product,
        type=kind,
        state=State(state),
        body=body,
        note=note,
        deliveries=deliveries,
        attempts=attempts,
        received=moment(received),
        changed=moment(changed),
        due=None if due is None else moment(due),
    )
