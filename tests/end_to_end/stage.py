"""The whole product over loopback HTTP: the mock, a receiver and clients in one event loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tallyhook import AsyncClient, Customer, PaymentInput
from tallyhook_mock import Mock, create_app
from tallyhook_mock.clock import parse_moment
from tallyhook_mock.server import serving
from tallyhook_receiver import Cheddar, Receiver

SECRET, USER, PASSWORD = "a secret", "ops@example.com", "pass"
START = parse_moment("2026-01-01T09:00:00Z")
BILLED = parse_moment("2026-02-01T09:00:00Z")
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)

PLANS: list[dict[str, Any]] = [
    {
        "code": "FLAT",
        "recurringChargeAmount": "20.00",
        "items": [{"code": "SEAT", "overageAmount": "10.00", "isPeriodic": True}],
    },
    {
        "code": "TWO",
        "recurringChargeAmount": "20.00",
        "items": [{"code": "GB", "quantityIncluded": 2, "overageAmount": "2.50", "isPeriodic": True}],
    },
]
CATALOG = {
    "users": [{"email": USER, "password": PASSWORD}],
    "products": [{"code": "ACME", "secret": SECRET, "plans": PLANS}],
}
CARD = PaymentInput(
    cc_number="4111111111111111",
    cc_expiration="12/2030",
    cc_first_name="Ida",
    cc_last_name="Lamp",
    cc_zip="90210",
)


@dataclass
class Stage:
    mock: Mock
    url: str
    client: AsyncClient

    async def subscribe(self, code: str, plan: str) -> Customer:
        email = f"{code.lower()}@example.com"
        return await self.client.new_customer(code, "Ida", "Lamp", email, plan, payment=CARD)

    async def advance(self, to: datetime | timedelta) -> None:
        await self.mock.advance(to if isinstance(to, datetime) else self.mock.clock.now() + to)

    async def collected(self, code: str) -> list[tuple[datetime, Decimal]]:
        """The times and amounts of the gateway's payments, oldest first."""
        customer = await self.client.get_customer(code)
        taken = [
            (made.transacted_datetime, made.amount)
            for subscription in customer.subscriptions
            for invoice in subscription.invoices
            for made in invoice.transactions
            if made.response == "approved" and made.transacted_datetime is not None
        ]
        return sorted(taken)

    def receiver(self, inbox: Path) -> Receiver:
        return Receiver(Cheddar("ACME", SECRET, self.client), inbox=inbox, clock=self.mock.clock.now)

    @asynccontextmanager
    async def listening(self, receiver: Receiver) -> AsyncIterator[str]:
        """Serve a receiver and register it for billable hooks."""
        async with serving(receiver.asgi) as url:
            self.mock.listen("ACME", f"{url}/hooks", frozenset({"subscriptionBillable"}))
            yield url


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    mock = Mock(CATALOG, start=START)
    async with (
        serving(create_app(mock)) as url,
        AsyncClient("ACME", USER, PASSWORD, base_url=f"{url}/xml", backoff=0) as client,
    ):
        yield Stage(mock, url, client)
