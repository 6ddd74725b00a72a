"""Money is exact whatever the decimal context of the program is that the mock runs in."""

import decimal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tallyhook_mock import serve
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.chargemonk.state import State as Chargemonk
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge
from tallyhook_mock.testing import Cheddar

from . import systems_world
from .loopback import Api, catalog
from .systems_world import CATALOG


@contextmanager
def rough() -> Iterator[None]:
    """A program that calculates with six digits, in this thread and in those that it starts."""
    default = decimal.DefaultContext.copy()
    decimal.DefaultContext.prec = 6
    try:
        with decimal.localcontext(prec=6):
            yield
    finally:
        decimal.DefaultContext.prec = default.prec


def large() -> dict[str, Any]:
    """The catalogue, with amounts of more than six digits."""
    plan = {
        "code": "GLOW",
        "recurringChargeAmount": "1234567.89",
        "items": [
            {"code": "OIL", "quantityIncluded": "1000.5", "overageAmount": "12.37", "isPeriodic": True}
        ],
    }
    return catalog(plans=[plan])


def cheddar_story() -> list[str]:
    with serve(large()) as server:
        api = Api(server)
        api.subscribe("ida")
        for quantity in ("123456.7891", "0.0001"):
            api.call("customers/add-item-quantity", code="ida", itemCode="OIL", quantity=quantity)
        for amount in ("-12345.67", "98765.43"):
            charge = {"chargeCode": "C", "quantity": "3", "eachAmount": amount, "description": ""}
            api.call("customers/add-charge", code="ida", **charge)
        server.advance("1mo")
        server.advance("2h")
        # The totals of these are calculated when they are asked for, which is here.
        totals = [amount_text(invoice.total) for invoice in server.customer("ida").subscription.invoices]
        shown = httpx.get(f"{server.url}/_mock/customers/ida/invoices").text
        return [*totals, shown, str(server.timeline("ida"))]


def enlarged(content: Any) -> Any:
    """A catalogue's tables with prices of more than six digits."""
    if isinstance(content, dict):
        return {
            name: f"1234{value}" if name in ("price", "amount") else enlarged(value)
            for name, value in content.items()
        }
    return [enlarged(each) for each in content] if isinstance(content, list) else content


def systems_story(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cleverbridge, Fusebill and Chargemonk."""
    monkeypatch.setattr(systems_world, "CATALOG", enlarged(CATALOG))
    with systems_world.played() as server, httpx.Client(base_url=f"{server.url}/_mock") as client:
        places = ("cleverbridge/subscriptions", "fusebill/customers/1/bills", "chargemonk/subscriptions")
        shown = [client.get(place).raise_for_status().text for place in places]
        bills = list(server.mock.systems.of(Chargemonk).bills)
        for subscription in server.mock.systems.of(Cleverbridge).subscriptions:
            bills += subscription.bills
        return [*shown, *(amount_text(bill.total) for bill in bills)]


def test_cheddar_bills_the_same() -> None:
    expected = cheddar_story()
    with rough():
        assert cheddar_story() == expected


def test_so_do_the_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = systems_story(monkeypatch)
    with rough():
        assert systems_story(monkeypatch) == expected


def test_so_does_a_mock_that_is_not_served() -> None:
    with rough():
        mock = Mock(large(), start=datetime(2026, 1, 1, tzinfo=UTC))
    assert mock.product("LANTERN").plans["GLOW"].recurring_charge_amount == Decimal("1234567.89")


async def test_an_advance_in_the_program_s_own_event_loop() -> None:
    customer = {
        "code": "ida",
        "planCode": "GLOW",
        "firstName": "Ida",
        "lastName": "L",
        "email": "i@x.example",
    }
    content = large()
    content["products"][0]["customers"] = [customer | {"items": {"OIL": "123456.7891"}}]
    with rough():
        mock = Mock(content, start=datetime(2026, 1, 1, tzinfo=UTC))
        async with mock.running():
            await mock.advance(datetime(2026, 2, 2, tzinfo=UTC))
        invoice = max(mock.state.customer(mock.product(), "ida").invoices, key=lambda made: made.collected)
        # 1,234,567.89 + 122,456.2891 × 12.37
        assert (invoice.collected, invoice.total) == (Decimal("2749352.19"), Decimal("2749352.19"))


def test_the_fixtures_of_the_plugin_too(cheddar: Cheddar) -> None:
    with rough():
        cheddar.plan("LARGE", price="1234567.89", items={"GB": {"overage": "12.37", "included": "1000.5"}})
        cheddar.customer("C1", plan="LARGE", items={"GB": "123456.7891"})
        bill = cheddar.bill("C1")
        cheddar.assert_billed("C1", "2749352.19")
        assert "2749352.19" in str(bill)
        with pytest.raises(AssertionError, match=r"0\.01 too"):
            cheddar.assert_billed("C1", "2749352.18")
