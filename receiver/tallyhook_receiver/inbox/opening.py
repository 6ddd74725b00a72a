"""Opens the inbox that a URL names."""

from pathlib import Path
from urllib.parse import unquote

from tallyhook_receiver.inbox.base import MAX_HOOKS, Inbox
from tallyhook_receiver.inbox.sqlite import MemoryInbox, SQLiteInbox


def open_inbox(url: str | Path, *, max_hooks: int = MAX_HOOKS, create: bool = True) -> Inbox:
    """The inbox that a path or URL names; its `open` is still to be called.

    A path, `sqlite:///relative/path` and `sqlite:////absolute/path` are a file, `:memory:` is a MemoryInbox,
    and `postgresql://user:password@host/database` is a server, which needs the extra `[postgres]`.

    `max_hooks`: when it counts as full. `create`: whether a file or tables that aren't there are made.

    Raises ValueError for any other URL, and ModuleNotFoundError if the extra is missing.
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
            f"an inbox is a path, sqlite:///path or postgresql://user@host/database, not {scheme}://…"
        )
    try:
        from tallyhook_receiver.inbox.postgres import PostgresInbox
    except ImportError as error:
        if (error.name or "").startswith("tallyhook"):
            raise
        raise ModuleNotFoundError(
            "an inbox in PostgreSQL needs psycopg: pip install 'tallyhook[postgres]'", name=error.name
        ) from error
    return PostgresInbox(str(url), max_hooks=max_hooks, create=create)
