"""The tables in a SQLite file, and the settings of a connection to it."""

import sqlite3
from collections.abc import Callable

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox.base import digest
from tallyhook_receiver.sources.cheddar import kept_key


def _rekey(connection: sqlite3.Connection) -> None:
    """Compute the key and the digest of each stored hook from its body."""
    for (row,) in connection.execute("SELECT id FROM hooks").fetchall():
        old, product, state, body = connection.execute(
            "SELECT key, product, state, body FROM hooks JOIN bodies ON hook = id WHERE id = ?", (row,)
        ).fetchone()
        key, seen = kept_key(product, body), digest(body)
        if connection.execute("SELECT 1 FROM hooks WHERE key = ?", (key,)).fetchone() is not None:
            key = old  # two hooks of an earlier release now have the same key; the first gets it
        done = seen if state == "done" else ""
        connection.execute("UPDATE journal SET key = ? WHERE key = ?", (key, old))
        connection.execute(
            "UPDATE hooks SET key = ?, digest = ?, done = ? WHERE id = ?", (key, seen, done, row)
        )


# `PRAGMA user_version` stores how many of these steps a file has gone through.
_MIGRATIONS: tuple[tuple[str | Callable[[sqlite3.Connection], None], ...], ...] = (
    (
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
        )
        """,
        """
        CREATE TABLE journal (
            key TEXT NOT NULL REFERENCES hooks (key),
            position INTEGER NOT NULL,
            written REAL NOT NULL,
            entry BLOB NOT NULL,
            PRIMARY KEY (key, position)
        ) WITHOUT ROWID
        """,
    ),
    # Move bodies to a separate table, so that changing a hook doesn't rewrite its body.
    (
        """
        CREATE TABLE slim_hooks (
            id INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            product TEXT NOT NULL,
            type TEXT NOT NULL,
            state TEXT NOT NULL,
            note TEXT NOT NULL,
            deliveries INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            received REAL NOT NULL,
            changed REAL NOT NULL,
            owner TEXT NOT NULL,
            leased_until REAL NOT NULL
        )
        """,
        """
        CREATE TABLE bodies (
            hook INTEGER PRIMARY KEY REFERENCES hooks (id) ON DELETE CASCADE,
            body BLOB NOT NULL
        )
        """,
        """
        INSERT INTO slim_hooks SELECT rowid, key, product, type, state, note, deliveries, attempts, received,
            changed, owner, leased_until FROM hooks
        """,
        "INSERT INTO bodies SELECT rowid, body FROM hooks",
        "DROP TABLE hooks",
        "ALTER TABLE slim_hooks RENAME TO hooks",
        "CREATE INDEX hooks_by_change ON hooks (changed)",
        "CREATE INDEX hooks_by_state ON hooks (state, changed)",
        # A view that joins both tables, for reading and inserting.
        "CREATE VIEW letters AS SELECT hooks.*, body FROM hooks JOIN bodies ON hook = id",
        """
        CREATE TRIGGER letters_arrive INSTEAD OF INSERT ON letters BEGIN
            INSERT INTO hooks VALUES (NULL, NEW.key, NEW.product, NEW.type, NEW.state, NEW.note,
                NEW.deliveries, NEW.attempts, NEW.received, NEW.changed, NEW.owner, NEW.leased_until);
            INSERT INTO bodies VALUES (last_insert_rowid(), NEW.body);
        END
        """,
    ),
    # Hooks may have several bodies, leases are measured by the uptime, and reviews may get a second look.
    (
        "DROP TRIGGER letters_arrive",
        "DROP VIEW letters",
        "ALTER TABLE hooks ADD COLUMN lease REAL NOT NULL DEFAULT 0",
        "ALTER TABLE hooks ADD COLUMN digest TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE hooks ADD COLUMN done TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE hooks ADD COLUMN due REAL",
        "ALTER TABLE hooks ADD COLUMN due_until REAL",
        "UPDATE hooks SET owner = '', leased_until = 0",
        "CREATE INDEX hooks_by_due ON hooks (due) WHERE due IS NOT NULL",
        "CREATE TABLE clock (seen REAL NOT NULL, since REAL NOT NULL)",
        "INSERT INTO clock VALUES (0, 0)",
        _rekey,
    ),
)


def connect(database: str, busy_seconds: float) -> sqlite3.Connection:
    """Connect to a SQLite database in autocommit mode. `database` is its URI, or `:memory:`.

    `busy_seconds` says how long to wait while another process writes.
    """
    return sqlite3.connect(
        database, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )


def inspect(connection: sqlite3.Connection, create: bool) -> None:
    """Raise InboxUnavailable if the file is damaged.

    If `create` is False, also raise it if the file contains no inbox.
    """
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise InboxUnavailable(f"the file is damaged: restore a backup: {found}")
    if not create and connection.execute("PRAGMA user_version").fetchone() == (0,):
        raise InboxUnavailable("this file holds no inbox")


def migrate(connection: sqlite3.Connection) -> None:
    """Make the connection's writes durable, and create the tables or migrate them to this release.

    Raises InboxUnavailable if a newer release wrote the inbox.
    """
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    for step in _MIGRATIONS[_version(connection) :]:
        for statement in step:
            if callable(statement):
                statement(connection)
            else:
                connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    connection.execute("COMMIT")
    # Check references only from now on, because a step may replace a table that another table references.
    connection.execute("PRAGMA foreign_keys = ON")


def touch(connection: sqlite3.Connection) -> None:
    """Read a row and write an unchanged value, to check that the file can be read and written.

    Like storing a hook, this takes the write lock and writes a page. Raises InboxUnavailable if a newer
    release has updated the file in the meantime.
    """
    connection.execute("SELECT 1 FROM hooks LIMIT 1").fetchall()
    connection.execute(f"PRAGMA user_version = {_version(connection)}")


def _version(connection: sqlite3.Connection) -> int:
    """Return the file's schema. Raises InboxUnavailable if a newer release wrote it."""
    version: int
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_MIGRATIONS):
        raise InboxUnavailable(f"the inbox was written by a newer release (schema {version})")
    return version
