"""The forecast of a change of date: the documented rules, for months and years."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.sdk.scripted import Script, answer, asking
from tests.sdk.test_fusebill import DEFINITION

from tallyhook.fusebill import (
    AsyncClient,
    BillingPeriodDefinition,
    Client,
    Cycle,
    DryRun,
    PendingCharge,
    Subscription,
    dry_run,
)

SUBSCRIPTIONS = (
    Subscription(id=1, amount=Decimal("40.10"), pending_charges=(PendingCharge(amount=Decimal("8.00")),)),
    Subscription(id=2, amount=Decimal("10.00")),
)


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def monthly(invoice_day: int, start: str, end: str, **fields: Any) -> BillingPeriodDefinition:
    return BillingPeriodDefinition(
        **{
            "id": 12,
            "cycle": Cycle.MONTHLY,
            "invoice_day": invoice_day,
            "current_billing_period_start_date": day(start),
            "next_recharge_date": day(end),
            "subscriptions": SUBSCRIPTIONS,
        }
        | fields
    )


def yearly(invoice_day: int, invoice_month: int, start: str, end: str) -> BillingPeriodDefinition:
    return monthly(invoice_day, start, end, cycle=Cycle.YEARLY, invoice_month=invoice_month)


def dates(shown: DryRun) -> tuple[list[str], list[str]]:
    before, after = ([f"{it.date:%Y-%m-%d}" for it in side] for side in (shown.before, shown.after))
    return before, after


def test_longer_costs_nothing() -> None:
    shown = dry_run(monthly(1, "2026-11-01", "2026-12-01"), invoice_day=6, now=day("2026-11-15"))
    assert dates(shown) == (
        ["2026-12-01", "2027-01-01", "2027-02-01"],
        ["2026-12-06", "2027-01-06", "2027-02-06"],
    )
    assert (shown.before[0].days, shown.after[0].days) == (30, 35)
    assert (shown.after[0].days_counted, shown.extra_days) == (36, 5)
    for side in (shown.before, shown.after):
        assert [invoice.amount for invoice in side] == [Decimal("58.10"), Decimal("50.10"), Decimal("50.10")]


def test_shorter_gives_nothing_back() -> None:
    shown = dry_run(monthly(30, "2026-10-30", "2026-11-30"), invoice_day=22, now=day("2026-11-20"))
    assert dates(shown)[1] == ["2026-11-22", "2026-12-22", "2027-01-22"]
    assert shown.extra_days == -8
    assert [invoice.amount for invoice in shown.after] == [invoice.amount for invoice in shown.before]


@pytest.mark.parametrize(("now", "first"), [("2026-11-22", "2026-12-22"), ("2026-11-21", "2026-11-22")])
def test_a_day_that_is_over_comes_again(now: str, first: str) -> None:
    late = day(now) + timedelta(hours=23, minutes=59)
    shown = dry_run(monthly(30, "2026-10-30", "2026-11-30"), invoice_day=22, now=late)
    assert dates(shown)[1][0] == first


def test_the_31st_comes_back() -> None:
    shown = dry_run(monthly(1, "2026-01-01", "2026-02-01"), invoice_day=31, now=day("2026-01-10"))
    assert dates(shown)[1] == ["2026-02-28", "2026-03-31", "2026-04-30"]


def test_years_move_alike() -> None:
    definition = yearly(1, 12, "2025-12-01", "2026-12-01")
    longer = dry_run(definition, invoice_day=6, now=day("2026-11-15"))
    assert dates(longer) == (
        ["2026-12-01", "2027-12-01", "2028-12-01"],
        ["2026-12-06", "2027-12-06", "2028-12-06"],
    )
    assert (longer.extra_days, longer.after[0].days_counted) == (5, 371)
    shorter = dry_run(definition, invoice_day=29, invoice_month=2, now=day("2026-01-20"))
    assert dates(shorter)[1] == ["2026-02-28", "2027-02-28", "2028-02-29"]
    over = dry_run(definition, invoice_month=3, now=day("2026-11-15"))
    assert dates(over)[1] == ["2027-03-01", "2028-03-01", "2029-03-01"]
    assert over.after[0].amount == over.before[0].amount == Decimal("58.10")


def test_it_shows_itself() -> None:
    definition = monthly(1, "2026-11-01", "2026-12-01")
    assert str(dry_run(definition, invoice_day=6, now=day("2026-11-15"))).splitlines() == [
        "definition 12, Monthly: dry run",
        "  invoice  date        moved to    days  then  amount   then",
        "        1  2026-12-01  2026-12-06    30    35   58.10  58.10",
        "        2  2027-01-01  2027-01-06    31    31   50.10  50.10",
        "        3  2027-02-01  2027-02-06    31    31   50.10  50.10",
        "  the current period gets 5 days longer, which costs nothing",
        "  Fusebill counts 36 days, including the day of the invoice",
        "  the first invoice includes 8.00 of pending charges, unchanged",
    ]
    assert "2026-12-06" in dry_run(definition, invoice_day=6, now=day("2026-11-15"))._repr_html_()
    shorter = dry_run(monthly(30, "2026-10-30", "2026-11-30"), invoice_day=29, now=day("2026-11-20"))
    assert "the current period gets 1 day shorter, and nothing is refunded" in str(shorter)
    assert "the length of the current period doesn't change" in str(
        dry_run(definition, invoice_day=1, now=day("2026-11-15"))
    )


@pytest.mark.parametrize(
    ("ahead", "remark"),
    [
        (None, None),
        (0, None),
        (1, "each invoice is sent 1 day before its date"),
        (5, "each invoice is sent 5 days before its date"),
    ],
)
def test_it_says_that_invoices_are_sent_in_advance(ahead: int | None, remark: str | None) -> None:
    definition = monthly(1, "2026-11-01", "2026-12-01", invoice_in_advance=ahead)
    said = str(dry_run(definition, invoice_day=6, now=day("2026-11-15")))
    assert ("is sent" in said) == (remark is not None)
    assert remark is None or remark in said


def test_three_months_at_a_time_and_a_month_to_bring_the_recharge_to() -> None:
    definition = monthly(29, "2026-10-29", "2027-01-29", number_of_intervals=3)
    shown = dry_run(definition, invoice_day=15, invoice_month=3, now=day("2026-11-15"))
    assert [f"{each.date:%Y-%m-%d}" for each in shown.before] == ["2027-01-29", "2027-04-29", "2027-07-29"]
    assert [f"{each.date:%Y-%m-%d}" for each in shown.after] == ["2027-03-15", "2027-06-15", "2027-09-15"]


def test_nobody_is_billed_by_an_empty_definition() -> None:
    shown = dry_run(monthly(1, "2026-11-01", "2026-12-01", subscriptions=()), invoice_day=6)
    assert (shown.before, shown.after, shown.extra_days) == ((), (), 0)
    assert str(shown).splitlines()[1:] == ["  it has no subscriptions, so nothing is billed"]


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, {"invoice_day": 32}),
        ({}, {"invoice_month": 13}),
        ({"next_recharge_date": None}, {"invoice_day": 6}),
        ({"subscriptions": (), "current_billing_period_start_date": None}, {"invoice_day": 6}),
        ({"cycle": Cycle.YEARLY}, {"invoice_day": 6}),
        ({"cycle": Cycle.YEARLY, "invoice_month": 4}, {"invoice_day": 31}),
        ({}, {"invoice_day": 6, "now": datetime(2026, 11, 1)}),  # noqa: DTZ001 - one without an offset is refused
    ],
)
def test_nonsense_is_refused(fields: dict[str, Any], change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which one is told by the fields
        dry_run(monthly(1, "2026-11-01", "2026-12-01", **fields), **change)


@pytest.mark.parametrize("client", [Client, AsyncClient])
async def test_clients_read_the_definition_first(client: type) -> None:
    script = Script(answer(DEFINITION))
    shown = await asking(client, "key")(script, "dry_run", 12, invoice_day=6, now=day("2026-11-15"))
    assert [(request.method, request.url.path) for request in script.requests] == [
        ("GET", "/v1/billingPeriodDefinitions/12")
    ]
    assert dates(shown)[1] == ["2026-12-06", "2027-01-06", "2027-02-06"]
    assert shown.before[0].amount == Decimal("58.10")


MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - the next line adds it
    lambda moment: moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
)


@given(MOMENTS, st.integers(1, 28), st.integers(0, 27), st.integers(1, 31))
def test_periods_leave_no_gap_and_money_stays(
    start: datetime, length: int, gone: int, invoice_day: int
) -> None:
    end = start + timedelta(days=length)
    assume(gone < length)
    definition = monthly(end.day, start.isoformat()[:10], end.isoformat()[:10])
    now = start + timedelta(days=gone)
    shown = dry_run(definition, invoice_day=invoice_day, now=now)
    for side in (shown.before, shown.after):
        assert side[0].start == start
        assert [it.start for it in side[1:]] == [it.date for it in side[:-1]]
        assert all(it.days > 0 for it in side)
        assert all(28 <= it.days <= 31 for it in side[1:])
    assert shown.after[0].date > now
    assert [it.amount for it in shown.before] == [it.amount for it in shown.after]
