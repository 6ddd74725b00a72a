"""The embedded inbox: one SQLite file, for one machine with any number of workers."""

import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tallyhook import journal
from tallyhook.journal import Entry
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox.protocol import Letter, Record, State, Taken
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

_COLUMNS = "key, product, type, state, body, note, deliveries, attempts, received, changed"


class SQLiteInbox:
    """An inbox in a file, or with `:memory:` one that forgets everything when it is closed.

    Write-ahead log, every commit flushed to the disk. `busy_seconds`: how long to wait while another process
    writes. `clock` gives Unix seconds; workers on one file must agree on it.
    """

    def __init__(
        self, path: str | Path, *, busy_seconds: float = 5.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = Path(path) if str(path) != ":memory:" else None
        self._busy_seconds = busy_seconds
        self._clock = clock
        self._file: tuple[int, int] | None = None
        self._writer = Writer(self._connect, self._check)

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
                (state, note, now, letter.key),
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
                (state, note, self._clock(), key),
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
        row = await self._writer.run(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM hooks WHERE key = ?", (key,)
            ).fetchone()
        )
        return None if row is None else _record(row)

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        where, values = ("WHERE state = ?", (state, limit)) if state else ("", (limit,))
        rows = await self._writer.run(
            lambda connection: connection.execute(
                f"SELECT {_COLUMNS} FROM hooks {where} ORDER BY changed DESC, rowid DESC LIMIT ?", values
            ).fetchall()
        )
        return [_record(row) for row in rows]

    def _remember(self, connection: sqlite3.Connection, letter: Letter, now: float) -> None:
        connection.execute(
            "INSERT INTO hooks VALUES (?, ?, ?, 'waiting', ?, '', 1, 0, ?, ?, '', 0)"
            " ON CONFLICT (key) DO UPDATE SET deliveries = deliveries + 1",
            (letter.key, letter.product, letter.type, letter.body, now, now),
        )

    def _connect(self) -> sqlite3.Connection:
        """Open the file, which is made only the first time: one that has gone must not come back empty."""
        if self._path is None:
            database = ":memory:"
        else:
            mode = "rwc" if self._file is None else "rw"
            database = f"{self._path.resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            database,
            uri=self._path is not None,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
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


def _record(row: tuple[str, str, str, str, bytes, str, int, int, float, float]) -> Record:
    key, product, kind, state, body, note, deliveries, attempts, received, changed = row
    return Record(
        key=key,
        product=product,
        type=kind,
        state=State(state),
        body=body,
        note=note,
        deliveries=deliveries,
        attempts=attempts,
        received=datetime.fromtimestamp(received, UTC),
        changed=datetime.fromtimestamp(changed, UTC),
    )
