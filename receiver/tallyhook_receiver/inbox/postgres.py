"""An inbox in PostgreSQL, for workers on several machines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import AsyncConnectionPool

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
from tallyhook_receiver.inbox.postgres_schema import Connection, migrate, unavailable
from tallyhook_receiver.loop_thread import LoopLock

# How many seconds the clock may deviate between two readings, since NTP corrects it in small steps. This is
# far less than the quarter of a lease that must be left when a request is sent.
_SLACK = 1.0

# The maximum number of hooks that one transaction deletes, so that other operations don't wait long.
_STEP = 500


# A row lock makes workers take turns on a hook. The queries use clock_timestamp() instead of now(), because
# now() is the time at which the transaction began, which is out of date after waiting for the lock.
_REMEMBER = "UPDATE tallyhook_hooks SET deliveries = deliveries + 1 WHERE key = %(key)s"
_RECEIVE = """
    INSERT INTO tallyhook_hooks AS hook (key, product, type, body, digest, received, changed)
    VALUES (%(key)s, %(product)s, %(type)s, %(body)s, %(digest)s, clock_timestamp(), clock_timestamp())
    ON CONFLICT (key) DO UPDATE SET deliveries = hook.deliveries + 1
"""
_NOW = "extract(epoch FROM clock_timestamp())::float8"
_FREE = (
    "(owner = '' OR leased_until <= clock_timestamp()"
    " OR leased_until > clock_timestamp() + lease + interval '1 second')"
)
_APPEND = """
    WITH held AS (
        SELECT key FROM tallyhook_hooks WHERE key = %(key)s AND owner = %(owner)s FOR UPDATE
    )
    INSERT INTO tallyhook_journal (key, written, entry)
    SELECT key, clock_timestamp(), %(entry)s FROM held
"""
_DROP = """
    DELETE FROM tallyhook_hooks WHERE key IN (
        SELECT key FROM tallyhook_hooks
        WHERE state IN ('done', 'ignored') AND due IS NULL AND changed < clock_timestamp() - %s
        ORDER BY changed LIMIT %s FOR UPDATE SKIP LOCKED
    )
"""


class PostgresInbox:
    """An inbox in a PostgreSQL database, for any number of workers on any number of machines.

    Leases are measured by the database's clock. Setting this clock doesn't end a lease, because a worker
    takes over another worker's hook only after it has seen the clock run evenly for the length of that lease.
    Every commit is flushed to disk. The tables are in the first schema of the role's search path. The
    connections belong to the event loop that called `open`.

    Args:
        connections: the maximum number of open connections.
        busy_seconds: how many seconds to wait for a connection or a lock.
        max_hooks: the maximum number of hooks. The inbox may exceed it by the number of hooks that other
            workers have stored since this worker last counted.
        create: whether to create missing tables.
        uptime: returns the machine's uptime in seconds, which never goes back.

    Raises ValueError for an invalid URL.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        busy_seconds: float = 5.0,
        max_hooks: int = MAX_HOOKS,
        create: bool = True,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self._conninfo = _conninfo(url, busy_seconds)
        self._connections = connections
        self._busy_seconds = busy_seconds
        self._max_hooks = max_hooks
        self._create = create
        self._watch = _Watch(uptime)
        self._hooks = max_hooks  # until the first count, the inbox is assumed to be full
        self._pool: AsyncConnectionPool[Connection] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening = LoopLock()

    async def open(self) -> None:
        async with self._opening.here():
            if self._pool is not None and self._loop is asyncio.get_running_loop():
                return
            if self._loop is not None and self._loop.is_running():
                raise InboxUnavailable("the inbox was opened in another event loop")
            self._pool = None  # its connections ended with their event loop
            try:
                # Connect directly first: the pool reports every failure as a timeout.
                async with await Connection.connect(self._conninfo, autocommit=True) as connection:
                    await self._configure(connection)
                    await migrate(connection, self._create)
                    await self._look(connection)
            except (psycopg.Error, OSError, ValueError) as error:
                raise unavailable(error) from error
            pool = AsyncConnectionPool(
                self._conninfo,
                connection_class=Connection,
                kwargs={"autocommit": True},
                min_size=1,
                max_size=self._connections,
                timeout=self._busy_seconds,
                # Give up soon, because the next request tries again. Otherwise, the pauses grow to minutes.
                reconnect_timeout=self._busy_seconds,
                configure=self._configure,
                name="tallyhook-inbox",
                open=False,
            )
            try:
                # Wait until the pool is connected. An event loop that ends before that would hang.
                await pool.open(wait=True, timeout=self._busy_seconds)
            except BaseException as error:
                await pool.close()
                if isinstance(error, psycopg.Error):
                    raise unavailable(error) from error
                raise
            self._pool, self._loop = pool, asyncio.get_running_loop()

    async def close(self) -> None:
        pool, loop = self._pool, self._loop
        self._pool = self._loop = None
        if pool is not None and loop is asyncio.get_running_loop():
            await pool.close(timeout=self._busy_seconds)

    async def check(self) -> None:
        # This fails if the server is read-only, as a standby is. A server whose disk is full stops anyway.
        await self._write("UPDATE tallyhook_hooks SET note = note WHERE false", ())

    async def keep(self, letter: Letter, state: State, note: str = "") -> None:
        async with self._connection() as connection, connection.transaction():
            await self._remember(connection, letter)
            await connection.execute(
                "UPDATE tallyhook_hooks SET state = %s, note = %s, changed = clock_timestamp(), body = %s,"
                " digest = %s WHERE key = %s AND attempts = 0",
                (state.value, storable(note), letter.body, digest(letter.body), letter.key),
            )

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        seen = digest(letter.body)
        async with self._connection() as connection, connection.transaction():
            await self._remember(connection, letter)
            # _remember has locked the row.
            state, known, done, is_ours, is_free, free_in, lease = await _only(
                connection,
                f"SELECT state, digest, done, owner IN ('', %s), {_FREE},"
                " extract(epoch FROM leased_until - clock_timestamp())::float8,"
                " extract(epoch FROM lease)::float8 FROM tallyhook_hooks WHERE key = %s",
                (owner, letter.key),
            )
            if seen in done.split():
                return Claim(mine=False, state=State.DONE)
            if not is_ours and is_free:
                free_in = lease - await self._look(connection)
                is_free = free_in <= 0
            if not (is_ours or is_free):
                return Claim(mine=False, state=State.WORKING, free_in=free_in)
            await connection.execute(
                "UPDATE tallyhook_hooks SET state = 'working', owner = %s, changed = clock_timestamp(),"
                " leased_until = clock_timestamp() + %s, lease = %s, attempts = attempts + 1 WHERE key = %s",
                (owner, timedelta(seconds=seconds), timedelta(seconds=seconds), letter.key),
            )
            if known != seen:
                await connection.execute(
                    "UPDATE tallyhook_hooks SET body = %s, digest = %s WHERE key = %s",
                    (letter.body, seen, letter.key),
                )
            return Claim(mine=True, state=State(state), differs=known != seen)

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        await self._write_as_owner(
            "UPDATE tallyhook_hooks SET leased_until = clock_timestamp() + %(lease)s, lease = %(lease)s"
            " WHERE key = %(key)s AND owner = %(owner)s",
            {"key": key, "owner": owner, "lease": timedelta(seconds=seconds)},
        )

    async def finish(
        self, key: str, owner: str, state: State, note: str | None = None, *, ends_look: bool = False
    ) -> None:
        async with self._connection() as connection, connection.transaction():
            found = await connection.execute(
                "SELECT digest, done FROM tallyhook_hooks WHERE key = %s AND owner = %s FOR UPDATE",
                (key, owner),
            )
            row = await found.fetchone()
            if row is None:
                raise LeaseLost("another worker has taken over this hook")
            await connection.execute(
                "UPDATE tallyhook_hooks SET state = %s, note = coalesce(%s, note), owner = '', done = %s,"
                " changed = clock_timestamp(), leased_until = clock_timestamp(),"
                " due = CASE WHEN %s THEN NULL ELSE due END WHERE key = %s",
                (
                    state.value,
                    None if note is None else storable(note),
                    done_with(row[1], row[0], state is State.DONE),
                    ends_look,
                    key,
                ),
            )

    async def plan(self, key: str, owner: str, due: datetime, until: datetime) -> None:
        await self._write_as_owner(
            "UPDATE tallyhook_hooks SET due = %(due)s, due_until = %(until)s"
            " WHERE key = %(key)s AND owner = %(owner)s",
            {"key": key, "owner": owner, "due": due, "until": until},
        )

    async def claim_due(self, now: datetime, owner: str, seconds: float) -> Due | None:
        async with self._connection() as connection, connection.transaction():
            watched = timedelta(seconds=await self._look(connection))
            found = await connection.execute(
                f"SELECT {COLUMNS}, due_until FROM tallyhook_hooks WHERE due <= %s AND {_FREE}"
                " AND (owner = '' OR lease <= %s) ORDER BY due LIMIT 1 FOR UPDATE SKIP LOCKED",
                (now, watched),
            )
            row = await found.fetchone()
            if row is None:
                return None
            await connection.execute(
                "UPDATE tallyhook_hooks SET owner = %s, leased_until = clock_timestamp() + %s, lease = %s"
                " WHERE key = %s",
                (owner, timedelta(seconds=seconds), timedelta(seconds=seconds), row[0]),
            )
            return Due(record(row[:-1], _moment), _moment(row[-1]))

    async def entries(self, key: str) -> Sequence[Entry]:
        rows = await self._read(
            "SELECT entry FROM tallyhook_journal WHERE key = %s ORDER BY position", (key,)
        )
        return [journal.decode(entry) for (entry,) in rows]

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        await self._write_as_owner(_APPEND, {"key": key, "owner": owner, "entry": journal.encode(entry)})

    async def get(self, key: str) -> Record | None:
        rows = await self._read(
            f"SELECT {COLUMNS} FROM tallyhook_hooks WHERE key >= %(key)s AND key < %(key)s || chr(1114111)"
            " ORDER BY key LIMIT 2",
            {"key": key},
        )
        records = [record(row, _moment) for row in rows]
        return records[0] if len(records) == 1 or (records and records[0].key == key) else None

    async def list(self, state: State | None = None, limit: int = 100) -> Sequence[Record]:
        rows = await self._read(
            f"SELECT {COLUMNS} FROM tallyhook_hooks WHERE state = %(state)s OR %(state)s IS NULL"
            " ORDER BY changed DESC, received DESC LIMIT %(limit)s",
            {"state": state and state.value, "limit": limit},
        )
        return [record(row, _moment) for row in rows]

    async def stats(self) -> Stats:
        async with self._connection() as connection:
            by_state = await (
                await connection.execute("SELECT state, count(*) FROM tallyhook_hooks GROUP BY state")
            ).fetchall()
            entries, size, oldest = await _only(
                connection,
                "SELECT (SELECT count(*) FROM tallyhook_journal),"
                " pg_total_relation_size('tallyhook_hooks') + pg_total_relation_size('tallyhook_journal'),"
                " (SELECT min(received) FROM tallyhook_hooks)",
            )
        hooks = {State(state): count for state, count in by_state}
        return Stats(hooks=hooks, entries=entries, size=size, oldest=oldest and oldest.astimezone(UTC))

    async def retry(self, key: str) -> bool:
        written = await self._write(
            "UPDATE tallyhook_hooks SET state = 'waiting', owner = '', leased_until = clock_timestamp(),"
            f" done = '', changed = clock_timestamp() WHERE key = %s AND {_FREE}",
            (key,),
        )
        return written == 1

    async def resolve(
        self,
        key: str,
        seen: int,
        decision: Resolved,
        due: datetime | None = None,
        until: datetime | None = None,
    ) -> bool:
        async with self._connection() as connection, connection.transaction():
            found = await connection.execute(
                "SELECT digest, done FROM tallyhook_hooks WHERE key = %s AND state = 'unresolved'"
                f" AND {_FREE} FOR UPDATE",
                (key,),
            )
            row = await found.fetchone()
            if row is None or await _only(
                connection, "SELECT count(*) FROM tallyhook_journal WHERE key = %s", (key,)
            ) != (seen,):
                return False
            state = State.WAITING if due is None else State.DONE
            await connection.execute(
                "INSERT INTO tallyhook_journal (key, written, entry) VALUES (%s, clock_timestamp(), %s)",
                (key, journal.encode(decision)),
            )
            await connection.execute(
                "UPDATE tallyhook_hooks SET state = %s, note = %s, changed = clock_timestamp(), owner = '',"
                " done = %s, due = coalesce(%s, due), due_until = coalesce(%s, due_until) WHERE key = %s",
                (
                    state.value,
                    storable(str(decision)),
                    done_with(row[1], row[0], state is State.DONE),
                    due,
                    until,
                    key,
                ),
            )
            return True

    async def forget(self, key: str) -> bool:
        return await self._write(f"DELETE FROM tallyhook_hooks WHERE key = %s AND {_FREE}", (key,)) == 1

    async def prune(self, age: timedelta) -> int:
        async with self._connection() as connection, connection.transaction():
            clock = await _clock(connection)
            await connection.execute("UPDATE tallyhook_clock SET seen = %s, since = %s", clock)
        total = 0
        while clock.is_steady and (pruned := await self._write(_DROP, (age, _STEP))):
            total += pruned
        return total

    async def _remember(self, connection: Connection, letter: Letter) -> None:
        values = {
            "key": letter.key,
            "product": letter.product,
            "type": storable(letter.type),
            "body": letter.body,
            "digest": digest(letter.body),
        }
        if (await connection.execute(_REMEMBER, values)).rowcount == 0:
            await self._make_room(connection)
            await connection.execute(_RECEIVE, values)

    async def _make_room(self, connection: Connection) -> None:
        """Make room for one more hook. If the inbox is full, delete the oldest hooks that may be deleted.

        Counts the hooks only if the inbox may be full. Raises InboxUnavailable if no hook may be deleted.
        """
        if self._hooks >= self._max_hooks:
            (self._hooks,) = await _only(connection, "SELECT count(*) FROM tallyhook_hooks")
        if self._hooks >= self._max_hooks:
            dropped = 0
            if (await _clock(connection)).is_steady:
                dropped = (await connection.execute(_DROP, (FRESH, max(1, self._max_hooks // 100)))).rowcount
            if dropped == 0:
                raise InboxUnavailable(f"the inbox is full: {self._hooks} hooks, and none can be dropped")
            self._hooks -= dropped
        self._hooks += 1

    async def _look(self, connection: Connection) -> float:
        """Read the database's clock, and return for how many seconds this worker has seen it run evenly."""
        asked = self._watch.uptime()
        (now,) = await _only(connection, f"SELECT {_NOW}")
        return self._watch.seen(now, asked)

    async def _read(self, query: str, values: Any) -> Sequence[tuple[Any, ...]]:
        async with self._connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    async def _write(self, query: str, values: Any) -> int:
        """Execute and commit a statement, and return the number of rows that it wrote."""
        async with self._connection() as connection:
            return (await connection.execute(query, values)).rowcount

    async def _write_as_owner(self, query: str, values: dict[str, Any]) -> None:
        if await self._write(query, values) == 0:
            raise LeaseLost("another worker has taken over this hook")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        """Yield a connection from the pool.

        Each statement is committed separately, unless it is in a `transaction`.
        """
        if self._pool is None:
            raise InboxUnavailable("the inbox is closed")
        if asyncio.get_running_loop() is not self._loop:
            raise InboxUnavailable("the inbox was opened in another event loop")
        pool = self._pool
        lost = False
        try:
            async with pool.connection() as connection:
                try:
                    yield connection
                finally:
                    lost = connection.closed
        except (psycopg.Error, OSError, ValueError) as error:
            if lost:  # probably all connections are lost, because the server restarted
                await pool.check()
            raise unavailable(error) from error

    async def _configure(self, connection: Connection) -> None:
        """Make commits durable, whatever the defaults of the role and the database are.

        Also sets timeouts, so that a worker that hangs in a transaction doesn't block its hook for long.
        """
        busy = round(self._busy_seconds * 1000)
        await connection.execute(
            "SET synchronous_commit = on; SET default_transaction_isolation = 'read committed';"
            f" SET lock_timeout = {busy}; SET idle_in_transaction_session_timeout = {busy}"
        )


class _Watch:
    """Compares the database's clock with this machine's uptime, to notice when somebody sets the clock."""

    def __init__(self, uptime: Callable[[], float]) -> None:
        self.uptime = uptime
        self._began: tuple[float, float] | None = None  # earliest and latest boot time by the clock
        self._since = 0.0

    def seen(self, clock: float, asked: float) -> float:
        """Return how many seconds the database's clock has run without a jump.

        `clock` is the time that was just read from the database's clock. `asked` is this machine's uptime
        just before that.
        """
        now = self.uptime()
        began = clock - now, clock - asked
        if self._began is None or max(began[0] - self._began[1], self._began[0] - began[1]) > _SLACK:
            self._since = now
        self._began = began
        return now - self._since


async def _only(connection: Connection, query: str, values: tuple[object, ...] = ()) -> tuple[Any, ...]:
    """Run a query that returns exactly one row, and return this row."""
    (row,) = await (await connection.execute(query, values)).fetchall()
    return row


async def _clock(connection: Connection) -> Steadiness:
    """Read the database's clock, and return its `Steadiness`."""
    now, seen, since = await _only(connection, f"SELECT {_NOW}, seen, since FROM tallyhook_clock")
    return Steadiness(seen, since).at(now)


def _conninfo(url: str, seconds: float) -> str:
    """Return the connection string for a URL. Raises ValueError for an invalid URL.

    Adds the timeouts that the URL doesn't set itself, so that a dead server is noticed.
    """
    limits: dict[str, Any] = {
        "application_name": "tallyhook",
        "connect_timeout": max(2, round(seconds)),  # in seconds; psycopg's minimum is 2
        "keepalives_idle": 30,
        "tcp_user_timeout": round(2000 * seconds),
        "target_session_attrs": "read-write",
    }
    try:
        return make_conninfo(**(limits | conninfo_to_dict(url)))
    except psycopg.ProgrammingError:
        # The exception's message may quote part of the password, so don't show it.
        raise ValueError(
            "the inbox's URL can't be read: write postgresql://user:password@host:port/database,"
            " and percent-encode reserved characters"
        ) from None


def _moment(written: datetime) -> datetime:
    return written.astimezone(UTC)
