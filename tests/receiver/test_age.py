"""The age limit: a first delivery that is too old is refused and kept in the inbox."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cheddar import FakeCheddar, signed

from tallyhook import events
from tallyhook_receiver import Cheddar, Receiver, Response, State

KEY = "a key of the tests"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:", max_age=timedelta(days=2)) as receiver:
        yield receiver


def hook(age: timedelta, **changes: Any) -> bytes:
    moment = (datetime.now(UTC) - age).isoformat()
    return FakeCheddar().hook(**{"activityType": "subscriptionChanged", "activityDatetime": moment} | changes)


async def deliver(receiver: Receiver, body: bytes) -> Response:
    return await receiver.handle("POST", signed(body, KEY), body)


def count(receiver: Receiver, *, failing: bool = False) -> list[events.Hook]:
    seen: list[events.Hook] = []

    @receiver.on(events.SubscriptionChanged)
    def moved(hook: events.SubscriptionChanged) -> None:
        seen.append(hook)
        if failing and len(seen) == 1:
            raise RuntimeError("not today")

    return seen


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (timedelta(0), 200),
        (timedelta(days=2, minutes=-1), 200),
        (timedelta(days=2, minutes=1), 401),
        (timedelta(days=4000), 401),
        (timedelta(days=-400), 200),  # a date in the future is accepted: a clock is wrong
    ],
)
async def test_a_hook_that_comes_too_late_is_refused(receiver: Receiver, age: timedelta, status: int) -> None:
    seen = count(receiver)
    answer = await deliver(receiver, hook(age))
    assert (answer.status, len(seen)) == (status, int(status == 200))


@pytest.mark.parametrize("moment", ["", None])
async def test_a_hook_without_a_date_could_be_of_any_age(receiver: Receiver, moment: Any) -> None:
    seen = count(receiver)
    assert (await deliver(receiver, hook(timedelta(0), activityDatetime=moment))).status == 401
    assert seen == []


async def test_what_was_refused_is_in_the_inbox_and_an_operator_can_let_it_in(receiver: Receiver) -> None:
    seen = count(receiver)
    old = hook(timedelta(days=3))
    for _ in range(2):  # refused again, though the inbox knows it
        assert (await deliver(receiver, old)).status == 401
    (record,) = await receiver.inbox.list(State.FAILED)
    assert (record.body, record.attempts, record.deliveries) == (old, 0, 2)
    assert record.note == "too old: max_age is 2 days, 0:00:00"
    assert await receiver.inbox.retry(record.key)
    assert (await deliver(receiver, old)).status == 200
    assert len(seen) == 1


async def test_a_retry_may_be_as_old_as_it_likes(receiver: Receiver) -> None:
    """A retry has the body of the first attempt, which came in time."""
    seen = count(receiver, failing=True)
    body = hook(timedelta(days=1))
    assert (await deliver(receiver, body)).status == 500
    receiver._intake._max_age = timedelta(hours=1)  # as if days had passed
    for _ in range(2):
        assert (await deliver(receiver, body)).status == 200
    assert len(seen) == 2


async def test_together_with_the_limit_an_inbox_may_forget(receiver: Receiver) -> None:
    seen = count(receiver)
    body = hook(timedelta(days=1))
    assert (await deliver(receiver, body)).status == 200
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:", max_age=timedelta(hours=1)) as stricter:
        count(stricter)
        assert (await deliver(stricter, body)).status == 401
    assert len(seen) == 1


async def test_a_hook_that_nobody_wants_has_no_age(receiver: Receiver) -> None:
    assert (await deliver(receiver, hook(timedelta(days=30)))).status == 200


async def test_without_a_limit_any_age_will_do() -> None:
    async with Receiver(Cheddar("ACME", KEY), inbox=":memory:") as receiver:
        seen = count(receiver)
        assert (await deliver(receiver, hook(timedelta(days=4000)))).status == 200
    assert len(seen) == 1
