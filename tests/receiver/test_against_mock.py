"""The receiver and the mock server, both real: hold, review, release."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.receiver.test_asgi import serving

from tallyhook import AsyncClient, Client, PaymentInput
from tallyhook.review import Period, Review
from tallyhook_mock import Server, serve
from tallyhook_receiver import Cheddar, Receiver

CATALOG: dict[str, Any] = {
    "users": [{"email": "ops@example.com", "password": "secret"}],
    "products": [
        {
            "code": "ACME",
            "name": "Acme",
            "secret": "key",
            "plans": [
                {
                    "code": "TEAM",
                    "name": "Team",
                    "recurringChargeAmount": "20.00",
                    "billingFrequency": "monthly",
                    "items": [{"code": "GB", "name": "GB", "quantityIncluded": "2", "overageAmount": "2.50"}],
                }
            ],
        }
    ],
}
CARD = PaymentInput(
    cc_number="4111111111111111",
    cc_expiration="12/2040",
    cc_first_name="Nora",
    cc_last_name="Quill",
    cc_card_code="123",
    cc_zip="12345",
)


@pytest.fixture
def mock() -> Iterator[Server]:
    with serve(CATALOG, start="2026-01-01T00:00:00Z") as mock:
        yield mock


@pytest.fixture
def client(mock: Server) -> Iterator[Client]:
    with Client("ACME", "ops@example.com", "secret", base_url=mock.xml) as client:
        client.new_customer("NORA", "Nora", "Quill", "nora@quill.example", "TEAM", payment=CARD)
        yield client


@pytest.mark.parametrize("at_once", [False, True])
def test_holds_until_the_review_is_done(mock: Server, client: Client, tmp_path: Path, at_once: bool) -> None:
    reviewed: list[Period] = []
    well = False
    adjusting = AsyncClient("ACME", "ops@example.com", "secret", base_url=mock.xml)
    receiver = Receiver(Cheddar("ACME", "key", adjusting), inbox=tmp_path / "inbox.sqlite")

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with adjusting, receiver:
            yield

    @receiver.review
    async def audit(review: Review) -> None:
        review.set_quantity("GB", 15)
        review.credit("REBATE", 5, "for the wait")
        if at_once:
            review.run_when_done()
        reviewed.append(review.period)
        if not well:
            raise RuntimeError("the usage isn't counted yet")

    with serving(Starlette(routes=[Mount("/hooks", receiver.asgi)], lifespan=lifespan)) as port:
        mock.listen(f"http://127.0.0.1:{port}/hooks/", ["subscriptionBillable"])
        bill_date = client.get_customer("NORA").subscription.current_invoice
        assert bill_date is not None
        assert bill_date.billing_datetime is not None
        mock.advance_to(bill_date.billing_datetime)
        mock.advance("3d")
        held = Review.of(client.get_customer("NORA"))
        assert not held.invoice.is_paid
        assert len(reviewed) > 3

        well = True
        held.set_quantity("GB", 15)
        held.credit("REBATE", 5, "for the wait")
        dry_run = held.compare(client.get_customer("NORA"))
        assert (dry_run.total_before, dry_run.total_after) == (Decimal("20.00"), Decimal("47.50"))
        mock.advance("1d")
        if not at_once:
            mock.advance("1h")
    (billed,) = (
        i for i in client.get_customer("NORA").subscription.invoices if i.number == held.invoice.number
    )
    assert billed.is_paid
    assert billed.total == Decimal("47.50")  # 20.00 + 13 × 2.50 − 5.00
    assert [charge.code for charge in billed.charges].count("REBATE") == 1
    assert billed.transactions[0].amount == Decimal("47.50")
    assert set(reviewed) == {Period(datetime(2026, 1, 1, tzinfo=UTC), bill_date.billing_datetime)}
