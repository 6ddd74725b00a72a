"""Check the inbox: whether it can be opened, read and written, and whether its data is safe."""

import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallyhook_receiver import Inbox, InboxUnavailable, SQLiteInbox, State, open_inbox
from tallyhook_receiver.attempt import INTERRUPTED
from tallyhook_receiver.cli.doctor.finding import Finding, bad, doubtful, good
from tallyhook_receiver.options import DEFAULT_INBOX
from tallyhook_receiver.settings import Settings

if TYPE_CHECKING:
    import psycopg

_SCARCE, _TOO_LITTLE = 1_000_000_000, 100_000_000  # free bytes on the disk
_LOOKED_AT = 1000  # the maximum number of failed hooks to read
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph"}


async def examine_store(settings: Settings) -> AsyncIterator[Finding]:
    url = settings.values.get("INBOX", DEFAULT_INBOX)
    name = f"{settings.prefix}INBOX"
    if "INBOX" not in settings.values:
        yield doubtful(
            "inbox",
            f"not set: the receiver uses {DEFAULT_INBOX} in its working directory",
            f"set {name} to a path or a URL",
        )
    if url == ":memory:":
        yield bad(
            "inbox", "an inbox in memory is lost at every restart", f"set {name} to a file or a database"
        )
        return
    try:
        inbox = open_inbox(url, create=False)
    except (ValueError, ModuleNotFoundError) as error:
        yield bad("inbox", str(error), f"correct {name}")
        return
    if isinstance(inbox, SQLiteInbox):
        file = inbox.path
        if file.is_dir():
            yield bad("inbox", f"{file} is a folder", f"set it to a file: {name}={file / DEFAULT_INBOX}")
            return
        for finding in _folder(file):
            yield finding
        if not file.exists():
            return
        for finding in _file(file):
            yield finding
    else:
        for finding in _server(url):
            yield finding
    async for finding in _contents(inbox, name):
        yield finding


def _folder(file: Path) -> Iterator[Finding]:
    folder = file.absolute().parent
    if not folder.is_dir():
        yield bad("inbox", f"the folder {folder} doesn't exist", f"mkdir -p {folder}, as the receiver's user")
        return
    if not file.exists():
        yield doubtful(
            "inbox",
            f"{file} doesn't exist yet; the receiver creates it",
            "nothing to do before its first start",
        )
    kind = _filesystem(folder)
    if kind in _REMOTE:
        yield bad(
            "inbox",
            f"{folder} is on {kind}, whose locks aren't reliable",
            "use a local disk, or PostgreSQL for several machines",
        )
    free = shutil.disk_usage(folder).free
    if free < _SCARCE:
        say = bad if free < _TOO_LITTLE else doubtful
        yield say(
            "disk",
            f"only {free // 1_000_000:,} MB are free at {folder}",
            "free some space: a full disk stops the inbox",
        )
    else:
        yield good("disk", f"{free // 1_000_000_000:,} GB are free")


def _file(file: Path) -> Iterator[Finding]:
    if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield doubtful(
            "inbox",
            f"every user of this machine may read {file}, which contains customer data",
            f"chmod 600 {file}",
        )


def _server(url: str) -> Iterator[Finding]:
    """Yield findings about the database server's settings.

    If the server is unreachable, yields nothing, because `_contents` reports that.
    """
    import psycopg

    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            version = connection.info.parameter_status("server_version")
            lazy = [name for name in ("fsync", "full_page_writes") if _setting(connection, name) == "off"]
    except psycopg.Error:
        return
    if lazy:
        yield bad(
            "inbox",
            f"PostgreSQL runs with {' and '.join(lazy)} off, so a power cut can lose stored hooks",
            "turn it on in postgresql.conf",
        )
    else:
        yield good("inbox", f"PostgreSQL {version}, which flushes commits to disk")


def _setting(connection: "psycopg.Connection[tuple[Any, ...]]", name: str) -> Any:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    return row and row[0]


async def _contents(inbox: Inbox, name: str) -> AsyncIterator[Finding]:
    try:
        await inbox.open()
        await inbox.check()
        stats = await inbox.stats()
        failed = await inbox.list(State.FAILED, _LOOKED_AT)
    except InboxUnavailable as error:
        yield bad("inbox", str(error), f"correct {name}, or the inbox itself; see docs/inbox.md")
        return
    finally:
        await inbox.close()
    interrupted = sum(record.note == INTERRUPTED for record in failed)
    yield good("inbox", f"can be read and written, and contains {sum(stats.hooks.values()):,} hooks")
    if interrupted:
        hooks = "a hook was" if interrupted == 1 else f"{interrupted} hooks were"
        yield good("inbox", f"{hooks} interrupted when the receiver stopped; the next delivery continues")
    open_problems = {
        State.FAILED: stats.hooks.get(State.FAILED, 0) - interrupted,
        State.UNDECODABLE: stats.hooks.get(State.UNDECODABLE, 0),
    }
    for state, count in open_problems.items():
        if count > 0:
            hooks = "a hook is" if count == 1 else f"{count} hooks are"
            yield doubtful("inbox", f"{hooks} {state}", f"tallyhook inbox list --state {state}")


def _filesystem(folder: Path) -> str:
    """Return the type of the file system that contains the folder, such as `ext4`.

    Returns `""` if the type is unknown, as on any system other than Linux.
    """
    try:
        mounts = Path("/proc/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    there = [line.split()[1:3] for line in mounts]
    holding = [(len(at), kind) for at, kind in there if folder.resolve().is_relative_to(at)]
    return max(holding, default=(0, ""))[1]
