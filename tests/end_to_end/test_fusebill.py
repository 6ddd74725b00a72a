"""Fusebill's clients on the real mock. Dry runs are compared with what then happens."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallyhook import APIError, BadRequest, NoAnswer, NotFound, Unauthorized
from tallyhook.fusebill import (
    AsyncClient,
    BillingPeriodDefinition,
    Client,
    Cycle,
    DryRun,
    InvoiceDate,
    PlannedInvoice,
)
from tallyhook_mock import Server, serve
from tallyhook_mock.faults import Fault, FaultKind

KEY = "the-key-of-the-tests"
CONTROL = httpx.Client(verify=False)  # plain HTTP, so don't load certificates


def customer(id: int, start: str, *subscriptions: dict[str, Any]) -> dict[str, Any]:
    return {"id": id, "name": f"Customer {id}", "startDate": start, "subscriptions": list(subscriptions)}


def plan(id: int, **fields: Any) -> dict[str, Any]:
    return {"id": id, "planCode": "BOX", "amount": "40.10"} | fields


YEARLY = {"interval": "Yearly", "amount": "365.00"}
CATALOG = {
    "fusebill": {
        "apiKeys": [KEY],
        "customers": [
            customer(1, "2026-11-01T00:00:00Z", plan(101), plan(102, amount="9.99")),
            customer(2, "2026-10-30T00:00:00Z", plan(201)),
            customer(3, "2025-12-01T00:00:00Z", plan(301, **YEARLY)),
            customer(4, "2025-11-30T00:00:00Z", plan(401, **YEARLY)),
        ],
    }
}
START = "2026-11-01T00:00:00Z"


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with serve(CATALOG, start=START) as server, CONTROL:
        yield server


@pytest.fixture
def server(running: Server) -> Server:
    running.reset()
    return running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(KEY, base_url=f"{server.url}/v1", backoff=0) as client:
        yield client


def charge(server: Server, subscription: int, amount: str, *, prorate: bool = True) -> Decimal:
    """Add a charge for the end of the period. Returns the amount that will be billed."""
    body = {"name": "Lamp", "amount": amount, "prorate": prorate, "when": "periodEnd"}
    answer = CONTROL.post(f"{server.url}/_mock/fusebill/subscriptions/{subscription}/charges", json=body)
    assert answer.status_code == 201, answer.text
    return Decimal(answer.json()["amount"])


def billed(server: Server, customer: int) -> list[tuple[str, Decimal]]:
    """The days and totals of all bills, oldest first."""
    shown = CONTROL.get(f"{server.url}/_mock/fusebill/customers/{customer}/bills").json()
    return [(bill["at"][:10], Decimal(bill["total"])) for bill in reversed(shown["bills"])]


def plain(invoices: tuple[PlannedInvoice, ...]) -> list[tuple[str, Decimal]]:
    return [(f"{invoice.date:%Y-%m-%d}", invoice.amount) for invoice in invoices]


def definition_of(client: Client, subscription: int) -> BillingPeriodDefinition:
    return client.get_billing_period_definition_by_subscription(subscription)


def play(server: Server, client: Client, customer: int, shown: DryRun) -> list[tuple[str, Decimal]]:
    """Advance to the last invoice of a dry run. Returns the bills until then."""
    known = len(billed(server, customer))
    server.advance_to(shown.after[-1].date)
    return billed(server, customer)[known:]


def test_longer_costs_nothing(server: Server, client: Client) -> None:
    server.advance_to("2026-11-16T00:00:00Z")
    prorated = charge(server, 101, "30.00")
    assert prorated == Decimal("15.00")
    shown = client.dry_run(definition_of(client, 101), invoice_day=6, now=server.now)
    moved = client.edit_billing_period_definition(definition_of(client, 101), invoice_day=6)
    assert moved.invoice_day == 6
    assert moved.next_recharge_date == shown.after[0].date
    assert (shown.extra_days, shown.after[0].days_counted) == (5, 36)
    assert (
        play(server, client, 1, shown)
        == plain(shown.after)
        == [
            ("2026-12-06", Decimal("65.09")),
            ("2027-01-06", Decimal("50.09")),
            ("2027-02-06", Decimal("50.09")),
        ]
    )


def test_shorter_gives_nothing_back(server: Server, client: Client) -> None:
    server.advance_to("2026-11-20T00:00:00Z")
    shown = client.dry_run(definition_of(client, 201), invoice_day=22, now=server.now)
    client.edit_billing_period_definition(definition_of(client, 201), invoice_day=22)
    assert shown.extra_days == -8
    assert (
        play(server, client, 2, shown)
        == plain(shown.after)
        == [
            ("2026-11-22", Decimal("40.10")),
            ("2026-12-22", Decimal("40.10")),
            ("2027-01-22", Decimal("40.10")),
        ]
    )


def test_a_charge_after_the_move_is_prorated_to_the_new_date(server: Server, client: Client) -> None:
    server.advance_to("2026-11-16T00:00:00Z")
    client.edit_billing_period_definition(definition_of(client, 101), invoice_day=6)
    assert charge(server, 101, "30.00") == Decimal("20.00")
    assert definition_of(client, 101).pending_amount == Decimal("20.00")


@pytest.mark.parametrize(
    ("subscription", "now", "day", "month", "days"),
    [(301, "2026-11-15", 6, 12, 5), (401, "2026-11-20", 22, 11, -8), (301, "2026-11-15", 29, 2, 89)],
)
def test_years_move_alike(
    server: Server, client: Client, subscription: int, now: str, day: int, month: int, days: int
) -> None:
    server.advance_to(f"{now}T12:00:00Z")
    charge(server, subscription, "36.50")
    definition = definition_of(client, subscription)
    shown = client.dry_run(definition, invoice_day=day, invoice_month=month, now=server.now)
    assert shown.extra_days == days
    client.edit_billing_period_definition(definition, invoice_day=day, invoice_month=month)
    assert play(server, client, subscription // 100, shown) == plain(shown.after)


def test_without_a_change_it_goes_on_as_before(server: Server, client: Client) -> None:
    charge(server, 102, "5.00", prorate=False)
    shown = client.dry_run(definition_of(client, 101), invoice_day=6, now=server.now)
    assert play(server, client, 1, shown)[:3] == plain(shown.before)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    subscription=st.sampled_from([101, 201, 301, 401]),
    later=st.integers(0, 400),
    day=st.integers(1, 31),
    month=st.integers(1, 12),
    amount=st.none() | st.decimals(Decimal("0.01"), 99, places=2),
    prorate=st.booleans(),
)
def test_a_dry_run_is_what_then_happens(
    running: Server,
    subscription: int,
    later: int,
    day: int,
    month: int,
    amount: Decimal | None,
    prorate: bool,
) -> None:
    running.reset()
    transport = httpx.HTTPTransport(verify=False)
    with Client(KEY, base_url=f"{running.url}/v1", transport=transport) as client:
        running.advance(f"{later}d")
        if amount is not None:
            charge(running, subscription, str(amount), prorate=prorate)
        definition = definition_of(client, subscription)
        date = {"invoice_day": day}
        if definition.cycle == Cycle.YEARLY:
            date |= {"invoice_month": month}
        try:
            shown = client.dry_run(definition, now=running.now, **date)
        except ValueError:
            with pytest.raises(BadRequest):
                client.edit_billing_period_definition(definition, **date)
            return
        # The mock's own dry run plays its engine forward.
        asked = {"billingPeriodDefinitionId": definition.id, "invoiceDay": day}
        if "invoice_month" in date:
            asked |= {"invoiceMonth": month}
        theirs = CONTROL.post(f"{running.url}/_mock/fusebill/dryrun", json=asked).json()
        assert forecast(theirs["before"]) == plain(shown.before)
        assert forecast(theirs["after"]) == plain(shown.after)
        client.edit_billing_period_definition(definition, **date)
        assert play(running, client, subscription // 100, shown) == plain(shown.after)


def forecast(invoices: list[dict[str, Any]]) -> list[tuple[str, Decimal]]:
    return [(each["at"][:10], Decimal(each["total"])) for each in invoices]


def test_periods_are_made_filled_and_deleted(server: Server, client: Client) -> None:
    new = client.new_billing_period_definition(
        1, Cycle.MONTHLY, InvoiceDate(20), po_number="PO 7", term="Net30"
    )
    assert (new.invoice_day, new.po_number, new.manually_created, new.subscriptions) == (20, "PO 7", True, ())
    assert [each.id for each in client.get_billing_period_definitions(1)][-1] == new.id
    before = definition_of(client, 102)
    moved = client.move_subscription(102, to=new)
    assert moved.id == new.id
    assert [each.id for each in moved.subscriptions] == [102]
    assert [each.id for each in client.get_billing_period_definition(before).subscriptions] == [101]
    with pytest.raises(APIError, match=r"409 .* 102") as caught:
        client.delete_billing_period_definition(new)
    assert caught.value.status == 409
    own = client.move_subscription(102, to=InvoiceDate(25))
    assert own.id not in (new.id, before.id)
    assert definition_of(client, 102).invoice_day == 25
    client.delete_billing_period_definition(new)
    with pytest.raises(NotFound):
        client.get_billing_period_definition(new)
    server.advance_to("2026-11-25T00:00:00Z")
    assert billed(server, 1)[-1] == ("2026-11-25", Decimal("9.99"))


async def test_the_same_awaited(server: Server) -> None:
    async with AsyncClient(KEY, base_url=f"{server.url}/v1", backoff=0) as client:
        new = await client.new_billing_period_definition(3, Cycle.YEARLY, InvoiceDate(29, 2))
        assert (await client.move_subscription(301, to=new)).invoice_month == 2
        edited = await client.edit_billing_period_definition(new, invoice_month=3, auto_collect=False)
        assert (edited.invoice_day, edited.invoice_month, edited.auto_collect) == (29, 3, False)
        assert len(await client.get_billing_period_definitions(3)) == 2
        shown = await client.dry_run(edited, invoice_day=1, now=datetime.fromisoformat(START))
        assert f"{shown.after[0].date:%Y-%m-%d}" == "2027-03-01"


def test_lost_answers(server: Server, client: Client) -> None:
    definition = definition_of(client, 101)
    edit, create = "billingPeriodDefinitions/edit", "billingPeriodDefinitions/create"
    for kind in (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.ERROR):
        server.fault(Fault(kind, action=edit))
    assert client.edit_billing_period_definition(definition, invoice_day=6).invoice_day == 6
    server.fault(Fault(FaultKind.DROP_AFTER, action=create))
    with pytest.raises(NoAnswer) as caught:
        client.new_billing_period_definition(1, Cycle.MONTHLY, InvoiceDate(20))
    assert caught.value.maybe_applied
    assert [each.invoice_day for each in client.get_billing_period_definitions(1)] == [6, 20]


def test_refusals_change_nothing(server: Server, client: Client) -> None:
    before = client.get_billing_period_definitions(1)
    other = definition_of(client, 201)
    year = client.new_billing_period_definition(1, Cycle.YEARLY, InvoiceDate(1, 1))
    for error, call in (
        (BadRequest, lambda: client.edit_billing_period_definition(before[0], invoice_day=32)),
        (BadRequest, lambda: client.edit_billing_period_definition(before[0], invoice_month=13)),
        (APIError, lambda: client.move_subscription(101, to=other)),
        (APIError, lambda: client.move_subscription(101, to=year)),
        (NotFound, lambda: client.move_subscription(101, to=99999)),
        (NotFound, lambda: client.move_subscription(99999, to=before[0])),
        (NotFound, lambda: client.get_billing_period_definitions(99999)),
        (NotFound, lambda: client.get_billing_period_definition(99999)),
        (NotFound, lambda: client.delete_billing_period_definition(99999)),
        (APIError, lambda: client.delete_billing_period_definition(before[0])),
        (BadRequest, lambda: client.new_billing_period_definition(1, Cycle.MONTHLY)),
    ):
        with pytest.raises(error) as caught:
            call()
        assert caught.value.message
    client.delete_billing_period_definition(year)
    assert client.get_billing_period_definitions(1) == before
    with Client("another-key", base_url=f"{server.url}/v1") as stranger, pytest.raises(Unauthorized):
        stranger.get_billing_period_definitions(1)
