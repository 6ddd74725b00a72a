"""What only SQLite has: the file, its durability, and everything that can be wrong with it."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.cheddar import KEY, FakeCheddar, signed
from tests.receiver.letters import ADDING, LETTER, letter

from tallyhook.review import journal
from tallyhook.review.journal import Refused
from tallyhook_receiver import Cheddar, InboxUnavailable, Receiver, SQLiteInbox, State
from tallyhook_receiver.inbox import sqlite_schema


async def test_commits_are_durable_and_shared(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    run = inbox._commits.run
    assert await run(lambda c: c.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    assert await run(lambda c: c.execute("PRAGMA synchronous").fetchone()) == (2,)
    commits: list[str] = []
    connection = await run(lambda c: c)
    connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    async with anyio.create_task_group() as group:
        for number in range(200):
            group.start_soon(inbox.keep, letter(f"k{number}"), State.IGNORED)
    assert len(await inbox.list(limit=1000)) == 200
    assert len(commits) < 50
    await inbox.close()


async def test_what_was_asked_for_just_before_the_end_is_done(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    asked = [asyncio.ensure_future(inbox.keep(letter(key), State.IGNORED)) for key in "ab"]
    await asyncio.sleep(0)  # both operations are queued, and none has begun
    await inbox.close()
    await asyncio.gather(*asked)
    await inbox.open()
    assert [record.key for record in await inbox.list()] == ["b", "a"]
    await inbox.close()


async def test_what_a_canceled_caller_asked_for_is_done(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.claim(LETTER, "me", 60)
    asked = asyncio.ensure_future(inbox.finish(LETTER.key, "me", State.DONE))
    await asyncio.sleep(0)  # the operation is queued
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    record = await inbox.get(LETTER.key)
    assert record is not None
    assert record.state is State.DONE
    await inbox.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox._commits.run(lambda c: c.execute("PRAGMA max_page_count = 20").fetchall())
    big = letter("big", body=b"x" * 500_000)
    with pytest.raises(InboxUnavailable, match="full"):
        await inbox.claim(big, "me", 60)
    assert (await inbox.claim(LETTER, "me", 60)).mine
    assert await inbox.get("big") is None
    await inbox.close()


async def test_a_locked_file(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite", busy_seconds=0.05)
    await inbox.open()
    other = sqlite3.connect(tmp_path / "inbox.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InboxUnavailable, match="locked"):
        await inbox.claim(LETTER, "me", 60)
    other.execute("ROLLBACK")
    other.close()
    assert (await inbox.claim(LETTER, "me", 60)).mine
    await inbox.close()


async def test_a_file_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    (tmp_path / "inbox.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with pytest.raises(InboxUnavailable):
        await inbox.claim(LETTER, "me", 60)
    (tmp_path / "inbox.sqlite").touch()
    with pytest.raises(InboxUnavailable, match="replaced"):
        await inbox.claim(LETTER, "me", 60)
    await inbox.close()


def _remove(end: str) -> Callable[[Path], object]:
    return lambda file: Path(f"{file}{end}").unlink()


def _replace(end: str) -> Callable[[Path], object]:
    def act(file: Path) -> None:
        Path(f"{file}{end}").rename(f"{file}{end}.old")
        Path(f"{file}{end}").write_bytes(Path(f"{file}{end}.old").read_bytes())

    return act


@pytest.mark.parametrize(
    "harm",
    [
        _remove("-wal"),
        _remove("-shm"),
        _replace(""),
        _replace("-wal"),
        _replace("-shm"),
        lambda file: file.write_bytes(b""),
        lambda file: os.truncate(file, file.stat().st_size // 2),
    ],
)
@pytest.mark.parametrize("is_linked", [False, True])
async def test_nothing_is_promised_that_a_restart_would_not_find(
    harm: Callable[[Path], object], is_linked: bool, tmp_path: Path
) -> None:
    """SQLite itself notices none of this while it runs, and a crash would lose every later commit."""
    (tmp_path / "disk").mkdir()
    file = tmp_path / "disk" / "inbox.sqlite"
    link = tmp_path / "inbox.sqlite"
    link.symlink_to(file)
    inbox = SQLiteInbox(link if is_linked else file)
    await inbox.open()
    await inbox.claim(LETTER, "me", 60)
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA wal_checkpoint")
    other.close()
    await inbox.check()
    harm(file)
    for _ in range(2):
        with pytest.raises(InboxUnavailable, match="while it was open"):
            await inbox.append(LETTER.key, "me", ADDING)
        with pytest.raises(InboxUnavailable, match="while it was open"):
            await inbox.check()
    await inbox.close()


async def test_files_that_are_put_back_are_used_again(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    files = list(tmp_path.iterdir())
    assert len(files) == 3
    for file in files:
        file.rename(f"{file}.away")
    with pytest.raises(InboxUnavailable, match="while it was open"):
        await inbox.claim(LETTER, "me", 60)
    for file in files:
        Path(f"{file}.away").rename(file)
    assert (await inbox.claim(LETTER, "me", 60)).mine
    await inbox.close()


async def test_a_connection_that_broke_is_made_anew(tmp_path: Path) -> None:
    """Its end removes the write-ahead log, as is usual."""
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.claim(LETTER, "me", 60)
    with pytest.raises(InboxUnavailable):
        await inbox._commits.run(lambda connection: connection.close())
    await inbox.append(LETTER.key, "me", ADDING)
    assert await inbox.entries(LETTER.key) == [ADDING]
    await inbox.close()


@pytest.mark.parametrize("version", [1, 2])
async def test_a_file_of_an_earlier_release(tmp_path: Path, version: int) -> None:
    """After migration, hooks keep their bodies, order and journals, and done hooks are done."""
    bodies = [FakeCheddar().hook(customer={"id": f"c{n}", "code": f"C{n}"}) for n in range(3)]
    with sqlite3.connect(tmp_path / "inbox.sqlite") as other:
        for step in sqlite_schema._MIGRATIONS[:version]:
            for statement in step:
                assert isinstance(statement, str)
                other.execute(statement)
        table = "letters" if version == 2 else "hooks"
        columns = "key, product, type, state, body, note, deliveries, attempts, received, changed, owner"
        other.executemany(
            f"INSERT INTO {table} ({columns}, leased_until)"
            " VALUES (?, 'ACME', 'subscriptionBillable', ?, ?, '', ?, 1, ?, ?, 'me', 2e9)",
            [
                (f"k{n}", "done" if n else "working", body, n + 1, 1000.0 - n, 1000.0 - n)
                for n, body in enumerate(bodies)
            ],
        )
        other.execute("INSERT INTO journal VALUES ('k0', 0, 1000.0, ?)", (journal.encode(ADDING),))
        other.execute(f"PRAGMA user_version = {version}")
    other.close()
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    found = await inbox.list()
    assert [(each.body, each.deliveries) for each in found] == [
        (bodies[0], 1),
        (bodies[1], 2),
        (bodies[2], 3),
    ]
    assert await inbox.entries(found[0].key) == [ADDING]
    await inbox.close()
    handled: list[bytes] = []
    async with Receiver(Cheddar("ACME", KEY), inbox=inbox) as receiver:
        receiver.on("subscriptionBillable")(lambda hook: handled.append(hook))
        for body in bodies:
            response = await receiver.handle("POST", signed(body), body)
            assert response.status == 200
        assert len(handled) == 1
        assert len(await inbox.list()) == 3
        assert await inbox.entries(found[0].key) == [ADDING]
        assert await inbox.forget(found[1].key)
    with sqlite3.connect(tmp_path / "inbox.sqlite") as other:
        assert other.execute("SELECT count(*) FROM bodies").fetchone() == (2,)  # one was deleted
        assert other.execute("PRAGMA foreign_key_check").fetchall() == []
    other.close()


async def test_a_file_of_a_newer_release(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "inbox.sqlite") as other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    with pytest.raises(InboxUnavailable, match="newer release"):
        await inbox.open()
    await inbox.close()


@pytest.mark.parametrize("version", [4, 99])
async def test_a_file_that_a_newer_release_updates_while_it_is_open(tmp_path: Path, version: int) -> None:
    """The health check must not write the old version back: the newer release would update the file again."""
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.check()
    with contextlib.closing(sqlite3.connect(tmp_path / "inbox.sqlite")) as other:
        other.execute(f"PRAGMA user_version = {version}")
        with pytest.raises(InboxUnavailable, match=f"newer release \\(schema {version}\\)"):
            await inbox.check()
        assert other.execute("PRAGMA user_version").fetchone() == (version,)
    await inbox.close()


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "nowhere" / "inbox.sqlite")
    with pytest.raises(InboxUnavailable):
        await inbox.open()
    (tmp_path / "nowhere").mkdir()
    await inbox.open()
    await inbox.close()


async def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    # As on a file system remounted read-only. A mode isn't enough, since root may write to any file.
    connection = await inbox._commits.run(lambda c: c)
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(InboxUnavailable, match=r"inbox\.sqlite: attempt to write a readonly database"):
        await inbox.claim(LETTER, "me", 60)
    connection.execute("PRAGMA query_only = OFF")
    assert (await inbox.claim(LETTER, "me", 60)).mine
    await inbox.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any file")
async def test_a_file_without_the_right_to_write(tmp_path: Path) -> None:
    file = tmp_path / "inbox.sqlite"
    inbox = SQLiteInbox(file)
    await inbox.open()
    await inbox.close()
    file.chmod(0o400)
    with pytest.raises(InboxUnavailable, match=r"inbox\.sqlite: attempt to write a readonly database"):
        await inbox.open()
    await inbox.close()


async def test_a_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "inbox.sqlite"
    inbox = SQLiteInbox(file)
    await inbox.open()
    for number in range(200):
        await inbox.keep(letter(f"k{number}", body=b"x" * 300), State.IGNORED)
    await inbox.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\x5a" * 8192 + whole[16384:])
    with pytest.raises(InboxUnavailable, match=r"inbox\.sqlite: the file is damaged: restore a backup"):
        await inbox.open()
    await inbox.close()
    file.write_bytes(whole)
    await inbox.open()
    assert len(await inbox.list(limit=1000)) == 200
    await inbox.close()


async def test_a_file_of_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("Dear diary, " * 1000)
    inbox = SQLiteInbox(file)
    with pytest.raises(InboxUnavailable, match="not a database"):
        await inbox.open()
    await inbox.close()
    assert file.read_text().startswith("Dear diary, ")


async def test_is_not_made_where_none_is_expected(tmp_path: Path) -> None:
    file = tmp_path / "inbox.sqlite"
    inbox = SQLiteInbox(file, create=False)
    with pytest.raises(InboxUnavailable, match="does not exist"):
        await inbox.open()
    assert not file.exists()
    file.touch()
    with pytest.raises(InboxUnavailable, match="holds no inbox"):
        await inbox.open()
    await inbox.close()
    assert file.read_bytes() == b""


async def test_a_backup_of_an_inbox_in_use(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.claim(LETTER, "me", 60)
    await inbox.append("k1", "me", ADDING)
    with contextlib.closing(sqlite3.connect(tmp_path / "inbox.sqlite")) as other:
        other.execute("VACUUM INTO ?", (str(tmp_path / "backup.sqlite"),))
    await inbox.append("k1", "me", Refused(number=1))
    await inbox.close()
    backup = SQLiteInbox(tmp_path / "backup.sqlite", create=False)
    await backup.open()
    assert await backup.entries("k1") == [ADDING]
    await backup.close()


async def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file, theirs = tmp_path / "inbox.sqlite", tmp_path / "theirs.sqlite"
    theirs.touch(0o640)
    theirs.chmod(0o640)
    before = os.umask(0)
    try:
        for path, mode in ((file, 0o600), (theirs, 0o640)):
            inbox = SQLiteInbox(path)
            await inbox.open()
            await inbox.keep(LETTER, State.IGNORED)
            beside = [Path(f"{path}{end}") for end in ("", "-wal", "-shm")]
            assert [each.stat().st_mode & 0o777 for each in beside] == [mode] * 3
            await inbox.close()
    finally:
        os.umask(before)


def _trace(connection: sqlite3.Connection, tell: Callable[[str], None]) -> None:
    """Call `tell` once per statement. Python repeats it for each statement of its triggers."""
    latest = [""]

    def trace(sql: str) -> None:
        if sql != latest[0]:
            latest[0] = sql
            tell(sql)

    connection.set_trace_callback(trace)
