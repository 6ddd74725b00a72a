"""What every inbox must do; another store joins by a fixture in conftest.py."""

import asyncio
from types import NoneType

import anyio
import pytest
from tests.receiver.conftest import Store
from tests.receiver.letters import ADDING, LETTER, letter

from tallyhook.review.journal import Refused
from tallyhook_receiver import Inbox, InboxUnavailable, LeaseLost, State, Taken


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


async def test_a_lease_ends_and_the_late_owner_can_write_nothing(inbox: Inbox, store: Store) -> None:
    await inbox.take(LETTER, "me", 60)
    store.advance(seconds=59)
    await inbox.renew("k1", "me", 60)
    store.advance(seconds=59)
    assert not (await inbox.take(LETTER, "you", 60)).mine
    store.advance(seconds=2)
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


async def test_an_owner_that_nobody_followed_may_be_late(inbox: Inbox, store: Store) -> None:
    await inbox.take(LETTER, "me", 60)
    store.advance(seconds=600)
    await inbox.settle("k1", "me", State.DONE)


async def test_a_repeated_delivery_of_what_is_done_is_counted(inbox: Inbox) -> None:
    assert not await inbox.repeated("k1")
    await inbox.take(LETTER, "me", 60)
    assert not await inbox.repeated("k1")
    await inbox.settle("k1", "me", State.DONE)
    assert [await inbox.repeated("k1") for _ in range(3)] == [True] * 3
    assert not await inbox.repeated("k2")
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.deliveries, record.attempts) == (State.DONE, 4, 1)
    assert await inbox.get("k2") is None


async def test_what_has_to_be_done_again_is_no_repetition(inbox: Inbox) -> None:
    await inbox.take(LETTER, "me", 60)
    await inbox.settle("k1", "me", State.DONE)
    assert await inbox.repeated("k1")
    assert await inbox.retry("k1")
    assert not await inbox.repeated("k1")
    await inbox.take(LETTER, "me", 60)
    await inbox.settle("k1", "me", State.FAILED)
    assert not await inbox.repeated("k1")


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


async def test_lists_the_newest_first(inbox: Inbox, store: Store) -> None:
    for number, state in enumerate([State.IGNORED, State.UNDECODABLE, State.IGNORED]):
        store.advance(seconds=1)
        await inbox.keep(letter(f"k{number}"), state)
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
    for late in (inbox.get("k1"), inbox.repeated("k1")):
        with pytest.raises(InboxUnavailable):
            await late


async def test_a_hook_is_found_by_the_beginning_of_its_key(inbox: Inbox) -> None:
    for key in ("abc1", "abc", "abd", "ABE"):
        await inbox.keep(letter(key), State.IGNORED)
    found = [await inbox.get(key) for key in ("abc", "abc1", "abd", "AB", "ab", "b", "%", "_bc")]
    assert [record and record.key for record in found] == [
        "abc",
        "abc1",
        "abd",
        "ABE",
        None,
        None,
        None,
        None,
    ]


async def test_no_text_is_impossible_to_keep(inbox: Inbox) -> None:
    strange = letter("k1", type="a\0b", body=b"\0\xff")
    await inbox.take(strange, "me", 60)
    await inbox.settle("k1", "me", State.FAILED, "a\0b \ud800 é 💶")
    record = await inbox.get("k1")
    assert record is not None
    assert (record.type, record.note, record.body) == ("a\ufffdb", "a\ufffdb ? é 💶", b"\0\xff")
    await inbox.keep(strange, State.IGNORED, "\0")
    assert len(await inbox.list(State.IGNORED)) == 1


async def test_times_are_those_of_the_store(inbox: Inbox, store: Store) -> None:
    await inbox.keep(LETTER, State.IGNORED)
    store.advance(hours=1)
    await inbox.keep(LETTER, State.IGNORED)
    record = await inbox.get("k1")
    assert record is not None
    assert record.received.isoformat() == "2030-03-17T17:46:40+00:00"
    assert record.changed.isoformat() == "2030-03-17T18:46:40+00:00"


async def test_opening_twice_does_no_harm(inbox: Inbox) -> None:
    await inbox.keep(LETTER, State.IGNORED)
    await inbox.open()
    assert await inbox.get("k1") is not None


async def test_hooks_that_come_at_once_each_get_their_answer(inbox: Inbox) -> None:
    """New ones, one that is done, one that is another worker's, and one that comes twice."""
    await inbox.take(letter("done"), "me", 60)
    await inbox.settle("done", "me", State.DONE)
    await inbox.take(letter("theirs"), "you", 60)
    keys = ["new", "done", "other", "theirs", "twice", "twice"]
    taken = await asyncio.gather(*(inbox.take(letter(key), "me", 60) for key in keys))
    assert [each.mine for each in taken] == [True, False, True, False, True, True]
    assert [each.state for each in taken[:4]] == [State.WAITING, State.DONE, State.WAITING, State.WORKING]
    deliveries = [record.deliveries for key in keys[:5] if (record := await inbox.get(key))]
    assert deliveries == [1, 2, 1, 2, 2]


async def test_attempts_that_end_at_once_fail_each_for_itself(inbox: Inbox) -> None:
    for key in ("a", "b"):
        await inbox.take(letter(key), "me", 60)
    await inbox.take(letter("theirs"), "you", 60)
    ends = [inbox.settle(key, "me", State.DONE) for key in ("a", "theirs", "b", "nobody's")]
    ends.append(inbox.settle("theirs", "you", State.FAILED, "why"))
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NoneType, LeaseLost, NoneType, LeaseLost, NoneType]
    states = {record.key: (record.state, record.note) for record in await inbox.list()}
    assert states == {"a": (State.DONE, ""), "b": (State.DONE, ""), "theirs": (State.FAILED, "why")}
