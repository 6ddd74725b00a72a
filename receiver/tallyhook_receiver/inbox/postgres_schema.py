"""The tables of the PostgreSQL inbox, and their migrations."""

from typing import Any

import psycopg
from psycopg import AsyncConnection

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox.base import digest
from tallyhook_receiver.sources.cheddar import kept_key

Connection = AsyncConnection[tuple[Any, ...]]

# `tallyhook_schema` stores how many of these steps a database has gone through. Keys are compared as bytes
# ("C"), so that the index can find a key by its prefix.
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
    # Hooks may have several bodies, and reviews may get a second look. `digest` loses its default, so that
    # workers of the earlier release can't add hooks.
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
_REKEYED = 2  # keys are rewritten after this step

_LOCK = 0x7461_6C6C_7968_6F6F  # "tallyhoo"; any number that no other program locks


async def migrate(connection: Connection, create: bool) -> None:
    """Create the tables, or migrate them to this release.

    Call this function with a separate connection, and close the connection afterwards. Until then, the
    connection holds the lock that makes workers migrate one at a time.

    Raises InboxUnavailable if the database's encoding isn't UTF8, if the database contains no inbox and
    `create` is False, or if a newer release wrote the inbox.
    """
    if await _value(connection, "SHOW server_encoding") != "UTF8":
        raise InboxUnavailable("PostgreSQL: the database of an inbox must have the encoding UTF8")
    if await _version(connection) == len(_MIGRATIONS):
        return  # up to date: no lock and no right to create tables is needed
    # The lock is held until the connection closes. It is taken before the transaction begins, since a
    # transaction that waited for it might not see the tables that another worker has just created.
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
    """Compute the key and the digest of each stored hook from its body."""
    keys = await (await connection.execute("SELECT key FROM tallyhook_hooks")).fetchall()
    for (old,) in keys:
        cursor = await connection.execute(
            "SELECT product, state, body FROM tallyhook_hooks WHERE key = %s", (old,)
        )
        ((product, state, body),) = await cursor.fetchall()
        seen = digest(body)
        # Two hooks of an earlier release may now have the same key. The first hook gets the key.
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


def unavailable(error: psycopg.Error | OSError | ValueError) -> InboxUnavailable:
    """Return an InboxUnavailable that quotes only the first line of the server's message.

    The other lines may contain data from the tables. A ValueError means that a host has no valid name, or
    that a table doesn't contain what this release has written.
    """
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return InboxUnavailable(f"PostgreSQL: {primary or ' '.join(str(error).split())}")
