"""The embedded inboxes: a SQLite file shared by all workers on a machine, or SQLite in memory."""

import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tallyhook._uptime import uptime
from tallyhook.review import journal
from tallyhook.review.journal import Entry, Resolved
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox.base import (
    COLUMNS,
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
    record,
    storable,
)
from tallyhook_receiver.inbox.commits import Commits
from tallyhook_receiver.inbox.sqlite_schema import connect, inspect, migrate, touch

_SELECT = f"SELECT {COLUMNS} FROM hooks JOIN bodies ON hook = id"
_FREE = "(owner = '' OR leased_until <= :up OR leased_until > :up + lease + 1)"
_RECEIVE = (
    "INSERT INTO hooks (key, product, type, state, note, deliveries, attempts, received, changed, owner,"
    " leased_until, digest) VALUES (?, ?, ?, 'waiting', '', 1, 0, ?, ?, '', 0, ?)"
)

# The maximum number of hooks that one transaction deletes, so that other operations don't wait long.
_STEP = 500

_Identity = tuple[int, int]


class SQLiteInbox:
    """An inbox in a SQLite file.

    It uses a write-ahead log, and flushes every commit to disk. Leases are measured by the machine's uptime,
    so setting the clock doesn't affect them.

    Args:
        path: the path of the file.
        busy_seconds: how many seconds to wait while another process writes.
        max_hooks: the maximum number of hooks. The inbox may exceed it by the number of hooks that other
            workers have stored since this worker last counted.
        create: whether to create a missing file.
        clock: returns the current time in Unix seconds. Workers that share a file must have the same clock
            and uptime.
        uptime: returns the machine's uptime in seconds, which never goes back.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_seconds: float = 5.0,
        max_hooks: int = MAX_HOOKS,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self.path = Path(path)
        self._busy_seconds = busy_seconds
        self._max_hooks = max_hooks
        self._create = create
        self._clock = clock
        self._uptime = uptime
        self._count = max_hooks  # until the first count, the inbox is assumed to be full
        self._file: _Identity | None = None  # None until the first connection
        self._beside: dict[str, _Identity | None] = {}  # the other files of the connection
        self._size = 0
        self._commits = Commits(str(path), self._connect, self._check)

    async def open(self) -> None:
        self._commits.start()
        await self._commits.run(lambda connection: None)

    async def close(self) -> None:
        await self._commits.stop()
        self._file, self._size = None, 0

    async def check(self) -> None:
        await self._commits.run(touch)

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        def operation(connection: sqlite3.Connection) -> None:
            self._remember(connection, letter)
            kept = connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?, digest = ?"
                " WHERE key = ? AND attempts = 0",
                (state, storable(note), self._clock(), digest(letter.body), letter.key),
            )
            if kept.rowcount:
                _put_body(connection, letter)

        await self._commits.run(operation)

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        seen = digest(letter.body)

        def operation(connection: sqlite3.Connection) -> Claim:
            up = self._uptime()
            self._remember(connection, letter)
            state, holder, until, lease, known, done = connection.execute(
                "SELECT state, owner, leased_until, lease, digest, done FROM hooks WHERE key = ?",
                (letter.key,),
            ).fetchone()
            if seen in done.split():
                return Claim(mine=False, state=State.DONE)
            if holder not in ("", owner) and 0 < until - up <= lease + 1:
                return Claim(mine=False, state=State.WORKING, free_in=until - up)
            connection.execute(
                "UPDATE hooks SET state = 'working', owner = ?, leased_until = ?, lease = ?, changed = ?,"
                " attempts = attempts + 1, digest = ? WHERE key = ?",
                (owner, up + seconds, seconds, self._clock(), seen, letter.key),
            )
            if known != seen:
                _put_body(connection, letter)
            return Claim(mine=True, state=State(state), differs=known != seen)

        return await self._commits.run(operation)

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        await self._write_as_owner(
            "UPDATE hooks SET leased_until = ?, lease = ? WHERE key = ? AND owner = ?",
            (self._uptime() + seconds, seconds, key, owner),
        )

    async def finish(
        self, key: str, owner: str, state: State, note: str | None = None, *, ends_look: bool = False
    ) -> None:
        def operation(connection: sqlite3.Connection) -> None:
            row = connection.execute(
                "SELECT digest, done FROM hooks WHERE key = ? AND owner = ?", (key, owner)
            ).fetchone()
            if row is None:
                raise LeaseLost("another worker has taken over this hook")
            done = done_with(row[1], row[0], state is State.DONE)
            connection.execute(
                "UPDATE hooks SET state = ?, note = coalesce(?, note), changed = ?, owner = '',"
                " leased_until = 0, done = ?, due = CASE WHEN ? THEN NULL ELSE due END WHERE key = ?",
                (state, None if note is None else storable(note), self._clock(), done, ends_look, key),
            )

        await self._commits.run(operation)

    async def plan(self, key: str, owner: str, due: datetime, until: datetime) -> None:
        await self._write_as_owner(
            "UPDATE hooks SET due = ?, due_until = ? WHERE key = ? AND owner = ?",
            (due.timestamp(), until.timestamp(), key, owner),
        )

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> Due | None:
        def operation(connection: sqlite3.Connection) -> tuple[Any, ...] | None:
            up = self._uptime()
            row: tuple[Any, ...] | None = connection.execute(
                f"{_SELECT.replace(COLUMNS, f'{COLUMNS}, due_until')} WHERE due <= :now AND {_FREE}"
                " ORDER BY due LIMIT 1",
                {"now": now.timestamp(), "up": up},
            ).fetchone()
            if row is not None:
                connection.execute(
                    "UPDATE hooks SET owner = ?, leased_until = ?, lease = ? WHERE key = ?",
                    (owner, up + seconds, seconds, row[0]),
                )
            return row

        row = await self._commits.run(operation)
        return None if row is None else Due(record(row[:-1], _moment), _moment(row[-1]))

    async def entries(self, key: str) -> Sequence[Entry]:
        rows = await self._read("SELECT entry FROM journal WHERE key = ? ORDER BY position", key)
        return [journal.decode(entry) for (entry,) in rows]

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        await self._write_as_owner(
            "INSERT INTO journal SELECT :key, (SELECT count(*) FROM journal WHERE key = :key), :at, :entry"
            " FROM hooks WHERE key = :key AND owner = :owner",
            {"key": key, "owner": owner, "at": self._clock(), "entry": journal.encode(entry)},
        )

    async def get(self, key: str) -> Record | None:
        rows = await self._read(
            f"{_SELECT} WHERE key >= ?1 AND key < ?1 || char(0x10FFFF) ORDER BY key LIMIT 2", key
        )
        records = [record(row, _moment) for row in rows]
        return records[0] if len(records) == 1 or (records and records[0].key == key) else None

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        where, values = ("WHERE state = ?", (state, limit)) if state else ("", (limit,))
        rows = await self._read(f"{_SELECT} {where} ORDER BY changed DESC, id DESC LIMIT ?", *values)
        return [record(row, _moment) for row in rows]

    async def stats(self) -> Stats:
        def operation(connection: sqlite3.Connection) -> Stats:
            by_state = connection.execute("SELECT state, count(*) FROM hooks GROUP BY state").fetchall()
            entries, size, oldest = connection.execute(
                "SELECT (SELECT count(*) FROM journal), page_count * page_size,"
                " (SELECT min(received) FROM hooks) FROM pragma_page_count, pragma_page_size"
            ).fetchone()
            return Stats(
                hooks={State(state): count for state, count in by_state},
                entries=entries,
                size=size,
                oldest=None if oldest is None else _moment(oldest),
            )

        return await self._commits.run(operation)

    async def retry(self, key: str) -> bool:
        def operation(connection: sqlite3.Connection) -> bool:
            written = connection.execute(
                "UPDATE hooks SET state = 'waiting', owner = '', done = '', changed = :now"
                f" WHERE key = :key AND {_FREE}",
                {"now": self._clock(), "key": key, "up": self._uptime()},
            )
            return written.rowcount == 1

        return await self._commits.run(operation)

    async def resolve(
        self,
        key: str,
        seen: int,
        decision: Resolved,
        due: datetime | None = None,
        until: datetime | None = None,
    ) -> bool:
        def operation(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                "SELECT digest, done FROM hooks WHERE key = :key AND state = 'unresolved'"
                f" AND {_FREE} AND :seen = (SELECT count(*) FROM journal WHERE key = :key)",
                {"key": key, "seen": seen, "up": self._uptime()},
            ).fetchone()
            if row is None:
                return False
            now, state = self._clock(), State.WAITING if due is None else State.DONE
            connection.execute(
                "INSERT INTO journal VALUES (?, ?, ?, ?)", (key, seen, now, journal.encode(decision))
            )
            connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?, owner = '', done = ?,"
                " due = coalesce(?, due), due_until = coalesce(?, due_until) WHERE key = ?",
                (
                    state,
                    storable(str(decision)),
                    now,
                    done_with(row[1], row[0], state is State.DONE),
                    _seconds(due),
                    _seconds(until),
                    key,
                ),
            )
            return True

        return await self._commits.run(operation)

    async def forget(self, key: str) -> bool:
        def operation(connection: sqlite3.Connection) -> bool:
            free = connection.execute(
                f"SELECT 1 FROM hooks WHERE key = :key AND {_FREE}", {"key": key, "up": self._uptime()}
            ).fetchone()
            if free is not None:
                _delete(connection, [(key,)])
            return free is not None

        return await self._commits.run(operation)

    async def prune(self, age: timedelta) -> int:
        def look(connection: sqlite3.Connection) -> bool:
            clock = _clock(connection).at(self._clock())
            connection.execute("UPDATE clock SET seen = ?, since = ?", clock)
            return clock.is_steady

        total = 0
        if await self._commits.run(look):
            while pruned := await self._commits.run(lambda connection: self._drop(connection, age, _STEP)):
                total += pruned
        return total

    async def _read(self, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
        return await self._commits.run(lambda connection: connection.execute(query, values).fetchall())

    async def _write_as_owner(self, query: str, values: Any) -> None:
        """Execute a statement that writes only if the owner in `values` still has the hook.

        Raises LeaseLost if the statement wrote nothing.
        """
        if await self._commits.run(lambda connection: connection.execute(query, values).rowcount) == 0:
            raise LeaseLost("another worker has taken over this hook")

    def _remember(self, connection: sqlite3.Connection, letter: Letter) -> None:
        """Count a delivery of a hook, and store the hook at its first delivery.

        Raises InboxUnavailable, without having written anything, if the inbox is full.
        """
        counted = connection.execute(
            "UPDATE hooks SET deliveries = deliveries + 1 WHERE key = ?", (letter.key,)
        )
        if counted.rowcount == 0:
            self._make_room(connection)
            now = self._clock()
            what = (letter.key, letter.product, storable(letter.type), now, now, digest(letter.body))
            hook = connection.execute(_RECEIVE, what).lastrowid
            connection.execute("INSERT INTO bodies VALUES (?, ?)", (hook, letter.body))

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Make room for one more hook. If the inbox is full, delete the oldest hooks that may be deleted.

        Counts the hooks only if the inbox may be full. Raises InboxUnavailable if no hook may be deleted.
        """
        if self._count >= self._max_hooks:
            (self._count,) = connection.execute("SELECT count(*) FROM hooks").fetchone()
        if self._count >= self._max_hooks:
            steady = _clock(connection).at(self._clock()).is_steady
            dropped = self._drop(connection, FRESH, max(1, self._max_hooks // 100)) if steady else 0
            if dropped == 0:
                raise InboxUnavailable(f"the inbox is full: {self._count} hooks, and none can be dropped")
            self._count -= dropped
        self._count += 1

    def _drop(self, connection: sqlite3.Connection, age: timedelta, limit: int) -> int:
        """Delete up to `limit` hooks that have been done or ignored for `age`, the oldest first.

        Returns the number of deleted hooks.
        """
        keys = connection.execute(
            "SELECT key FROM hooks WHERE state IN ('done', 'ignored') AND due IS NULL AND changed < ?"
            " ORDER BY changed LIMIT ?",
            (self._clock() - age.total_seconds(), limit),
        ).fetchall()
        _delete(connection, keys)
        return len(keys)

    def _connect(self) -> sqlite3.Connection:
        """Connect to the file. Creates the file only at the first connection.

        If the file is lost later, it isn't replaced by an empty one.
        """
        mode = "rwc" if self._create and self._file is None else "rw"
        if mode == "rw" and not self.path.exists():
            raise InboxUnavailable("the file does not exist")
        self._beside = {}  # the end of an earlier connection may have removed them
        self._check()
        if mode == "rwc":
            # The file will contain customer data, so make it readable only by its owner. SQLite itself would
            # follow the umask. It gives its other files the same mode as this one. If the file can't be
            # created, SQLite reports the reason.
            with suppress(OSError):
                self.path.touch(0o600, exist_ok=False)
        real = self.path.resolve()
        connection = connect(f"{real.as_uri()}?mode={mode}", self._busy_seconds)
        try:
            if self._file is None:
                inspect(connection, self._create)
            migrate(connection)
            self._file = _identity(str(self.path))
            self._beside = {name: _identity(name) for name in (f"{real}-wal", f"{real}-shm")}
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self) -> None:
        """Raise InboxUnavailable if an open file was deleted, replaced or cut short.

        SQLite wouldn't notice it, and later commits would be lost.
        """
        if self._file is None:
            return
        for name, known in {str(self.path): self._file, **self._beside}.items():
            if _identity(name) != known:
                raise InboxUnavailable(f"{name} was deleted or replaced while it was open")
        size = self.path.stat().st_size
        if size < self._size:
            raise InboxUnavailable("the file was cut short while it was open")
        self._size = size


class MemoryInbox(SQLiteInbox):
    """An inbox in memory, for tests and trials. Closing it deletes everything.

    Args:
        max_hooks: the maximum number of hooks.
        clock: returns the current time in Unix seconds.
        uptime: returns the machine's uptime in seconds, which never goes back.
    """

    def __init__(
        self,
        *,
        max_hooks: int = MAX_HOOKS,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        super().__init__(":memory:", max_hooks=max_hooks, clock=clock, uptime=uptime)

    async def close(self) -> None:
        await super().close()
        self._count = self._max_hooks

    def _connect(self) -> sqlite3.Connection:
        connection = connect(":memory:", 0)
        migrate(connection)
        return connection


def _identity(file: str) -> _Identity | None:
    """Return what tells a file from all others, or None if there is no such file."""
    try:
        stat = os.stat(file)
    except FileNotFoundError:
        return None
    return stat.st_dev, stat.st_ino


def _put_body(connection: sqlite3.Connection, letter: Letter) -> None:
    connection.execute(
        "UPDATE bodies SET body = ? WHERE hook = (SELECT id FROM hooks WHERE key = ?)",
        (letter.body, letter.key),
    )


def _delete(connection: sqlite3.Connection, keys: Sequence[tuple[str]]) -> None:
    """Delete hooks, together with their bodies and journals."""
    connection.executemany("DELETE FROM journal WHERE key = ?", keys)
    connection.executemany("DELETE FROM hooks WHERE key = ?", keys)


def _clock(connection: sqlite3.Connection) -> Steadiness:
    return Steadiness(*connection.execute("SELECT seen, since FROM clock").fetchone())


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
