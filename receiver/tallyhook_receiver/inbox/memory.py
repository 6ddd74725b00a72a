"""The inbox of tests and trials: a dictionary, forgotten when it is closed."""

import heapq
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from tallyhook.review import journal
from tallyhook.review.journal import Entry
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox.base import (
    FRESH,
    MAX_HOOKS,
    Claim,
    Due,
    Letter,
    Record,
    State,
    Stats,
    Steadiness,
    digest,
    done_with,
    storable,
)

__all__ = ["MemoryInbox"]


class _Hook(msgspec.Struct):
    """A hook as the databases have it in a row, and its journal."""

    letter: Letter
    received: float
    changed: float
    state: State = State.WAITING
    note: str = ""
    deliveries: int = 0
    attempts: int = 0
    owner: str = ""
    leased_until: float = 0.0
    done: str = ""
    due: datetime | None = None
    due_until: datetime | None = None
    entries: tuple[Entry, ...] = ()

    def is_free(self, up: float) -> bool:
        return self.owner == "" or self.leased_until <= up

    @property
    def size(self) -> int:
        return len(self.letter.body) + sum(len(journal.encode(entry)) for entry in self.entries)

    def record(self) -> Record:
        return Record(
            key=self.letter.key,
            product=self.letter.product,
            type=storable(self.letter.type),
            state=self.state,
            body=self.letter.body,
            note=self.note,
            deliveries=self.deliveries,
            attempts=self.attempts,
            received=datetime.fromtimestamp(self.received, UTC),
            changed=datetime.fromtimestamp(self.changed, UTC),
            due=self.due,
        )


class MemoryInbox:
    """An inbox that survives nothing: all promises of `Inbox` but durability, for one event loop.

    `max_hooks`: when it counts as full. `clock` gives Unix seconds, `uptime` seconds that always go on.
    """

    # No method awaits anything: each is over before another one begins.

    def __init__(
        self,
        *,
        max_hooks: int = MAX_HOOKS,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_hooks = max_hooks
        self._clock = clock
        self._uptime = uptime
        self._steadiness = Steadiness(0, 0)
        self._hooks: dict[str, _Hook] | None = None

    async def open(self) -> None:
        if self._hooks is None:
            self._hooks = {}

    async def close(self) -> None:
        self._hooks = None

    async def check(self) -> None:
        _ = self._all

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        now = self._clock()
        hook = self._remember(letter, now)
        if hook.owner == "" and hook.state not in (State.DONE, State.UNRESOLVED):
            hook.letter, hook.state, hook.note, hook.changed = letter, state, storable(note), now

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        now, up = self._clock(), self._uptime()
        hook = self._remember(letter, now)
        found, differs = hook.state, hook.letter.body != letter.body
        if digest(letter.body) in hook.done.split():
            return Claim(mine=False, state=State.DONE)
        if hook.owner != owner and not hook.is_free(up):
            return Claim(mine=False, state=found, free_in=hook.leased_until - up)
        hook.letter, hook.state, hook.owner, hook.changed = letter, State.WORKING, owner, now
        hook.leased_until = up + seconds
        hook.attempts += 1
        return Claim(mine=True, state=found, differs=differs)

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        self._held(key, owner).leased_until = self._uptime() + seconds

    async def finish(self, key: str, owner: str, state: State, note: str | None = None) -> None:
        hook = self._held(key, owner)
        hook.state, hook.changed, hook.owner = state, self._clock(), ""
        hook.note = hook.note if note is None else storable(note)
        hook.done = done_with(hook.done, digest(hook.letter.body), state is State.DONE)

    async def plan(self, key: str, owner: str, due: datetime | None, until: datetime | None = None) -> None:
        hook = self._held(key, owner)
        hook.due, hook.due_until = due, until

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> Due | None:
        up = self._uptime()
        for hook in self._all.values():
            if hook.due is not None and hook.due_until is not None and hook.due <= now and hook.is_free(up):
                hook.owner, hook.leased_until = owner, up + seconds
                return Due(hook.record(), hook.due_until)
        return None

    async def entries(self, key: str) -> Sequence[Entry]:
        hook = self._all.get(key)
        return [] if hook is None else list(hook.entries)

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        self._held(key, owner).entries += (entry,)

    async def get(self, key: str) -> Record | None:
        hook = self._all.get(key)
        if hook is None:
            begun = [hook for known, hook in self._all.items() if known.startswith(key)]
            hook = begun[0] if len(begun) == 1 else None
        return None if hook is None else hook.record()

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        hooks = [hook for hook in reversed(self._all.values()) if state is None or hook.state is state]
        return [hook.record() for hook in heapq.nlargest(limit, hooks, key=_changed)]

    async def stats(self) -> Stats:
        hooks = self._all.values()
        states = [hook.state for hook in hooks]
        oldest = min((hook.received for hook in hooks), default=None)
        return Stats(
            hooks={state: states.count(state) for state in set(states)},
            entries=sum(len(hook.entries) for hook in hooks),
            size=sum(hook.size for hook in hooks),
            oldest=None if oldest is None else datetime.fromtimestamp(oldest, UTC),
        )

    async def retry(self, key: str) -> bool:
        hook, now = self._all.get(key), self._clock()
        if hook is None or not hook.is_free(self._uptime()):
            return False
        hook.state, hook.owner, hook.done, hook.changed = State.WAITING, "", "", now
        return True

    async def forget(self, key: str) -> bool:
        hook = self._all.get(key)
        if hook is None or not hook.is_free(self._uptime()):
            return False
        del self._all[key]
        return True

    async def prune(self, age: timedelta) -> int:
        self._steadiness = self._steadiness.at(self._clock())
        return self._drop(age, len(self._all)) if self._steadiness.is_steady else 0

    @property
    def _all(self) -> dict[str, _Hook]:
        if self._hooks is None:
            raise InboxUnavailable("the inbox is closed")
        return self._hooks

    def _held(self, key: str, owner: str) -> _Hook:
        hook = self._all.get(key)
        if hook is None or hook.owner != owner:
            raise LeaseLost("another worker has taken this hook over")
        return hook

    def _remember(self, letter: Letter, now: float) -> _Hook:
        hook = self._all.get(letter.key)
        if hook is None:
            self._make_room()
            hook = self._all[letter.key] = _Hook(letter, received=now, changed=now)
        hook.deliveries += 1
        return hook

    def _make_room(self) -> None:
        count = len(self._all)
        if count < self._max_hooks:
            return
        steady = self._steadiness.at(self._clock()).is_steady
        if not steady or not self._drop(FRESH, max(1, self._max_hooks // 100)):
            raise InboxUnavailable(f"the inbox is full: {count} hooks, and none may be dropped")

    def _drop(self, age: timedelta, limit: int) -> int:
        before = self._clock() - age.total_seconds()
        done_with = (
            hook
            for hook in self._all.values()
            if hook.state in (State.DONE, State.IGNORED) and hook.due is None and hook.changed < before
        )
        dropped = heapq.nsmallest(limit, done_with, key=_changed)
        for hook in dropped:
            del self._all[hook.letter.key]
        return len(dropped)


def _changed(hook: _Hook) -> float:
    return hook.changed
