"""Reviews with late, lost and misleading answers, over real HTTP. Each case once led to a wrong bill."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, localcontext

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook import AsyncClient, Customer, Invoice, InvoicePeriod, events
from tallyhook.errors import DecodeError, NoAnswer
from tallyhook.review import Outcome, OutcomeUnknown, Review, ReviewFailed, Standing, Unresolved
from tallyhook.review.journal import Added, Adding, Entry, GivenUp, Resolved, decode, encode
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.server import serving

from .stage import BILLED, HOUR, PASSWORD, SECOND, USER, Stage, stage

ADD, SET, GET = "customers/add-charge", "customers/set-item-quantity", "customers/get"


@dataclass
class Journal:
    """The journal of one hook, as an inbox keeps it."""

    kept: list[bytes] = field(default_factory=list)

    async def entries(self) -> Sequence[Entry]:
        return [decode(entry) for entry in self.kept]

    async def append(self, entry: Entry) -> None:
        self.kept.append(encode(entry))

    def check(self) -> None:
        pass


@dataclass
class Held:
    """A held invoice of 20.00, with 2 GB included and more at 2.50, and helpers to review it."""

    on: Stage
    hook: bytes
    journal: Journal = field(default_factory=Journal)

    def now(self) -> datetime:
        return self.on.mock.clock.now()

    def review(self, quantity: int | None = 3, *charges: str, runs: bool = False) -> Review:
        review = Review.from_hook(events.decode(self.hook))
        if quantity is not None:
            review.set_quantity("GB", quantity)
        for amount in charges:
            review.charge("EXTRA", amount, "hours")
        if runs:
            review.run_when_done()
        return review

    async def attempt(self, review: Review, *, client: AsyncClient | None = None) -> Outcome:
        return await review.aapply(client or self.on.client, self.journal, now=self.now)

    async def until_done(self, *charges: str, quantity: int | None = 3) -> Outcome:
        """Retry as the sender does, after the time that it is asked to wait."""
        for _ in range(9):
            try:
                return await self.attempt(self.review(quantity, *charges))
            except OutcomeUnknown as unknown:
                await self.on.advance(timedelta(seconds=unknown.retry_after))
        raise AssertionError("nine attempts were not enough")

    async def look_again(self) -> Outcome:
        return await Review.from_hook(events.decode(self.hook)).alook_again(
            self.on.client, self.journal, now=self.now
        )

    async def customer(self) -> Customer:
        return await self.on.client.get_customer("C1")

    async def invoice(self) -> Invoice:
        customer = await self.customer()
        return next(it for it in customer.subscription.invoices if it.billing_datetime == BILLED)

    async def extras(self) -> list[Decimal]:
        """The charges on the held invoice."""
        return [it.amount for it in (await self.invoice()).charges if it.type == "custom"]

    async def entries(self, kind: type) -> list[Entry]:
        return [entry for entry in await self.journal.entries() if isinstance(entry, kind)]

    async def addings(self) -> list[Adding]:
        return [entry for entry in await self.journal.entries() if isinstance(entry, Adding)]

    @asynccontextmanager
    async def impatient(self) -> AsyncIterator[AsyncClient]:
        """A client that gives up after half a second."""
        url = f"{self.on.url}/xml"
        async with AsyncClient("ACME", USER, PASSWORD, base_url=url, timeout=0.5, retries=0) as client:
            yield client


def refusing(bodies: list[bytes]) -> Starlette:
    """A listener that keeps the bodies of hooks and acknowledges none."""

    async def keep(request: Request) -> Response:
        bodies.append(await request.body())
        return Response(status_code=503)

    return Starlette(routes=[Route("/hooks", keep, methods=["POST"])])


@asynccontextmanager
async def held() -> AsyncIterator[Held]:
    """A customer whose invoice is held by a hook that is not acknowledged."""
    bodies: list[bytes] = []
    async with stage() as on, serving(refusing(bodies)) as url:
        listener = on.mock.listen("ACME", f"{url}/hooks", frozenset({"subscriptionBillable"}))
        await on.subscribe("C1", "TWO")
        await on.advance(BILLED)
        on.mock.pause(listener)
        yield Held(on, bodies[0])


async def test_a_charge_that_is_carried_out_after_its_client_gave_up_is_charged_once() -> None:
    async with held() as it, it.impatient() as client:
        it.on.mock.plan(Fault(FaultKind.LATENCY, action=ADD, seconds=2))
        with pytest.raises(OutcomeUnknown) as unknown:
            await it.attempt(it.review(3, "7.00"), client=client)
        assert 0 < unknown.value.retry_after <= 300
        with pytest.raises(OutcomeUnknown):  # the next delivery comes before the request takes effect
            await it.attempt(it.review(3, "7.00"))
        assert len(await it.entries(Adding)) == 1
        await _until_it_landed(it)
        outcome = await it.attempt(it.review(3, "7.00"))
        assert await it.extras() == [Decimal("7.00")]
        assert outcome.look_again


async def test_a_charge_that_never_arrives_is_added_again_once_it_is_waited_out() -> None:
    async with held() as it:
        began = it.now()
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD))
        outcome = await it.until_done("7.00")
        assert it.now() - began >= timedelta(minutes=5)
        assert await it.extras() == [Decimal("7.00")]
        assert [len(await it.entries(kind)) for kind in (Adding, GivenUp, Added)] == [2, 1, 1]
        assert outcome.look_again
        assert not (await it.look_again()).look_again


async def test_a_charge_that_lands_after_all_is_deleted_at_the_second_look() -> None:
    """A charge arrives very late. The second look deletes it."""
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD))
        await it.until_done("7.00")
        first = (await it.entries(Adding))[0]
        assert isinstance(first, Adding)
        await it.on.client.add_charge(
            "C1", "EXTRA", 1, 7, first.description, invoice_period=InvoicePeriod.OUTSTANDING
        )
        assert len(await it.extras()) == 2
        await it.look_again()
        assert await it.extras() == [Decimal("7.00")]


async def test_a_quantity_that_lands_after_all_is_set_again_at_the_second_look() -> None:
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_AFTER, action=SET))
        assert (await it.attempt(it.review(9))).look_again
        await it.on.client.set_item_quantity("C1", "GB", 4, invoice_period=InvoicePeriod.OUTSTANDING)
        await it.look_again()
        (item,) = [charge for charge in (await it.invoice()).charges if charge.type == "item"]
        assert item.quantity == 7


async def test_another_quantity_waits_for_one_that_may_still_land() -> None:
    async with held() as it, it.impatient() as client:
        it.on.mock.plan(Fault(FaultKind.LATENCY, action=SET, seconds=2))
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=GET, nth=2, times=9))
        with pytest.raises(NoAnswer):
            await it.attempt(it.review(9), client=client)
        it.on.mock.faults.clear()
        with pytest.raises(OutcomeUnknown, match="may still arrive"):
            await it.attempt(it.review(5))
        await it.until_done(quantity=5)
        (item,) = [charge for charge in (await it.invoice()).charges if charge.type == "item"]
        assert item.quantity == 3


async def test_a_charge_that_nobody_can_explain_after_three_tries_is_for_a_person() -> None:
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD, times=3))
        with pytest.raises(Unresolved, match="several times"):
            await it.until_done("7.00")
        for number in (1, 2, 3):
            await it.journal.append(Resolved(number=number))
        await it.until_done("7.00")
        assert await it.extras() == [Decimal("7.00")]


async def test_a_persons_equal_charge_is_not_ours_nor_ours_theirs() -> None:
    async with held() as it:
        await it.attempt(it.review(3, "7.00"))
        await it.on.client.add_charge("C1", "EXTRA", 1, 7, "hours", invoice_period=InvoicePeriod.OUTSTANDING)
        await it.attempt(it.review(3, "7.00"))
        assert len(await it.extras()) == 2
        await it.attempt(it.review(3))
        (theirs,) = [charge for charge in (await it.invoice()).charges if charge.type == "custom"]
        assert theirs.description == "hours"


async def test_with_a_persons_equal_charge_and_no_proof_of_marks_a_person_is_asked() -> None:
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD))
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3, "7.00"))
        document = await it.on.client.add_charge(
            "C1", "EXTRA", 1, 7, "hours", invoice_period=InvoicePeriod.OUTSTANDING
        )
        with pytest.raises(Unresolved, match="it is unclear"):
            await it.until_done("7.00")
        assert len(await it.entries(Adding)) == 1
        await it.journal.append(Resolved(number=1))
        await it.until_done("7.00")
        assert len(await it.extras()) == 2
        assert document.id


async def test_an_invoice_that_a_person_runs_in_mid_review_is_an_error() -> None:
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD))
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3, "-7.00"))
        await it.on.client.run_outstanding("C1")
        with pytest.raises(Unresolved, match="was paid, but differs from what was declared"):
            await it.attempt(it.review(3, "-7.00"))
        await it.journal.append(Resolved(accept=True))
        assert (await it.until_done("-7.00")).standing is Standing.PAID


async def test_an_invoice_that_was_run_with_everything_on_it_is_done() -> None:
    async with held() as it:
        await it.attempt(it.review(3, "-7.00"))
        await it.on.client.run_outstanding("C1")
        outcome = await it.attempt(it.review(3, "-7.00"))
        assert (outcome.standing, outcome.unverified) == (Standing.PAID, ())


async def test_a_small_decimal_context_loses_no_cent() -> None:
    async with held() as it:
        with localcontext() as context:
            context.prec = 6
            review = it.review(None, "12345.67")
            review.credit("REBATE", "12345.67")
            await it.attempt(review)
        assert sorted(await it.extras()) == [Decimal("-12345.67"), Decimal("12345.67")]


class Tampering(httpx.AsyncBaseTransport):
    """A gateway in between. It answers some calls itself, or changes answers."""

    def __init__(self) -> None:
        self.network = httpx.AsyncHTTPTransport()
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.carried_out: dict[str, list[tuple[int, str]]] = {}
        self.rewrites: dict[str, str] = {}
        self.repeats: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        action = request.url.path.rpartition("/xml/")[2]
        if self.answers.get(action):
            status, text = self.answers[action].pop(0)
            return httpx.Response(status, text=text)
        if action in self.repeats:
            await (await self.network.handle_async_request(request)).aread()
        response = await self.network.handle_async_request(request)
        if self.carried_out.get(action):
            status, text = self.carried_out[action].pop(0)
            return httpx.Response(status, text=text)
        text = (await response.aread()).decode()
        for old, new in self.rewrites.items():
            text = text.replace(old, new)
        return httpx.Response(response.status_code, text=text)

    async def aclose(self) -> None:
        await self.network.aclose()


@asynccontextmanager
async def tampered(it: Held) -> AsyncIterator[tuple[Tampering, AsyncClient]]:
    gateway = Tampering()
    url = f"{it.on.url}/xml"
    async with AsyncClient("ACME", USER, PASSWORD, base_url=url, retries=0, transport=gateway) as client:
        yield gateway, client


MISSING = '<error id="1" code="404" auxCode="">Customer not found</error>'


async def test_another_customers_document_concludes_nothing() -> None:
    async with held() as it, tampered(it) as (gateway, client):
        theirs = await _written(await it.on.subscribe("C2", "FLAT"), it)
        gateway.answers[GET] = [(200, theirs)]
        with pytest.raises((ReviewFailed, DecodeError)):
            await it.attempt(it.review(3, "7.00"), client=client)
        gateway.answers[ADD] = [(200, theirs)]  # also in response to a write, which may have taken effect
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3, "7.00"), client=client)
        assert await it.extras() == []


async def test_gone_counts_only_at_a_second_delivery_some_time_later() -> None:
    async with held() as it, tampered(it) as (gateway, client):
        gateway.answers[GET] = [(404, MISSING)]
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3), client=client)
        await it.on.advance(timedelta(minutes=1))
        await it.attempt(it.review(3), client=client)  # it was never gone
        gateway.answers[GET] = [(404, MISSING)] * 4
        with pytest.raises(OutcomeUnknown) as unknown:
            await it.attempt(it.review(3), client=client)
        assert unknown.value.retry_after == 60
        await it.on.advance(timedelta(seconds=20))
        with pytest.raises(OutcomeUnknown) as unknown:  # a gateway may confuse answers for a while
            await it.attempt(it.review(3), client=client)
        assert unknown.value.retry_after == 40
        with pytest.raises(OutcomeUnknown):  # the receiver's clock was set back
            await it.review(3).aapply(client, it.journal, now=lambda: it.now() - HOUR)
        await it.on.advance(timedelta(seconds=40))
        assert (await it.attempt(it.review(3), client=client)).standing is Standing.GONE


@pytest.mark.parametrize("words", ["hours", "hours and more hours"])
async def test_a_paid_invoice_with_a_charge_that_may_be_ours_is_for_a_person(words: str) -> None:
    """The server drops marks, a charge arrives after it was given up, and then someone runs the invoice."""
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_BEFORE, action=ADD))
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3, "7.00"))
        for _ in range(2):
            await it.on.advance(timedelta(minutes=3))
            with suppress(OutcomeUnknown):
                await it.attempt(it.review(3))  # the charge is no longer declared
        await it.on.client.add_charge("C1", "EXTRA", 1, 7, words, invoice_period=InvoicePeriod.OUTSTANDING)
        await it.on.client.run_outstanding("C1")
        with pytest.raises(Unresolved, match="it is unclear"):
            await it.attempt(it.review(3))


async def test_a_bare_refusal_may_have_been_carried_out() -> None:
    async with held() as it, tampered(it) as (gateway, client):
        gateway.answers[ADD] = [(404, "<html>no such page</html>")]
        with pytest.raises(OutcomeUnknown):
            await it.attempt(it.review(3, "7.00"), client=client)
        assert len(await it.entries(Adding)) == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('code="EXTRA"', 'code="extra"'),
        ("<type>custom</type>", "<type>other</type>"),
        ("hours (ref ", "HOURS (X "),
    ],
)
async def test_a_charge_that_comes_back_written_otherwise_is_added_once(old: str, new: str) -> None:
    async with held() as it, tampered(it) as (gateway, client):
        gateway.rewrites = {old: new}
        for _ in range(3):
            await it.attempt(it.review(3, "7.00", "7.00"), client=client)
        assert await it.extras() == [Decimal("7.00"), Decimal("7.00")]


async def test_a_client_of_another_product_is_refused_before_anything_is_sent() -> None:
    async with held() as it, AsyncClient("OTHER", USER, PASSWORD, base_url=f"{it.on.url}/xml") as client:
        with pytest.raises(ValueError, match="a different product"):
            await it.attempt(it.review(3), client=client)
        assert it.journal.kept == []


async def test_the_engine_bills_what_was_declared_in_the_end() -> None:
    async with held() as it:
        it.on.mock.plan(Fault(FaultKind.DROP_AFTER, action=ADD))
        outcome = await it.attempt(it.review(3, "7.00", runs=True))
        assert outcome.ran
        await it.on.advance(HOUR + SECOND)
        assert [amount for _, amount in await it.on.collected("C1")] == [Decimal("20.00"), Decimal("29.50")]


async def _written(customer: Customer, it: Held) -> str:
    async with httpx.AsyncClient(auth=(USER, PASSWORD)) as client:
        url = f"{it.on.url}/xml/{GET}"
        return (await client.get(url, params={"productCode": "ACME", "code": customer.code})).text


async def _until_it_landed(it: Held) -> None:
    for _ in range(400):
        if await it.extras():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never arrived")
