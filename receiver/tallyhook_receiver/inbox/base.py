"""The protocol of inboxes, what they store, and the rules they share."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from tallyhook.cheddar.hooks import SubscriptionBillable
from tallyhook.review import Outcome
from tallyhook.review.journal import Entry

# Hooks younger than this are never dropped. If a 2xx gets lost, the sender delivers the hook again within a
# day (inferred). If the inbox had dropped it by then, its charges would be added twice.
FRESH = timedelta(days=2)

MAX_HOOKS = 1_000_000

_DONE_BODIES = 100  # digests stored per hook; older ones are dropped
_STEADY = 86_400.0  # seconds

COLUMNS = "key, product, type, state, body, note, deliveries, attempts, received, changed, due"


class State(StrEnum):
    """The state of a hook. Unless it is `DONE`, the hook is handled at its next delivery.

    `UNRESOLVED` means that a person has to find out what happened to a charge; see `tallyhook inbox resolve`.
    """

    WORKING = "working"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    IGNORED = "ignored"
    UNDECODABLE = "undecodable"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A delivered hook: its key, the name of its source, its type and its body."""

    key: str
    product: str
    type: str
    body: bytes

    @property
    def name(self) -> str:
        """The start of its key, used in logs and accepted by `Inbox.get`."""
        return self.key[:16]

    @property
    def about(self) -> dict[str, str]:
        """Log fields that identify the hook."""
        return {"hook": self.name, "product": self.product, "type": self.type}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `Inbox.claim`.

    `mine` says whether the caller has the lease and may handle the hook. `state` is the state before the
    claim. If another worker has the lease, `free_in` is the time in seconds until it ends, unless it is
    renewed. `differs` says whether the hook was delivered with a different body before.
    """

    mine: bool
    state: State
    free_in: float = 0.0
    differs: bool = False


class Record(Letter, frozen=True, kw_only=True):
    """A hook in an inbox.

    `body` is from the last delivery that was handled or kept. `note` says why the last attempt failed, or has
    the outcome of the review. `due` is when the review gets a second look, by the receiver's clock.
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
        """The outcome of the review, decoded from the note; None if it has none."""
        if self.type != SubscriptionBillable.TYPE:
            return None
        try:
            return msgspec.json.decode(self.note, type=Outcome)
        except msgspec.DecodeError:
            return None


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics about an inbox.

    Attributes:
        hooks: the number of hooks in each state; states without hooks are omitted.
        entries: the number of journal entries.
        size: its size in bytes, on disk or in memory.
        oldest: when the oldest hook was received.
    """

    hooks: Mapping[State, int]
    entries: int
    size: int
    oldest: datetime | None


class Inbox(Protocol):
    """A durable store of hooks, shared by all workers of a listener.

    Any method may raise InboxUnavailable. When a method returns, its writes are on the disk.

    Each worker has its own `owner` string, and needs a lease to handle a hook. A lease ends when its time is
    up. A lease whose end is impossibly far away has ended too, because a clock was set back.

    The number of hooks is limited. A full inbox drops the oldest hooks that are done or ignored, but none
    younger than FRESH. If there are none to drop, it raises InboxUnavailable for new hooks.
    """

    async def open(self) -> None:
        """Open the inbox. Does nothing if it is already open."""

    async def close(self) -> None:
        """Finish pending work, then close. Does nothing if it is already closed."""

    async def check(self) -> None:
        """Check that the inbox can be read and written. Changes nothing."""

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        """Store a delivery that won't be handled.

        A hook that is done, unresolved or being handled keeps its state and body.
        """

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        """Store a delivery, and lease its hook to `owner` for `seconds`.

        The claim fails if a delivery with the same body is done, or if another owner has a lease.
        """

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        """Extend the lease to `seconds` from now. Raises LeaseLost if another owner has taken the hook."""

    async def finish(self, key: str, owner: str, state: State, note: str | None = None) -> None:
        """End the attempt and its lease. `DONE` marks the body as done. A `note` of None keeps the old note.

        Raises LeaseLost and writes nothing if another owner has the hook.
        """

    async def plan(self, key: str, owner: str, due: datetime | None, until: datetime | None = None) -> None:
        """Plan a second look at the hook's review at `due`, with retries until `until`.

        If `due` is None, a planned second look is canceled.

        Raises LeaseLost and writes nothing if another owner has the hook.
        """

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> "Due | None":
        """Lease one hook whose second look is due at `now`, by the receiver's clock. Keeps its state."""

    async def entries(self, key: str) -> Sequence[Entry]:
        """The journal of a hook's review, in order."""

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        """Add a journal entry. Raises LeaseLost and writes nothing if another owner has the hook."""

    async def get(self, key: str) -> Record | None:
        """Return the hook with this key, or the only hook whose key starts with it, or None."""

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        """Return the `limit` hooks that changed last, newest first, optionally only those in one state."""

    async def stats(self) -> Stats:
        """Statistics about the inbox."""

    async def retry(self, key: str) -> bool:
        """Have a hook handled again at its next delivery, even if it is done. Its journal is kept.

        Returns False if there is no such hook, or if a worker is handling it.
        """

    async def forget(self, key: str) -> bool:
        """Delete a hook and its journal. Returns False if there is no such hook, or if a worker has it."""

    async def prune(self, age: timedelta) -> int:
        """Delete the hooks that have been done or ignored for longer than `age`. Returns how many.

        Deletes nothing until repeated calls have shown for a day that the clock runs evenly. Otherwise a
        clock that is set far ahead by mistake would make all hooks look old. So call it regularly.
        """


class Due(NamedTuple):
    """A hook whose second look is due, and the time until which a failed look is retried."""

    record: Record
    until: datetime


class Steadiness(NamedTuple):
    """When an inbox last read its clock, and since when the clock has run evenly, in Unix seconds."""

    seen: float
    since: float

    def at(self, now: float) -> "Steadiness":
        """The state after another reading. `since` restarts if the clock went back, or over a day ahead."""
        went_on = self.seen - 60 <= now <= self.seen + _STEADY
        return Steadiness(now, self.since if went_on else now)

    @property
    def is_steady(self) -> bool:
        return self.seen - self.since >= _STEADY


def digest(body: bytes) -> str:
    """A short hash of a body."""
    return hashlib.sha256(body).hexdigest()[:32]


def done_with(bodies: str, body: str, is_done: bool) -> str:
    """Add a body's digest to the space-separated digests of done bodies, or remove it."""
    others = [other for other in bodies.split() if other != body]
    return " ".join([*others, body][-_DONE_BODIES:] if is_done else others)


def storable(text: str) -> str:
    """Replace NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 can't encode.

    Types and error messages come from outside. They must not prevent a hook from being stored.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def record(row: Sequence[Any], moment: Callable[[Any], datetime]) -> Record:
    """Convert a row of `COLUMNS` to a record. `moment` converts the database's times to UTC."""
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
