"""The table of journal entries in a SQLite file."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from tallyhook_receiver.inbox.sqlite_hooks import as_owner
from tallyhook_receiver.inbox.writer import attempt, begin

__all__ = ["Line", "append"]

_APPEND = (
    "INSERT INTO journal SELECT :key, (SELECT count(*) FROM journal WHERE key = :key), :at, :entry"
    " FROM hooks WHERE key = :key AND owner = :owner"
)


class Line(NamedTuple):
    """An entry to be appended by a hook's owner, and when."""

    key: str
    owner: str
    at: float
    entry: bytes


def append(connection: sqlite3.Connection, lines: Sequence[Line]) -> Sequence[Exception | None]:
    """Append to the journals of hooks."""
    if len(lines) > 1:
        begin(connection)
    return [attempt(_append, connection, line) for line in lines]


def _append(connection: sqlite3.Connection, line: Line) -> None:
    as_owner(connection.execute(_APPEND, line._asdict()))
