"""Several workers on one inbox: only one at a time has a hook, and only that one writes to it."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest
from tests.receiver.conftest import Store
from tests.receiver.letters import ADDING, LETTER, adding, letter

from tallyhook.review.journal import Added
from tallyhook_receiver import Claim, Inbox, LeaseLost, State

Open = Callable[..., Awaitable[Inbox]]

pytestmark = pytest.mark.usefixtures("anyio_backend")


async def test_another_worker_sees_everything(shared_store: Store, opened: Open) -> None:
    first = await opened(shared_store)
    await first.claim(LETTER, "me", 60)
    await first.append("k1", "me", ADDING)
    # The first inbox stays open: this is what another process sees, and what a crash leaves.
    second = await opened(shared_store)
    assert await second.entries("k1") == [ADDING]
    assert await second.claim(LETTER, "you", 60) == Claim(mine=False, state=State.WORKING, free_in=60)


async def test_one_of_many_workers_gets_a_hook(shared_store: Store, opened: Open) -> None:
    inboxes = [await opened(shared_store) for _ in range(8)]
    for number in range(10):
        hook = letter(f"k{number}")
        taken = await asyncio.gather(
            *(
                inbox.claim(hook, f"owner {place}", 60)
                for place, inbox in enumerate(inboxes)
                for _ in range(2)
            )
        )
        owners = {place // 2 for place, answer in enumerate(taken) if answer.mine}
        assert len(owners) == 1
        record = await inboxes[0].get(hook.key)
        assert record is not None
        assert record.deliveries == 16


async def test_each_hook_is_done_once(shared_store: Store, opened: Open) -> None:
    inboxes = [await opened(shared_store) for _ in range(4)]
    done: list[str] = []

    async def work(inbox: Inbox, owner: str, key: str) -> None:
        if (await inbox.claim(letter(key), owner, 60)).mine:
            done.append(key)
            await inbox.finish(key, owner, State.DONE)

    async with anyio.create_task_group() as group:
        for key in range(20):
            for number, inbox in enumerate(inboxes):
                group.start_soon(work, inbox, f"owner {number}", f"k{key}")
    assert sorted(done) == sorted(f"k{key}" for key in range(20))


async def test_one_of_many_takes_over_from_a_dead_one(shared_store: Store, opened: Open) -> None:
    inboxes = [await opened(shared_store) for _ in range(6)]
    await inboxes[0].claim(LETTER, "dead", 60)
    await inboxes[0].append("k1", "dead", ADDING)

    async def all_take() -> list[int]:
        answers = await asyncio.gather(
            *(inbox.claim(LETTER, f"owner {place}", 60) for place, inbox in enumerate(inboxes))
        )
        return [place for place, answer in enumerate(answers) if answer.mine]

    assert await all_take() == []
    shared_store.advance(seconds=61)
    (place,) = await all_take()
    heir = inboxes[place]
    assert await heir.entries("k1") == [ADDING]
    with pytest.raises(LeaseLost):
        await inboxes[0].append("k1", "dead", adding(2))
    await heir.append("k1", f"owner {place}", Added(number=1, charge_id="c1"))
    assert await inboxes[0].entries("k1") == [ADDING, Added(number=1, charge_id="c1")]


async def test_the_journal_keeps_its_order_through_takeovers(shared_store: Store, opened: Open) -> None:
    """Two workers write as fast as they can. Each takes over whenever the other's lease has run out."""
    inboxes = {owner: await opened(shared_store) for owner in ("left", "right")}
    written: list[int] = []
    rejected = 0

    async def append(owner: str, number: int) -> None:
        nonlocal rejected
        try:
            await inboxes[owner].append("k1", owner, adding(number))
        except LeaseLost:
            rejected += 1
        else:
            written.append(number)

    for turn in range(10):
        owner, other = ("left", "right") if turn % 2 else ("right", "left")
        assert (await inboxes[owner].claim(LETTER, owner, 60)).mine
        for number in range(turn * 10, turn * 10 + 5):
            await asyncio.gather(append(owner, number), append(other, -number))
        shared_store.advance(seconds=61)
    assert rejected == 50
    assert written == [number for turn in range(10) for number in range(turn * 10, turn * 10 + 5)]
    kept = await inboxes["left"].entries("k1")
    assert kept == [adding(number) for number in written]


async def test_a_takeover_and_an_entry_at_the_same_moment(shared_store: Store, opened: Open) -> None:
    """In either order, the new worker sees the entry if it was accepted, and otherwise nobody does."""
    late, heir = await opened(shared_store), await opened(shared_store)
    for turn in range(20):
        hook = letter(f"k{turn}")
        await late.claim(hook, "late", 60)
        shared_store.advance(seconds=61)

        async def inherit(hook: str = hook.key) -> object:
            await heir.claim(letter(hook), "heir", 60)
            return await heir.entries(hook)

        appended, inherited = await asyncio.gather(
            late.append(hook.key, "late", ADDING), inherit(), return_exceptions=True
        )
        accepted = appended is None
        assert accepted or isinstance(appended, LeaseLost)
        assert inherited == ([ADDING] if accepted else [])
        assert await heir.entries(hook.key) == inherited


async def test_many_make_the_schema_at_once(shared_store: Store, opened: Open) -> None:
    inboxes = await asyncio.gather(*(opened(shared_store) for _ in range(8)))
    answers = await asyncio.gather(*(inbox.claim(LETTER, f"{n}", 60) for n, inbox in enumerate(inboxes)))
    assert sum(answer.mine for answer in answers) == 1
