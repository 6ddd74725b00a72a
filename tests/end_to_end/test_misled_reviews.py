"""Misled reviews over real HTTP: refusals of other calls, lost journals, different spellings."""

import json
import re
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook import AsyncClient, InvoicePeriod, Product, calls, events
from tallyhook.errors import APIError
from tallyhook.review import (
    EarlierInvoiceOutstanding,
    OutcomeUnknown,
    Period,
    Review,
    ReviewFailed,
    Standing,
    Unresolved,
)
from tallyhook.review.journal import Asked, Resolved
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.server import serving

from .stage import BILLED, CARD, PASSWORD, START, USER, stage
from .test_late_answers import ADD, GET, MISSING, SET, Held, Journal, held, refusing, tampered


@pytest.mark.parametrize("status", [400, 401, 404, 412])
@pytest.mark.parametrize("declares", [True, False])
async def test_a_refusal_that_was_the_answer_to_another_call(status: int, declares: bool) -> None:
    """A gateway confuses answers. An error document names no customer, and the charge was added."""
    async with held() as it, tampered(it) as (gateway, client):
        gateway.carried_out[ADD] = [(status, MISSING)]
        with pytest.raises(APIError):
            await it.attempt(it.review(3, "7.00"), client=client)
        charges = ["7.00"] if declares else []
        await it.until_done(*charges)
        assert await it.extras() == list(map(Decimal, charges))


async def test_a_charge_that_was_refused_and_lands_later_is_deleted_at_the_second_look() -> None:
    async with held() as it, tampered(it) as (gateway, client):
        gateway.answers[ADD] = [(404, MISSING)]
        with pytest.raises(APIError):
            await it.attempt(it.review(3, "7.00"), client=client)
        outcome = await it.attempt(it.review(3, "7.00"))
        assert outcome.look_again
        await it.on.client.add_charge(
            "C1", "EXTRA", 1, 7, (await it.addings())[0].description, invoice_period=InvoicePeriod.OUTSTANDING
        )
        await it.look_again()
        assert await it.extras() == [Decimal("7.00")]


async def test_what_the_network_repeats_is_deleted_also_later() -> None:
    async with held() as it, tampered(it) as (gateway, client):
        gateway.repeats = {ADD}
        outcome = await it.attempt(it.review(3, "7.00"), client=client)
        assert await it.extras() == [Decimal("7.00")]
        assert outcome.look_again
        (adding,) = await it.addings()
        for looks_again in (True, False):
            if looks_again:
                await it.on.client.add_charge(
                    "C1", "EXTRA", 1, 7, adding.description, invoice_period=InvoicePeriod.OUTSTANDING
                )
            assert (await it.look_again()).look_again is looks_again
            assert await it.extras() == [Decimal("7.00")]


@pytest.mark.parametrize("amount", ["7.00", "8.00"])
async def test_a_journal_that_is_lost_doubles_nothing(amount: str) -> None:
    """The same happens if two receivers have separate inboxes instead of sharing one."""
    async with held() as it:
        await it.attempt(it.review(3, "7.00"))
        (charge,) = [each for each in (await it.invoice()).charges if each.type == "custom"]
        it.journal = Journal()
        for _ in range(2):
            with pytest.raises(Unresolved, match=f"this journal doesn't know.*{charge.id}"):
                await it.attempt(it.review(3, amount))
        assert await it.extras() == [Decimal("7.00")]
        await it.on.client.delete_charge("C1", charge.id, invoice_period=InvoicePeriod.OUTSTANDING)
        await it.attempt(it.review(3, amount))
        assert await it.extras() == [Decimal(amount)]


async def test_a_lost_journal_is_no_matter_where_everything_that_it_names_stays() -> None:
    async with held() as it:
        await it.attempt(it.review(3, "7.00"))
        it.journal = Journal()
        await it.attempt(it.review(4))
        with pytest.raises(Unresolved):
            await it.attempt(it.review(4, "7.00"))
        await it.journal.append(Resolved(accept=True))
        assert (await it.attempt(it.review(4, "7.00"))).standing is Standing.OUTSTANDING


@pytest.mark.parametrize("changes", ["a charge", "a quantity", "the declaration", "nothing"])
async def test_what_a_person_accepts_is_the_invoice_that_was_shown(changes: str) -> None:
    async with held() as it:
        await it.attempt(it.review(3, "7.00"))
        it.journal = Journal()
        with pytest.raises(Unresolved):
            await it.attempt(it.review(3, "7.00"))
        (asked,) = await it.entries(Asked)
        assert asked.stands[-1] == "it bills 29.50"
        assert asked.stands[0].startswith("EXTRA  1 × 7.00  (charge ")
        await it.journal.append(Resolved(accept=True))
        declared = "7.00"
        match changes:
            case "a charge":
                await it.on.client.add_charge("C1", "MORE", 1, 5, invoice_period=InvoicePeriod.OUTSTANDING)
            case "a quantity":
                await it.on.client.set_item_quantity("C1", "GB", 9, invoice_period=InvoicePeriod.OUTSTANDING)
            case "the declaration":
                declared = "9.00"
        if changes != "nothing":
            with pytest.raises(Unresolved, match="this journal doesn't know"):
                await it.attempt(it.review(3, declared))
            await it.journal.append(Resolved(accept=True))
        outcome = await it.attempt(it.review(3, declared))
        assert outcome.note == "someone accepted the invoice as it is"


async def test_what_a_person_has_accepted_hides_no_charge_on_the_next_invoice() -> None:
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD))
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3, "7.00"))
        await it.on.client.run_outstanding("C1")
        with pytest.raises(Unresolved):
            await it.attempt(it.review(3, "7.00"))
        await it.journal.append(Resolved(accept=True))
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            await it.attempt(it.review(3, "7.00"))
        (adding,) = await it.addings()
        await it.on.client.add_charge("C1", "EXTRA", 1, 7, adding.description)
        with pytest.raises(ReviewFailed, match="has been deleted from it"):
            await it.attempt(it.review(3, "7.00"))
        assert (await it.until_done("7.00")).note == "someone accepted the invoice as it is"
        invoices = (await it.customer()).subscription.invoices
        assert [charge for each in invoices for charge in each.charges if charge.code == "EXTRA"] == []


async def test_what_was_seen_in_between_is_not_gone() -> None:
    """The invoice is missing, then there, then missing. It must be missing twice in a row to be gone."""
    async with held() as it, tampered(it) as (gateway, client):
        (first,) = [each for each in (await it.customer()).subscription.invoices if each.is_paid]
        for _ in range(3):
            gateway.answers[GET] = [(404, MISSING)]
            with pytest.raises(OutcomeUnknown):
                await it.attempt(it.review(3), client=client)
            await it.on.advance(timedelta(minutes=2))
            gateway.rewrites = {f">{first.paid_transaction_id}<": "><"}
            with pytest.raises(EarlierInvoiceOutstanding):
                await it.attempt(it.review(3), client=client)


@pytest.mark.parametrize("write", [str.upper, " {}\n".format])
@pytest.mark.parametrize("whose", ["customer", "invoice", "code"])
async def test_an_id_that_is_written_otherwise_names_the_same(
    write: Callable[[str], str], whose: str
) -> None:
    async with held() as it:
        hook = json.loads(it.hook)
        named = hook["subscription"]["invoice"] if whose == "invoice" else hook["customer"]
        field = "code" if whose == "code" else "id"
        named[field] = write(named[field])
        it.hook = json.dumps(hook).encode()
        assert (await it.attempt(it.review(3, "7.00"))).standing is Standing.OUTSTANDING
        assert await it.extras() == [Decimal("7.00")]


@pytest.mark.parametrize("shown", ["", "id='other'"])
async def test_an_invoice_that_is_there_under_its_number_is_not_gone(shown: str) -> None:
    """A document may leave its id out, or write it in another way."""
    async with held() as it, tampered(it) as (gateway, client):
        invoice = await it.invoice()
        gateway.rewrites = {f'<invoice id="{invoice.id}"': f"<invoice {shown}"}
        for _ in range(2):
            assert (await it.attempt(it.review(3, "7.00"), client=client)).standing is Standing.OUTSTANDING
            await it.on.advance(timedelta(minutes=2))
        assert await it.extras() == [Decimal("7.00")]
        await billed(it, 3, 7)


async def test_an_unpaid_invoice_that_no_call_reaches_is_for_a_person() -> None:
    """The invoice exists, so it isn't gone. Acknowledging its hook might bill it unreviewed."""
    async with held() as it, tampered(it) as (gateway, client):
        gateway.rewrites = {"<subscriptions>": "<subscriptions><subscription id='new'/>"}
        for _ in range(3):
            with pytest.raises(Unresolved, match="no call reaches it"):
                await it.attempt(it.review(3), client=client)
            await it.on.advance(timedelta(minutes=2))


@pytest.mark.parametrize(
    ("old", "new"),
    [('code="EXTRA"', 'code="extra"'), ("<type>custom</type>", "<type>Custom</type>")],
)
async def test_by_hand_a_charge_that_comes_back_written_otherwise_is_added_once(old: str, new: str) -> None:
    async with held() as it, tampered(it) as (gateway, client):
        gateway.rewrites = {old: new}
        for _ in range(3):
            await it.review(3, "7.00").aapply(client)
        assert await it.extras() == [Decimal("7.00")]


async def test_a_client_that_is_known_by_an_id_alone_needs_a_hook_with_one() -> None:
    """Otherwise a client of another product, which doesn't know the customer, would go unnoticed."""
    async with held() as it:
        other = AsyncClient(None, USER, PASSWORD, product_id="id-b", base_url=f"{it.on.url}/xml")
        review = Review.from_hook(events.decode(it.hook))
        for product_id in ("", "id-a"):
            review.product = Product(code="ACME", id=product_id)
            async with other:
                for _ in range(2):
                    with pytest.raises(ValueError, match="product"):
                        await it.attempt(review, client=other)
                    await it.on.advance(timedelta(minutes=2))
        assert it.journal.kept == []


@pytest.mark.parametrize("marks", [True, False])
async def test_by_hand_an_orders_own_reference_is_not_taken_for_a_mark(marks: bool) -> None:
    async with held() as it:
        for _ in range(2):
            for order in ("1234567890", "1234567891"):
                review = Review.of(await it.on.client.get_customer("C1"))
                review.charge("EXTRA", "7.00", f"order (ref {order})")
                await review.aapply(it.on.client, marks=marks)
        assert await it.extras() == [Decimal("7.00"), Decimal("7.00")]


async def test_a_persons_charge_that_quotes_our_mark_is_not_deleted() -> None:
    async with held() as it:
        await it.attempt(it.review(3, "7.00"))
        (ours,) = await it.addings()
        await it.on.client.add_charge(
            "C1", "SORRY", 1, -3, f"a part of (ref {ours.mark})", invoice_period=InvoicePeriod.OUTSTANDING
        )
        for charges in (["7.00"], ["8.00"], []):
            with pytest.raises(Unresolved, match="another price"):
                await it.attempt(it.review(3, *charges))
        assert sorted(await it.extras()) == [Decimal(-3), Decimal(7)]


async def test_a_wait_that_is_shorter_than_a_call_is_refused_before_anything_is_sent() -> None:
    async with held() as it:
        for seconds in (0, 29, 30):
            with pytest.raises(ValueError, match="longer than the client's timeout of 30 s"):
                await it.review(3).aapply(it.on.client, it.journal, unknown_for=timedelta(seconds=seconds))
        assert it.journal.kept == []


EDITED = {"code": "GB", "quantityIncluded": "5", "overageAmount": "2.50", "isPeriodic": "1"}


async def edited(it: Held) -> None:
    """The plan includes another quantity from now on. The invoice that is held keeps the old one."""
    form = tuple((f"items[0][{name}]", value) for name, value in EDITED.items())
    plan = await it.on.client.send(replace(calls.edit_plan("TWO"), method="POST", form=form))
    assert [item.quantity_included for item in plan.items] == [5]


async def billed(it: Held, used: int, more: int = 0) -> None:
    """The invoice is executed, and bills this quantity by its own terms: 2 are included."""
    await it.on.client.run_outstanding("C1")
    overage = max(0, used - 2) * Decimal("2.50")
    assert [amount for _, amount in await it.on.collected("C1")][-1] == 20 + overage + more


USES = [(8, 5), (8, 11), (4, 7), (8, 8), (0, 3), (9, 6), (3, 0), (1, 0)]


@pytest.mark.parametrize("is_triggered", [False, True])
@pytest.mark.parametrize(("used", "declared"), USES)
async def test_an_included_quantity_that_was_edited(used: int, declared: int, is_triggered: bool) -> None:
    """An overage shows the quantity only by the invoice's own terms, and a document has the plan's."""
    async with held() as it:
        await it.on.client.set_item_quantity("C1", "GB", used, invoice_period=InvoicePeriod.OUTSTANDING)
        await edited(it)
        if is_triggered:
            customer = it.on.mock.state.customer(it.on.mock.state.products["ACME"], "C1")
            it.hook = it.on.mock.trigger(customer, "subscriptionBillable").body
        # A hook that was made after the edit and shows no overage doesn't tell the invoice's terms.
        is_unclear = is_triggered and used == 0
        failing = pytest.raises(ReviewFailed, match="doesn't have what was sent")
        with failing if is_unclear else nullcontext():
            assert (await it.attempt(it.review(declared))).unverified in ((), ("GB",))
        await billed(it, declared)


@pytest.mark.parametrize("has_journal", [False, True])
@pytest.mark.parametrize(("used", "declared"), USES)
async def test_without_a_hook_an_edited_plan_proves_nothing(
    used: int, declared: int, has_journal: bool
) -> None:
    """So the quantity is set, and the bill is right. The review fails if the invoice contradicts the plan."""
    async with held() as it:
        await it.on.client.set_item_quantity("C1", "GB", used, invoice_period=InvoicePeriod.OUTSTANDING)
        await edited(it)
        review = Review.of(await it.on.client.get_customer("C1"))
        review.set_quantity("GB", declared)
        with suppress(ReviewFailed):
            await review.aapply(it.on.client, it.journal if has_journal else None)
        await billed(it, declared)


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("changed", [timedelta(days=-20), timedelta(minutes=5)])
async def test_a_changed_plan_takes_no_day_from_the_period(changed: timedelta, is_first: bool) -> None:
    """A plan can be changed in the period or in the hold. Usage from before the change is billed too."""
    bodies: list[bytes] = []
    async with stage() as on, serving(refusing(bodies)) as url:
        on.mock.listen("ACME", f"{url}/hooks", frozenset({"subscriptionBillable"}))
        await on.client.new_customer(
            "C1",
            "Ida",
            "Lamp",
            "c1@example.com",
            "TWO",
            payment=CARD,
            initial_bill_date=BILLED if is_first else None,
        )
        await on.advance(BILLED + changed)
        await on.client.edit_subscription("C1", plan_code="FLAT")
        await on.advance(BILLED + timedelta(minutes=10))
        (hook, *_) = bodies
        for review in (
            Review.from_hook(events.decode(hook)),
            Review.of(await on.client.get_customer("C1")),
        ):
            assert review.period == Period(START, BILLED)


@pytest.mark.parametrize("by_hand", [False, True])
async def test_a_customer_who_canceled_in_the_hold_is_not_charged(by_hand: bool) -> None:
    """Running the invoice would undo the cancellation. After a 2xx, Cheddar charges nothing either."""
    async with held() as it:
        await it.on.client.cancel("C1")
        if by_hand:
            review = Review.of(await it.on.client.get_customer("C1"))
            review.set_quantity("GB", 3)
            review.run_when_done()
            outcome = await review.aapply(it.on.client)
        else:
            outcome = await it.attempt(it.review(3, runs=True))
        assert (outcome.ran, outcome.note) == (False, "not run: the subscription is canceled")
        assert (await it.customer()).subscription.is_canceled
        assert [amount for _, amount in await it.on.collected("C1")] == [20]


async def test_a_refusal_that_comes_with_a_200_sets_no_quantity() -> None:
    """An invoice may have no line for an item, so only the answer tells that its quantity was set."""
    async with held() as it, tampered(it) as (gateway, client):
        bare = re.compile(r"<charge [^>]*code=\"GB\".*?</charge>", re.DOTALL)
        before = gateway.handle_async_request

        async def without_line(request: httpx.Request) -> httpx.Response:
            response = await before(request)
            return httpx.Response(response.status_code, text=bare.sub("", response.text))

        gateway.handle_async_request = without_line  # type: ignore[method-assign]
        refused = '<errors><error id="1" code="500" auxCode="">Please try again</error></errors>'
        document = (await client.send(replace(calls.get_customer("C1"), read=bytes.decode))).replace(
            "<customer ", f"{refused}<customer ", 1
        )
        gateway.answers[SET] = [(200, document)] * 9
        with pytest.raises(ReviewFailed, match="doesn't have what was sent"):
            await it.attempt(it.review(3), client=client)
        gateway.answers.clear()
        assert (await it.attempt(it.review(3), client=client)).unverified == ("GB",)
        await billed(it, 3)


async def test_a_late_quantity_does_not_change_the_next_invoice() -> None:
    """Two invoices of a customer are held. Once the first is run, calls reach the second."""
    bodies: dict[int | None, bytes] = {}

    async def keep(request: Request) -> Response:
        body = await request.body()
        invoice = events.decode(body).subscription.invoice
        assert invoice is not None
        bodies[invoice.number] = body
        return Response(status_code=503)

    app = Starlette(routes=[Route("/hooks", keep, methods=["POST"])])
    async with stage() as on, serving(app) as url:
        listener = on.mock.listen("ACME", f"{url}/hooks", frozenset({"subscriptionBillable"}))
        await on.subscribe("C1", "TWO")
        await on.advance(BILLED + timedelta(days=28))
        on.mock.pause(listener)
        first, second = Held(on, bodies[2]), Held(on, bodies[3])
        async with tampered(first) as (gateway, client):
            gateway.answers[SET] = [(502, "")]  # the quantity is set later
            with pytest.raises(OutcomeUnknown, match="would change the next invoice"):
                await first.attempt(first.review(3, runs=True), client=client)
        for _ in range(2):
            with pytest.raises(EarlierInvoiceOutstanding):
                await second.attempt(second.review(7))
            await on.client.set_item_quantity("C1", "GB", 3, invoice_period=InvoicePeriod.OUTSTANDING)
            with suppress(OutcomeUnknown):
                await first.attempt(first.review(3, runs=True))
            await on.advance(timedelta(minutes=3))
        assert (await first.attempt(first.review(3, runs=True))).ran
        await second.attempt(second.review(7, runs=True))
        assert [amount for _, amount in await on.collected("C1")] == [20, Decimal("22.50"), Decimal("32.50")]
