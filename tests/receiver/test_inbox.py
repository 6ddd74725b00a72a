"""What every inbox must do. To add a store, add a fixture to conftest.py."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import NoneType

import anyio
import pytest
from tests.receiver.conftest import Store
from tests.receiver.letters import ADDING, LETTER, letter

from tallyhook.review.journal import Refused, Resolved
from tallyhook_receiver import Claim, Inbox, InboxUnavailable, LeaseLost, State


async def test_takes_once(inbox: Inbox) -> None:
    assert await inbox.claim(LETTER, "me", 60) == Claim(mine=True, state=State.WAITING)
    assert await inbox.claim(LETTER, "you", 60) == Claim(mine=False, state=State.WORKING, free_in=60)
    await inbox.finish("k1", "me", State.DONE, "well")
    assert await inbox.claim(LETTER, "you", 60) == Claim(mine=False, state=State.DONE)
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.note, record.deliveries, record.attempts) == (State.DONE, "well", 3, 1)
    assert (record.body, record.product, record.type) == (LETTER.body, "ACME", "subscriptionBillable")


@pytest.mark.parametrize("state", [State.FAILED, State.WAITING, State.IGNORED])
async def test_what_is_not_done_is_taken_again(inbox: Inbox, state: State) -> None:
    await inbox.claim(LETTER, "me", 60)
    await inbox.finish("k1", "me", state)
    assert await inbox.claim(LETTER, "you", 60) == Claim(mine=True, state=state)


async def test_an_owner_takes_its_own_again(inbox: Inbox) -> None:
    await inbox.claim(LETTER, "me", 60)
    assert (await inbox.claim(LETTER, "me", 60)).mine


async def test_a_lease_ends_and_the_late_owner_can_write_nothing(inbox: Inbox, store: Store) -> None:
    await inbox.claim(LETTER, "me", 60)
    store.advance(seconds=59)
    await inbox.renew("k1", "me", 60)
    store.advance(seconds=59)
    assert not (await inbox.claim(LETTER, "you", 60)).mine
    store.advance(seconds=2)
    assert (await inbox.claim(LETTER, "you", 60)).mine
    for late in (
        inbox.renew("k1", "me", 60),
        inbox.append("k1", "me", ADDING),
        inbox.finish("k1", "me", State.DONE),
    ):
        with pytest.raises(LeaseLost):
            await late
    record = await inbox.get("k1")
    assert record is not None
    assert record.state is State.WORKING
    assert await inbox.entries("k1") == []


async def test_an_owner_that_nobody_followed_may_be_late(inbox: Inbox, store: Store) -> None:
    await inbox.claim(LETTER, "me", 60)
    store.advance(seconds=600)
    await inbox.finish("k1", "me", State.DONE)


async def test_a_repeated_delivery_of_what_is_done_is_counted(inbox: Inbox) -> None:
    await inbox.claim(LETTER, "me", 60)
    await inbox.finish("k1", "me", State.DONE)
    for _ in range(3):
        assert await inbox.claim(LETTER, "you", 60) == Claim(mine=False, state=State.DONE)
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.deliveries, record.attempts) == (State.DONE, 4, 1)


async def test_another_body_is_a_new_announcement(inbox: Inbox) -> None:
    again = letter("k1", body=b"another")
    await inbox.claim(LETTER, "me", 60)
    await inbox.finish("k1", "me", State.DONE)
    assert await inbox.claim(again, "you", 60) == Claim(mine=True, state=State.DONE, differs=True)
    await inbox.finish("k1", "you", State.FAILED)
    # A done body stays done, whatever happens to the other one.
    assert not (await inbox.claim(LETTER, "me", 60)).mine
    assert (await inbox.claim(again, "me", 60)).mine
    await inbox.finish("k1", "me", State.DONE)
    for done in (LETTER, again):
        assert await inbox.claim(done, "me", 60) == Claim(mine=False, state=State.DONE)
    record = await inbox.get("k1")
    assert record is not None
    assert record.body == b"another"
    # After an operator's retry, no body is done.
    assert await inbox.retry("k1")
    assert (await inbox.claim(LETTER, "me", 60)).mine


async def test_a_second_look_is_planned_and_taken_by_one(inbox: Inbox, store: Store) -> None:
    now = datetime(2026, 2, 1, tzinfo=UTC)
    due, until = now + timedelta(minutes=5), now + timedelta(minutes=55)
    await inbox.claim(LETTER, "me", 60)
    with pytest.raises(LeaseLost):
        await inbox.plan("k1", "you", due, until)
    await inbox.plan("k1", "me", due, until)
    assert await inbox.claim_due(due, "you", 60) is None  # still at work
    await inbox.finish("k1", "me", State.DONE, "a note")
    assert await inbox.claim_due(now, "you", 60) is None
    taken = await inbox.claim_due(due, "you", 60)
    assert taken is not None
    assert (taken.record.key, taken.record.state, taken.record.due, taken.until) == (
        "k1",
        State.DONE,
        due,
        until,
    )
    assert await inbox.claim_due(due, "they", 60) is None
    assert (await inbox.claim(LETTER, "they", 60)).state is State.DONE
    other = await inbox.claim(letter("k1", body=b"another"), "they", 60)
    assert (other.mine, other.state) == (False, State.WORKING)  # this body is not done
    store.advance(seconds=61)  # the worker died
    assert await inbox.claim_due(due, "they", 60) is not None
    await inbox.finish("k1", "they", State.DONE)
    assert await inbox.claim_due(until, "me", 60) is not None
    await inbox.finish("k1", "me", State.DONE, ends_look=True)
    assert await inbox.claim_due(until, "me", 60) is None
    record = await inbox.get("k1")
    assert record is not None
    assert (record.note, record.due) == ("a note", None)


async def test_what_is_unresolved_is_not_done(inbox: Inbox) -> None:
    await inbox.claim(LETTER, "me", 60)
    await inbox.finish("k1", "me", State.DONE)
    assert await inbox.claim_due(datetime(2030, 1, 1, tzinfo=UTC), "me", 60) is None
    await inbox.claim(letter("k1"), "me", 60)
    await inbox.finish("k1", "me", State.UNRESOLVED)
    await inbox.keep(letter("k1"), State.IGNORED)
    assert (await inbox.claim(letter("k1"), "me", 60)) == Claim(mine=True, state=State.UNRESOLVED)


@pytest.mark.parametrize("state", [State.UNRESOLVED, State.FAILED, State.WAITING])
async def test_what_a_second_look_finds_unresolved_is_no_longer_done(inbox: Inbox, state: State) -> None:
    """Else its next delivery would be acknowledged before a person has decided."""
    now, other = datetime(2030, 1, 1, tzinfo=UTC), letter("k1", body=b"other")
    for each in (other, LETTER):
        await inbox.claim(each, "me", 60)
        await inbox.plan("k1", "me", now, now)
        await inbox.finish("k1", "me", State.DONE)
    assert await inbox.claim_due(now, "you", 60) is not None
    await inbox.finish("k1", "you", state, ends_look=True)
    assert (await inbox.claim(other, "me", 60)).state is State.DONE
    assert await inbox.claim(LETTER, "me", 60) == Claim(mine=True, state=state)


@pytest.mark.parametrize("due", [None, datetime(2030, 3, 18, tzinfo=UTC)])
async def test_a_person_decides_about_what_is_unresolved(
    inbox: Inbox, store: Store, due: datetime | None
) -> None:
    """The decision is based on the whole journal, and no worker has the hook."""
    decision, until = Resolved(number=1, note="a\0b"), due and due + timedelta(days=1)
    planned = datetime(2030, 3, 17, tzinfo=UTC)
    assert not await inbox.resolve("k1", 0, decision, due, until)
    await inbox.claim(LETTER, "me", 60)
    await inbox.plan("k1", "me", planned, planned)
    await inbox.append("k1", "me", ADDING)
    assert not await inbox.resolve("k1", 1, decision, due, until)
    for state in set(State) - {State.UNRESOLVED}:
        await inbox.finish("k1", "me", state, "a note")
        assert not await inbox.resolve("k1", 1, decision, due, until)
        assert (await inbox.claim(letter("k1", body=state.encode()), "me", 60)).mine
    await inbox.claim(LETTER, "me", 60)
    await inbox.finish("k1", "me", State.UNRESOLVED, "a note")
    for seen in (0, 2):
        assert not await inbox.resolve("k1", seen, decision, due, until)
    for key in ("k", "k11", ""):
        assert not await inbox.resolve(key, 1, decision, due, until)
    assert await inbox.claim_due(planned, "you", 60) is not None
    assert not await inbox.resolve("k1", 1, decision, due, until)
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.note, record.due) == (State.UNRESOLVED, "a note", planned)
    store.advance(seconds=61)  # the worker has died
    assert await inbox.resolve("k1", 1, decision, due, until)
    assert await inbox.entries("k1") == [ADDING, decision]
    decided = await inbox.get("k1")
    assert decided is not None
    assert (decided.state, decided.due) == ((State.WAITING, planned) if due is None else (State.DONE, due))
    assert decided.note == "resolved 1: was never added (a\ufffdb)"
    assert (decided.deliveries, decided.attempts) == (record.deliveries, record.attempts)
    assert decided.changed > record.changed
    with pytest.raises(LeaseLost):
        await inbox.append("k1", "you", ADDING)
    assert not await inbox.resolve("k1", 2, decision, due, until)
    taken = await inbox.claim_due(decided.due or planned, "they", 60)
    assert taken is not None
    assert taken.until == (until or planned)
    await inbox.finish("k1", "they", decided.state)
    assert (await inbox.claim(LETTER, "me", 60)).mine == (due is None)


async def test_keeps_without_handling(inbox: Inbox) -> None:
    await inbox.keep(LETTER, State.UNDECODABLE, "no JSON")
    record = await inbox.get("k1")
    assert record is not None
    assert (record.state, record.note, record.attempts) == (State.UNDECODABLE, "no JSON", 0)
    for state in (State.FAILED, State.WAITING, State.UNRESOLVED, State.DONE):
        await inbox.claim(LETTER, "me", 60)
        await inbox.keep(LETTER, State.IGNORED)
        await inbox.finish("k1", "me", state, "a note")
        await inbox.keep(letter("k1", body=b"other"), State.IGNORED)
        record = await inbox.get("k1")
        assert record is not None
        assert (record.state, record.note, record.body) == (state, "a note", LETTER.body)


async def test_journals_in_order(inbox: Inbox) -> None:
    await inbox.claim(LETTER, "me", 60)
    await inbox.append("k1", "me", ADDING)
    await inbox.append("k1", "me", Refused(number=1))
    await inbox.finish("k1", "me", State.FAILED)
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

    async def claim(owner: str) -> None:
        taken.append((await inbox.claim(LETTER, owner, 60)).mine)

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(claim, f"owner {number}")
    assert sorted(taken) == [False] * 49 + [True]


async def test_closed_it_is_unavailable(inbox: Inbox) -> None:
    await inbox.close()
    await inbox.close()
    for late in (inbox.get("k1"), inbox.claim(LETTER, "me", 60)):
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
    await inbox.claim(strange, "me", 60)
    await inbox.finish("k1", "me", State.FAILED, "a\0b \ud800 é 💶")
    record = await inbox.get("k1")
    assert record is not None
    assert (record.type, record.note, record.body) == ("a\ufffdb", "a\ufffdb ? é 💶", b"\0\xff")
    await inbox.keep(letter("k2", type="a\0b", body=b"\0\xff"), State.IGNORED, "\0")
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
    """Two new ones, one that is done, one that another worker has, and one that comes twice."""
    await inbox.claim(letter("done"), "me", 60)
    await inbox.finish("done", "me", State.DONE)
    await inbox.claim(letter("theirs"), "you", 60)
    keys = ["new", "done", "other", "theirs", "twice", "twice"]
    taken = await asyncio.gather(*(inbox.claim(letter(key), "me", 60) for key in keys))
    assert [each.mine for each in taken] == [True, False, True, False, True, True]
    assert [each.state for each in taken[:4]] == [State.WAITING, State.DONE, State.WAITING, State.WORKING]
    deliveries = [record.deliveries for key in keys[:5] if (record := await inbox.get(key))]
    assert deliveries == [1, 2, 1, 2, 2]


async def test_attempts_that_end_at_once_fail_each_for_itself(inbox: Inbox) -> None:
    for key in ("a", "b"):
        await inbox.claim(letter(key), "me", 60)
    await inbox.claim(letter("theirs"), "you", 60)
    ends = [inbox.finish(key, "me", State.DONE) for key in ("a", "theirs", "b", "nobody's")]
    ends.append(inbox.finish("theirs", "you", State.FAILED, "why"))
    outcomes = await asyncio.gather(*ends, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [NoneType, LeaseLost, NoneType, LeaseLost, NoneType]
    states = {record.key: (record.state, record.note) for record in await inbox.list()}
    assert states == {"a": (State.DONE, ""), "b": (State.DONE, ""), "theirs": (State.FAILED, "why")}
