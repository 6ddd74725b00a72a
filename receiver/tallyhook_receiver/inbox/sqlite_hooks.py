"""The table of hooks in a SQLite file: first deliveries, leases and outcomes, many of them at once.

Everything here runs in the writer's thread, within a transaction.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox.protocol import FRESH, Letter, State, Taken
from tallyhook_receiver.inbox.text import storable
from tallyhook_receiver.inbox.writer import attempt

__all__ = ["Ended", "Hooks", "Wanted", "as_owner", "count", "delete"]

_COUNT = "UPDATE hooks SET deliveries = deliveries + ? WHERE key IN (SELECT value FROM json_each(?))"
_VALUES = "(?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)"
# That one statement inserts at the most; the connection keeps one ready for each number.
_ROWS = 64

_NEW = Taken(mine=True, state=State.WAITING)


class Wanted(NamedTuple):
    """A hook to be taken."""

    letter: Letter
    owner: str
    seconds: float


class Ended(NamedTuple):
    """An attempt that is over, and what came of it."""

    key: str
    owner: str
    state: State
    note: str

    def as_what(self) -> tuple[str, State, str]:
        return self[1:]


class Hooks:
    """What is written to the table; `max_hooks` and `clock` as `SQLiteInbox` has them."""

    def __init__(self, max_hooks: int, clock: Callable[[], float]) -> None:
        self._max_hooks = max_hooks
        self._clock = clock
        self._count = max_hooks  # at the most: nothing is known before the first count

    def keep(self, connection: sqlite3.Connection, letter: Letter, state: State, note: str) -> None:
        """Remember a delivery that isn't handled."""
        now = self._clock()
        if not self._insert(connection, letter, now, state, note=note):
            connection.execute(_COUNT, (1, json.dumps([letter.key])))
            connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?"
                " WHERE key = ? AND owner = '' AND state <> 'done'",
                (state, note, now, letter.key),
            )

    def take(self, connection: sqlite3.Connection, wanted: Sequence[Wanted]) -> Sequence[Taken | Exception]:
        """Remember deliveries, and take the hooks that may be had."""
        outcomes: list[Taken | Exception] = []
        for start in range(0, len(wanted), _ROWS):
            outcomes += self._take_some(connection, wanted[start : start + _ROWS])
        return outcomes

    def _take_some(
        self, connection: sqlite3.Connection, wanted: Sequence[Wanted]
    ) -> Sequence[Taken | Exception]:
        keys = {each.letter.key for each in wanted}
        # One by one where they aren't all new.
        alone = len(wanted) == 1 or len(keys) < len(wanted)
        if alone or self._count + len(wanted) > self._max_hooks or _are_there(connection, keys):
            return [attempt(self._take_one, connection, each) for each in wanted]
        now = self._clock()
        rows = [
            _row(
                each.letter, now, State.WORKING, attempts=1, owner=each.owner, leased_until=now + each.seconds
            )
            for each in wanted
        ]
        connection.execute(_inserting(len(rows)), [value for row in rows for value in row])
        self._count += len(rows)
        return [_NEW] * len(rows)

    def _take_one(self, connection: sqlite3.Connection, wanted: Wanted) -> Taken:
        letter, owner, seconds = wanted
        now = self._clock()
        is_new = self._insert(
            connection, letter, now, State.WORKING, attempts=1, owner=owner, leased_until=now + seconds
        )
        if is_new:
            return _NEW
        state, holder, until = connection.execute(
            "SELECT state, owner, leased_until FROM hooks WHERE key = ?", (letter.key,)
        ).fetchone()
        connection.execute(_COUNT, (1, json.dumps([letter.key])))
        if state == State.DONE:
            return Taken(mine=False, state=State.DONE)
        if holder not in ("", owner) and until > now:
            return Taken(mine=False, state=State(state), free_in=until - now)
        connection.execute(
            "UPDATE hooks SET state = 'working', owner = ?, leased_until = ?, changed = ?,"
            " attempts = attempts + 1 WHERE key = ?",
            (owner, now + seconds, now, letter.key),
        )
        return Taken(mine=True, state=State(state))

    def settle(self, connection: sqlite3.Connection, ended: Sequence[Ended]) -> Sequence[Exception | None]:
        """End attempts and leases."""
        outcomes: list[Exception | None] = []
        for (owner, state, note), same in itertools.groupby(ended, key=Ended.as_what):
            keys = [each.key for each in same]
            # One by one where they don't all have the same end.
            parts = [keys] if _are_held(connection, keys, owner) else [[key] for key in keys]
            for part in parts:
                outcomes += [attempt(self._settle_alike, connection, part, owner, state, note)] * len(part)
        return outcomes

    def _settle_alike(
        self, connection: sqlite3.Connection, keys: Sequence[str], owner: str, state: State, note: str
    ) -> None:
        as_owner(
            connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?, owner = '', leased_until = 0"
                " WHERE key IN (SELECT value FROM json_each(?)) AND owner = ?",
                (state, note, self._clock(), json.dumps(keys), owner),
            )
        )

    def _insert(
        self,
        connection: sqlite3.Connection,
        letter: Letter,
        now: float,
        state: State,
        *,
        note: str = "",
        attempts: int = 0,
        owner: str = "",
        leased_until: float = 0.0,
    ) -> bool:
        """Remember a first delivery; False, and nothing is written, if it isn't the first."""
        if self._count >= self._max_hooks and not _is_there(connection, letter.key):
            self._make_room(connection)
        row = _row(letter, now, state, note=note, attempts=attempts, owner=owner, leased_until=leased_until)
        inserted = connection.execute(f"{_inserting(1)} ON CONFLICT (key) DO NOTHING", row)
        self._count += inserted.rowcount
        return inserted.rowcount == 1

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """See that one more hook fits; asked only when it may not, since counting reads an index."""
        (self._count,) = connection.execute("SELECT count(*) FROM hooks").fetchone()
        if self._count >= self._max_hooks:
            dropped = self.drop(connection, FRESH, max(1, self._max_hooks // 100))
            if dropped == 0:
                raise InboxUnavailable(f"the inbox is full: {self._count} hooks, and none may be dropped")
            self._count -= dropped

    def drop(self, connection: sqlite3.Connection, age: timedelta, limit: int) -> int:
        """Delete the oldest that have been done or ignored for so long; how many there were."""
        keys = connection.execute(
            "SELECT key FROM hooks WHERE state IN ('done', 'ignored') AND changed < ?"
            " ORDER BY changed LIMIT ?",
            (self._clock() - age.total_seconds(), limit),
        ).fetchall()
        delete(connection, keys)
        return len(keys)


def _is_there(connection: sqlite3.Connection, key: str) -> bool:
    return connection.execute("SELECT 1 FROM hooks WHERE key = ?", (key,)).fetchone() is not None


def _are_there(connection: sqlite3.Connection, keys: Iterable[str]) -> bool:
    """Whether any of these hooks is there."""
    asked = "SELECT 1 FROM hooks WHERE key IN (SELECT value FROM json_each(?)) LIMIT 1"
    return connection.execute(asked, (json.dumps(list(keys)),)).fetchone() is not None


def _are_held(connection: sqlite3.Connection, keys: Sequence[str], owner: str) -> bool:
    """Whether all of these hooks are this owner's, and each is named once."""
    asked = "SELECT count(*) FROM hooks WHERE key IN (SELECT value FROM json_each(?)) AND owner = ?"
    (held,) = connection.execute(asked, (json.dumps(keys), owner)).fetchone()
    return bool(held == len(keys))


def _row(
    letter: Letter,
    now: float,
    state: State,
    *,
    note: str = "",
    attempts: int = 0,
    owner: str = "",
    leased_until: float = 0.0,
) -> tuple[object, ...]:
    """A first delivery, as `_inserting` takes it."""
    kind = storable(letter.type)
    hook = (letter.key, letter.product, kind, state, letter.body, note, attempts, now, now)
    return *hook, owner, leased_until


@cache
def _inserting(rows: int) -> str:
    return "INSERT INTO hooks VALUES " + ", ".join([_VALUES] * rows)


def count(connection: sqlite3.Connection, repeats: Mapping[str, int]) -> None:
    """Add deliveries in few statements: each one lets go of the interpreter, and has to wait for it."""
    for times in set(repeats.values()):
        keys = [key for key, count in repeats.items() if count == times]
        connection.execute(_COUNT, (times, json.dumps(keys)))


def as_owner(written: sqlite3.Cursor) -> None:
    """Raises LeaseLost if the statement found no hook of its owner to write to."""
    if written.rowcount == 0:
        raise LeaseLost("another worker has taken this hook over")


def delete(connection: sqlite3.Connection, keys: Sequence[tuple[str]]) -> None:
    """Delete hooks with their journals."""
    connection.executemany("DELETE FROM journal WHERE key = ?", keys)
    connection.executemany("DELETE FROM hooks WHERE key = ?", keys)
