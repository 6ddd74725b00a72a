"""What a change of plan does to the bill dates."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tallyhook_mock.core.frequencies import add_months, run_over
from tallyhook_mock.systems.cheddar import subscriptions, usage
from tallyhook_mock.systems.cheddar.model import Customer
from tallyhook_mock.systems.cheddar.settings import Rules

from .engine_world import DAY, START, World


def bill_dates(customer: Customer) -> list[datetime]:
    return [invoice.billing_at for invoice in sorted(customer.invoices, key=lambda made: made.number)]


@pytest.mark.parametrize(
    ("before", "after", "third"),
    [
        ("monthly", "biweekly", add_months(START, 1) + timedelta(weeks=2)),
        ("monthly", "daily", add_months(START, 1) + DAY),
        ("weekly", "monthly", run_over(START + timedelta(weeks=4), 1)),
        ("monthly", "none", None),
    ],
)
def test_another_frequency_is_counted_from_the_existing_bill_date(
    before: str, after: str, third: datetime | None
) -> None:
    world = World()
    old, new = world.plan("OLD", "20.00", before), world.plan("NEW", "10.00", after)
    customer = world.customer("C1", old)
    world.advance(timedelta(days=24))
    planned = bill_dates(customer)
    subscriptions.change(world.state, customer, plan=new, at=world.now)
    assert bill_dates(customer) == planned
    world.advance(planned[-1])
    assert bill_dates(customer) == planned + ([third] if third else [])
    world.advance(timedelta(days=90))
    assert all(earlier < later for earlier, later in pairwise(bill_dates(customer)))


def test_the_same_frequency_keeps_the_anchor_day_where_the_setting_says_so() -> None:
    world = World()
    world.product.rules = Rules(month_end="last-day")
    world.now = datetime(2026, 1, 31, 12, tzinfo=START.tzinfo)
    old, new = world.plan("OLD", "20.00"), world.plan("NEW", "10.00")
    customer = world.customer("C1", old)
    subscriptions.change(world.state, customer, plan=new, at=world.now)
    world.advance(timedelta(days=60))
    assert [at.day for at in bill_dates(customer)] == [31, 28, 31, 30]


@pytest.mark.parametrize(("handler", "collected"), [("no", ["50.00"]), ("now", ["50.00", "10.00"])])
def test_after_a_plan_that_bills_once_a_cycle_starts(handler: str, collected: list[str]) -> None:
    world = World()
    once = world.plan("ONCE", "50.00", "none", items={"seat": ("9", "1.00")}, periodic=False)
    monthly = world.plan(
        "NEW", "10.00", items={"seat": ("9", "1.00")}, periodic=False, on_change_initial_bill_handler=handler
    )
    customer = world.customer("C1", once, initial_bill_at=START + DAY)
    usage.set_quantity(world.state, customer, "seat", Decimal(3), outstanding=False, at=world.now)
    world.advance(5 * DAY)
    assert customer.subscription.current is None
    subscriptions.change(world.state, customer, plan=monthly, at=world.now)
    current = customer.subscription.current
    assert current is not None
    assert (current.billing_at, current.quantity("seat")) == (add_months(world.now, 1), 3)
    taken = [invoice.collected for invoice in sorted(customer.invoices, key=lambda made: made.number)]
    assert taken == [*map(Decimal, collected), 0]
