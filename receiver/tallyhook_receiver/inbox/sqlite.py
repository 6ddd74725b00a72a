"""The embedded inbox: one SQLite file, for one machine with any number of workers."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tallyhook.review import journal
from tallyhook.review.journal import Declared, Entry
from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.here import running_loop
from tallyhook_receiver.inbox.checkpoints import Checkpoints
from tallyhook_receiver.inbox.protocol import MAX_HOOKS, Letter, Record, State, Stats, Taken
from tallyhook_receiver.inbox.rows import COLUMNS, record
from tallyhook_receiver.inbox.sqlite_hooks import Ended, Hooks, Wanted, as_owner, count, delete
from tallyhook_receiver.inbox.sqlite_journal import Line, append
from tallyhook_receiver.inbox.sqlite_schema import connect, inspect, migrate, touch
from tallyhook_receiver.inbox.text import storable
from tallyhook_receiver.inbox.writer import Writer

__all__ = ["SQLiteInbox"]

_ENTRIES = "SELECT entry FROM journal WHERE key = ? ORDER BY position"

_COUNTED_WITHIN = 0.1  # seconds
# Hooks of which this worker knows without asking that they may be done: new ones are not looked for in vain.
_REMEMBERED = 10_000

# Pruned in steps, so that no hook has to wait for all of it.
_STEP = 500


class SQLiteInbox:
    """An inbox in a file.

    Write-ahead log, every commit flushed to the disk; one that only says which hooks were taken, or what
    their reviews declared, goes there with the next. `busy_seconds`: how long to wait while another process
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
        self._path = Path(path)
        self._busy_seconds = busy_seconds
        self._create = create
        self._clock = clock
        self._file: tuple[int, int] | None = None
        self._hooks = Hooks(max_hooks, clock)
        self._writer = Writer(str(path), self._connect, self._check)
        self._reader: sqlite3.Connection | None = None
        self._looking: asyncio.AbstractEventLoop | None = None  # the loop in whose turn the reader looks
        self._checkpoints: Checkpoints | None = None
        self._settled: dict[str, None] = {}  # hooks that this worker has done, the latest last
        self._repeats: dict[str, int] = {}  # deliveries of such hooks, not counted yet

    async def open(self) -> None:
        self._writer.start()
        await self._writer.run(lambda connection: self._open_beside())

    async def close(self) -> None:
        self._count_repeats()
        if self._reader is not None:
            self._reader.close()
            self._reader = self._looking = None
        if self._checkpoints is not None:
            await self._checkpoints.stop()
            self._checkpoints = None
        await self._writer.stop()
        self._file = None

    async def check(self) -> None:
        await self._writer.run(touch, durably=False)

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        await self._writer.run(lambda connection: self._hooks.keep(connection, letter, state, storable(note)))

    async def repeated(self, key: str) -> bool:
        if self._reader is None:
            raise InboxUnavailable("the inbox is closed")
        if key not in self._settled:
            return False
        # It has to be looked up: somebody may have wanted the hook to be handled again.
        if not self._seen("SELECT 1 FROM hooks WHERE key = ? AND state = 'done'", key):
            return False
        self._settled[key] = self._settled.pop(key)  # the latest again
        if not self._repeats:
            running_loop().call_later(_COUNTED_WITHIN, self._count_repeats)
        self._repeats[key] = self._repeats.get(key, 0) + 1
        return True

    async def take(self, letter: Letter, owner: str, seconds: float, *, durably: bool = False) -> Taken:
        wanted = Wanted(letter, owner, seconds)
        return await self._writer.run_together(self._hooks.take, wanted, durably=durably)

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        def operation(connection: sqlite3.Connection) -> None:
            until = self._clock() + seconds
            as_owner(
                connection.execute(
                    "UPDATE hooks SET leased_until = ? WHERE key = ? AND owner = ?", (until, key, owner)
                )
            )

        await self._writer.run(operation)

    async def settle(self, key: str, owner: str, state: State, note: str = "") -> None:
        ended = Ended(key, owner, state, storable(note))
        await self._writer.run_together(self._hooks.settle, ended)
        if state is State.DONE:
            self._settled[key] = None
            if len(self._settled) > _REMEMBERED:
                del self._settled[next(iter(self._settled))]

    async def entries(self, key: str) -> Sequence[Entry]:
        seen = self._seen(_ENTRIES, key)
        if seen is None:
            seen = await self._writer.run_together(_entries, key, durably=False)
        return [journal.decode(entry) for (entry,) in seen]

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        # No charge goes by what was declared, and the entry before a charge takes it along to the disk.
        durably = not isinstance(entry, Declared)
        line = Line(key, owner, self._clock(), journal.encode(entry))
        await self._writer.run_together(append, line, durably=durably)

    async def get(self, key: str) -> Record | None:
        self._count_repeats()
        rows = await self._writer.run(
            lambda connection: connection.execute(
                f"SELECT {COLUMNS} FROM letters WHERE key >= :key AND key < :key || char(0x10FFFF)"
                " ORDER BY key LIMIT 2",
                {"key": key},
            ).fetchall()
        )
        records = [record(row, _moment) for row in rows]
        return records[0] if len(records) == 1 or (records and records[0].key == key) else None

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        self._count_repeats()
        where, values = ("WHERE state = ?", (state, limit)) if state else ("", (limit,))
        rows = await self._writer.run(
            lambda connection: connection.execute(
                f"SELECT {COLUMNS} FROM letters {where} ORDER BY changed DESC, id DESC LIMIT ?", values
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
                delete(connection, [(key,)])
            return free is not None

        return await self._writer.run(operation)

    async def prune(self, age: timedelta) -> int:
        total = 0
        while pruned := await self._writer.run(lambda connection: self._hooks.drop(connection, age, _STEP)):
            total += pruned
        return total

    def _open_beside(self) -> None:
        """Once the writer has the file open: the connections that never wait, nor have anybody wait."""
        if self._reader is None:
            self._reader = connect(self._database("rw"), 0.0)
        if self._checkpoints is None:
            self._checkpoints = Checkpoints(connect(self._database("rw"), 0.0))

    def _seen(self, query: str, *values: object) -> Sequence[tuple[Any, ...]] | None:
        """Rows that are looked up in the loop, which takes less than asking the writer's thread for them.

        None if they can't be had so: what is wrong is the writer's to tell. What takes longest is to lock the
        file, so one look at it serves a turn of the loop. Whoever shares it was woken before it was taken,
        for a loop wakes in the order that it was asked to: nothing that they know of is missing.
        """
        if self._reader is None:
            return None
        loop = running_loop()
        try:
            if self._looking is not loop:
                self._stop_looking()  # another loop has ended before its turn had
                self._check()
                self._reader.execute("BEGIN")
                self._looking = loop
                loop.call_soon(self._stop_looking)
            return self._reader.execute(query, values).fetchall()
        except (sqlite3.Error, OSError, InboxUnavailable):
            return None

    def _stop_looking(self) -> None:
        self._looking = None
        if self._reader is not None and self._reader.in_transaction:
            with suppress(sqlite3.Error):
                self._reader.execute("COMMIT")

    def _count_repeats(self) -> None:
        repeats, self._repeats = self._repeats, {}
        if repeats:
            self._writer.post(lambda connection: count(connection, repeats))

    def _connect(self) -> sqlite3.Connection:
        """Open the file, which is made only the first time: one that has gone must not come back empty."""
        mode = "rwc" if self._create and self._file is None else "rw"
        if mode == "rw" and not self._path.exists():
            raise InboxUnavailable("the file is not there")
        if mode == "rwc":
            # For its owner alone, as the files beside it then are: it holds customers' data. SQLite goes by
            # the umask, and says itself what is wrong where no file can be made.
            with suppress(OSError):
                self._path.touch(0o600, exist_ok=False)
        connection = connect(self._database(mode), self._busy_seconds)
        try:
            if self._file is None:
                inspect(connection, self._create)
            migrate(connection)
            self._file = self._identity()
        except BaseException:
            connection.close()
            raise
        return connection

    def _database(self, mode: str) -> str:
        return f"{self._path.resolve().as_uri()}?mode={mode}"

    def _identity(self) -> tuple[int, int]:
        stat = self._path.stat()
        return stat.st_dev, stat.st_ino

    def _check(self) -> None:
        """SQLite would go on writing into a file that was deleted or replaced, and lose it all at the end."""
        if self._file is not None and self._identity() != self._file:
            raise InboxUnavailable("the inbox's file was replaced while it was open")


def _entries(connection: sqlite3.Connection, keys: Sequence[str]) -> Sequence[Sequence[tuple[Any, ...]]]:
    return [connection.execute(_ENTRIES, (key,)).fetchall() for key in keys]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
