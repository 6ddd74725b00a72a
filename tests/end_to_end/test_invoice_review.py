"""Hold, review, execute: worked examples and the one-hour rule, over HTTP."""

import hashlib
import hmac
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook import InvoicePeriod
from tallyhook.review import Review
from tallyhook_mock.server import serving
from tallyhook_receiver import NotYet, State

from .stage import BILLED, HOUR, SECOND, SECRET, START, stage

SIGNED_UP = (START, Decimal("20.00"))


async def test_a_seat_of_the_middle_of_the_month_is_billed_in_full() -> None:
    async with stage() as on:
        await on.subscribe("C1", "FLAT")
        await on.advance(timedelta(days=15))
        await on.client.add_item_quantity("C1", "SEAT")
        await on.advance(BILLED)
        assert await on.collected("C1") == [SIGNED_UP, (BILLED, Decimal("30.00"))]


async def test_a_credit_of_the_review_does_the_prorating(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")

        @receiver.review
        async def audit(review: Review) -> None:
            review.credit("SEAT_PRORATION", "5.00", "seat added on the 16th")

        async with on.listening(receiver):
            await on.subscribe("C1", "FLAT")
            await on.client.add_item_quantity("C1", "SEAT")
            await on.advance(BILLED + HOUR)
        assert await on.collected("C1") == [SIGNED_UP, (BILLED + HOUR, Decimal("25.00"))]


async def test_thirteen_units_above_the_two_included(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")

        @receiver.review
        def audit(review: Review) -> None:
            assert (review.period.start, review.period.end) == (START, BILLED)
            review.set_quantity("GB", 15)

        async with on.listening(receiver):
            await on.subscribe("C1", "TWO")
            await on.advance(BILLED + HOUR)
        assert await on.collected("C1") == [SIGNED_UP, (BILLED + HOUR, Decimal("52.50"))]


@pytest.mark.parametrize(
    ("period", "held", "following"),
    [(InvoicePeriod.OUTSTANDING, "52.50", "20.00"), (InvoicePeriod.CURRENT, "20.00", "52.50")],
)
async def test_the_period_decides_which_invoice_a_late_quantity_is_on(
    tmp_path: Path, period: InvoicePeriod, held: str, following: str
) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")

        @receiver.review
        async def never(review: Review) -> None:
            raise NotYet(60)

        async with on.listening(receiver):
            await on.subscribe("C1", "TWO")
            await on.advance(BILLED)
            customer = await on.client.set_item_quantity("C1", "GB", 15, invoice_period=period)
        outstanding, current = (
            customer.subscription.outstanding_invoice,
            customer.subscription.current_invoice,
        )
        assert outstanding is not None
        assert current is not None
        assert (outstanding.total, current.total) == (Decimal(held), Decimal(following))


async def test_not_a_minute_early_and_not_while_the_listener_fails(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")
        failing = True

        @receiver.review
        async def audit(review: Review) -> None:
            if failing:
                raise ConnectionError("no usage today")
            review.set_quantity("GB", 3)

        async with on.listening(receiver):
            await on.subscribe("C1", "TWO")
            await on.advance(BILLED + timedelta(days=20))
            assert await on.collected("C1") == [SIGNED_UP]
            failing = False
            (hook,) = on.mock.state.hooks.log.values()
            answered = hook.deliveries[0].next_at
            await on.advance(answered + HOUR - SECOND)
            assert await on.collected("C1") == [SIGNED_UP]
            await on.advance(answered + HOUR)
        assert await on.collected("C1") == [SIGNED_UP, (answered + HOUR, Decimal("22.50"))]


async def test_with_two_listeners_the_hour_starts_at_the_later_success(tmp_path: Path) -> None:
    async with stage() as on:
        quick, slow = on.receiver(tmp_path / "quick.sqlite"), on.receiver(tmp_path / "slow.sqlite")
        tries = 0

        @quick.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", 4)

        @slow.review
        async def audit_later(review: Review) -> None:
            nonlocal tries
            tries += 1
            if tries < 3:
                raise NotYet(60)
            review.charge("SUPPORT", "7.00")

        async with on.listening(quick), on.listening(slow):
            await on.subscribe("C1", "TWO")
            await on.advance(BILLED + 2 * HOUR)
        third = BILLED + timedelta(minutes=6)  # after pauses of one and of five minutes
        assert await on.collected("C1") == [SIGNED_UP, (third + HOUR, Decimal("32.00"))]


async def test_run_when_done_bills_at_once_and_only_once(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")

        @receiver.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", 15)
            review.run_when_done()

        async with on.listening(receiver):
            await on.subscribe("C1", "TWO")
            await on.advance(BILLED + 24 * HOUR)
        assert await on.collected("C1") == [SIGNED_UP, (BILLED, Decimal("52.50"))]


async def test_a_hook_that_comes_again_adds_nothing(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")
        reviews = 0

        @receiver.review
        async def audit(review: Review) -> None:
            nonlocal reviews
            reviews += 1
            review.charge("SUPPORT", "7.00")

        async with on.listening(receiver):
            await on.subscribe("C1", "FLAT")
            await on.advance(BILLED)
            (hook,) = on.mock.state.hooks.log.values()
            for _ in range(3):
                on.mock.replay(hook)
                await on.advance(SECOND)
            await on.advance(2 * HOUR)
        assert reviews == 1
        assert [attempt.status for sent in hook.deliveries for attempt in sent.attempts] == [200] * 4
        assert [amount for _, amount in await on.collected("C1")] == [Decimal("20.00"), Decimal("27.00")]


async def test_an_invoice_that_was_run_by_hand_is_left_alone(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")
        usage_is_there = False

        @receiver.review
        async def audit(review: Review) -> None:
            if not usage_is_there:
                raise ConnectionError("no usage yet")
            review.charge("SUPPORT", "7.00")

        async with on.listening(receiver):
            await on.subscribe("C1", "FLAT")
            await on.advance(BILLED)
            await on.client.run_outstanding("C1")
            usage_is_there = True
            await on.advance(HOUR)
            customer = await on.client.get_customer("C1")
        assert await on.collected("C1") == [SIGNED_UP, (BILLED, Decimal("20.00"))]
        current = customer.subscription.current_invoice
        assert current is not None
        assert not [charge for charge in current.charges if charge.type == "custom"]


async def test_an_audit_without_a_hook_shows_its_changes_then_applies_them_once() -> None:
    async with stage() as on:
        never = "http://127.0.0.1:9/hooks"  # no listener, so the invoice stays held
        on.mock.listen("ACME", never, frozenset({"subscriptionBillable"}))
        await on.subscribe("C1", "TWO")
        await on.advance(BILLED)
        for _ in range(2):
            customer = await on.client.get_customer("C1")
            review = Review.of(customer)
            review.set_quantity("GB", 15)
            review.credit("SORRY", "2.50")
            dry_run = review.compare(customer)
            outcome = await review.aapply(on.client)
            assert (dry_run.total_after, outcome.total_after) == (Decimal("50.00"), Decimal("50.00"))
        held = (await on.client.get_customer("C1")).subscription.outstanding_invoice
        assert held is not None
        assert held.total == Decimal("50.00")


async def test_a_hook_of_the_mock_is_signed_by_the_documented_rule() -> None:
    received: list[tuple[bytes, str]] = []

    async def keep(request: Request) -> Response:
        received.append((await request.body(), request.headers["X-CG-SIGNATURE"]))
        return Response(status_code=204)

    app = Starlette(routes=[Route("/", keep, methods=["POST"])])
    async with stage() as on, serving(app) as url:
        on.mock.listen("ACME", url, frozenset())
        await on.subscribe("C1", "FLAT")
        await on.advance(SECOND)
    assert received
    for body, signature in received:
        token = hashlib.md5(body).hexdigest()
        assert signature == hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()


async def test_an_undecodable_hook_is_kept_for_a_look(tmp_path: Path) -> None:
    async with stage() as on:
        receiver = on.receiver(tmp_path / "inbox.sqlite")
        async with on.listening(receiver) as url:
            body = b'{"activityType": '
            token = hashlib.md5(body).hexdigest()
            signature = hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
            async with httpx.AsyncClient() as http:
                answer = await http.post(url, content=body, headers={"X-CG-SIGNATURE": signature})
            assert answer.status_code == 400
            (kept,) = await receiver.inbox.list()
        assert (kept.state, kept.body) == (State.UNDECODABLE, body)
