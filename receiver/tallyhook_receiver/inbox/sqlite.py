"""The embedded inbox: one SQLite file, for one machine with any number of workers."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tallyhook import journal
from tallyhook.journal import Entry
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox.protocol import FRESH, MAX_HOOKS, Letter, Record, State, Stats, Taken
from tallyhook_receiver.inbox.rows import COLUMNS, record
from tallyhook_receiver.inbox.text import storable
from tallyhook_receiver.inbox.writer import Writer

__all__ = ["SQLiteInbox"]

# The schema's versions: `PRAGMA user_version` counts how many of these steps a file has gone through.
_MIGRATIONS = (
    """
    CREATE TABLE hooks (
        key TEXT PRIMARY KEY,
        product TEXT NOT NULL,
        type TEXT NOT NULL,
        state TEXT NOT NULL,
        body BLOB NOT NULL,
        note TEXT NOT NULL,
        deliveries INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        received REAL NOT NULL,
        changed REAL NOT NULL,
        owner TEXT NOT NULL,
        leased_until REAL NOT NULL
    );
    CREATE INDEX hooks_by_change ON hooks (changed);
    CREATE INDEX hooks_by_state ON hooks (state, changed);
    CREATE TABLE journal (
        key TEXT NOT NULL REFERENCES hooks (key),
        position INTEGER NOT NULL,
        written REAL NOT NULL,
        entry BLOB NOT NULL,
        PRIMARY KEY (key, position)
    ) WITHOUT ROWID;
    """,
)

# Pruned in steps, so that no hook has to wait for all of it.
_STEP = 500


class SQLiteInbox:
    """An inbox in a file, or with `:memory:` one that forgets everything when it is closed.

    Write-ahead log, every commit flushed to the disk. `busy_seconds`: how long to wait while another process
    writes. `max_hooks`: when it counts as full, give or take what has come to other workers since this one
    last counted. `create`: whether a file that isn't there is made. `clock` gives Unix seconds; workers on
    one file must agree on it.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_seconds: float = 5.0,
        max_hooks: int = MAX_HOOKS,
        create: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = Path(path) if str(path) != ":memory:" else None
        self._busy_seconds = busy_seconds
        self._max_hooks = max_hooks
        self._create = create
        self._clock = clock
        self._file: tuple[int, int] | None = None
        self._hooks = max_hooks  # at the most: nothing is known before the first count
        self._writer = Writer(str(path), self._connect, self._check)

    async def open(self) -> None:
        self._writer.start()
        await self._writer.run(lambda connection: None)

    async def close(self) -> None:
        await self._writer.stop()
        self._file = None

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        def operation(connection: sqlite3.Connection) -> None:
            now = self._clock()
            self._remember(connection, letter, now)
            connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?"
                " WHERE key = ? AND owner = '' AND state <> 'done'",
                (state, storable(note), now, letter.key),
            )

        await self._writer.run(operation)

    async def take(self, letter: Letter, owner: str, seconds: float) -> Taken:
        def operation(connection: sqlite3.Connection) -> Taken:
            now = self._clock()
            self._remember(connection, letter, now)
            state, holder, until = connection.execute(
                "SELECT state, owner, leased_until FROM hooks WHERE key = ?", (letter.key,)
            ).fetchone()
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

        return await self._writer.run(operation)

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        def operation(connection: sqlite3.Connection) -> None:
            _require(connection, key, owner)
            until = self._clock() + seconds
            connection.execute("UPDATE hooks SET leased_until = ? WHERE key = ?", (until, key))

        await self._writer.run(operation)

    async def settle(self, key: str, owner: str, state: State, note: str = "") -> None:
        def operation(connection: sqlite3.Connection) -> None:
            _require(connection, key, owner)
            connection.execute(
                "UPDATE hooks SET state = ?, note = ?, changed = ?, owner = '', leased_until = 0"
                " WHERE key = ?",
                (state, storable(note), self._clock(), key),
            )

        await self._writer.run(operation)

    async def entries(self, key: str) -> Sequence[Entry]:
        rows = await self._writer.run(
            lambda connection: connection.execute(
                "SELECT entry FROM journal WHERE key = ? ORDER BY position", (key,)
            ).fetchall()
        )
        return [journal.decode(entry) for (entry,) in rows]

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        def operation(connection: sqlite3.Connection) -> None:
            _require(connection, key, owner)
            connection.execute(
                "INSERT INTO journal SELECT ?1, count(*), ?2, ?3 FROM journal WHERE key = ?1",
                (key, self._clock(), journal.encode(entry)),
            )

        await self._writer.run(operation)

    async def get(self, key: str) -> Record | None:
        rows = await self._writer.run(
            lambda connection: connection.execute(
                f"SELECT {COLUMNS} FROM hooks WHERE key >= ?1 AND key < ?1 || char(0x10FFFF)"
                " ORDER BY key LIMIT 2",
                (key,),
            ).fetchall()
        )
        records = [record(row, _moment) for row in rows]
        return records[0] if len(records) == 1 or (records and records[0].key == key) else None

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        where, values = ("WHERE state = ?", (state, limit)) if state else ("", (limit,))
        rows = await self._writer.run(
            lambda connection: connection.execute(
                f"SELECT {COLUMNS} FROM hooks {where} ORDER BY changed DESC, rowid DESC LIMIT ?", values
            ).fetchall()
        )
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
                oldest=None if oldest is None else datetime.fromtimestamp(oldest, UTC),
            )

        return await self._writer.run(operation)

    async def retry(self, key: str) -> bool:
        def operation(connection: sqlite3.Connection) -> bool:
            now = self._clock()
            cursor = connection.execute(
                "UPDATE hooks SET state = 'waiting', owner = '', leased_until = 0, changed = ?"
                " WHERE key = ? AND (owner = '' OR leased_until <= ?)",
                (now, key, now),
            )
            return cursor.rowcount == 1

        return await self._writer.run(operation)

    async def forget(self, key: str) -> bool:
        def operation(connection: sqlite3.Connection) -> bool:
            free = connection.execute(
                "SELECT 1 FROM hooks WHERE key = ? AND (owner = '' OR leased_until <= ?)",
                (key, self._clock()),
            ).fetchone()
            if free is not None:
                _delete(connection, [(key,)])
            return free is not None

        return await self._writer.run(operation)

    async def prune(self, age: timedelta) -> int:
        total = 0
        while pruned := await self._writer.run(lambda connection: self._drop(connection, age, _STEP)):
            total += pruned
        return total

    def _remember(self, connection: sqlite3.Connection, letter: Letter, now: float) -> None:
        cursor = connection.execute(
            "UPDATE hooks SET deliveries = deliveries + 1 WHERE key = ?", (letter.key,)
        )
        if cursor.rowcount == 0:
            self._make_room(connection)
            connection.execute(
                "INSERT INTO hooks VALUES (?, ?, ?, 'waiting', ?, '', 1, 0, ?, ?, '', 0)",
                (letter.key, letter.product, storable(letter.type), letter.body, now, now),
            )

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """See that one more hook fits. Counts only when it may have become too many: that reads an index."""
        if self._hooks >= self._max_hooks:
            (self._hooks,) = connection.execute("SELECT count(*) FROM hooks").fetchone()
        if self._hooks >= self._max_hooks:
            dropped = self._drop(connection, FRESH, max(1, self._max_hooks // 100))
            if dropped == 0:
                raise InboxUnavailable(f"the inbox is full: {self._hooks} hooks, and none may be dropped")
            self._hooks -= dropped
        self._hooks += 1

    def _drop(self, connection: sqlite3.Connection, age: timedelta, limit: int) -> int:
        keys = connection.execute(
            "SELECT key FROM hooks WHERE state IN ('done', 'ignored') AND changed < ?"
            " ORDER BY changed LIMIT ?",
            (self._clock() - age.total_seconds(), limit),
        ).fetchall()
        _delete(connection, keys)
        return len(keys)

    def _connect(self) -> sqlite3.Connection:
        """Open the file, which is made only the first time: one that has gone must not come back empty."""
        if self._path is None:
            database = ":memory:"
        else:
            mode = "rwc" if self._create and self._file is None else "rw"
            if mode == "rw" and not self._path.exists():
                raise InboxUnavailable("the file is not there")
            database = f"{self._path.resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            database,
            uri=self._path is not None,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            if self._file is None:
                _inspect(connection, self._create)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            _migrate(connection)
            self._file = self._identity()
        except BaseException:
            connection.close()
            raise
        return connection

    def _identity(self) -> tuple[int, int] | None:
        if self._path is None:
            return None
        stat = self._path.stat()
        return stat.st_dev, stat.st_ino

    def _check(self) -> None:
        """SQLite would go on writing into a file that was deleted or replaced, and lose it all at the end."""
        if self._file is not None and self._identity() != self._file:
            raise InboxUnavailable("the inbox's file was replaced while it was open")


def _require(connection: sqlite3.Connection, key: str, owner: str) -> None:
    held = connection.execute("SELECT 1 FROM hooks WHERE key = ? AND owner = ?", (key, owner)).fetchone()
    if held is None:
        raise LeaseLost("another worker has taken this hook over")


def _delete(connection: sqlite3.Connection, keys: Sequence[tuple[str]]) -> None:
    connection.executemany("DELETE FROM journal WHERE key = ?", keys)
    connection.executemany("DELETE FROM hooks WHERE key = ?", keys)


def _inspect(connection: sqlite3.Connection, create: bool) -> None:
    """Refuse a file that can't be trusted with a journal, before anything is written into it."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise InboxUnavailable(f"the file is damaged, and a backup has to be restored: {found}")
    if not create and connection.execute("PRAGMA user_version").fetchone() == (0,):
        raise InboxUnavailable("this file holds no inbox")


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise InboxUnavailable(f"the inbox was written by a newer release (schema {version})")
    for step in _MIGRATIONS[version:]:
        for statement in filter(str.strip, step.split(";")):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    connection.execute("COMMIT")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
