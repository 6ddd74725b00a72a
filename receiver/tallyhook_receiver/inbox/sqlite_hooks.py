"""The table of hooks in a SQLite file: first deliveries, leases and outcomes, many of them at once.

Everything here runs in the writer's thread. What needs several statements is within a transaction: `take`
and `settle` begin one where they need it, and the writer has begun it for the others.
"""

import itertools
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import NamedTuple

from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox.protocol import FRESH, Letter, State, Taken
from tallyhook_receiver.inbox.rows import COLUMNS
from tallyhook_receiver.inbox.text import storable
from tallyhook_receiver.inbox.writer import attempt, begin

__all__ = ["Ended", "Hooks", "Wanted", "as_owner", "count", "delete"]

_COUNT = "UPDATE hooks SET deliveries = deliveries + ? WHERE key IN (SELECT value FROM json_each(?))"
_SETTLE = (
    "UPDATE hooks SET state = :state, note = :note, changed = :now, owner = '', leased_until = 0"
    " WHERE key IN (SELECT value FROM json_each(:keys)) AND owner = :owner AND :count ="
    " (SELECT count(*) FROM hooks WHERE key IN (SELECT value FROM json_each(:keys)) AND owner = :owner)"
)
_COLUMNS = f"{COLUMNS}, owner, leased_until"
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
        if not self._insert(connection, _row(letter, now, state, note=note)):
            connection.execute(_COUNT, (1, json.dumps([letter.key])))
            connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?"
                " WHERE key = ? AND owner = '' AND state <> 'done'",
                (state, note, now, letter.key),
            )

    def take(self, connection: sqlite3.Connection, wanted: Sequence[Wanted]) -> Sequence[Taken | Exception]:
        """Remember deliveries, and take the hooks that may be had."""
        if len(wanted) > _ROWS:
            begin(connection)
        outcomes: list[Taken | Exception] = []
        for start in range(0, len(wanted), _ROWS):
            outcomes += self._take_some(connection, wanted[start : start + _ROWS])
        return outcomes

    def _take_some(
        self, connection: sqlite3.Connection, wanted: Sequence[Wanted]
    ) -> Sequence[Taken | Exception]:
        if self._count + len(wanted) > self._max_hooks or not self._take_new(connection, wanted):
            begin(connection)
            return [attempt(self._take_one, connection, each) for each in wanted]
        return [_NEW] * len(wanted)

    def _take_new(self, connection: sqlite3.Connection, wanted: Sequence[Wanted]) -> bool:
        """Take hooks that have never been delivered; False, and nothing is written, if one of them has."""
        now = self._clock()
        rows = [
            _row(
                each.letter, now, State.WORKING, attempts=1, owner=each.owner, leased_until=now + each.seconds
            )
            for each in wanted
        ]
        try:
            connection.execute(_inserting(len(rows)), [value for row in rows for value in row])
        except sqlite3.IntegrityError:  # it has undone what it had inserted, and the transaction goes on
            return False
        self._count += len(rows)
        return True

    def _take_one(self, connection: sqlite3.Connection, wanted: Wanted) -> Taken:
        letter, owner, seconds = wanted
        now = self._clock()
        row = _row(letter, now, State.WORKING, attempts=1, owner=owner, leased_until=now + seconds)
        if self._insert(connection, row):
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
        ends = [
            (end, [each.key for each in same]) for end, same in itertools.groupby(ended, key=Ended.as_what)
        ]
        if len(ends) > 1:
            begin(connection)
        for (owner, state, note), keys in ends:
            lost = attempt(self._settle_alike, connection, keys, owner, state, note)
            if lost is None:
                outcomes += [None] * len(keys)
            else:  # which ones?
                begin(connection)
                outcomes += [
                    attempt(self._settle_alike, connection, [key], owner, state, note) for key in keys
                ]
        return outcomes

    def _settle_alike(
        self, connection: sqlite3.Connection, keys: Sequence[str], owner: str, state: State, note: str
    ) -> None:
        """End attempts in the same way. Raises LeaseLost, and writes nothing, unless all hooks are there,
        are this owner's, and are named once.
        """
        settled = {
            "state": state,
            "note": note,
            "now": self._clock(),
            "keys": json.dumps(keys),
            "owner": owner,
            "count": len(keys),
        }
        as_owner(connection.execute(_SETTLE, settled))

    def _insert(self, connection: sqlite3.Connection, row: Sequence[object]) -> bool:
        """Remember a first delivery; False, and nothing is written, if it isn't the first."""
        key = row[0]
        if connection.execute("SELECT 1 FROM hooks WHERE key = ?", (key,)).fetchone() is not None:
            return False
        if self._count >= self._max_hooks:
            self._make_room(connection)
        connection.execute(_inserting(1), row)
        self._count += 1
        return True

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
    return f"INSERT INTO letters ({_COLUMNS}) VALUES " + ", ".join([_VALUES] * rows)


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
    """Delete hooks with their bodies and their journals."""
    connection.executemany("DELETE FROM journal WHERE key = ?", keys)
    connection.executemany("DELETE FROM hooks WHERE key = ?", keys)
