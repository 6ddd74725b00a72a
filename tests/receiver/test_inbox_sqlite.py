"""What is SQLite's own: the file, its durability, and everything that can be wrong with it."""

import contextlib
import os
import sqlite3
from pathlib import Path

import anyio
import pytest
from tests.receiver.letters import ADDING, LETTER, letter

from tallyhook.journal import Refused
from tallyhook_receiver import InboxUnavailable, SQLiteInbox, State


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
