"""The inbox stores all hooks, their states, and the journals of their reviews.

`Inbox` is the protocol. `PostgresInbox` is in `tallyhook_receiver.inbox.postgres`, which needs the extra
`[postgres]`.
"""

from pathlib import Path
from urllib.parse import unquote

from tallyhook_receiver.inbox.base import FRESH, MAX_HOOKS, Claim, Due, Inbox, Letter, Record, State, Stats
from tallyhook_receiver.inbox.sqlite import MemoryInbox, SQLiteInbox

__all__ = [
    "FRESH",
    "Claim",
    "Due",
    "Inbox",
    "Letter",
    "MemoryInbox",
    "Record",
    "SQLiteInbox",
    "State",
    "Stats",
    "open_inbox",
]


def open_inbox(url: str | Path, *, max_hooks: int = MAX_HOOKS, create: bool = True) -> Inbox:
    """Return the inbox for a path or URL. Call its method `open` before you use it.

    A plain path, or a URL such as `sqlite:///relative/path` or `sqlite:////absolute/path`, means a
    SQLiteInbox. `:memory:` means a MemoryInbox. `postgresql://user:password@host/database` means a
    PostgresInbox, which needs the extra `[postgres]`.

    Args:
        max_hooks: the maximum number of hooks.
        create: whether to create a file or tables that don't exist.

    Raises ValueError for any other URL, and ModuleNotFoundError if the extra is needed but not installed.
    """
    if str(url) == ":memory:":
        return MemoryInbox(max_hooks=max_hooks)
    scheme, separator, rest = str(url).partition("://")
    if isinstance(url, Path) or not separator:
        return SQLiteInbox(url, max_hooks=max_hooks, create=create)
    if scheme == "sqlite" and len(rest) > 1 and rest.startswith("/"):
        return SQLiteInbox(unquote(rest[1:]), max_hooks=max_hooks, create=create)
    if scheme not in ("postgresql", "postgres"):
        raise ValueError(
            f"an inbox must be a path, sqlite:///path or postgresql://user@host/database, not {scheme}://…"
        )
    try:
        from tallyhook_receiver.inbox.postgres import PostgresInbox
    except ImportError as error:
        if (error.name or "").startswith("tallyhook"):
            raise
        raise ModuleNotFoundError(
            "a PostgreSQL inbox needs psycopg: pip install 'tallyhook[postgres]'", name=error.name
        ) from error
    return PostgresInbox(str(url), max_hooks=max_hooks, create=create)
