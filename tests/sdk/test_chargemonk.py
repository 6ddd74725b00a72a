"""Chargemonk's client: what it sends, and how it reads the answers."""

from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import parse_qsl

import httpx
import pytest

from tallyhook import errors
from tallyhook.audit import Chargemonk
from tallyhook.chargemonk import AsyncClient, Client

from .scripted import Script, answer

TOKEN = "test_6eKqW1"
FINE = answer({"status": "success"})
CHARGE = {"unbilledCode": "U1", "subscriptionCode": "mill", "amount": "58.00"}

Made = Client | AsyncClient


@pytest.mark.parametrize("client", [Client, AsyncClient])
async def test_the_token_and_the_path_are_the_clients(client: type[Made]) -> None:
    script = Script(answer({"status": "success", "data": [CHARGE]}), FINE)
    made = client(TOKEN, add_charge_path="addCharge", transport=httpx.MockTransport(script))
    listed = made.list_subscription_unbilled_charges("mill")
    (charge,) = listed if isinstance(listed, tuple) else await listed
    assert charge.code == "U1"
    added = made.add_charge("mill", "fine work", Decimal("2.50"), quantity=2)
    assert added is None or await added is None
    assert [request.url.path for request in script.requests] == [
        "/listSubscriptionUnbilledCharges",
        "/addCharge",
    ]
    forms = [dict(parse_qsl(request.content.decode())) for request in script.requests]
    assert forms == [
        {"api_token": TOKEN, "subscription_code": "mill", "limit": "1000"},
        {
            "api_token": TOKEN,
            "subscription_code": "mill",
            "description": "fine work",
            "amount": "5.00",
            "quantity": "2",
            "invoice_later": "true",
        },
    ]


@pytest.mark.parametrize(("count", "is_whole"), [(0, True), (999, True), (1000, False), (1001, False)])
def test_a_list_that_may_be_incomplete_is_an_error(count: int, is_whole: bool) -> None:
    """Otherwise a usage audit would charge once more what the list leaves out."""
    script = Script(answer({"status": "success", "data": [CHARGE] * count}))
    with Client(TOKEN, transport=httpx.MockTransport(script)) as client:
        if is_whole:
            assert len(client.list_subscription_unbilled_charges("mill")) == count
        else:
            with pytest.raises(errors.DecodeError, match="may be incomplete"):
                client.list_subscription_unbilled_charges("mill")


def test_a_charge_needs_a_path() -> None:
    script = Script(FINE)
    client = Client(TOKEN, transport=httpx.MockTransport(script))
    with pytest.raises(ValueError, match="add_charge_path"):
        client.add_charge("mill", "fine work", Decimal("2.50"))
    assert not script.requests


def test_the_token_never_shows() -> None:
    said = {"status": "error", "message": f"{TOKEN} is not a valid token"}
    client = Client(TOKEN, transport=httpx.MockTransport(Script(answer(said, 401))))
    with pytest.raises(errors.Unauthorized) as caught:
        client.list_invoices()
    assert TOKEN not in str(caught.value) + repr(caught.value)
    assert "•••" in caught.value.message


@pytest.mark.parametrize("seconds", [1e17, 1_778_976_000_000, -1e17])
def test_a_time_that_no_calendar_has_is_none(seconds: float) -> None:
    subscription = {"subscriptionId": "mill", "subscriptionNextBilling": seconds}
    invoice = {"invoiceId": "1", "invoiceDate": seconds, "subscription": subscription}
    script = Script(answer({"status": "success", "list": {"invoice": [invoice]}}))
    with Client(TOKEN, transport=httpx.MockTransport(script)) as client:
        (found,) = client.list_invoices()
    assert found.subscription is not None
    assert (found.date, found.subscription.subscription_next_billing) == (None, None)
    assert found.invoice_date == seconds
    with Client(TOKEN, transport=httpx.MockTransport(script)) as client:
        audit = Chargemonk(client, {"mill": datetime(2026, 5, 1, tzinfo=UTC)}, {})
        with pytest.raises(LookupError, match="mill: its renewal time"):
            list(audit.windows(datetime(2026, 5, 1, tzinfo=UTC)))
