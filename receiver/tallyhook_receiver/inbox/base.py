"""What an inbox stores, the protocol of every store, and the rules that all of them share."""

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
    """Seconds since the machine started: the same in all its processes, whatever its clock says."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)


class State(StrEnum):
    """The state of a hook. A hook in any state but `DONE` is handled when it is delivered again.

    `UNRESOLVED`: a person has to say what happened to a charge; see `tallyhook inbox resolve`.
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
        """Its name in logs: enough of its key to find it in the inbox."""
        return self.key[:16]

    @property
    def about(self) -> dict[str, str]:
        """The fields for logs about it."""
        return {"hook": self.name, "product": self.product, "type": self.type}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `claim`: the state of the hook before, and whether the caller may handle it now.

    `free_in`: if another worker has it, the seconds until that lease ends unless it is renewed. `differs`:
    the hook came with another body before, so this announces the same thing again.
    """

    mine: bool
    state: State
    free_in: float = 0.0
    differs: bool = False


class Record(Letter, frozen=True, kw_only=True):
    """What an inbox knows about a hook. `body` is that of the last delivery that was handled or kept.

    `note` is why the last attempt failed, or what the work has done. `due` is when its review gets a second
    look, by the receiver's clock.
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
        """The outcome of its review, if the note has one."""
        if self.type != SubscriptionBillable.TYPE:
            return None
        try:
            return msgspec.json.decode(self.note, type=Outcome)
        except msgspec.DecodeError:
            return None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What an inbox holds.

    Attributes:
        hooks: the number of hooks in each state; states without hooks are left out.
        entries: the number of journal entries.
        size: its bytes on the disk or in memory.
        oldest: when its oldest hook was received.
    """

    hooks: Mapping[State, int]
    entries: int
    size: int
    oldest: datetime | None


class Inbox(Protocol):
    """A durable store of hooks, shared by all workers of a listener.

    Any method may raise InboxUnavailable. When a method returns, what it wrote is on the disk.

    Each worker that shares an inbox has its own `owner`. A lease says which worker may handle a hook. It ends
    when its time is up, and also if it seems to end later than any lease can: then a clock was set back.

    An inbox is bounded. When it is full, it drops the oldest hooks that are done or ignored, but none younger
    than FRESH. If that makes no room, it is unavailable for new hooks.
    """

    async def open(self) -> None:
        """Open it. Does nothing if it is already open."""

    async def close(self) -> None:
        """Finish pending work, then close. Does nothing if it is already closed."""

    async def check(self) -> None:
        """Check that it can be read and written. Changes nothing."""

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        """Store a delivery that isn't handled. A hook that is done, unresolved or being handled keeps its
        state.
        """

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        """Store a delivery and its body, and take the hook for so many seconds.

        The caller doesn't get the hook if this very body is done, or if another owner has a lease.
        """

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        """Extend the lease from now on. Raises LeaseLost if another owner has taken the hook."""

    async def finish(self, key: str, owner: str, state: State, note: str | None = None) -> None:
        """End the attempt and its lease. None leaves the note as it is. `DONE` marks the body as done.

        Raises LeaseLost, and writes nothing, if another owner has the hook.
        """

    async def plan(self, key: str, owner: str, due: datetime | None, until: datetime | None = None) -> None:
        """Plan a second look at the hook's review for `due`, to be retried until `until`; None cancels it.

        Raises LeaseLost, and writes nothing, if another owner has the hook.
        """

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> "Due | None":
        """Take one hook whose second look is due at `now`, by the receiver's clock. Its state stays."""

    async def entries(self, key: str) -> Sequence[Entry]:
        """The journal of a hook's review, in order."""

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        """Add a journal entry. Raises LeaseLost, and writes nothing, if another owner has the hook."""

    async def get(self, key: str) -> Record | None:
        """One hook by its key, or by the start of its key if that is unique; logs show 16 digits."""

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        """The hooks that changed last, newest first: all of them, or those in one state."""

    async def stats(self) -> Stats:
        """Counts of everything."""

    async def retry(self, key: str) -> bool:
        """Handle a hook again at its next delivery, even if it is done. Its journal is kept.

        False if there is no such hook, or if a worker has it.
        """

    async def forget(self, key: str) -> bool:
        """Delete a hook with its journal. False if there is no such hook, or if a worker has it."""

    async def prune(self, age: timedelta) -> int:
        """Delete the hooks that have been done or ignored for longer than `age`. Returns how many.

        It deletes nothing before the clock has run evenly for a day: a clock that is set far ahead for a
        moment would make everything old. So call it every now and then.
        """


class Due(NamedTuple):
    """A hook whose second look is due, and the time until which to retry it."""

    record: Record
    until: datetime


class Steadiness(NamedTuple):
    """What an inbox knows about its clock: when it was last read, and since when it has run evenly."""

    seen: float
    since: float

    def at(self, now: float) -> "Steadiness":
        """The same after another reading. After a gap of a day, the clock may have jumped."""
        went_on = self.seen - 60 <= now <= self.seen + _STEADY
        return Steadiness(now, self.since if went_on else now)

    @property
    def is_steady(self) -> bool:
        return self.seen - self.since >= _STEADY


def digest(body: bytes) -> str:
    """A short hash of a body."""
    return hashlib.sha256(body).hexdigest()[:32]


def done_with(bodies: str, body: str, is_done: bool) -> str:
    """The digests of a hook's done bodies, separated by spaces, after this body is or isn't done."""
    others = [other for other in bodies.split() if other != body]
    return " ".join([*others, body][-_DONE_BODIES:] if is_done else others)


def storable(text: str) -> str:
    """The text without NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 can't encode.

    A hook's type and an error's message come from outside, and must not keep a hook from being stored.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def record(row: Sequence[Any], moment: Callable[[Any], datetime]) -> Record:
    """The record in a row of `COLUMNS`. `moment` converts the database's time to UTC."""
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
