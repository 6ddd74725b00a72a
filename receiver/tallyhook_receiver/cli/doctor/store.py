"""Check the inbox: whether it can be opened, read and written, and whether its data is safe."""

import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tallyhook_receiver import Inbox, InboxUnavailable, SQLiteInbox, State, open_inbox
from tallyhook_receiver.attempt import INTERRUPTED
from tallyhook_receiver.cli.doctor.finding import Finding, bad, doubtful, good
from tallyhook_receiver.settings import Settings

if TYPE_CHECKING:
    import psycopg

DEFAULT = "tallyhook.sqlite"  # where a receiver keeps it that was told nothing

_SCARCE, _TOO_LITTLE = 1_000_000_000, 100_000_000  # bytes of the disk
_LOOKED_AT = 1000  # hooks
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph"}


async def examine_store(settings: Settings) -> AsyncIterator[Finding]:
    url = settings.values.get("INBOX", DEFAULT)
    name = f"{settings.prefix}INBOX"
    if "INBOX" not in settings.values:
        yield doubtful(
            "inbox",
            f"not set: {DEFAULT} in the folder that the receiver starts in",
            f"name a place in {name}",
        )
    if url == ":memory:":
        yield bad("inbox", "it forgets everything at its end", f"name a file or a database in {name}")
        return
    try:
        inbox = open_inbox(url, create=False)
    except (ValueError, ModuleNotFoundError) as error:
        yield bad("inbox", str(error), f"correct {name}")
        return
    if isinstance(inbox, SQLiteInbox):
        file = Path(str(url).removeprefix("sqlite:///"))
        if file.is_dir():
            yield bad("inbox", f"{file} is a folder", f"name a file in it: {name}={file / DEFAULT}")
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
        yield bad("inbox", f"there is no folder {folder}", f"mkdir -p {folder}, for the receiver's user")
        return
    if not file.exists():
        yield doubtful(
            "inbox", f"{file} is not there yet: the receiver makes it", "nothing, before its first start"
        )
    kind = _filesystem(folder)
    if kind in _REMOTE:
        yield bad(
            "inbox",
            f"{folder} is on {kind}, whose locks are not to be relied on",
            "use a local disk, or PostgreSQL for several machines",
        )
    free = shutil.disk_usage(folder).free
    if free < _SCARCE:
        say = bad if free < _TOO_LITTLE else doubtful
        yield say(
            "disk", f"{free // 1_000_000:,} MB are free at {folder}", "make room: a full inbox takes no hooks"
        )
    else:
        yield good("disk", f"{free // 1_000_000_000:,} GB are free")


def _file(file: Path) -> Iterator[Finding]:
    if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        yield doubtful(
            "inbox",
            f"every user of this machine may read {file}: it holds customers' data",
            f"chmod 600 {file}",
        )


def _server(url: str) -> Iterator[Finding]:
    """Findings about a database's settings. If it can't be reached, another check says so."""
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
            f"PostgreSQL runs with {' and '.join(lazy)} off: a power cut loses what was promised",
            "turn it on in postgresql.conf",
        )
    else:
        yield good("inbox", f"PostgreSQL {version}, which flushes its commits to the disk")


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
        yield bad("inbox", str(error), f"correct {name}, or what it names; docs/inbox.md says more")
        return
    finally:
        await inbox.close()
    interrupted = sum(record.note == INTERRUPTED for record in failed)
    yield good("inbox", f"can be read and written, and holds {sum(stats.hooks.values()):,} hooks")
    if interrupted:
        hooks = "a hook was" if interrupted == 1 else f"{interrupted} hooks were"
        yield good("inbox", f"{hooks} interrupted by the receiver's end: the next delivery goes on with it")
    open_problems = {
        State.FAILED: stats.hooks.get(State.FAILED, 0) - interrupted,
        State.UNDECODABLE: stats.hooks.get(State.UNDECODABLE, 0),
    }
    for state, count in open_problems.items():
        if count > 0:
            hooks = "a hook is" if count == 1 else f"{count} hooks are"
            yield doubtful("inbox", f"{hooks} {state}", f"tallyhook inbox list --state {state}")


def _filesystem(folder: Path) -> str:
    """The type of the folder's file system, if the machine tells (Linux)."""
    try:
        mounts = Path("/proc/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    there = [line.split()[1:3] for line in mounts]
    holding = [(len(at), kind) for at, kind in there if folder.resolve().is_relative_to(at)]
    return max(holding, default=(0, ""))[1]
