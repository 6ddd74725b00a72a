"""Concurrent hooks, and several receivers on one inbox: what runs once, and what runs in parallel."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from tests.cheddar import KEY, FakeCheddar, signed
from tests.receiver.conftest import Store

from tallyhook import AsyncClient, events
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, InboxUnavailable, LeaseLost, MemoryInbox, Receiver, Response, State

Make = Callable[..., Receiver]


@pytest.fixture
def cheddar() -> FakeCheddar:
    return FakeCheddar()


@pytest.fixture
async def client(cheddar: FakeCheddar) -> AsyncIterator[AsyncClient]:
    async with cheddar.async_client(timeout=2) as client:
        yield client


@pytest.fixture
async def make(shared_store: Store, client: AsyncClient) -> AsyncIterator[Make]:
    """Makes receivers that share an inbox, and closes them after the test."""
    made: list[Receiver] = []

    def receiver(**options: Any) -> Receiver:
        made.append(Receiver(Cheddar("ACME", KEY, client), inbox=shared_store.inbox(), **options))
        return made[-1]

    yield receiver
    for one in made:
        await one.aclose(within=1)


async def deliver(receiver: Receiver, body: bytes) -> Response:
    return await receiver.handle("POST", signed(body), body)


def of_customer(code: str) -> bytes:
    return FakeCheddar().hook(customer={"id": f"id of {code}", "code": code})


async def test_fifty_deliveries_at_once_are_one_review(make: Make, cheddar: FakeCheddar) -> None:
    receiver = make()
    reviews = 0

    @receiver.review
    async def audit(review: Review) -> None:
        nonlocal reviews
        reviews += 1
        await asyncio.sleep(0.05)
        review.set_quantity("GB", 15)
        review.charge("A", 5)

    answers = await asyncio.gather(*(deliver(receiver, cheddar.hook()) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert reviews == 1
    assert len(cheddar.billed_charges) == 1
    (record,) = await receiver.inbox.list()
    assert (record.state, record.attempts) == (State.DONE, 1)


async def test_fifty_deliveries_to_three_receivers_are_one_review(make: Make, cheddar: FakeCheddar) -> None:
    receivers = [make() for _ in range(3)]
    reviews = 0

    async def audit(review: Review) -> None:
        nonlocal reviews
        reviews += 1
        await asyncio.sleep(0.05)
        review.charge("A", 5)

    for receiver in receivers:
        receiver.review(audit)
    answers = await asyncio.gather(*(deliver(receivers[number % 3], cheddar.hook()) for number in range(50)))
    assert {answer.status for answer in answers} <= {200, 503}
    for answer in answers:
        assert answer.status == 200 or "Retry-After" in dict(answer.headers)
    assert (await deliver(receivers[0], cheddar.hook())).status == 200
    assert reviews == 1
    assert len(cheddar.billed_charges) == 1


async def test_customers_are_reviewed_side_by_side(make: Make) -> None:
    receiver = make()
    together = asyncio.Barrier(12)

    @receiver.on(events.SubscriptionBillable)
    async def bill(hook: events.SubscriptionBillable) -> None:
        async with asyncio.timeout(60):
            await together.wait()  # waits until all are here

    answers = await asyncio.gather(*(deliver(receiver, of_customer(f"C{number}")) for number in range(12)))
    assert {answer.status for answer in answers} == {200}


async def test_a_slow_review_does_not_hold_up_the_others(make: Make) -> None:
    receiver = make(answer_within=60)
    has_begun, go_on = asyncio.Event(), asyncio.Event()

    @receiver.on(events.SubscriptionBillable)
    async def bill(hook: events.SubscriptionBillable) -> None:
        if hook.customer.code == "SLOW":
            has_begun.set()
            await go_on.wait()

    slow = asyncio.create_task(deliver(receiver, of_customer("SLOW")))
    await has_begun.wait()
    others = await asyncio.gather(*(deliver(receiver, of_customer(f"C{n}")) for n in range(5)))
    assert {answer.status for answer in others} == {200}
    assert not slow.done()
    go_on.set()
    assert (await slow).status == 200


async def test_the_sender_of_a_slow_review_is_told_to_come_back(make: Make) -> None:
    receiver = make(answer_within=0.2)
    go_on = asyncio.Event()

    @receiver.on(events.SubscriptionBillable)
    async def bill(hook: events.SubscriptionBillable) -> None:
        await go_on.wait()

    slow = await deliver(receiver, of_customer("SLOW"))
    assert (slow.status, dict(slow.headers)["Retry-After"]) == (503, "1")
    go_on.set()
    async with asyncio.timeout(60):
        while (await deliver(receiver, of_customer("SLOW"))).status != 200:
            await asyncio.sleep(0.02)


async def test_a_slow_review_is_not_started_again(make: Make, cheddar: FakeCheddar) -> None:
    receivers = [make(answer_within=0.1) for _ in range(2)]
    go_on = asyncio.Event()
    reviews = 0

    async def audit(review: Review) -> None:
        nonlocal reviews
        reviews += 1
        await go_on.wait()
        review.charge("A", 5)

    for receiver in receivers:
        receiver.review(audit)
    for receiver in (receivers[0], *receivers):  # on the receiver that runs it, and on the others
        answer = await deliver(receiver, cheddar.hook())
        assert answer.status == 503
        assert int(dict(answer.headers)["Retry-After"]) >= 1
    go_on.set()
    async with asyncio.timeout(60):
        while (await deliver(receivers[1], cheddar.hook())).status != 200:
            await asyncio.sleep(0.02)
    assert reviews == 1
    assert len(cheddar.billed_charges) == 1


async def test_workers_that_were_forked_are_different_owners(make: Make, cheddar: FakeCheddar) -> None:
    """A server may create the application and then fork: all workers inherit the receiver's attributes."""
    one, other = make(answer_within=0.1), make(answer_within=60)
    other._context = dataclasses.replace(other._context, owner=one._context.owner)
    go_on = asyncio.Event()
    reviews = 0

    async def audit(review: Review) -> None:
        nonlocal reviews
        reviews += 1
        await go_on.wait()

    one.review(audit)
    other.review(audit)
    assert (await deliver(one, cheddar.hook())).status == 503
    async with asyncio.timeout(60):
        while not reviews:
            await asyncio.sleep(0.01)
    assert (await deliver(other, cheddar.hook())).status == 503
    assert reviews == 1
    go_on.set()


@pytest.mark.parametrize("call", [1, 2, 3, 4, 5])
async def test_a_review_that_the_end_cuts_off_is_resumed(
    shared_store: Store, cheddar: FakeCheddar, call: int
) -> None:
    """A receiver closes during a call of its review. The next receiver resumes the review."""
    reached, calls = asyncio.Event(), 0

    async def slowly(request: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = cheddar(request)
        if calls == call:
            reached.set()
            await asyncio.sleep(60)  # applied, but never answered
        return answer

    def audit(review: Review) -> None:
        review.set_quantity("GB", 15)
        review.charge("A", 5)
        review.credit("B", 3)

    async with cheddar.async_client(through=slowly) as client:
        ending = Receiver(Cheddar("ACME", KEY, client), inbox=shared_store.inbox())
        ending.review(audit)
        cut = asyncio.create_task(deliver(ending, cheddar.hook()))
        async with asyncio.timeout(60):
            await reached.wait()
        await ending.aclose(within=0.05)
        assert (await cut).status == 503
        async with Receiver(Cheddar("ACME", KEY, client), inbox=shared_store.inbox()) as next_one:
            next_one.review(audit)
            if call in (3, 4):  # a charge was being added, so the lease is not released
                assert (await deliver(next_one, cheddar.hook())).status == 503
                shared_store.advance(seconds=61)
            assert (await deliver(next_one, cheddar.hook())).status == 200
            (record,) = await next_one.inbox.list()
    assert (record.state, record.attempts) == (State.DONE, 2)
    assert cheddar.billed_items["GB"] == 15
    assert [charge["eachAmount"] for charge in sorted(cheddar.billed_charges, key=str)] == ["5.00", "-3.00"]


async def test_a_charge_that_a_time_limit_cuts_off_is_not_left_to_another_receiver_at_once(
    shared_store: Store, cheddar: FakeCheddar
) -> None:
    """Its request may still be on its way, so the lease is not released."""

    async def slowly(request: Any) -> Any:
        answer = cheddar(request)
        if cheddar.calls == ["get", "add-charge"]:
            await asyncio.sleep(60)  # applied, but never answered
        return answer

    async with cheddar.async_client(through=slowly) as client:
        options: dict[str, Any] = {"inbox": shared_store.inbox(), "handle_within": 1.5}
        async with (
            Receiver(Cheddar("ACME", KEY, client), **options) as cut,
            Receiver(Cheddar("ACME", KEY, client), inbox=shared_store.inbox()) as heir,
        ):
            for receiver in (cut, heir):
                receiver.review(lambda review: review.charge("A", 5))
            assert [(await deliver(receiver, cheddar.hook())).status for receiver in (cut, heir)] == [503] * 2
            assert cheddar.calls == ["get", "add-charge"]
            shared_store.advance(seconds=61)
            assert (await deliver(heir, cheddar.hook())).status == 200
    assert len(cheddar.billed_charges) == 1


async def test_another_receiver_follows_one_that_is_not_heard_of(
    make: Make, cheddar: FakeCheddar, shared_store: Store
) -> None:
    """A stalled receiver resumes its review after another one has taken over. It must not change anything."""
    silent, heir = make(), make()
    at_work, revived = asyncio.Event(), asyncio.Event()

    @silent.review
    async def hang(review: Review) -> None:
        at_work.set()
        await revived.wait()
        review.charge("A", 5)

    heir.review(lambda review: review.charge("A", 7))
    first = asyncio.create_task(deliver(silent, cheddar.hook()))
    await at_work.wait()
    answer = await deliver(heir, cheddar.hook())
    assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "60")
    shared_store.advance(seconds=61)
    assert (await deliver(heir, cheddar.hook())).status == 200
    revived.set()
    assert (await first).status == 503
    assert [charge["eachAmount"] for charge in cheddar.billed_charges] == ["7.00"]
    assert (await deliver(silent, cheddar.hook())).status == 200
    assert len(cheddar.billed_charges) == 1


async def test_a_receiver_that_stood_still_past_its_lease_sends_nothing(
    make: Make, cheddar: FakeCheddar
) -> None:
    """Setting a quantity and running the invoice write no journal entry, so the lease is checked too."""
    receiver = make(lease=2)
    stalls = [2.5]

    @receiver.review
    async def audit(review: Review) -> None:
        if stalls:
            time.sleep(stalls.pop())  # the whole process stalls, so the lease isn't renewed
        review.set_quantity("GB", 15)
        review.run_when_done()

    assert (await deliver(receiver, cheddar.hook())).status == 503
    assert (cheddar.billed_items["GB"], cheddar.paid) == (3, False)
    assert (await deliver(receiver, cheddar.hook())).status == 200
    assert (cheddar.billed_items["GB"], cheddar.paid) == (15, True)


async def test_a_receiver_that_has_renewed_its_lease_sends_what_was_declared(
    make: Make, cheddar: FakeCheddar
) -> None:
    receiver = make(lease=2)

    @receiver.review
    async def audit(review: Review) -> None:
        await asyncio.sleep(2.5)
        review.set_quantity("GB", 15)
        review.charge("A", 5)

    assert (await deliver(receiver, cheddar.hook())).status == 200
    assert (cheddar.billed_items["GB"], len(cheddar.billed_charges)) == (15, 1)


async def test_a_receiver_that_stood_still_past_its_lease_repeats_no_call(shared_store: Store) -> None:
    """The client's retries check the lease too: another worker may have set another quantity meanwhile."""

    def stands_still(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        time.sleep(2.5)
        return httpx.Response(503)

    cheddar = FakeCheddar(faults={2: stands_still})
    async with cheddar.async_client(retries=3, backoff=0, timeout=2) as client:
        product = Cheddar("ACME", KEY, client)
        async with Receiver(product, inbox=shared_store.inbox(), lease=2) as receiver:
            receiver.review(lambda review: review.set_quantity("GB", 15))
            assert (await deliver(receiver, cheddar.hook())).status == 503
            assert cheddar.calls == ["get", "set-item-quantity"]
            assert (await deliver(receiver, cheddar.hook())).status == 200
    assert cheddar.billed_items["GB"] == 15


class Swallowing(MemoryInbox):
    """An inbox whose first renewal swallows its cancellation, as a connection pool may."""

    def __init__(self) -> None:
        super().__init__()
        self.renewing = asyncio.Event()

    async def renew(self, key: str, owner: str, seconds: float) -> None:
        if not self.renewing.is_set():
            self.renewing.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            raise InboxUnavailable("the connection is lost")
        await super().renew(key, owner, seconds)


@pytest.mark.parametrize("error", [InboxUnavailable("away"), LeaseLost("gone")])
async def test_a_lease_is_not_renewed_after_the_attempt(error: Exception) -> None:
    """An attempt that loses its inbox can't end its lease, but the lease must run out."""
    inbox = Swallowing()
    failing, heir = (Receiver(Cheddar("ACME", KEY), inbox=inbox, lease=0.3) for _ in range(2))

    @failing.on("transaction")
    async def fail(hook: Any) -> None:
        await inbox.renewing.wait()
        raise error

    heir.on("transaction")(lambda hook: None)
    body = FakeCheddar().hook(activityType="transaction")
    async with failing, heir:
        assert (await deliver(failing, body)).status == 503
        async with asyncio.timeout(10):
            while (await deliver(heir, body)).status != 200:
                await asyncio.sleep(0.05)


async def test_a_full_inbox_holds_the_hook(cheddar: FakeCheddar, client: AsyncClient) -> None:
    inbox = MemoryInbox(max_hooks=1)
    async with Receiver(Cheddar("ACME", KEY, client), inbox=inbox) as receiver:
        receiver.on(events.SubscriptionBillable)(lambda hook: None)
        assert (await deliver(receiver, of_customer("ONE"))).status == 200
        answer = await deliver(receiver, of_customer("TWO"))
        assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "60")
        assert (await deliver(receiver, of_customer("ONE"))).status == 200
        (record,) = await inbox.list()
        await inbox.forget(record.key)
        assert (await deliver(receiver, of_customer("TWO"))).status == 200


@pytest.mark.parametrize("outcome", ["is running", "failed", "is done"])
async def test_a_hook_that_another_worker_begins_is_not_ignored(
    shared_store: Store, client: AsyncClient, cheddar: FakeCheddar, make: Make, outcome: str
) -> None:
    """During a rolling deployment, one of two workers has no handler for a hook that both get."""
    old = Receiver(Cheddar("ACME", KEY, client), inbox=LateInbox(shared_store.inbox()))  # type: ignore[arg-type]  # delegates the rest
    new, body, begun, go_on = make(), cheddar.hook(), asyncio.Event(), asyncio.Event()

    @new.review
    async def audit(review: Review) -> None:
        begun.set()
        await go_on.wait()
        if outcome == "failed":
            raise ValueError("no usage")

    async def begin() -> None:
        nonlocal task
        task = asyncio.create_task(deliver(new, body))
        await begun.wait()
        if outcome != "is running":
            go_on.set()
            await task

    task: asyncio.Task[Response] | None = None
    old.inbox.before_keep = begin  # type: ignore[attr-defined]  # a LateInbox
    response = await deliver(old, body)
    assert response.status == (200 if outcome == "is done" else 500)
    assert task is not None
    go_on.set()
    await task
    (record,) = await new.inbox.list()
    assert record.state is (State.FAILED if outcome == "failed" else State.DONE)
    await old.aclose()


@pytest.mark.parametrize("state", [State.DONE, State.FAILED])
async def test_another_body_of_what_another_worker_has_begun_is_not_ignored(
    make: Make, cheddar: FakeCheddar, state: State
) -> None:
    """A worker without a handler doesn't know whether the invoice must be reviewed again."""
    bare, able, quantities = make(), make(), [15]
    able.review(lambda review: review.set_quantity("GB", quantities[-1]))
    first, moved = cheddar.hook(), cheddar.hook(activityDatetime="2030-03-02T00:00:00+00:00")
    assert (await deliver(able, first)).status == 200
    quantities.append(16 if state is State.DONE else -1)
    for body, status in ((first, 200), (moved, 500), (first, 200)):
        assert (await deliver(bare, body)).status == status
    assert (await deliver(able, moved)).status == (200 if state is State.DONE else 500)
    assert (await deliver(bare, moved)).status == (200 if state is State.DONE else 500)
    assert cheddar.billed_items["GB"] == (16 if state is State.DONE else 15)


class LateInbox:
    """An inbox that lets another worker act just before it keeps a hook."""

    def __init__(self, inbox: Any) -> None:
        self.inbox = inbox
        self.before_keep: Callable[[], Any]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inbox, name)

    async def keep(self, *arguments: Any) -> None:
        await self.before_keep()
        await self.inbox.keep(*arguments)
