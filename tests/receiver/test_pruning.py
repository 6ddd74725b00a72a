"""Maintenance of every inbox: stats, retry, forget, prune, and the maximum number of hooks."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.receiver.conftest import Store, pass_days
from tests.receiver.letters import ADDING, LETTER, letter

from tallyhook_receiver import Claim, Inbox, InboxUnavailable, LeaseLost, Receiver, SharedKey, State, Stats
from tallyhook_receiver.background import Repeated, prune

Open = Callable[..., Awaitable[Inbox]]
MOMENT = datetime(2030, 3, 18, tzinfo=UTC)


async def finished(inbox: Inbox, key: str, state: State) -> None:
    await inbox.claim(letter(key), "me", 60)
    await inbox.append(key, "me", ADDING)
    await inbox.finish(key, "me", state)


async def keys(inbox: Inbox) -> list[str]:
    return sorted(record.key for record in await inbox.list())


async def test_counts_by_state(inbox: Inbox, store: Store) -> None:
    empty = await inbox.stats()
    assert (empty.hooks, empty.entries, empty.oldest) == ({}, 0, None)
    for key, state in (("a", State.DONE), ("b", State.DONE), ("c", State.FAILED)):
        await finished(inbox, key, state)
        store.advance(minutes=1)
    await inbox.keep(letter("d", body=b"x" * 5000), State.UNDECODABLE)
    stats = await inbox.stats()
    first = await inbox.get("a")
    assert first is not None
    assert stats == Stats(
        hooks={State.DONE: 2, State.FAILED: 1, State.UNDECODABLE: 1},
        entries=3,
        size=stats.size,
        oldest=first.received,
    )
    assert stats.size > 5000


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.IGNORED])
async def test_a_hook_is_handled_again_on_request(inbox: Inbox, state: State) -> None:
    await finished(inbox, "k1", state)
    assert await inbox.retry("k1")
    record = await inbox.get("k1")
    assert record is not None
    assert record.state is State.WAITING
    assert await inbox.claim(letter("k1"), "you", 60) == Claim(mine=True, state=State.WAITING)
    assert await inbox.entries("k1") == [ADDING]


async def test_a_forgotten_hook_is_new(inbox: Inbox) -> None:
    await finished(inbox, "k1", State.DONE)
    await finished(inbox, "k2", State.DONE)
    assert await inbox.forget("k1")
    assert await inbox.get("k1") is None
    assert await inbox.entries("k1") == []
    assert await inbox.entries("k2") == [ADDING]
    assert (await inbox.claim(LETTER, "me", 60)).mine
    assert await inbox.entries("k1") == []


async def test_what_is_not_there_can_not_be_cared_for(inbox: Inbox) -> None:
    await finished(inbox, "k1", State.DONE)
    for key in ("k", "k11", ""):
        assert not await inbox.retry(key)
        assert not await inbox.forget(key)
    assert await keys(inbox) == ["k1"]


async def test_a_hook_that_is_worked_on_is_left_alone(inbox: Inbox, store: Store) -> None:
    await inbox.claim(LETTER, "me", 60)
    assert not await inbox.retry("k1")
    assert not await inbox.forget("k1")
    await inbox.append("k1", "me", ADDING)
    store.advance(seconds=61)  # the worker has died
    assert await inbox.retry("k1")
    with pytest.raises(LeaseLost):
        await inbox.append("k1", "me", ADDING)
    await inbox.claim(LETTER, "you", 60)
    store.advance(seconds=61)
    assert await inbox.forget("k1")
    with pytest.raises(LeaseLost):
        await inbox.append("k1", "you", ADDING)
    with pytest.raises(LeaseLost):
        await inbox.finish("k1", "you", State.DONE)


async def test_prunes_what_is_done_with(inbox: Inbox, store: Store) -> None:
    for state in (State.DONE, State.FAILED, State.WAITING, State.IGNORED):
        await finished(inbox, f"old {state}", state)
    await inbox.keep(letter("old undecodable"), State.UNDECODABLE)
    await inbox.claim(letter("old working"), "me", 60)
    await inbox.keep(letter("old and young"), State.IGNORED)
    await pass_days(inbox, store, 5)
    await inbox.keep(letter("old and young"), State.IGNORED)
    await finished(inbox, "young", State.DONE)
    await pass_days(inbox, store, 5)
    assert await inbox.prune(timedelta(days=10, seconds=1)) == 0
    assert await inbox.prune(timedelta(days=9)) == 2
    assert await keys(inbox) == [
        "old and young",
        "old failed",
        "old undecodable",
        "old waiting",
        "old working",
        "young",
    ]
    assert (await inbox.stats()).entries == 3


async def test_prunes_in_steps(inbox: Inbox, store: Store) -> None:
    for hundred in range(0, 1200, 100):  # with more at once, waits for a connection would time out
        keeping = (inbox.keep(letter(f"k{hundred + number}"), State.IGNORED) for number in range(100))
        await asyncio.gather(*keeping)
    await pass_days(inbox, store, 3)
    assert await inbox.prune(timedelta(days=2)) == 1200
    assert await keys(inbox) == []


# The maximum number of hooks.


async def test_the_oldest_make_room(store: Store, opened: Open) -> None:
    inbox = await opened(store, max_hooks=4)
    await finished(inbox, "failed", State.FAILED)
    for number in range(3):
        store.advance(hours=1)
        await finished(inbox, f"done {number}", State.DONE)
    await pass_days(inbox, store, 3)
    for key, left in (
        ("new", ["done 1", "done 2", "failed", "new"]),
        ("newer", ["done 2", "failed", "new", "newer"]),
        ("new", ["done 2", "failed", "new", "newer"]),
    ):
        assert (await inbox.claim(letter(key), "me", 60)).state in (State.WAITING, State.WORKING)
        assert await keys(inbox) == left


async def test_what_may_come_again_makes_no_room(store: Store, opened: Open) -> None:
    inbox = await opened(store, max_hooks=2)
    await finished(inbox, "done", State.DONE)
    await finished(inbox, "failed", State.FAILED)
    store.advance(days=1)
    for refused in (inbox.claim(letter("new"), "me", 60), inbox.keep(letter("new"), State.IGNORED)):
        with pytest.raises(InboxUnavailable, match="the inbox is full: 2 hooks, and none can be dropped"):
            await refused
    # Known hooks are still handled.
    assert (await inbox.claim(letter("failed"), "me", 60)).mine
    await inbox.append("failed", "me", ADDING)
    await inbox.finish("failed", "me", State.DONE)
    assert (await inbox.claim(letter("done"), "me", 60)).state is State.DONE
    await pass_days(inbox, store, 2)
    assert (await inbox.claim(letter("new"), "me", 60)).mine


async def test_a_full_inbox_refuses_one_and_keeps_the_others(store: Store, opened: Open) -> None:
    inbox = await opened(store, max_hooks=5)
    for number in range(5):
        await inbox.keep(letter(f"k{number}"), State.UNDECODABLE)
    answers = await asyncio.gather(
        *(inbox.claim(letter(f"k{number}"), "me", 60) for number in range(8)), return_exceptions=True
    )
    assert [isinstance(answer, InboxUnavailable) for answer in answers] == [False] * 5 + [True] * 3
    assert len(await inbox.list()) == 5


async def test_forgetting_makes_room(store: Store, opened: Open) -> None:
    inbox = await opened(store, max_hooks=1)
    await finished(inbox, "failed", State.FAILED)
    await inbox.forget("failed")
    assert (await inbox.claim(letter("new"), "me", 60)).mine


async def test_several_workers_share_the_bound(shared_store: Store, opened: Open) -> None:
    inboxes = [await opened(shared_store, max_hooks=10) for _ in range(2)]
    for number in range(10):
        await inboxes[number % 2].claim(letter(f"k{number}"), "me", 60)
    reopened = await opened(shared_store, max_hooks=10)
    with pytest.raises(InboxUnavailable, match="full"):
        await reopened.claim(letter("one more"), "me", 60)


async def test_a_clock_that_is_ahead_for_a_moment_forgets_nothing(inbox: Inbox, store: Store) -> None:
    await finished(inbox, "done", State.DONE)
    await pass_days(inbox, store, 3)
    store.advance(days=4000)
    assert await inbox.prune(timedelta(days=90)) == 0
    store.advance(hours=1)
    assert await inbox.prune(timedelta(days=90)) == 0
    store.advance(days=-4000)
    assert await inbox.prune(timedelta(days=90)) == 0
    await pass_days(inbox, store, 3)
    assert await keys(inbox) == ["done"]
    assert await inbox.prune(timedelta(days=5)) == 1


async def test_a_full_inbox_drops_nothing_after_a_jump(store: Store, opened: Open) -> None:
    inbox = await opened(store, max_hooks=1)
    await finished(inbox, "done", State.DONE)
    await pass_days(inbox, store, 1)
    store.advance(days=1000)
    with pytest.raises(InboxUnavailable, match="full"):
        await inbox.claim(letter("new"), "me", 60)


async def test_what_is_looked_at_again_is_not_pruned(inbox: Inbox, store: Store) -> None:
    await inbox.claim(LETTER, "me", 60)
    await inbox.plan("k1", "me", MOMENT, MOMENT)
    await inbox.finish("k1", "me", State.DONE)
    await pass_days(inbox, store, 10)
    assert await inbox.prune(timedelta(days=2)) == 0


# Pruning by the receiver.


async def test_the_receiver_prunes_again_and_again(inbox: Inbox, store: Store) -> None:
    await finished(inbox, "first", State.DONE)
    await pass_days(inbox, store, 91)
    pruning = Repeated("pruning", 0.02, lambda: prune(inbox, keep_days=90))
    pruning.start()
    await until_empty(inbox)
    await finished(inbox, "second", State.DONE)
    await pass_days(inbox, store, 91)
    await until_empty(inbox)
    await pruning.stop()
    await finished(inbox, "third", State.DONE)
    await pass_days(inbox, store, 91)
    await asyncio.sleep(0.1)
    assert await keys(inbox) == ["third"]


async def test_an_inbox_that_is_away_is_pruned_later(
    inbox: Inbox, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await finished(inbox, "old", State.DONE)
    await pass_days(inbox, store, 91)
    if store.url != ":memory:":  # a closed MemoryInbox loses its hooks
        await inbox.close()
    pruning = Repeated("pruning", 0.02, lambda: prune(inbox, keep_days=90))
    pruning.start()
    if store.url != ":memory:":
        async with asyncio.timeout(5):
            while "pruning: the inbox is unavailable" not in caplog.text:
                await asyncio.sleep(0.01)
        await inbox.open()
    await until_empty(inbox)
    await pruning.stop()


async def test_pruning_stops_although_its_work_takes_no_cancellation() -> None:
    """A connection pool may swallow a cancellation at the wrong moment."""
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

    pruning = Repeated("pruning", 3600, work)
    pruning.start()
    await began.wait()
    async with asyncio.timeout(30):
        await pruning.stop()


@pytest.mark.parametrize("days", [None, 1e300])
async def test_keeps_for_good(inbox: Inbox, store: Store, days: float | None) -> None:
    await finished(inbox, "old", State.DONE)
    await pass_days(inbox, store, 1000)
    await prune(inbox, keep_days=days)
    assert await keys(inbox) == ["old"]


@pytest.mark.parametrize("days", [0, 1.9, -1])
def test_does_not_forget_what_may_come_again(days: float) -> None:
    with pytest.raises(ValueError, match="keep_days must be at least 2"):
        Receiver(SharedKey("meter", "key"), inbox=":memory:", keep_days=days)


async def until_empty(inbox: Inbox) -> None:
    async with asyncio.timeout(60):
        while await keys(inbox):
            await asyncio.sleep(0.01)
