"""Past failures over real HTTP: late answers, different bodies, keys of other products, hangs."""

import asyncio
import contextlib
import json
import logging
import re
import sqlite3
import sys
import threading
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.cheddar import KEY, FakeCheddar, answer_lost, broken, lost_on_the_way, signed
from tests.receiver.conftest import FileStore, Store

from tallyhook import AsyncClient, events
from tallyhook.review import Review, Unresolved
from tallyhook_mock.server import serving
from tallyhook_receiver import (
    Cheddar,
    Event,
    InboxUnavailable,
    NotYet,
    Receiver,
    SharedKey,
    SQLiteInbox,
    StandardWebhooks,
    State,
)

START = datetime(2030, 3, 1, tzinfo=UTC)
FIVE = [("A", "1", Decimal("5.00"), "")]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@asynccontextmanager
async def listening(receiver: Receiver) -> AsyncIterator[Callable[..., Any]]:
    """Serve a receiver, and yield a function that posts a signed body to it."""
    async with serving(receiver.asgi) as url, httpx.AsyncClient(timeout=60) as http:

        async def post(body: bytes, headers: dict[str, str] | None = None) -> httpx.Response:
            return await http.post(f"{url}/hooks", content=body, headers=headers or signed(body))

        post.url, post.http = url, http  # type: ignore[attr-defined]  # for a test that asks for more
        yield post


def reviewing(client: AsyncClient, inbox: Path, clock: Clock, **options: Any) -> Receiver:
    receiver = Receiver(Cheddar("ACME", KEY, client), inbox=inbox, clock=clock, **options)

    @receiver.review
    async def audit(review: Review) -> None:
        review.charge("A", 5)

    return receiver


async def record_of(receiver: Receiver) -> Any:
    (record,) = await receiver.inbox.list()
    return record


# Late answers.


async def test_a_charge_that_is_late_is_waited_for_and_not_added_again(tmp_path: Path) -> None:
    late: list[Callable[[], httpx.Response]] = []

    def slow(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.append(apply)
        return lost_on_the_way(request, apply)

    cheddar, clock = FakeCheddar(faults={2: slow}), Clock()
    async with cheddar.async_client(retries=0) as client:
        async with listening(reviewing(client, tmp_path / "i.sqlite", clock)) as post:
            first = await post(cheddar.hook())
            assert (first.status_code, first.json()) == (503, {"hook": "not yet"})
            assert int(first.headers["Retry-After"]) >= 1
            clock.advance(minutes=1)
            assert (await post(cheddar.hook())).status_code == 503
            late[0]()
            clock.advance(minutes=1)
            assert (await post(cheddar.hook())).status_code == 200
        assert cheddar.content() == FIVE


async def test_what_arrives_after_all_is_taken_off_by_a_second_look_after_a_restart(tmp_path: Path) -> None:
    late: list[Callable[[], httpx.Response]] = []

    def lost(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.append(apply)
        return lost_on_the_way(request, apply)

    cheddar, clock = FakeCheddar(faults={2: lost}), Clock()
    async with cheddar.async_client(retries=0) as client:
        async with listening(reviewing(client, tmp_path / "i.sqlite", clock)) as post:
            assert (await post(cheddar.hook())).status_code == 503
            for status in (503, 200):  # the next attempt adds the charge again
                clock.advance(minutes=6)
                assert (await post(cheddar.hook())).status_code == status
        late[0]()  # arrives after the hook was acknowledged
        assert cheddar.content() == FIVE * 2
        async with reviewing(client, tmp_path / "i.sqlite", clock) as receiver:
            assert await receiver.look_again() == 0
            clock.advance(minutes=6)
            await receiver.look_again()
            async with asyncio.timeout(60):  # the receiver may have begun the second look itself
                while cheddar.content() != FIVE:
                    await asyncio.sleep(0.01)
            async with asyncio.timeout(60):
                while (record := await record_of(receiver)).due is not None:
                    await asyncio.sleep(0.01)
            assert record.state is State.DONE
            assert (told := record.outcome) is not None
            assert re.fullmatch(r"second look on 20.* UTC: delete A 1 \S 5.00", told.note)
            assert told.applied  # the changes of the review are still in the outcome
            assert not told.look_again
    assert cheddar.content() == FIVE


async def test_a_second_look_that_never_succeeds_asks_for_a_person(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cheddar, clock = FakeCheddar(faults={2: answer_lost}), Clock()
    async with (
        cheddar.async_client(retries=0) as client,
        reviewing(client, tmp_path / "i.sqlite", clock) as receiver,
    ):
        body = cheddar.hook()
        assert (await receiver.handle("POST", signed(body), body)).status == 200
        cheddar.faults = dict.fromkeys(range(100), lost_on_the_way)
        for _ in range(12):
            clock.advance(minutes=6)
            await receiver.look_again()
        record = await record_of(receiver)
        assert (record.state, record.due) == (State.UNRESOLVED, None)
        assert any(each.levelno == logging.ERROR and "unresolved" in each.message for each in caplog.records)
        # Not acknowledged until a person has decided.
        cheddar.faults = {}
        assert (await receiver.handle("POST", signed(body), body)).word != "ignored"


@pytest.mark.parametrize("lacks", ["the product", "the API"])
@pytest.mark.parametrize("others", [1, 3])
async def test_a_receiver_that_can_take_no_second_look_leaves_it_to_one_that_can(
    shared_store: Store, lacks: str, others: int
) -> None:
    """Each receiver looks every ten seconds, and those that can't look are always the first."""
    late: list[Callable[[], httpx.Response]] = []

    def lost(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.append(apply)
        return lost_on_the_way(request, apply)

    def other_source() -> Cheddar:
        if lacks == "the product":
            return Cheddar("OTHER", KEY, AsyncClient("OTHER", "ops@example.com", "secret"))
        return Cheddar("ACME", KEY, cheddar.async_client(through=unreachable, retries=0))

    def unreachable(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    cheddar, clock = FakeCheddar(faults={2: lost}), Clock()
    able = Receiver(
        Cheddar("ACME", KEY, cheddar.async_client(retries=0)), inbox=shared_store.inbox(), clock=clock
    )
    able.review(lambda review: review.charge("A", 5))
    unable = [Receiver(other_source(), inbox=shared_store.inbox(), clock=clock) for _ in range(others)]
    body = cheddar.hook()
    async with contextlib.AsyncExitStack() as stack:
        for receiver in (able, *unable):
            await stack.enter_async_context(receiver)
        for status in (503, 503, 200):
            assert (await able.handle("POST", signed(body), body)).status == status
            clock.advance(minutes=6)
        late[0]()
        assert cheddar.content() == FIVE * 2
        for _ in range(49 * 6):  # the invoice is executed an hour after its hook was acknowledged
            for receiver in unable:
                await receiver.look_again()
            clock.advance(seconds=5)
            await able.look_again()
            clock.advance(seconds=5)
            if (record := await record_of(able)).due is None:
                break
        assert (record.state, cheddar.content()) == (State.DONE, FIVE)


@pytest.mark.parametrize("times", [1, 2])
async def test_a_second_look_whose_own_request_is_lost_is_followed_by_another(
    tmp_path: Path, times: int
) -> None:
    late: list[Callable[[], httpx.Response]] = []

    def lost(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.append(apply)
        return lost_on_the_way(request, apply)

    def through(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("add-charge") and len(late) < times:
            cheddar.faults[len(cheddar.calls) + 1] = lost if clock.now > START else answer_lost
        return cheddar(request)

    cheddar, clock = FakeCheddar(), Clock()
    async with (
        cheddar.async_client(through=through, retries=0) as client,
        reviewing(client, tmp_path / "i.sqlite", clock) as receiver,
    ):

        async def look_until(is_over: Callable[[Any], bool]) -> None:
            for _ in range(25):
                clock.advance(minutes=1)
                await receiver.look_again()
                if is_over(await record_of(receiver)):
                    return

        body = cheddar.hook()
        assert (await receiver.handle("POST", signed(body), body)).status == 200
        cheddar.billed_charges.clear()  # a look adds the charge again
        await look_until(lambda record: bool(cheddar.billed_charges))
        assert cheddar.content() == FIVE
        for arrive in late:
            arrive()
        assert cheddar.content() == FIVE * (times + 1)
        await look_until(lambda record: record.due is None)
        assert cheddar.content() == FIVE
        record = await record_of(receiver)
        assert (record.state, record.due) == (State.DONE, None)


@pytest.mark.parametrize("why", ["a changed charge", "no answers"])
async def test_that_a_second_look_asks_a_person_is_not_lost(file_store: FileStore, why: str) -> None:
    """If the inbox can't store it, for example because the disk is full, another look asks again."""
    cheddar, clock = FakeCheddar(faults={2: answer_lost}), Clock()
    client = cheddar.async_client(retries=0)
    receiver = Receiver(Cheddar("ACME", KEY, client), inbox=file_store.inbox(), clock=clock)
    receiver.review(lambda review: review.charge("A", 5))
    body = cheddar.hook()

    def execute(statement: str) -> None:
        with contextlib.closing(sqlite3.connect(file_store.url)) as connection, connection:
            connection.execute(statement)

    async with receiver:
        assert (await receiver.handle("POST", signed(body), body)).status == 200
        execute(
            "CREATE TRIGGER refuse BEFORE UPDATE OF state ON hooks WHEN NEW.state = 'unresolved'"
            " BEGIN SELECT RAISE(FAIL, 'disk full'); END"
        )
        if why == "a changed charge":
            cheddar.billed_charges[0]["eachAmount"] = "6.00"
            clock.advance(minutes=6)
        else:
            cheddar.faults = dict.fromkeys(range(100), lost_on_the_way)
            clock.advance(hours=1)
        with pytest.raises(InboxUnavailable, match="disk full"):
            await receiver.look_again()
        execute("DROP TRIGGER refuse")
        file_store.advance(seconds=61)  # the lease of the look that failed has run out
        await receiver.look_again()
        record = await record_of(receiver)
        assert (record.state, record.due) == (State.UNRESOLVED, None)
        assert ("another price" if why == "a changed charge" else "no second look") in record.note


async def test_a_second_look_does_not_end_the_review_of_another_body(tmp_path: Path) -> None:
    """Else the other body is done before its review has set anything, and its next delivery gets a 2xx."""
    cheddar, clock = FakeCheddar(faults={2: answer_lost}), Clock()
    looks, looked = asyncio.Event(), asyncio.Event()

    async def through(request: httpx.Request) -> httpx.Response:
        if clock.now > START and not looks.is_set():
            looks.set()
            await looked.wait()
        return cheddar(request)

    client = cheddar.async_client(through=through, retries=0)  # type: ignore[arg-type]  # httpx takes both
    receiver = Receiver(Cheddar("ACME", KEY, client), inbox=tmp_path / "i.sqlite", clock=clock)

    @receiver.review
    async def audit(review: Review) -> None:
        if clock.now > START:
            looked.set()
            await look
        review.set_quantity("GB", 9 if clock.now > START else 5)

    async with client, listening(receiver) as post:
        assert (await post(cheddar.hook())).status_code == 200
        clock.advance(minutes=6)
        look = asyncio.create_task(receiver.look_again())
        async with asyncio.timeout(60):  # the receiver may have begun the second look itself
            await looks.wait()
        again = cheddar.hook(activityDatetime="2030-03-02T00:00:00+00:00")
        waits = await post(again)
        looked.set()
        await look
        for _ in range(3):  # the quantity whose answer was lost may still arrive
            clock.advance(minutes=6)
            acknowledged = (await post(again)).status_code == 200
    assert acknowledged
    assert cheddar.billed_items["GB"] == 9
    assert (waits.status_code, waits.json()) == (503, {"hook": "another worker has it"})


# The same invoice in another body.


async def test_another_body_is_reviewed_again_under_the_same_journal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tallyhook.receiver")
    cheddar, amounts = FakeCheddar(), iter([5, 7])
    async with cheddar.async_client() as client:
        receiver = Receiver(Cheddar("ACME", KEY, client), inbox=tmp_path / "i.sqlite")

        @receiver.review
        async def audit(review: Review) -> None:
            assert review.product is not None
            assert review.product.code == "ACME"
            review.charge("A", next(amounts))

        async with listening(receiver) as post:
            again = cheddar.hook(activityDatetime="2030-03-02T00:00:00+00:00")
            for body in (cheddar.hook(), cheddar.hook(), again, again, cheddar.hook()):
                assert (await post(body)).status_code == 200
    assert [charge[:3] for charge in cheddar.content()] == [("A", "1", Decimal("7"))]
    told = [
        (each.levelname, each.message.partition(", ")[2])
        for each in caplog.records
        if each.name[-8:] == "receiver"
    ]
    assert told.count(("INFO", "subscriptionBillable: already done")) == 3
    assert [level for level, what in told if "a different body" in what] == ["WARNING"]


async def test_missing_ids_and_white_space_make_no_other_invoice(tmp_path: Path) -> None:
    cheddar = FakeCheddar()
    hook = json.loads(cheddar.hook())
    invoice = hook["subscription"]["invoice"]
    hooks = [hook]
    for customer, changed in (
        ({"id": "", "code": "NORA"}, invoice),
        ({"id": " CUST-1 ", "code": " NORA"}, invoice),
        (hook["customer"], invoice | {"id": ""}),
        (hook["customer"], invoice | {"id": "INV-11 ", "invoiceNumber": 11}),
    ):
        hooks.append(
            hook | {"customer": customer, "subscription": hook["subscription"] | {"invoice": changed}}
        )
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "i.sqlite")
    receiver.on("subscriptionBillable")(lambda hook: None)
    async with listening(receiver) as post:
        for each in hooks:
            assert (await post(json.dumps(each).encode())).status_code == 200
        assert len(await receiver.inbox.list()) == 1


@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("lacks", [("customer", "code"), ("invoice", "invoiceNumber")])
async def test_an_invoice_that_is_named_by_ids_alone_has_no_journal_of_its_own(
    lacks: tuple[str, str], marks: bool
) -> None:
    """The journal goes by code and number: under another key its charges would be added again."""
    cheddar = FakeCheddar()
    hook = json.loads(cheddar.hook())
    whose, field = lacks
    (hook["customer"] if whose == "customer" else hook["subscription"]["invoice"])[field] = ""
    receiver = reviewing(cheddar.async_client(), Path(":memory:"), Clock(), marks=marks)
    async with listening(receiver) as post:
        for body, status in ((json.dumps(hook).encode(), 500), (cheddar.hook(), 200)) * 2:
            assert (await post(body)).status_code == status
    assert len(cheddar.billed_charges) == 1


@pytest.mark.parametrize("fault", [answer_lost, lost_on_the_way])
@pytest.mark.parametrize("marks", [True, False])
@pytest.mark.parametrize("amount", [5, 7])
async def test_two_receivers_with_other_settings_add_a_charge_once(
    fault: Any, marks: bool, amount: int, tmp_path: Path
) -> None:
    """As during a deployment: the journal tells the new one which charges have marks."""
    cheddar, clock = FakeCheddar(), Clock()
    options: dict[str, Any] = {"inbox": tmp_path / "i.sqlite", "clock": clock}
    old = reviewing(cheddar.async_client(retries=0), clock=clock, inbox=tmp_path / "i.sqlite", marks=marks)
    new = Receiver(Cheddar("ACME", KEY, cheddar.async_client()), marks=not marks, **options)

    @new.review
    async def audit(review: Review) -> None:
        review.charge("A", amount)

    cheddar.faults = {2: fault}
    async with listening(old) as post:
        first = (await post(cheddar.hook())).status_code
    async with listening(new) as post:
        statuses = []
        for _ in range(4):
            clock.advance(minutes=3)
            statuses.append((await post(cheddar.hook())).status_code)
        state = (await record_of(new)).state
    added = [price for _, _, price, _ in cheddar.content()]
    is_done = fault is answer_lost and marks  # its mark was seen
    assert first == (200 if is_done else 503)
    if statuses[-1] == 200:
        assert added == [Decimal(5 if is_done else amount)]
    else:  # a person is asked whose the charge without a mark is
        assert (statuses[-1], fault, marks) == (500, answer_lost, False)
        assert state is State.UNRESOLVED


async def test_a_receiver_with_a_shorter_wait_waits_as_long_as_the_one_that_sent(tmp_path: Path) -> None:
    late: list[Callable[[], httpx.Response]] = []

    def slow(request: httpx.Request, apply: Callable[[], httpx.Response]) -> httpx.Response:
        late.append(apply)
        return lost_on_the_way(request, apply)

    cheddar, clock = FakeCheddar(faults={2: slow}), Clock()
    for unknown_for, minutes in ((1200, 0), (60, 3)):
        client = cheddar.async_client(retries=0)
        receiver = reviewing(client, tmp_path / "i.sqlite", clock, unknown_for=unknown_for)
        async with listening(receiver) as post:
            for _ in range(3):
                clock.advance(minutes=minutes)
                assert (await post(cheddar.hook())).status_code == 503
            if minutes:
                late[0]()
                assert (await post(cheddar.hook())).status_code == 200
    assert cheddar.content() == FIVE


# Handlers that say they are done, and are not.


async def of_a_coroutine(review: Review) -> Any:
    async def declare() -> None:
        await asyncio.sleep(0)
        review.charge("A", 5)

    return declare()


async def of_a_task(review: Review) -> Any:
    return asyncio.create_task(await of_a_coroutine(review))


@pytest.mark.parametrize(
    "handler",
    [of_a_coroutine, of_a_task, lambda review: of_a_coroutine(review)],
    ids=["coroutine", "task", "lambda"],
)
async def test_what_a_handler_returns_is_awaited(handler: Any) -> None:
    cheddar = FakeCheddar()
    receiver = Receiver(Cheddar("ACME", KEY, cheddar.async_client()), inbox=":memory:")
    receiver.review(handler)
    async with listening(receiver) as post:
        assert (await post(cheddar.hook())).status_code == 200
    assert cheddar.content() == FIVE


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("result", [False, True, 0, "", httpx.Response(500)])
async def test_a_handler_that_returns_something_is_not_done(is_async: bool, result: Any) -> None:
    async def later(hook: Any) -> Any:
        return result

    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    receiver.on("transaction")(later if is_async else lambda hook: result)
    async with listening(receiver) as post:
        assert (await post(FakeCheddar().hook(activityType="transaction"))).status_code == 500
        assert "a handler returns None" in (await record_of(receiver)).note


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("leave", [sys.exit, lambda: next(iter(()))], ids=["exit", "next"])
def test_a_handler_that_would_end_the_program_fails(
    leave: Callable[[], Any], is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Such an exception ends an event loop or never leaves a thread. The receiver must still answer."""
    tries = []

    def handle(hook: Any) -> None:
        tries.append(hook)
        if len(tries) == 1:
            leave()

    async def later(hook: Any) -> None:
        handle(hook)

    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:", answer_within=5)
    receiver.on("transaction")(later if is_async else handle)
    body = FakeCheddar().hook(activityType="transaction")
    answers: list[int] = []

    def deliver() -> None:
        answers.extend(receiver.answer("POST", signed(body), body).status for _ in range(2))

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    thread.join(10)
    assert answers == [500, 200]
    receiver.close()
    assert "failed: RuntimeError" in caplog.text


class Stop(BaseException):
    pass


class Speechless(NotYet):
    def __str__(self) -> str:
        raise ValueError


class Timeless(NotYet):
    def __init__(self) -> None:
        pass


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        Stop,
        asyncio.CancelledError,
        lambda: BaseExceptionGroup("", [Stop()]),
        Speechless,
        Timeless,
        lambda: Unresolved("a person must look"),
    ],
)
async def test_a_handler_may_raise_anything(error: Callable[[], BaseException], is_async: bool) -> None:
    tries = []

    def handle(hook: Any) -> None:
        tries.append(hook)
        if len(tries) == 1:
            raise error()

    async def later(hook: Any) -> None:
        handle(hook)

    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    receiver.on("transaction")(later if is_async else handle)
    body = FakeCheddar().hook(activityType="transaction")
    async with receiver:
        assert (await receiver.handle("POST", signed(body), body)).status == 500
        record = await record_of(receiver)
        assert record.state is State.FAILED
        assert "in handle" in record.note
        another = Receiver(Cheddar("ACME", KEY), inbox=receiver.inbox)
        another.on("transaction")(handle)
        assert (await another.handle("POST", signed(body), body)).status == 200


def test_a_handler_cannot_yield() -> None:
    def one(review: Any) -> Any:
        yield review

    async def other(review: Any) -> Any:
        yield review

    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    for handler in (one, other):
        with pytest.raises(TypeError, match="yield"):
            receiver.review(handler)  # type: ignore[type-var]  # what is tested
        with pytest.raises(TypeError, match="yield"):
            receiver.on("transaction")(handler)


@pytest.mark.parametrize("by", ["time", "end"])
async def test_a_handler_that_catches_its_cancellation_is_not_done(by: str, tmp_path: Path) -> None:
    cheddar, began = FakeCheddar(), asyncio.Event()
    receiver = Receiver(
        Cheddar("ACME", KEY, cheddar.async_client()),
        inbox=tmp_path / "i.sqlite",
        handle_within=0.2 if by == "time" else None,
    )

    @receiver.review
    async def audit(review: Review) -> None:
        review.charge("A", 5)
        try:
            began.set()
            await asyncio.sleep(600)
            review.charge("B", 7)
        except BaseException:
            pass

    async with listening(receiver) as post:
        if by == "time":
            assert (await post(cheddar.hook())).status_code == 503
        else:
            delivery = asyncio.create_task(post(cheddar.hook()))
            await began.wait()
            await receiver.aclose(within=0)
            assert (await delivery).status_code == 503
    assert cheddar.calls == []


async def test_what_is_declared_after_the_handler_has_returned_is_not_lost() -> None:
    cheddar, left = FakeCheddar(), list[Any]()
    gate = threading.Event()

    def reading(request: httpx.Request) -> httpx.Response:
        gate.set()  # the review is being applied
        while not left[-1].is_set():
            time.sleep(0.01)
        return cheddar(request)

    receiver = Receiver(Cheddar("ACME", KEY, cheddar.async_client(through=reading)), inbox=":memory:")

    @receiver.review
    async def audit(review: Review) -> None:
        if len(left) == 1:  # at the second delivery it has learned
            review.charge("A", 5)
            return
        over = threading.Event()
        left.append(over)

        def declare() -> None:
            gate.wait()
            try:
                with pytest.raises(RuntimeError, match="too late"):
                    review.charge("A", 5)
            finally:
                over.set()

        threading.Thread(target=declare).start()

    async with listening(receiver) as post:
        assert (await post(cheddar.hook())).status_code == 500
        assert cheddar.content() == []
        assert (await post(cheddar.hook())).status_code == 200
    assert cheddar.content() == FIVE


def test_a_misspelt_type_has_no_handler() -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    for misspelt in ("subscriptionBilable", "SubscriptionCancelled", "transactions", "customer_deleted"):
        with pytest.raises(ValueError, match="did you mean"):
            receiver.on(misspelt)(lambda hook: None)
    receiver.on("harbourClosed")(lambda hook: None)
    receiver.on("subscriptionPaused")(lambda hook: None)
    mixed = Receiver(Cheddar("ACME", KEY), SharedKey("other", "key", header="X-Key"), inbox=":memory:")
    with pytest.raises(ValueError, match="name the source"):
        mixed.on("Transaction")(lambda hook: None)
    mixed.on("Transaction", source="other")(lambda hook: None)
    mixed.on("transactions")(lambda hook: None)


@pytest.mark.parametrize("written", ["SubscriptionChanged", " subscriptionchanged"])
async def test_a_handler_gets_its_type_in_any_case(written: str) -> None:
    handled: list[Any] = []
    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    receiver.on(written)(lambda hook: handled.append(hook))
    with pytest.raises(ValueError, match="already"):
        receiver.on("subscriptionChanged")(lambda hook: None)
    async with listening(receiver) as post:
        assert (await post(FakeCheddar().hook(activityType="subscriptionChanged"))).status_code == 200
    assert len(handled) == 1


# Keys.


async def test_the_key_of_one_product_says_nothing_about_another(tmp_path: Path) -> None:
    receiver = Receiver(
        Cheddar("A", "key of A", id="id-a"), Cheddar("B", "key of B", id="id-b"), inbox=tmp_path / "i.sqlite"
    )
    handled: list[str] = []
    receiver.on("subscriptionBillable")(lambda hook: handled.append(hook.product.code))
    async with listening(receiver) as post:
        forged = FakeCheddar().hook(product={"id": "id-a", "code": "B"})
        assert (await post(forged, signed(forged, "key of B"))).status_code == 401
        for product in ({"id": "", "code": "B"}, {"id": " ID-B", "code": "B"}):
            body = FakeCheddar().hook(product=product)
            assert (await post(body, signed(body, "key of B"))).status_code == 200
        genuine = FakeCheddar().hook(product={"id": "id-a", "code": "A"})
        assert (await post(genuine, signed(genuine, "key of A"))).status_code == 200
    assert handled == ["B", "B", "A"]


async def test_a_body_of_one_product_with_the_id_of_another_marks_nothing_as_done() -> None:
    """For products whose ids are not configured."""
    receiver = Receiver(Cheddar("A", "key of A"), Cheddar("B", "key of B"), inbox=":memory:")
    handled: list[str] = []
    receiver.on("subscriptionBillable")(lambda hook: handled.append(hook.product.code))
    async with listening(receiver) as post:
        for code in ("B", "A"):
            body = FakeCheddar().hook(product={"id": "id-a", "code": code})
            assert (await post(body, signed(body, f"key of {code}"))).status_code == 200
    assert handled == ["B", "A"]


@pytest.mark.parametrize("written", ["SubscriptionBillable", "subscriptionbillable", " subscriptionBillable"])
async def test_a_type_that_comes_written_otherwise_is_reviewed(written: str) -> None:
    """It must not count as a type without a handler, which is acknowledged at once."""
    cheddar = FakeCheddar()
    receiver = Receiver(Cheddar("ACME", KEY, cheddar.async_client()), inbox=":memory:", clock=Clock())

    @receiver.review
    def audit(review: Review) -> None:
        review.set_quantity("GB", 9)

    async with listening(receiver) as post:
        for body in (cheddar.hook(activityType=written), cheddar.hook()):
            assert (await post(body, signed(body))).status_code == 200
            assert cheddar.billed_items["GB"] == 9
        (record,) = await receiver.inbox.list()
    assert (record.type, record.attempts) == ("subscriptionBillable", 2)


async def test_a_receiver_without_a_handler_does_not_acknowledge_what_another_has_begun(
    tmp_path: Path,
) -> None:
    """For example, a release without the handler runs on the same inbox."""
    cheddar = FakeCheddar()
    body = cheddar.hook()
    whole = reviewing(cheddar.async_client(retries=0), tmp_path / "inbox.sqlite", Clock())
    bare = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite")
    cheddar.faults = {1: broken}
    for receiver, status in ((whole, 500), (bare, 500), (whole, 200), (bare, 200)):
        async with listening(receiver) as post:
            assert (await post(body, signed(body))).status_code == status


def test_mistakes_with_keys_and_clients() -> None:
    with pytest.raises(ValueError, match="product A got a client of product B"):
        Cheddar("A", KEY, AsyncClient("B", "user", "password"))
    with pytest.raises(ValueError, match="product A got a client with the id of another"):
        Cheddar("A", KEY, AsyncClient(None, "user", "password", product_id="id-b"), id="ID-A")
    Cheddar("A", KEY, AsyncClient(None, "user", "password", product_id="id-a"), id="ID-A")
    with pytest.raises(ValueError, match=r"got None: is its environment variable set"):
        Cheddar("A", None)
    with pytest.raises(ValueError, match=r"got None"):
        Cheddar("A", ["key", None])  # type: ignore[list-item]  # as os.environ.get gives it
    assert Cheddar("A", "\ufeffkey").keys == ("key",)


@pytest.mark.parametrize("asked", [10, timedelta(minutes=45), 0])
def test_waiting_is_longer_than_a_timeout_and_shorter_than_the_hold(asked: Any) -> None:
    client = AsyncClient("ACME", "user", "password", timeout=20)
    with pytest.raises(ValueError, match="unknown_for"):
        Receiver(Cheddar("ACME", KEY, client), unknown_for=asked)


def test_a_lease_is_no_shorter_than_a_timeout() -> None:
    client = AsyncClient("ACME", "user", "password", timeout=20)
    product = Cheddar("ACME", KEY, client)
    with pytest.raises(ValueError, match=r"a client's timeout \(20 s\), not 10 s"):
        Receiver(product, inbox=":memory:", lease=10)
    Receiver(product, inbox=":memory:", lease=20)
    patient = AsyncClient("ACME", "user", "password", timeout=90)
    Receiver(Cheddar("ACME", KEY, patient), inbox=":memory:")  # the default lease is long enough


def test_what_is_gone_is_not_gone_before_it_was_looked_for() -> None:
    with pytest.raises(ValueError, match="gone_after can't be negative"):
        Receiver(Cheddar("ACME", KEY), inbox=":memory:", gone_after=-1)


# Clocks.


async def test_no_clock_that_is_set_ends_or_prolongs_a_lease(tmp_path: Path) -> None:
    wall, uptime = [1_900_000_000.0], [1000.0]

    def inbox() -> SQLiteInbox:
        return SQLiteInbox(tmp_path / "i.sqlite", clock=lambda: wall[0], uptime=lambda: uptime[0])

    at_work, go_on = asyncio.Event(), asyncio.Event()
    one, other = (Receiver(Cheddar("ACME", KEY), inbox=inbox()) for _ in range(2))
    handled: list[str] = []

    @one.on(events.SubscriptionBillable)
    async def hang(hook: events.SubscriptionBillable) -> None:
        at_work.set()
        await go_on.wait()

    other.on("subscriptionBillable")(lambda hook: handled.append("other"))
    body = FakeCheddar().hook()
    async with one, listening(other) as post:
        first = asyncio.create_task(one.handle("POST", signed(body), body))
        await at_work.wait()
        wall[0] += 10_000_000  # forward
        assert (await post(body)).status_code == 503
        wall[0] -= 20_000_000  # back
        assert (await post(body)).status_code == 503
        assert handled == []
        uptime[0] += 61
        assert (await post(body)).status_code == 200
        go_on.set()
        assert (await first).status == 503
    assert handled == ["other"]


# The lifecycle of clients and receivers, and hangs.


def test_a_receiver_works_again_in_another_event_loop(tmp_path: Path) -> None:
    cheddar, clock = FakeCheddar(), Clock()
    client = cheddar.async_client()
    receiver = reviewing(client, tmp_path / "i.sqlite", clock)

    async def once(moment: str) -> int:
        body = cheddar.hook(activityDatetime=moment)
        async with client, receiver:
            return (await receiver.handle("POST", signed(body), body)).status

    moments = [f"2030-03-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
    assert [asyncio.run(once(moment)) for moment in moments] == [200, 200, 200]
    assert cheddar.content() == FIVE


async def test_healthz_asks_for_the_client_too(tmp_path: Path) -> None:
    cheddar = FakeCheddar()
    client = cheddar.async_client()
    async with listening(reviewing(client, tmp_path / "i.sqlite", Clock())) as post:
        health = f"{post.url}/healthz"
        assert (await post.http.get(health)).status_code == 200
        await client.aclose()
        await asyncio.sleep(1.1)  # a check is valid for a second
        answer = await post.http.get(health)
        assert (answer.status_code, answer.json()) == (503, {"health": "no client"})


async def test_a_handler_that_hangs_is_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "i.sqlite", handle_within=0.2)

    @receiver.on("subscriptionBillable")
    async def hang(hook: events.Hook) -> None:
        await asyncio.Event().wait()

    async with listening(receiver) as post:
        assert (await post(FakeCheddar().hook())).status_code == 503
        record = await record_of(receiver)
        assert (record.state, record.note) == (State.FAILED, "canceled: it took longer than 0.2 s")
    (warning,) = [each for each in caplog.records if "canceled: it took" in each.message]
    assert (warning.levelname, record.key[:16] in warning.message) == ("WARNING", True)


# Other senders.


@pytest.mark.parametrize("prefix", ["webhook", "svix"])
async def test_standard_webhooks(prefix: str, tmp_path: Path) -> None:
    from tallyhook import signing

    secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    receiver = Receiver(StandardWebhooks("svix", secret), Cheddar("ACME", KEY), inbox=tmp_path / "i.sqlite")
    seen: list[Event] = []

    @receiver.on("invoice.paid", source="svix")
    async def paid(event: Event) -> None:
        seen.append(event)

    body = b'{"type": "invoice.paid", "data": {"amount": 5}}'

    def headers(id: str, body: bytes) -> dict[str, str]:
        signed = signing.STANDARD_V1.sign(body, secret, id=id, at=datetime.now(UTC))
        return {name.replace("webhook", prefix): value for name, value in signed.items()}

    async with listening(receiver) as post:
        for message in ("msg_1", "msg_1", "msg_2"):
            assert (await post(body, headers(message, body))).status_code == 200
        assert (await post(body + b" ", headers("msg_3", body))).status_code == 401
        assert (await post(b"{}", headers("msg_4", b"{}"))).status_code == 400
        other = b'{"type": "nobody.asked"}'
        assert (await post(other, headers("msg_5", other))).json() == {"hook": "ignored"}
        assert (await post(FakeCheddar().hook())).json() == {"hook": "ignored"}
    assert [(event.key, event.source, event.payload["data"]) for event in seen] == [
        ("msg_1", "svix", {"amount": 5}),
        ("msg_2", "svix", {"amount": 5}),
    ]
    assert all(event.at is not None for event in seen)


@pytest.mark.parametrize("type_of_key", [str, str.encode])
@pytest.mark.parametrize("signer", ["secret", "private"])
async def test_standard_webhooks_with_keys_of_both_kinds(
    signer: str, type_of_key: Callable[[str], str | bytes]
) -> None:
    """A sender moves from a shared secret to a key pair, or back."""
    from tallyhook import signing

    seed = bytes(range(32))
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    named = [("whsec_", seed), ("whsk_", seed), ("whpk_", public)]
    secret, private, shared = (prefix + b64encode(key).decode() for prefix, key in named)
    keys = [type_of_key(key) for key in (shared, secret)]
    receiver = Receiver(StandardWebhooks("svix", keys), inbox=":memory:")
    receiver.on("invoice.paid", source="svix")(lambda event: None)
    body = b'{"type": "invoice.paid"}'
    scheme, key = (signing.STANDARD_V1, secret) if signer == "secret" else (signing.STANDARD_V1A, private)
    async with listening(receiver) as post:
        headers = scheme.sign(body, key, id="msg_1", at=datetime.now(UTC))
        assert (await post(body, headers)).status_code == 200
        assert (await post(body + b" ", headers)).status_code == 401
        headers = scheme.sign(body, key, id="msg_2", at=datetime.now(UTC) - timedelta(minutes=6))
        assert (await post(body, headers)).status_code == 401
    with pytest.raises(ValueError, match="24 to 64 bytes"):
        StandardWebhooks("svix", [shared, type_of_key("whsec_AAEC")])


async def test_a_shared_key() -> None:
    receiver = Receiver(SharedKey("meter", ["new", "old"], header="X-Meter-Key"), inbox=":memory:")
    seen: list[str] = []
    receiver.on("reading")(lambda event: seen.append(event.key))
    async with listening(receiver) as post:
        for key, status in (("new", 200), ("old", 200), ("ne", 401), ("", 401)):
            body = json.dumps({"type": "reading", "id": f"r-{key}"}).encode()
            assert (await post(body, {"X-Meter-Key": key})).status_code == status
    assert seen == ["id r-new", "id r-old"]


async def test_a_review_for_each_source(tmp_path: Path) -> None:
    one, two = FakeCheddar(), FakeCheddar()
    asked: list[str] = []
    async with one.async_client() as client:
        acme = Cheddar("ACME", KEY, client)
        receiver = Receiver(acme, Cheddar("OTHER", "k", AsyncClient("OTHER", "u", "p")), inbox=":memory:")
        receiver.review(acme)(lambda review: asked.append(review.product.code))
        body = two.hook(product={"id": "p-2", "code": "OTHER"})
        async with listening(receiver) as post:
            assert (await post(one.hook())).status_code == 200
            assert (await post(body, signed(body, "k"))).json() == {"hook": "ignored"}
    assert asked == ["ACME"]
    with pytest.raises(ValueError, match="no source NOBODY"):
        receiver.review("NOBODY")(lambda review: None)
