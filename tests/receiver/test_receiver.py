"""From a request to its response: refusals, handling once, failures, and work after the response."""

import asyncio
import hashlib
import json
import logging
import math
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from tests.cheddar import KEY, FakeCheddar, lost_on_the_way, signed

from tallyhook import AsyncClient, events, signing
from tallyhook.review import Review
from tallyhook_receiver import (
    Cheddar,
    Claim,
    Event,
    InboxUnavailable,
    Letter,
    MemoryInbox,
    NotYet,
    Receiver,
    Record,
    Response,
    SQLiteInbox,
    State,
)

Make = Callable[..., Receiver]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Makes receivers for one product, and closes them after the test."""
    made: list[Receiver] = []

    def receiver(client: AsyncClient | None = None, **options: Any) -> Receiver:
        made.append(Receiver(Cheddar("ACME", KEY, client), **{"inbox": ":memory:"} | options))
        return made[-1]

    yield receiver
    for receiver_ in made:
        await receiver_.aclose(within=0.1)


@pytest.fixture
def cheddar() -> FakeCheddar:
    return FakeCheddar()


def changed(**changes: Any) -> bytes:
    return FakeCheddar().hook(activityType="subscriptionChanged", **changes)


async def deliver(receiver: Receiver, body: bytes, key: str = KEY) -> Response:
    return await receiver.handle("POST", signed(body, key), body)


async def only_record(receiver: Receiver) -> Record:
    (record,) = await receiver.inbox.list()
    return record


async def test_handles_a_hook_with_its_class(make: Make) -> None:
    receiver = make()
    seen: list[events.SubscriptionChanged] = []

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        seen.append(hook)

    answer = await deliver(receiver, changed())
    assert (answer.status, answer.body) == (200, b"")
    assert type(seen[0]) is events.SubscriptionChanged
    assert (await only_record(receiver)).state is State.DONE


async def test_handles_types_that_nobody_listed_in_a_thread(make: Make) -> None:
    receiver = make()
    threads: list[threading.Thread] = []

    @receiver.on("somethingNew")
    def new(hook: events.Hook) -> None:
        threads.append(threading.current_thread())

    assert (await deliver(receiver, FakeCheddar().hook(activityType="somethingNew"))).status == 200
    assert threads != [threading.current_thread()]


async def test_a_hook_that_nobody_wants_is_remembered(make: Make) -> None:
    receiver = make()
    answer = await deliver(receiver, changed())
    assert (answer.status, answer.body) == (200, b'{"hook": "ignored"}\n')
    assert (await only_record(receiver)).state is State.IGNORED


async def test_a_billable_hook_may_have_a_plain_handler(make: Make) -> None:
    receiver = make()
    seen: list[int | None] = []

    @receiver.on(events.SubscriptionBillable)
    async def bill(hook: events.SubscriptionBillable) -> None:
        seen.append(hook.subscription.invoice and hook.subscription.invoice.number)

    assert (await deliver(receiver, FakeCheddar().hook())).status == 200
    assert seen == [11]


async def test_a_type_has_one_handler(make: Make) -> None:
    receiver = make()

    def handler(argument: object) -> None: ...

    receiver.on("transaction")(handler)
    receiver.review(handler)
    for register in (
        receiver.on(events.TransactionHook),
        receiver.on(events.SubscriptionBillable),
        receiver.review,
    ):
        with pytest.raises(ValueError, match="already has a handler"):
            register(handler)
    with pytest.raises(ValueError, match="pass a type"):
        receiver.on(events.Hook)(handler)


@pytest.mark.parametrize("keys", ["", [], ["good", ""]])
def test_a_product_needs_keys(keys: Any) -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Cheddar("ACME", keys)


# Refusals.


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "DELETE", ""])
async def test_another_method(make: Make, method: str) -> None:
    body = changed()
    answer = await make().handle(method, signed(body), body)
    assert answer.status == 405
    assert ("Allow", "POST") in answer.headers


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {signing.SIGNATURE_HEADER: ""},
        {signing.SIGNATURE_HEADER: "é\udcff"},
        {signing.SIGNATURE_HEADER: signing.sign(b"another body", KEY)},
        {signing.SIGNATURE_HEADER: signing.sign(changed(), "another key")},
        {signing.TOKEN_HEADER: hashlib.md5(changed()).hexdigest()},
    ],
)
async def test_no_or_a_wrong_signature(make: Make, headers: dict[str, str]) -> None:
    receiver = make()
    assert (await receiver.handle("POST", headers, changed())).status == 401
    await receiver.open()
    assert await receiver.inbox.list() == []


async def test_the_token_header_is_not_trusted(make: Make) -> None:
    other = b'{"another": "body"}'
    headers = {
        signing.SIGNATURE_HEADER: signing.sign(other, KEY),
        signing.TOKEN_HEADER: signing.token(other),
    }
    assert (await make().handle("POST", headers, changed())).status == 401


async def test_headers_are_found_in_any_case(make: Make) -> None:
    body = changed()
    headers = {name.lower(): value for name, value in signed(body).items()}
    assert (await make().handle("post", headers, body)).status == 200


async def test_a_body_over_the_limit(make: Make) -> None:
    body = changed()
    assert (await deliver(make(max_body=len(body)), body)).status == 200
    assert (await deliver(make(max_body=len(body) - 1), body)).status == 413


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b"null", b'{"activityType": ""}'])
async def test_signed_but_undecodable(make: Make, body: bytes) -> None:
    receiver = make()
    assert (await deliver(receiver, body)).status == 400
    record = await only_record(receiver)
    assert (record.state, record.body) == (State.UNDECODABLE, body)
    assert record.note


async def test_an_unreadable_amount_is_named_by_its_place(make: Make) -> None:
    receiver = make()
    body = FakeCheddar().hook(subscription={"invoice": {"charges": [{"eachAmount": "lots of money"}]}})
    assert (await deliver(receiver, body)).status == 400
    note = (await only_record(receiver)).note
    assert "subscription.invoice.charges[0].eachAmount" in note
    assert "lots of money" not in note


async def test_a_hook_that_cant_be_read_is_not_done(make: Make) -> None:
    receiver = make()
    handled: list[events.Hook] = []

    @receiver.on(events.SubscriptionBillable)
    async def billable(hook: events.SubscriptionBillable) -> None:
        handled.append(hook)

    invoice = {"id": "i1", "charges": [{"eachAmount": "lots of money"}]}
    assert (await deliver(receiver, FakeCheddar().hook(subscription={"invoice": invoice}))).status == 400
    record = await only_record(receiver)
    assert (record.state, handled) == (State.UNDECODABLE, [])
    assert "subscription.invoice.charges[0].eachAmount" in record.note
    assert "lots of money" not in record.note
    invoice = {"id": "i1", "charges": [{"eachAmount": "5.00"}]}
    assert (await deliver(receiver, FakeCheddar().hook(subscription={"invoice": invoice}))).status == 200
    assert len(handled) == 1


class Speechless(Exception):
    def __str__(self) -> str:
        raise ValueError


class Own:
    """A source of one's own, whose `read` returns or raises `event`."""

    name = "own"

    def __init__(self, event: object) -> None:
        self.event = event

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return True

    def read(self, headers: Mapping[str, str], body: bytes) -> Any:
        if isinstance(self.event, Exception):
            raise self.event
        return self.event


@pytest.mark.parametrize(
    "event",
    [
        None,
        {"type": "paid"},
        Event(key=b"1", type="paid", payload=1),  # type: ignore[arg-type]  # what is tested
        Event(key="1", type=None, payload=1),  # type: ignore[arg-type]  # what is tested
        Event(key="1", type="paid", payload=1, at=datetime(2030, 3, 1)),  # noqa: DTZ001 - what is tested
        Speechless(),
    ],
    ids=["None", "dict", "key", "type", "naive", "speechless"],
)
async def test_a_source_of_ones_own_that_reads_nothing_usable(event: object) -> None:
    receiver = Receiver(Own(event), inbox=":memory:", max_age=timedelta(days=2))
    receiver.on("paid")(lambda event: None)
    async with receiver:
        response = await receiver.handle("POST", {}, b"{}")
        record = await only_record(receiver)
    assert (response.status, record.state, record.body) == (400, State.UNDECODABLE, b"{}")
    assert record.note


async def test_several_products_and_keys() -> None:
    products = Cheddar("ACME", ["old", "new"]), Cheddar("OTHER", "third")
    async with Receiver(*products, inbox=":memory:") as receiver:
        acme, other = changed(), changed(product={"code": "OTHER"})
        for body, key, status in (
            (acme, "old", 200),
            (acme, "new", 200),
            (other, "third", 200),
            (acme, "third", 401),
            (other, "new", 401),
            (changed(product={"code": "STRANGE"}), "old", 401),
            (changed(product=""), "old", 401),
        ):
            assert (await deliver(receiver, body, key)).status == status


# Handling once.


async def test_what_is_done_is_not_handled_again(make: Make) -> None:
    receiver = make()
    seen: list[str] = []
    receiver.on("subscriptionBillable")(lambda hook: seen.append(hook.activity_type))
    body = FakeCheddar().hook()
    announced_again = FakeCheddar().hook(activityDatetime="2030-03-02T00:00:00+00:00")
    for delivery in (body, body, announced_again, body, announced_again):
        answer = await deliver(receiver, delivery)
        assert (answer.status, answer.body) == (200, b"")
    assert len(seen) == 2
    assert (await only_record(receiver)).deliveries == 5
    unreadable = FakeCheddar().hook(customer="no customer")
    assert (await deliver(receiver, unreadable)).status == 400


async def test_other_hooks_are_their_bytes(make: Make) -> None:
    receiver = make()
    seen: list[str] = []
    receiver.on("subscriptionChanged")(lambda hook: seen.append(hook.activity_type))
    for actor in ("a", "b", "a"):
        await deliver(receiver, changed(activityActor=actor))
    assert len(seen) == 2


async def test_many_deliveries_at_once_are_one_handling(make: Make) -> None:
    receiver = make()
    count = 0

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        nonlocal count
        count += 1
        await asyncio.sleep(0.05)

    answers = await asyncio.gather(*(deliver(receiver, changed()) for _ in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert count == 1


async def test_a_failure_is_kept_and_handled_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    receiver = make()
    failing = True

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        if failing:
            raise RuntimeError(f"no idea who {hook.customer.email} is")

    answer = await deliver(receiver, changed())
    assert (answer.status, answer.body) == (500, b'{"hook": "failed"}\n')
    record = await only_record(receiver)
    assert record.state is State.FAILED
    assert "RuntimeError: no idea who nora@quill.example is" in record.note
    assert "in moved" in record.note
    assert "nora" not in caplog.text
    failing = False
    assert (await deliver(receiver, changed())).status == 200
    record = await only_record(receiver)
    assert (record.state, record.attempts) == (State.DONE, 2)


async def test_not_yet(make: Make) -> None:
    receiver = make()

    @receiver.on(events.SubscriptionChanged)
    def moved(hook: events.SubscriptionChanged) -> None:
        raise NotYet(retry_after=89.5)

    answer = await deliver(receiver, changed())
    assert answer.status == 503
    assert ("Retry-After", "90") in answer.headers
    assert (await only_record(receiver)).state is State.WAITING


@pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan])
async def test_not_yet_needs_a_time_that_comes(make: Make, seconds: float) -> None:
    receiver = make()

    @receiver.on(events.SubscriptionChanged)
    def moved(hook: events.SubscriptionChanged) -> None:
        raise NotYet(retry_after=seconds)

    assert (await deliver(receiver, changed())).status == 500
    assert (await only_record(receiver)).state is State.FAILED


async def test_longer_work_goes_on_and_the_retry_finds_it_done(make: Make) -> None:
    receiver = make(answer_within=0.05)
    begun, go_on = anyio.Event(), anyio.Event()
    count = 0

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        nonlocal count
        count += 1
        begun.set()
        await go_on.wait()

    with anyio.fail_after(60):
        for _ in range(2):
            answer = await deliver(receiver, changed())
            assert answer.status == 503
            assert ("Retry-After", "1") in answer.headers
            await begun.wait()
            assert (await only_record(receiver)).state is State.WORKING
        go_on.set()
        while (await deliver(receiver, changed())).status != 200:
            await asyncio.sleep(0.02)
    assert count == 1


async def test_a_sender_that_hangs_up_does_not_stop_the_work(make: Make) -> None:
    receiver = make()
    begun, left, done = anyio.Event(), anyio.Event(), anyio.Event()

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        begun.set()
        await left.wait()
        done.set()

    request = asyncio.create_task(deliver(receiver, changed()))
    with anyio.fail_after(60):
        await begun.wait()
        request.cancel()
        left.set()
        await done.wait()
    assert (await deliver(receiver, changed())).status == 200


# Several workers, and shutdown.


async def test_two_receivers_on_one_inbox(make: Make, tmp_path: Any) -> None:
    receivers = [make(inbox=tmp_path / "inbox.sqlite") for _ in range(2)]
    go_on = anyio.Event()
    count = 0

    async def moved(hook: events.Hook) -> None:
        nonlocal count
        count += 1
        await go_on.wait()

    for receiver in receivers:
        receiver.on("subscriptionChanged")(moved)
    first = asyncio.create_task(deliver(receivers[0], changed()))
    while count == 0:
        await asyncio.sleep(0.01)
    assert (await deliver(receivers[1], changed())).status == 503
    go_on.set()
    assert (await first).status == 200
    assert (await deliver(receivers[1], changed())).status == 200
    assert count == 1


async def test_the_lease_lasts_as_long_as_the_work(make: Make, tmp_path: Any) -> None:
    receivers = [make(inbox=tmp_path / "inbox.sqlite", lease=2) for _ in range(2)]
    count = 0
    go_on = asyncio.Event()

    async def moved(hook: events.Hook) -> None:
        nonlocal count
        count += 1
        await go_on.wait()

    for receiver in receivers:
        receiver.on("subscriptionChanged")(moved)
    first = asyncio.create_task(deliver(receivers[0], changed()))
    await asyncio.sleep(3)
    assert (await deliver(receivers[1], changed())).status == 503
    go_on.set()
    assert (await first).status == 200
    assert count == 1


async def test_closing_waits_for_what_runs_and_refuses_the_rest() -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    begun, ended = asyncio.Event(), False

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        nonlocal ended
        begun.set()
        await asyncio.sleep(0.1)
        ended = True

    running = asyncio.create_task(deliver(receiver, changed()))
    await begun.wait()
    closing = asyncio.create_task(receiver.aclose())
    await asyncio.sleep(0)
    assert (await deliver(receiver, changed(activityActor="late"))).status == 503
    await closing
    assert ended
    assert (await running).status == 200


@pytest.mark.parametrize("slow", ["open", "claim"])
async def test_nothing_begins_once_it_is_closed(slow: str) -> None:
    """The request came before the close, and waited for the inbox."""
    asked, free = asyncio.Event(), asyncio.Event()

    class Slow(MemoryInbox):
        async def open(self) -> None:
            await wait("open")
            await super().open()

        async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
            await wait("claim")
            return await super().claim(letter, owner, seconds)

    async def wait(method: str) -> None:
        if method == slow:
            asked.set()
            await free.wait()

    inbox = Slow()
    receiver = Receiver(Cheddar("ACME", KEY), inbox=inbox)
    handled: list[events.Hook] = []

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        handled.append(hook)

    running = asyncio.create_task(deliver(receiver, changed()))
    await asked.wait()
    await receiver.aclose(0)
    free.set()
    assert (await running).status == 503
    assert handled == []
    with pytest.raises(InboxUnavailable, match="closed"):
        await inbox.list()


async def test_closing_interrupts_what_takes_too_long(tmp_path: Any) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    receiver = Receiver(Cheddar("ACME", KEY), inbox=inbox)
    begun = asyncio.Event()

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        begun.set()
        await asyncio.sleep(60)

    running = asyncio.create_task(deliver(receiver, changed()))
    await begun.wait()
    await receiver.aclose(within=0.05)
    assert (await running).status == 503
    await inbox.open()
    (record,) = await inbox.list()
    assert (record.state, record.note) == (State.FAILED, "interrupted because the receiver closed")
    await inbox.close()


# The inbox fails.


class Unwell(MemoryInbox):
    """An inbox with one method that fails."""

    def __init__(self, fails: str) -> None:
        super().__init__()
        self.fails = fails

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("fails"):
            raise InboxUnavailable("the disk is full")
        return super().__getattribute__(name)


@pytest.mark.parametrize("fails", ["open", "claim", "finish", "keep"])
async def test_an_unusable_inbox_holds_the_hook(
    make: Make, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Unwell(fails)
    receiver = make(inbox=inbox)
    count = 0

    def moved(hook: events.Hook) -> None:
        nonlocal count
        count += 1

    if fails != "keep":
        receiver.on("subscriptionChanged")(moved)
    answer = await deliver(receiver, changed())
    assert answer.status == 503
    assert ("Retry-After", "60") in answer.headers
    assert "the disk is full" in caplog.text
    inbox.fails = ""
    assert (await deliver(receiver, changed())).status == 200
    assert count == {"open": 1, "claim": 1, "finish": 2, "keep": 0}[fails]


# The review.


async def test_reviews(cheddar: FakeCheddar) -> None:
    async with cheddar.async_client() as client, Receiver(*products(client), inbox=":memory:") as receiver:

        @receiver.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", 15)
            review.credit("REBATE", 5)

        assert (await deliver(receiver, cheddar.hook())).status == 200
        assert cheddar.billed_items["GB"] == 15
        assert [charge["eachAmount"] for charge in cheddar.billed_charges] == ["-5.00"]
        record = await only_record(receiver)
        outcome = json.loads(record.note)
        assert (outcome["total_before"], outcome["total_after"]) == ("22.50", "47.50")
        cheddar.calls.clear()
        assert (await deliver(receiver, cheddar.hook())).status == 200
        assert cheddar.calls == []


async def test_a_review_that_fails_half_way_is_taken_up(cheddar: FakeCheddar, tmp_path: Any) -> None:
    cheddar.faults[3] = lost_on_the_way
    now = [datetime(2026, 2, 1, tzinfo=UTC)]
    async with cheddar.async_client() as client:
        for status in (503, 503, 200):  # another process, the same inbox
            product, inbox = Cheddar("ACME", KEY, client), tmp_path / "inbox.sqlite"
            async with Receiver(product, inbox=inbox, clock=lambda: now[0]) as receiver:

                @receiver.review
                def audit(review: Review) -> None:
                    review.set_quantity("GB", 15)
                    review.charge("A", 5)

                assert (await deliver(receiver, cheddar.hook())).status == status
                record = await only_record(receiver)
                assert record.state is (State.DONE if status == 200 else State.WAITING)
                now[0] += timedelta(minutes=3)
    assert len(cheddar.billed_charges) == 1


async def test_an_invoice_that_was_paid_as_something_else_asks_for_a_person(
    cheddar: FakeCheddar, caplog: pytest.LogCaptureFixture
) -> None:
    cheddar.paid = True
    assert await reviewed(cheddar) == (500, State.UNRESOLVED)
    assert [record.levelname for record in caplog.records if "unresolved" in record.message] == ["ERROR"]


async def test_an_invoice_that_was_pushed_out_is_reviewed_when_it_comes_again(cheddar: FakeCheddar) -> None:
    cheddar.pushed_out = True
    async with cheddar.async_client() as client, Receiver(*products(client), inbox=":memory:") as receiver:
        receiver.review(lambda review: review.charge("A", 5))
        assert (await deliver(receiver, cheddar.hook())).status == 200
        assert (await only_record(receiver)).state is State.IGNORED
        cheddar.pushed_out = False
        assert (await deliver(receiver, cheddar.hook())).status == 200
    assert len(cheddar.billed_charges) == 1


async def test_a_journal_outlives_the_putting_off_of_its_invoice(make: Make) -> None:
    """Charges that an attempt has added are still on the invoice when its next hook comes a year later."""
    cheddar = FakeCheddar(faults={3: lost_on_the_way})
    now = [1_900_000_000.0]
    async with cheddar.async_client(retries=0) as client:
        receiver = make(
            client,
            inbox=MemoryInbox(clock=lambda: now[0]),
            clock=lambda: datetime.fromtimestamp(now[0], UTC),
        )

        @receiver.review
        def audit(review: Review) -> None:
            review.charge("A", 5)
            review.charge("B", 5)

        async def delivered() -> int:
            """Deliver until the status is 200, or lost requests can no longer arrive."""
            for _ in range(5):
                status = (await deliver(receiver, cheddar.hook())).status
                if status == 200:
                    break
                now[0] += 150
            return status

        assert (await deliver(receiver, cheddar.hook())).status == 503
        cheddar.pushed_out = True
        assert await delivered() == 200
        for _ in range(365):
            now[0] += timedelta(days=1).total_seconds()
            await receiver.inbox.prune(timedelta(days=90))
        cheddar.pushed_out = False
        assert await delivered() == 200
    assert [code for code, *_ in cheddar.content()] == ["A", "B"]


async def test_an_older_invoice_goes_first(cheddar: FakeCheddar) -> None:
    cheddar.unpaid_before = True
    assert await reviewed(cheddar) == (503, State.WAITING)


async def test_a_review_needs_a_client() -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    receiver.review(lambda review: None)
    with pytest.raises(ValueError, match="ACME needs a client"):
        await receiver.open()
    assert (await deliver(receiver, FakeCheddar().hook())).status == 500
    await receiver.aclose()


async def test_nothing_of_the_payload_in_answers_and_logs(
    cheddar: FakeCheddar, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "tallyhook")
    async with cheddar.async_client() as client, Receiver(*products(client), inbox=":memory:") as receiver:
        answers = [await deliver(receiver, cheddar.hook(activityType="unheardOf"))]
        answers.append(await deliver(receiver, cheddar.hook()[:-1]))
        answers.append(await deliver(receiver, cheddar.hook(), "wrong"))

        @receiver.review
        def audit(review: Review) -> None:
            if not cheddar.billed_charges:
                raise ValueError(repr(review.customer.raw))

        answers.append(await deliver(receiver, cheddar.hook()))
        cheddar.billed_charges.append({"id": "c", "chargeCode": "A", "quantity": "1", "eachAmount": "5"})
        answers.append(await deliver(receiver, cheddar.hook()))
    assert [answer.status for answer in answers] == [200, 400, 401, 500, 200]
    said = b"".join(answer.body for answer in answers).decode()
    said += "".join(
        r.getMessage() + str(r.exc_text) for r in caplog.records if r.name.startswith("tallyhook")
    )
    for private in ("Nora", "NORA", "nora", "quill", "4242", "cust-1", KEY):
        assert private not in said
    assert "a handler raised ValueError\n  File" in said


def products(client: AsyncClient) -> tuple[Cheddar]:
    return (Cheddar("ACME", KEY, client),)


async def reviewed(cheddar: FakeCheddar) -> tuple[int, State]:
    async with cheddar.async_client() as client, Receiver(*products(client), inbox=":memory:") as receiver:
        receiver.review(lambda review: review.charge("A", 5))
        answer = await deliver(receiver, cheddar.hook())
        assert cheddar.billed_charges == []
        return answer.status, (await only_record(receiver)).state
