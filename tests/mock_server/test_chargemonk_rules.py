"""Chargemonk's rules where they meet: what is paid in advance, what is over, and what changes meanwhile."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tallyhook_mock.systems.chargemonk import rules
from tallyhook_mock.systems.chargemonk.model import AddOn, Plan, Refusal, Subscription
from tallyhook_mock.systems.chargemonk.rules import NewSubscription
from tallyhook_mock.systems.chargemonk.state import State

MONTHLY = Plan("MONTHLY", "Monthly", Decimal("200.00"), 1)
QUARTERLY = Plan("QUARTERLY", "Quarterly", Decimal("540.00"), 3)
FOUR = Plan("FOUR", "Four months", Decimal("50.00"), 1, 4)
SETUP = AddOn("SETUP", "Setup fee", Decimal("100.00"), 1)
CARE = AddOn("CARE", "Care", Decimal("20.00"), 1)


def day(month: int, day: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.fixture
def state() -> State:
    state = State()
    state.plans = {plan.code: plan for plan in (MONTHLY, QUARTERLY, FOUR)}
    state.add_ons = {add_on.code: add_on for add_on in (SETUP, CARE)}
    return state


def sold(state: State, plan: Plan = MONTHLY, cycles: int | None = 3) -> Subscription:
    return rules.create(state, NewSubscription("mill", plan, ((SETUP, cycles),)), day(1))


def bills(subscription: Subscription) -> list[tuple[str, list[str]]]:
    """Day of each, and its lines: item and amount."""
    return [
        (f"{bill.at:%m-%d}", [f"{line.item} {line.amount}" for line in bill.lines])
        for bill in subscription.bills
    ]


def left(subscription: Subscription) -> dict[str, int | None]:
    return {carried.add_on.code: carried.cycles_left for carried in subscription.add_ons}


def test_what_is_due_comes_before_a_command(state: State) -> None:
    subscription = sold(state)
    rules.add(state, subscription, CARE, None, day(2, 15))
    assert bills(subscription) == [
        ("01-01", ["MONTHLY 200.00", "SETUP 100.00"]),
        ("02-01", ["MONTHLY 200.00", "SETUP 100.00"]),
        ("02-15", ["CARE 10.00"]),
    ]
    kinds = [(happening.kind, f"{happening.at:%m-%d}") for happening in state.take_events()]
    assert kinds.index(("renewed", "02-01")) < kinds.index(("addOnAdded", "02-15"))


def test_the_day_that_has_begun_counts(state: State) -> None:
    subscription = sold(state)
    rules.add(state, subscription, CARE, 1, datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    assert bills(subscription)[1][1] == ["CARE 0.65"]  # one of 31 days


def test_an_add_on_that_comes_into_time_paid_in_advance_is_billed_by_itself(state: State) -> None:
    subscription = sold(state, cycles=1)
    rules.advance_invoice(state, subscription, 2, day(1, 10))
    rules.add(state, subscription, CARE, 3, day(1, 17))
    state.catch_up(day(5))
    assert bills(subscription)[1:] == [
        ("01-10", ["MONTHLY 400.00"]),
        ("01-17", ["CARE 9.68"]),
        ("02-01", ["CARE 20.00"]),
        ("03-01", ["CARE 20.00"]),
        ("04-01", ["MONTHLY 200.00"]),
        ("05-01", ["MONTHLY 200.00"]),
    ]


def test_there_is_one_advance_invoice_at_a_time(state: State) -> None:
    subscription = sold(state, cycles=1)
    rules.advance_invoice(state, subscription, 2, day(1, 10))
    with pytest.raises(Refusal, match="one at a time"):
        rules.advance_invoice(state, subscription, 1, day(1, 20))
    state.catch_up(day(3, 2))  # the terms that it collected have begun
    rules.advance_invoice(state, subscription, 1, day(3, 2))


def test_a_new_term_begins_after_what_is_paid_in_advance(state: State) -> None:
    subscription = sold(state, cycles=None)
    rules.advance_invoice(state, subscription, 2, day(1, 10))
    rules.change_term(state, subscription, QUARTERLY, {}, day(1, 11))
    state.catch_up(day(7))
    assert [(term.plan.code, term.start) for term in subscription.terms] == [
        ("MONTHLY", day(1)),
        ("MONTHLY", day(2)),
        ("MONTHLY", day(3)),
        ("QUARTERLY", day(4)),
        ("QUARTERLY", day(7)),
    ]
    assert bills(subscription)[2:] == [
        ("04-01", ["QUARTERLY 540.00", "SETUP 300.00"]),
        ("07-01", ["QUARTERLY 540.00", "SETUP 300.00"]),
    ]


def test_time_paid_in_advance_is_within_the_term(state: State) -> None:
    subscription = sold(state, cycles=5)
    rules.advance_invoice(state, subscription, 2, day(1, 10))
    rules.cancel(state, subscription, day(1, 11))
    rules.reactivate(state, subscription, day(3, 31))
    assert left(subscription) == {"SETUP": 2}
    state.catch_up(day(4))
    assert bills(subscription)[2:] == [("04-01", ["MONTHLY 200.00", "SETUP 100.00"])]


def test_the_end_of_the_term_is_after_it(state: State) -> None:
    subscription = sold(state)
    rules.cancel(state, subscription, day(1, 31))
    rules.reactivate(state, subscription, day(2))
    assert left(subscription) == {"SETUP": None}
    assert bills(subscription)[1:] == [("02-01", ["MONTHLY 200.00", "SETUP 100.00"])]


def test_an_add_on_without_cycles_left_can_be_given_more_while_it_is_there(state: State) -> None:
    subscription = sold(state, cycles=1)
    assert left(subscription) == {"SETUP": 0}
    with pytest.raises(Refusal, match="already has SETUP"):
        rules.add(state, subscription, SETUP, 1, day(1, 20))
    rules.set_cycles(state, subscription, "SETUP", 1, day(1, 20))
    state.catch_up(day(3))
    assert bills(subscription)[1:] == [
        ("02-01", ["MONTHLY 200.00", "SETUP 100.00"]),
        ("03-01", ["MONTHLY 200.00"]),
    ]
    assert left(subscription) == {}


def test_what_is_over_is_not_brought_back_by_a_change_of_term(state: State) -> None:
    subscription = sold(state, cycles=1)
    rules.change_term(state, subscription, QUARTERLY, {}, day(1, 20))
    assert left(subscription) == {"SETUP": 0}
    state.catch_up(day(2))
    assert bills(subscription)[1:] == [("02-01", ["QUARTERLY 540.00"])]


def test_cycles_are_no_more_than_the_plan_has_left(state: State) -> None:
    subscription = sold(state, FOUR, cycles=4)
    state.catch_up(day(2))
    with pytest.raises(Refusal, match="the plan has 3 billing cycles left"):
        rules.add(state, subscription, CARE, 4, day(2, 2))
    with pytest.raises(Refusal, match="the plan has 2 billing cycles left"):
        rules.set_cycles(state, subscription, "SETUP", 3, day(2, 2))
    rules.advance_invoice(state, subscription, 2, day(2, 2))
    with pytest.raises(Refusal, match="the plan has 0 billing cycles left"):
        rules.set_cycles(state, subscription, "SETUP", 1, day(2, 2))
    rules.add(state, subscription, CARE, 3, day(2, 2))
    state.catch_up(day(9))
    assert sum(line.item == "CARE" for bill in subscription.bills for line in bill.lines) == 3


def test_who_comes_back_after_a_plan_has_ended_begins_it_anew(state: State) -> None:
    subscription = sold(state, FOUR, cycles=None)
    rules.reactivate(state, subscription, day(6, 10))
    state.catch_up(day(12))
    assert [at for at, _ in bills(subscription)[4:]] == ["06-10", "07-10", "08-10", "09-10"]
    assert subscription.is_canceled
