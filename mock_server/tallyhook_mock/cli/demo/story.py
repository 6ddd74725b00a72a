"""The demo's scenario: two customers, one billing period, and a listener whose first attempt fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx

from tallyhook import AsyncClient, Customer, Invoice, PaymentInput
from tallyhook.review import Review
from tallyhook_mock.app import create_app
from tallyhook_mock.cli.demo.record import Record, Recorder
from tallyhook_mock.mock import Mock
from tallyhook_mock.server import serving
from tallyhook_receiver import Cheddar, Receiver

__all__ = ["Story", "collected", "play"]

SECRET = "demo-secret-key"
USER, PASSWORD = "ops@example.com", "demo"

CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [
        {
            "code": "ACME",
            "secret": SECRET,
            "plans": [
                {
                    "code": "TEAM",
                    "name": "Team",
                    "billingFrequency": "monthly",
                    "recurringChargeAmount": "20.00",
                    "items": [
                        {"code": "SEAT", "name": "Seats", "overageAmount": "10.00", "isPeriodic": True},
                        {
                            "code": "GB",
                            "name": "Gigabytes",
                            "quantityIncluded": 2,
                            "overageAmount": "2.50",
                            "isPeriodic": True,
                        },
                    ],
                }
            ],
        }
    ],
}

START = datetime(2026, 1, 1, 9, tzinfo=UTC)
MID_MONTH = datetime(2026, 1, 16, 9, tzinfo=UTC)
END = datetime(2026, 2, 1, 12, tzinfo=UTC)

# The real usage, as in an application's own database.
USED = {"ada": Decimal(15), "grace": Decimal(4)}

DUE = {
    # base price, a seat that isn't prorated, 13 GB above the 2 included, and a credit that prorates the seat
    "ada": Decimal("20.00") + Decimal("10.00") + 13 * Decimal("2.50") - Decimal("5.00"),
    "grace": Decimal("20.00") + 2 * Decimal("2.50"),
}


@dataclass
class Story:
    """The result of the demo. The keys of all mappings are customers' codes.

    `held` and `paid` contain the customer's invoice before and after its execution. `bills` contains the
    amount that was billed, and the amount that should have been billed.
    """

    record: Record
    held: dict[str, Invoice] = field(default_factory=dict)
    paid: dict[str, Invoice] = field(default_factory=dict)
    bills: dict[str, tuple[Decimal, Decimal]] = field(default_factory=dict)


async def play(inbox: Path) -> Story:
    """Run the scenario, and return its result. `inbox` is the file for the listener's inbox."""
    mock = Mock(CATALOG, start=START)
    story = Story(Record(mock))
    async with (
        serving(create_app(mock)) as url,
        _client(f"{url}/xml", story.record, "app") as app,
        _client(f"{url}/xml", story.record, "listener") as reviewing,
        serving(_listener(story, reviewing, inbox).asgi) as listener,
    ):
        mock.listen("ACME", f"{listener}/hooks", frozenset({"subscriptionBillable"}))
        card = PaymentInput(
            cc_number="4111111111111111",
            cc_expiration="12/2030",
            cc_first_name="Ada",
            cc_last_name="Example",
            cc_zip="90210",
        )
        for code in USED:
            await app.new_customer(code, code.title(), "Example", f"{code}@example.com", "TEAM", payment=card)
        await mock.advance(MID_MONTH)
        story.record.catch_up()
        await app.add_item_quantity("ada", "SEAT")
        await app.set_item_quantity("ada", "GB", 9)
        await mock.advance(END)
        story.record.catch_up()
        for code, due in DUE.items():
            customer = await app.get_customer(code)
            story.paid[code] = _invoice(customer, story.held[code].id)
            story.bills[code] = collected(story.paid[code]), due
    return story


def _listener(story: Story, client: AsyncClient, inbox: Path) -> Receiver:
    """Return the listener. Its first query of the usage database fails."""
    receiver = Receiver(Cheddar("ACME", SECRET, client), inbox=inbox, clock=story.record.mock.clock.now)
    failures = ["the usage database does not answer"]

    @receiver.review
    async def audit(review: Review) -> None:
        code = review.customer.code
        if code not in story.held:
            story.held[code] = _invoice(await client.get_customer(code), review.invoice.id)
        if code == "ada" and failures:
            raise ConnectionError(failures.pop())
        review.set_quantity("GB", USED[code])
        if code == "ada":
            review.credit("SEAT_PRORATION", "5.00", "seat added on the 16th")
        if code == "grace":
            review.run_when_done()

    return receiver


@asynccontextmanager
async def _client(base_url: str, record: Record, who: str) -> AsyncIterator[AsyncClient]:
    transport = Recorder(httpx.AsyncHTTPTransport(), record, who)
    async with AsyncClient("ACME", USER, PASSWORD, base_url=base_url, transport=transport) as client:
        yield client


def _invoice(customer: Customer, id: str) -> Invoice:
    return next(invoice for invoice in customer.subscription.invoices if invoice.id == id)


def collected(invoice: Invoice) -> Decimal:
    """Return the amount that the gateway collected for an invoice."""
    approved = [made.amount for made in invoice.transactions if made.response == "approved"]
    return sum(approved, Decimal(0))
