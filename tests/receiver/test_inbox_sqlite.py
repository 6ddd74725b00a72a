"""What is SQLite's own: the file, its durability, and everything that can be wrong with it."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from tests.receiver.letters import ADDING, LETTER, letter

from tallyhook.review import journal
from tallyhook.review.journal import Declaration, Declared, Refused
from tallyhook_receiver import InboxUnavailable, SQLiteInbox, State
from tallyhook_receiver.inbox import sqlite, sqlite_schema


async def test_commits_are_durable_and_shared(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    run = inbox._writer.run
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


async def test_only_what_the_living_need_is_not_flushed_by_itself(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    (connection,) = [await inbox._writer.run(lambda c: c)]
    synchronous = {"PRAGMA synchronous = NORMAL": "light", "PRAGMA synchronous = FULL": "durable"}
    commits: list[str] = []
    now = ["durable"]

    def trace(sql: str) -> None:
        now[0] = synchronous.get(sql, now[0])
        alone = sql.startswith(("INSERT", "UPDATE")) and not connection.in_transaction
        if alone or sql == "COMMIT":
            commits.append(now[0])

    _trace(connection, trace)
    await inbox.take(LETTER, "me", 60)
    await inbox.append("k1", "me", Declared(declaration=Declaration(), changes=()))
    await inbox.append("k1", "me", ADDING)
    await inbox.renew("k1", "me", 60)
    await inbox.settle("k1", "me", State.DONE)
    await inbox.keep(letter("k2"), State.IGNORED)
    await inbox.retry("k1")
    await inbox.take(LETTER, "me", 60)
    # The last hook isn't new: the statement that would have taken it if it were is one more.
    assert commits == ["light", "light", *["durable"] * 5, "light", "light"]
    await inbox.close()


async def test_a_hook_is_taken_durably_where_it_is_asked_for(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.take(letter("earlier"), "me", 60)  # the connection commits without a flush now
    flushes: list[str] = []
    connection = await inbox._writer.run(lambda c: c, durably=False)
    connection.set_trace_callback(lambda sql: flushes.append(sql) if "FULL" in sql else None)
    await inbox.take(LETTER, "me", 60)
    assert flushes == []
    await inbox.take(letter("k2"), "me", 60, durably=True)
    assert len(flushes) == 1
    await inbox.close()


async def test_what_many_hooks_need_at_once_is_few_statements(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.take(letter("earlier"), "me", 60)  # from here on their number is known
    statements: list[str] = []
    connection = await inbox._writer.run(lambda c: c)
    _trace(connection, statements.append)
    hooks = [letter(f"k{number}") for number in range(100)]
    assert all(taken.mine for taken in await asyncio.gather(*(inbox.take(hook, "me", 60) for hook in hooks)))
    await asyncio.gather(*(inbox.settle(hook.key, "me", State.DONE) for hook in hooks))
    assert len(statements) < len(hooks)
    assert (await inbox.stats()).hooks == {State.DONE: 100, State.WORKING: 1}
    assert [record.deliveries for record in await inbox.list(limit=200)] == [1] * 101
    await inbox.close()


async def test_what_ends_at_once_joins_the_flush_under_way(tmp_path: Path) -> None:
    """The flush waits for the outcomes of hooks that were taken just before it."""
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.take(letter("earlier"), "me", 60)
    flushes: list[str] = []
    connection = await inbox._writer.run(lambda c: c)
    connection.set_trace_callback(lambda sql: flushes.append(sql) if "FULL" in sql else None)

    async def handle() -> None:
        await inbox.take(LETTER, "me", 60)
        await inbox.settle("k1", "me", State.DONE)

    async with anyio.create_task_group() as group:
        group.start_soon(inbox.settle, "earlier", "me", State.DONE)
        group.start_soon(handle)
    assert len(await inbox.list(State.DONE)) == 2
    assert len(flushes) == 1
    await inbox.close()


async def test_what_was_committed_is_carried_into_the_file(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.keep(letter("big", body=b"x" * 1_000_000), State.IGNORED)
    with anyio.fail_after(10):
        while (tmp_path / "inbox.sqlite").stat().st_size < 1_000_000:
            await anyio.sleep(0.02)
    await inbox.close()
    assert [file.name for file in tmp_path.iterdir()] == ["inbox.sqlite"]


async def test_only_the_latest_are_known_to_repeat_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_REMEMBERED", 2)
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    for key in ("a", "b"):
        await inbox.take(letter(key), "me", 60)
        await inbox.settle(key, "me", State.DONE)
    assert await inbox.repeated("a")
    await inbox.take(letter("c"), "me", 60)
    await inbox.settle("c", "me", State.DONE)
    assert [await inbox.repeated(key) for key in "abc"] == [True, False, True]
    # One that isn't known so is known all the same.
    assert (await inbox.take(letter("b"), "me", 60)).state is State.DONE
    await inbox.close()


async def test_repeats_of_one_turn_share_a_look_and_the_next_turn_takes_another(tmp_path: Path) -> None:
    inbox, operators = (SQLiteInbox(tmp_path / "inbox.sqlite") for _ in range(2))
    await inbox.open()
    await operators.open()
    for key in ("a", "b"):
        await inbox.take(letter(key), "me", 60)
        await inbox.settle(key, "me", State.DONE)
    assert inbox._reader is not None
    statements: list[str] = []
    inbox._reader.set_trace_callback(statements.append)
    assert await asyncio.gather(*(inbox.repeated(key) for key in "abab")) == [True] * 4
    assert statements.count("BEGIN") == 1
    assert await operators.retry("a")
    assert await asyncio.gather(*(inbox.repeated(key) for key in "ab")) == [False, True]
    await inbox.close()
    await operators.close()


def test_a_loop_that_ends_in_the_middle_of_a_look_leaves_nothing_behind(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")

    async def begin() -> None:
        await inbox.open()
        await inbox.take(letter("a"), "me", 60)
        await inbox.settle("a", "me", State.DONE)
        asyncio.get_running_loop().stop()
        assert await inbox.repeated("a")

    loop = asyncio.new_event_loop()
    task = loop.create_task(begin())
    loop.run_forever()  # until `stop`, which leaves the end of the look undone
    assert task.done()
    loop.close()

    async def go_on() -> None:
        operators = SQLiteInbox(tmp_path / "inbox.sqlite")
        await operators.open()
        assert await operators.retry("a")
        await operators.close()
        assert not await inbox.repeated("a")
        await inbox.close()

    asyncio.run(go_on())


async def test_a_journal_that_the_loop_can_not_read_is_read_by_the_writer(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox.take(LETTER, "me", 60)
    await inbox.append("k1", "me", ADDING)
    assert inbox._reader is not None
    inbox._reader.close()
    assert await inbox.entries("k1") == [ADDING]
    await inbox.close()


async def test_what_was_asked_for_just_before_the_end_is_done(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    asked = [asyncio.ensure_future(inbox.keep(letter(key), State.IGNORED)) for key in "ab"]
    await asyncio.sleep(0)  # they have asked, and nothing of it has gone to the thread
    await inbox.close()
    await asyncio.gather(*asked)
    await inbox.open()
    assert [record.key for record in await inbox.list()] == ["b", "a"]
    await inbox.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox._writer.run(lambda c: c.execute("PRAGMA max_page_count = 20").fetchall())
    big = letter("big", body=b"x" * 500_000)
    with pytest.raises(InboxUnavailable, match="full"):
        await inbox.take(big, "me", 60)
    assert (await inbox.take(LETTER, "me", 60)).mine
    assert await inbox.get("big") is None
    await inbox.close()


async def test_a_locked_file(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite", busy_seconds=0.05)
    await inbox.open()
    other = sqlite3.connect(tmp_path / "inbox.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(InboxUnavailable, match="locked"):
        await inbox.take(LETTER, "me", 60)
    other.execute("ROLLBACK")
    other.close()
    assert (await inbox.take(LETTER, "me", 60)).mine
    await inbox.close()


async def test_a_file_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    (tmp_path / "inbox.sqlite").rename(tmp_path / "elsewhere.sqlite")
    with pytest.raises(InboxUnavailable):
        await inbox.take(LETTER, "me", 60)
    (tmp_path / "inbox.sqlite").touch()
    with pytest.raises(InboxUnavailable, match="replaced"):
        await inbox.take(LETTER, "me", 60)
    await inbox.close()


async def test_a_file_of_the_first_release(tmp_path: Path) -> None:
    """Its hooks have their bodies, their order and their journals when it has been brought up to date."""
    with sqlite3.connect(tmp_path / "inbox.sqlite") as other:
        for statement in sqlite_schema._MIGRATIONS[0]:
            other.execute(statement)
        values = [
            (f"k{n}", "done" if n else "working", b"{%d}" % n, n + 1, 1000.0 - n, 1000.0 - n)
            for n in range(3)
        ]
        other.executemany(
            "INSERT INTO hooks VALUES (?, 'ACME', 'subscriptionBillable', ?, ?, '', ?, 1, ?, ?, '', 0)",
            values,
        )
        other.execute("INSERT INTO journal VALUES ('k0', 0, 1000.0, ?)", (journal.encode(ADDING),))
        other.execute("PRAGMA user_version = 1")
    other.close()
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    found = await inbox.list()
    assert [(each.key, each.body, each.deliveries) for each in found] == [
        ("k0", b"{0}", 1),
        ("k1", b"{1}", 2),
        ("k2", b"{2}", 3),
    ]
    assert await inbox.entries("k0") == [ADDING]
    assert (await inbox.take(letter("k0"), "me", 60)).mine
    assert (await inbox.take(letter("k9"), "me", 60)).mine
    assert await inbox.forget("k1")
    await inbox.close()
    with sqlite3.connect(tmp_path / "inbox.sqlite") as other:
        assert other.execute("SELECT count(*) FROM bodies").fetchone() == (3,)  # the forgotten one's is gone
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
    # As when the file system is mounted anew; root may write into any file, whatever its mode.
    connection = await inbox._writer.run(lambda c: c)
    connection.execute("PRAGMA query_only = ON")
    with pytest.raises(InboxUnavailable, match=r"inbox\.sqlite: attempt to write a readonly database"):
        await inbox.take(LETTER, "me", 60)
    connection.execute("PRAGMA query_only = OFF")
    assert (await inbox.take(LETTER, "me", 60)).mine
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
    with pytest.raises(InboxUnavailable, match=r"inbox\.sqlite: the file is damaged, and a backup has to be"):
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
    with pytest.raises(InboxUnavailable, match="not there"):
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
    await inbox.take(LETTER, "me", 60)
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
    """Tell of each statement once; Python names it again for all that its triggers do."""
    latest = [""]

    def trace(sql: str) -> None:
        if sql != latest[0]:
            latest[0] = sql
            tell(sql)

    connection.set_trace_callback(trace)
