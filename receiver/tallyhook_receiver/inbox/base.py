"""The protocol of inboxes, the data that they store, and the rules that they share."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from tallyhook.cheddar.hooks import SubscriptionBillable
from tallyhook.review import Outcome
from tallyhook.review.journal import Entry, Resolved

# Hooks younger than this are never deleted. If a 2xx gets lost, the sender delivers the hook again within a
# day (inferred). If the inbox had deleted the hook by then, its charges would be added twice.
FRESH = timedelta(days=2)

MAX_HOOKS = 1_000_000

_DONE_BODIES = 100  # the maximum number of digests stored per hook; the oldest are removed
_STEADY = 86_400.0  # seconds

COLUMNS = "key, product, type, state, body, note, deliveries, attempts, received, changed, due"


class State(StrEnum):
    """The state of a hook. A hook that isn't `DONE` is handled at its next delivery.

    `UNRESOLVED` means that a person has to find out what happened to a charge, and then run `tallyhook inbox
    resolve`.
    """

    WORKING = "working"
    DONE = "done"
    WAITING = "waiting"
    FAILED = "failed"
    UNRESOLVED = "unresolved"
    IGNORED = "ignored"
    UNDECODABLE = "undecodable"


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A delivered hook: its key, the name of its source (`product`), its type and its body."""

    key: str
    product: str
    type: str
    body: bytes

    @property
    def name(self) -> str:
        """The first 16 digits of the key, which logs show and `Inbox.get` accepts."""
        return self.key[:16]

    @property
    def about(self) -> dict[str, str]:
        """The log fields that identify the hook."""
        return {"hook": self.name, "product": self.product, "type": self.type}


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The result of `Inbox.claim`.

    `mine` says whether the caller has the lease and may handle the hook. If so, `state` is the hook's state
    before the claim, and `differs` says whether the hook's previous body was different.

    If the claim failed because the work for this body is already done, `state` is `DONE`. If it failed
    because another owner has a lease, `state` is `WORKING`, even if that lease is for a second look at a hook
    that is done. `free_in` is then the number of seconds until that lease ends, unless it is renewed.
    """

    mine: bool
    state: State
    free_in: float = 0.0
    differs: bool = False


class Record(Letter, frozen=True, kw_only=True):
    """A hook in an inbox.

    `body` is the body of the last delivery that was handled, or that `Inbox.keep` stored. `note` says why the
    last attempt failed, or contains the outcome of the review. `due` is the time of the planned second look
    at the invoice, by the receiver's clock, or None.
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
        """The outcome of the review, decoded from the note, or None if the note contains no outcome."""
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
        size: the inbox's size in bytes, on disk or in memory.
        oldest: when the oldest hook was received; None if there are no hooks.
    """

    hooks: Mapping[State, int]
    entries: int
    size: int
    oldest: datetime | None


class Inbox(Protocol):
    """A durable store of hooks, shared by all workers of a listener.

    Any method may raise InboxUnavailable. When a method returns, everything that it wrote is on disk.

    Each worker has its own `owner` string, and needs a lease to handle a hook. A lease ends when its time is
    up. If the time left is longer than the whole lease, a clock was set back, so the lease is treated as
    ended.

    The number of hooks is limited. A full inbox deletes the oldest hooks that are done or ignored, but no
    hook younger than `FRESH` (two days). If it can't delete any, it raises InboxUnavailable for new hooks.
    """

    async def open(self) -> None:
        """Open the inbox. Does nothing if it is already open."""

    async def close(self) -> None:
        """Finish pending work, then close the inbox. Does nothing if it is already closed."""

    async def check(self) -> None:
        """Check that the inbox can be read and written. Changes nothing."""

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        """Store a delivery that won't be handled, with this state and note.

        If a worker has ever begun to handle the hook, its state, note and body don't change.
        """

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        """Store a delivery, and lease its hook to `owner` for `seconds`.

        The claim fails if the work for this body is already done, or if another owner has a lease on the
        hook.
        """

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        """Renew the lease, so that it ends `seconds` from now.

        Raises LeaseLost if another owner has taken the hook.
        """

    async def finish(
        self, key: str, owner: str, state: State, note: str | None = None, *, ends_look: bool = False
    ) -> None:
        """Store the hook's state and note, and end the lease. If `note` is None, the old note is kept.

        The state `DONE` also marks the hook's current body as done. If `ends_look` is True, a second look is
        no longer planned.

        Raises LeaseLost and writes nothing if another owner has the hook.
        """

    async def plan(self, key: str, owner: str, due: datetime, until: datetime) -> None:
        """Plan a second look at the hook's invoice at the time `due`, with retries until `until`.

        Raises LeaseLost and writes nothing if another owner has the hook.
        """

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> "Due | None":
        """Find a hook whose second look is due, lease it to `owner` for `seconds`, and return it.

        Returns None if no second look is due. `now` is the time by the receiver's clock. The hook's state
        doesn't change.
        """

    async def entries(self, key: str) -> Sequence[Entry]:
        """Return the journal of a hook's review: all entries, in the order in which they were added."""

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        """Add an entry to the journal of a hook's review.

        Raises LeaseLost and writes nothing if another owner has the hook.
        """

    async def get(self, key: str) -> Record | None:
        """Return the hook with this key, or else the only hook whose key starts with `key`.

        Returns None if there is no such hook, or if there are several.
        """

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        """Return up to `limit` hooks, the most recently changed first.

        If `state` is given, return only hooks in this state.
        """

    async def stats(self) -> Stats:
        """Return statistics about the inbox."""

    async def retry(self, key: str) -> bool:
        """Have a hook handled again at its next delivery, even if it is done. Its journal is kept.

        Returns False if there is no such hook, or if a worker is handling it.
        """

    async def resolve(
        self,
        key: str,
        seen: int,
        decision: Resolved,
        due: datetime | None = None,
        until: datetime | None = None,
    ) -> bool:
        """Add a person's decision about an unresolved hook to its journal, and to its note.

        `seen` is the number of journal entries on which the decision is based. If `due` is None, the hook
        waits for its next delivery. Otherwise it is done, and a second look is planned, as by `plan`.

        Returns False and writes nothing if the hook isn't unresolved, if its journal has other entries by
        now, or if a worker is handling it.
        """

    async def forget(self, key: str) -> bool:
        """Delete a hook and its journal.

        Returns False if there is no such hook, or if a worker is handling it.
        """

    async def prune(self, age: timedelta) -> int:
        """Delete the hooks that have been done or ignored for longer than `age`, and return their number.

        Call this method regularly. Nothing is deleted until repeated calls have shown for a day that the
        clock runs evenly. Without this precaution, if the clock was set far ahead by mistake, all hooks would
        look old and be deleted.
        """


class Due(NamedTuple):
    """A hook whose second look is due. If the second look fails, it is retried until `until`."""

    record: Record
    until: datetime


class Steadiness(NamedTuple):
    """How long the inbox's clock has run evenly, which means without jumps.

    `seen` is the time at the last reading of the clock. `since` is when the clock began to run evenly. Both
    are in Unix seconds.
    """

    seen: float
    since: float

    def at(self, now: float) -> "Steadiness":
        """Return the steadiness after a new reading of the clock, which shows `now`.

        If the clock has gone back by over a minute since the last reading, or ahead by over a day, it has run
        evenly only since `now`.
        """
        went_on = self.seen - 60 <= now <= self.seen + _STEADY
        return Steadiness(now, self.since if went_on else now)

    @property
    def is_steady(self) -> bool:
        return self.seen - self.since >= _STEADY


def digest(body: bytes) -> str:
    """Return a short hash of a body."""
    return hashlib.sha256(body).hexdigest()[:32]


def done_with(bodies: str, body: str, is_done: bool) -> str:
    """Return the digests of the bodies for which a hook's work is done, separated by spaces.

    `bodies` contains the digests so far, and `body` is the digest of the current body. If `is_done` is
    True, `body` is added, otherwise it is removed.
    """
    others = [other for other in bodies.split() if other != body]
    return " ".join([*others, body][-_DONE_BODIES:] if is_done else others)


def storable(text: str) -> str:
    """Return a string without the characters that an inbox can't store.

    Replaces NUL, which PostgreSQL refuses, and lone surrogates, which UTF-8 can't encode. Types and error
    messages may contain such characters, but the hook must still be stored.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def record(row: Sequence[Any], moment: Callable[[Any], datetime]) -> Record:
    """Convert a database row with the columns in `COLUMNS` to a record.

    `moment` converts a time from the database to a UTC datetime.
    """
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
