"""What every inbox must do; another store joins by its factory."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from tallyhook.journal import Adding, DeclaredCharge, Refused
from tallyhook_receiver import Inbox, InboxUnavailable, LeaseLost, Letter, SQLiteInbox, State, Taken

Factory = Callable[[Path, Callable[[], float]], Inbox]


def in_a_file(folder: Path, clock: Callable[[], float]) -> Inbox:
    return SQLiteInbox(folder / "inbox.sqlite", clock=clock)


def in_memory(folder: Path, clock: Callable[[], float]) -> Inbox:
    return SQLiteInbox(":memory:", clock=clock)


class Clock:
    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=[in_a_file, in_memory])
async def inbox(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Inbox]:
    inbox: Inbox = request.param(tmp_path, clock)
    await inbox.open()
    yield inbox
    await inbox.close()


LETTER = Letter(key="k1", product="ACME", type="subscriptionBillable", body=b'{"a": "\xc3\xa9"}')
ADDING = Adding(number=1, charge=DeclaredCharge(code="A", each_amount=Decimal("1.10")), before=("x",))


async def test_takes_once(inbox: Inbox) -> None:
    assert await inbox.take(LETTER, "me", 60) == Taken(mine=True, state=State.WAITING)
    assert await inbox.take(LETTER, "you", 60) == Taken(mine=False, state=State.WORKING, free_in=60)
    await inbox.settle("k1", "me", State.DONE, "well")
    assert await inbox.take(LETTER, "you", 60) == Taken(mine=False, state=State.DONE)
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.note, record.deliveries, record.attempts) == (State.DONE, "well", 3, 1)
    assert (record.body, record.product, record.type) == (LETTER.body, "ACME", "subscriptionBillable")


@pytest.mark.parametrize("state", [State.FAILED, State.WAITING, State.IGNORED])
async def test_what_is_not_done_is_taken_again(inbox: Inbox, state: State) -> None:
    await inbox.take(LETTER, "me", 60)
    await inbox.settle("k1", "me", state)
    assert await inbox.take(LETTER, "you", 60) == Taken(mine=True, state=state)


async def test_an_owner_takes_its_own_again(inbox: Inbox) -> None:
    await inbox.take(LETTER, "me", 60)
    assert (await inbox.take(LETTER, "me", 60)).mine


async def test_a_lease_ends_and_the_late_owner_can_write_nothing(inbox: Inbox, clock: Clock) -> None:
    await inbox.take(LETTER, "me", 60)
    clock.now += 59
    await inbox.renew("k1", "me", 60)
    clock.now += 59
    assert not (await inbox.take(LETTER, "you", 60)).mine
    clock.now += 2
    assert (await inbox.take(LETTER, "you", 60)).mine
    for late in (
        inbox.renew("k1", "me", 60),
        inbox.append("k1", "me", ADDING),
        inbox.settle("k1", "me", State.DONE),
    ):
        with pytest.raises(LeaseLost):
            await late
    record = await inbox.get("k1")
    assert record is not None
    assert record.state is State.WORKING
    assert await inbox.entries("k1") == []


async def test_an_owner_that_nobody_followed_may_be_late(inbox: Inbox, clock: Clock) -> None:
    await inbox.take(LETTER, "me", 60)
    clock.now += 600
    await inbox.settle("k1", "me", State.DONE)


async def test_keeps_without_handling(inbox: Inbox) -> None:
    await inbox.keep(LETTER, State.UNDECODABLE, "no JSON")
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.note, record.attempts) == (State.UNDECODABLE, "no JSON", 0)
    await inbox.take(LETTER, "me", 60)
    await inbox.keep(LETTER, State.IGNORED)
    await inbox.settle("k1", "me", State.DONE)
    await inbox.keep(LETTER, State.IGNORED)
    record = await inbox.get("k1")
    assert record is not None
    assert record.state is State.DONE


async def test_journals_in_order(inbox: Inbox) -> None:
    await inbox.take(LETTER, "me", 60)
    await inbox.append("k1", "me", ADDING)
    await inbox.append("k1", "me", Refused(number=1))
    await inbox.settle("k1", "me", State.FAILED)
    assert await inbox.entries("k1") == [ADDING, Refused(number=1)]
    assert await inbox.entries("k2") == []


async def test_lists_the_newest_first(inbox: Inbox, clock: Clock) -> None:
    for number, state in enumerate([State.IGNORED, State.UNDECODABLE, State.IGNORED]):
        clock.now += 1
        await inbox.keep(Letter(key=f"k{number}", product="P", type="t", body=b""), state)
    assert [record.key for record in await inbox.list()] == ["k2", "k1", "k0"]
    assert [record.key for record in await inbox.list(State.IGNORED)] == ["k2", "k0"]
    assert len(await inbox.list(limit=1)) == 1
    assert await inbox.get("nobody") is None


async def test_only_one_of_many_takes_it(inbox: Inbox) -> None:
    taken: list[bool] = []

    async def take(owner: str) -> None:
        taken.append((await inbox.take(LETTER, owner, 60)).mine)

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(take, f"owner {number}")
    assert sorted(taken) == [False] * 49 + [True]


async def test_closed_it_is_unavailable(inbox: Inbox) -> None:
    await inbox.close()
    await inbox.close()
    with pytest.raises(InboxUnavailable):
        await inbox.get("k1")


# What is SQLite's own.


async def test_a_file_remembers(tmp_path: Path, clock: Clock) -> None:
    first = in_a_file(tmp_path, clock)
    await first.open()
    await first.take(LETTER, "me", 60)
    await first.append("k1", "me", ADDING)
    # It is not closed: this is what another process sees, and what is left after a crash.
    second = in_a_file(tmp_path, clock)
    await second.open()
    assert await second.entries("k1") == [ADDING]
    assert not (await second.take(LETTER, "you", 60)).mine
    await second.close()
    await first.close()


async def test_two_inboxes_on_one_file(tmp_path: Path, clock: Clock) -> None:
    inboxes = [in_a_file(tmp_path, clock) for _ in range(4)]
    taken: list[str] = []

    async def take(inbox: Inbox, owner: str, key: str) -> None:
        letter = Letter(key=key, product="ACME", type="t", body=b"")
        if (await inbox.take(letter, owner, 60)).mine:
            taken.append(key)
            await inbox.settle(key, owner, State.DONE)

    for inbox in inboxes:
        await inbox.open()
    async with anyio.create_task_group() as group:
        for key in range(20):
            for number, inbox in enumerate(inboxes):
                group.start_soon(take, inbox, f"owner {number}", f"k{key}")
    assert sorted(taken) == sorted(f"k{key}" for key in range(20))
    for inbox in inboxes:
        await inbox.close()


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
            letter = Letter(key=f"k{number}", product="P", type="t", body=b"")
            group.start_soon(inbox.keep, letter, State.IGNORED)
    assert len(await inbox.list(limit=1000)) == 200
    assert len(commits) < 50
    await inbox.close()


async def test_a_full_disk(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    await inbox._writer.run(lambda c: c.execute("PRAGMA max_page_count = 20").fetchall())
    big = Letter(key="big", product="P", type="t", body=b"x" * 500_000)
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
