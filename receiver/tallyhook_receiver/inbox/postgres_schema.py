"""The tables of the PostgreSQL inbox. The first worker creates and migrates them."""

from typing import Any

import psycopg
from psycopg import AsyncConnection

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox.base import digest
from tallyhook_receiver.sources.cheddar import kept_key

Connection = AsyncConnection[tuple[Any, ...]]

# The schema's versions: `tallyhook_schema` counts how many of these steps a database has gone through.
# Keys are compared as bytes ("C"), so that the beginning of a key finds it by the index.
_MIGRATIONS = (
    """
    CREATE TABLE tallyhook_hooks (
        key text COLLATE "C" PRIMARY KEY,
        product text NOT NULL,
        type text NOT NULL,
        state text NOT NULL DEFAULT 'waiting',
        body bytea NOT NULL,
        note text NOT NULL DEFAULT '',
        deliveries integer NOT NULL DEFAULT 1,
        attempts integer NOT NULL DEFAULT 0,
        received timestamptz NOT NULL,
        changed timestamptz NOT NULL,
        owner text NOT NULL DEFAULT '',
        leased_until timestamptz NOT NULL DEFAULT 'epoch'
    );
    CREATE INDEX tallyhook_hooks_by_change ON tallyhook_hooks (changed);
    CREATE INDEX tallyhook_hooks_by_state ON tallyhook_hooks (state, changed);
    CREATE TABLE tallyhook_journal (
        key text COLLATE "C" NOT NULL REFERENCES tallyhook_hooks ON DELETE CASCADE,
        position bigint GENERATED ALWAYS AS IDENTITY,
        written timestamptz NOT NULL,
        entry bytea NOT NULL,
        PRIMARY KEY (key, position)
    );
    """,
    # A hook may be announced in several bodies; reviews may be due again. Workers of the release before,
    # which know nothing of it, can't add hooks any more.
    """
    ALTER TABLE tallyhook_hooks
        ADD COLUMN lease interval NOT NULL DEFAULT '0',
        ADD COLUMN digest text NOT NULL DEFAULT '',
        ADD COLUMN done text NOT NULL DEFAULT '',
        ADD COLUMN due timestamptz,
        ADD COLUMN due_until timestamptz;
    ALTER TABLE tallyhook_hooks ALTER COLUMN digest DROP DEFAULT;
    UPDATE tallyhook_hooks SET owner = '';
    CREATE INDEX tallyhook_hooks_by_due ON tallyhook_hooks (due) WHERE due IS NOT NULL;
    ALTER TABLE tallyhook_journal
        DROP CONSTRAINT tallyhook_journal_key_fkey,
        ADD FOREIGN KEY (key) REFERENCES tallyhook_hooks ON DELETE CASCADE ON UPDATE CASCADE;
    CREATE TABLE tallyhook_clock (seen float8 NOT NULL, since float8 NOT NULL);
    INSERT INTO tallyhook_clock VALUES (0, 0);
    """,
)
_REKEYED = 2  # the step after which keys are rewritten

_LOCK = 0x7461_6C6C_7968_6F6F  # "tallyhoo": any number will do that nobody else locks


async def migrate(connection: Connection, create: bool) -> None:
    """Bring the tables to this release's version, on a connection that serves nothing else.

    Several workers take turns.

    Raises InboxUnavailable if the database can't hold an inbox, if it has none and `create` is False, or if a
    newer release wrote it.
    """
    if await _value(connection, "SHOW server_encoding") != "UTF8":
        raise InboxUnavailable("PostgreSQL: an inbox needs a database with the encoding UTF8")
    if await _version(connection) == len(_MIGRATIONS):
        return  # without a lock, and without the right to make tables
    # Held until the connection is closed. Taken before the transaction: one that has begun need not see the
    # tables that another worker has made since.
    await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    async with connection.transaction():
        version = await _version(connection)
        if version > len(_MIGRATIONS):
            raise InboxUnavailable(f"the inbox was written by a newer release (schema {version})")
        if version == 0:
            if not create:
                raise InboxUnavailable("this database holds no inbox")
            await connection.execute("CREATE TABLE tallyhook_schema (version integer NOT NULL)")
            await connection.execute("INSERT INTO tallyhook_schema VALUES (0)")
        for number, step in enumerate(_MIGRATIONS[version:], version + 1):
            await connection.execute(step)
            if number == _REKEYED:
                await _rekey(connection)
        await connection.execute("UPDATE tallyhook_schema SET version = %s", (len(_MIGRATIONS),))


async def _rekey(connection: Connection) -> None:
    """Compute keys and digests from the bodies: a key has the product that signed, and a body is done."""
    keys = await (await connection.execute("SELECT key FROM tallyhook_hooks")).fetchall()
    for (old,) in keys:
        cursor = await connection.execute(
            "SELECT product, state, body FROM tallyhook_hooks WHERE key = %s", (old,)
        )
        ((product, state, body),) = await cursor.fetchall()
        seen = digest(body)
        # Two that an earlier release took for different hooks may have one key now: the first one has it.
        await connection.execute(
            "UPDATE tallyhook_hooks SET digest = %(seen)s, done = %(done)s, key = CASE WHEN EXISTS"
            " (SELECT FROM tallyhook_hooks WHERE key = %(new)s) THEN key ELSE %(new)s END"
            " WHERE key = %(old)s",
            {
                "seen": seen,
                "done": seen if state == "done" else "",
                "new": kept_key(product, body),
                "old": old,
            },
        )


async def _version(connection: Connection) -> int:
    if await _value(connection, "SELECT to_regclass('tallyhook_schema')") is None:
        return 0
    return int(await _value(connection, "SELECT version FROM tallyhook_schema"))


async def _value(connection: Connection, query: str) -> Any:
    ((value,),) = await (await connection.execute(query)).fetchall()
    return value


def unavailable(error: psycopg.Error | OSError) -> InboxUnavailable:
    """The error with the first line of the server's message. Later lines may quote data."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return InboxUnavailable(f"PostgreSQL: {primary or ' '.join(str(error).split())}")
