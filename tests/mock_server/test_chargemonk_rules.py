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
MOVE = AddOn("MOVE", "Move", Decimal("35.00"), None)
SEASON = AddOn("SEASON", "Season", Decimal("30.00"), 3)


def day(month: int, day: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


@pytest.fixture
def state() -> State:
    state = State()
    state.plans = {plan.code: plan for plan in (MONTHLY, QUARTERLY, FOUR)}
    state.add_ons = {add_on.code: add_on for add_on in (SETUP, CARE, MOVE, SEASON)}
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


@pytest.mark.parametrize("count", [-1, 0, 4, rules.MOST + 1])
def test_no_more_terms_are_billed_in_advance_than_there_are(state: State, count: int) -> None:
    subscription = sold(state, FOUR, cycles=None)
    with pytest.raises(Refusal, match=r"3 terms left|from 1 to"):
        rules.advance_invoice(state, subscription, count, day(1, 10))
    rules.advance_invoice(state, subscription, 3, day(1, 10))
    state.catch_up(day(12))
    assert bills(subscription) == [
        ("01-01", ["FOUR 50.00", "SETUP 100.00"]),
        ("01-10", ["FOUR 150.00", "SETUP 300.00"]),
    ]


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


def test_what_is_due_is_billed_before_a_charge_is_collected(state: State) -> None:
    """Or else the charge would be on the invoice of a term that was over before."""
    subscription = sold(state, cycles=None)
    rules.charge_later(state, subscription, "fine work", Decimal("7.00"), Decimal(1), day(2, 2))
    state.catch_up(day(4))
    assert bills(subscription)[1:] == [
        ("02-01", ["MONTHLY 200.00", "SETUP 100.00"]),
        ("03-01", ["MONTHLY 200.00", "SETUP 100.00", "UC1 7.00"]),
        ("04-01", ["MONTHLY 200.00", "SETUP 100.00"]),
    ]


def test_what_is_due_is_billed_before_cycles_are_set(state: State) -> None:
    subscription = sold(state, cycles=2)
    rules.set_cycles(state, subscription, "SETUP", 2, day(2, 2))
    state.catch_up(day(5))
    assert [lines for _, lines in bills(subscription)] == [
        *[["MONTHLY 200.00", "SETUP 100.00"]] * 4,
        ["MONTHLY 200.00"],
    ]


@pytest.mark.parametrize("is_new", [True, False])
def test_an_add_on_that_does_not_recur_is_billed_once(state: State, is_new: bool) -> None:
    once = ((MOVE, None),) if is_new else ()
    subscription = rules.create(state, NewSubscription("mill", MONTHLY, once), day(1))
    if not is_new:
        rules.add(state, subscription, MOVE, None, day(1))
    assert left(subscription) == {}
    state.catch_up(day(3))
    billed = [line for _, lines in bills(subscription) for line in lines]
    assert sorted(billed) == ["MONTHLY 200.00"] * 3 + ["MOVE 35.00"]


@pytest.mark.parametrize("cycles", [0, -1, rules.MOST + 1])
def test_an_impossible_number_of_cycles_is_refused(state: State, cycles: int) -> None:
    with pytest.raises(Refusal, match="from 1 to"):
        NewSubscription("wheel", MONTHLY, ((SETUP, cycles),))
    subscription = sold(state)
    with pytest.raises(Refusal, match="from 1 to"):
        rules.add(state, subscription, CARE, cycles, day(1, 2))
    with pytest.raises(Refusal, match="from 1 to"):
        rules.set_cycles(state, subscription, "SETUP", cycles, day(1, 2))
    with pytest.raises(Refusal, match="from 1 to"):
        rules.change_term(state, subscription, QUARTERLY, {"SETUP": cycles}, day(1, 2))
    assert left(subscription) == {"SETUP": 2}


def test_without_the_feature_no_command_takes_cycles(state: State) -> None:
    subscription = sold(state, cycles=None)
    state.has_billing_cycles = False
    with pytest.raises(Refusal, match="not switched on"):
        rules.create(state, NewSubscription("wheel", MONTHLY, ((SETUP, 3),)), day(1))
    with pytest.raises(Refusal, match="not switched on"):
        rules.add(state, subscription, CARE, 3, day(1))
    with pytest.raises(Refusal, match="not switched on"):
        rules.set_cycles(state, subscription, "SETUP", 3, day(1))
    with pytest.raises(Refusal, match="not switched on"):
        rules.change_term(state, subscription, QUARTERLY, {"SETUP": 3}, day(1))
    assert (list(state.subscriptions), left(subscription)) == (["mill"], {"SETUP": None})
    rules.add(state, subscription, CARE, None, day(1))
    rules.change_term(state, subscription, QUARTERLY, {"SETUP": None}, day(1))
    assert left(subscription) == {"SETUP": None, "CARE": None}


def test_an_add_on_can_have_no_more_cycles_than_a_new_plan(state: State) -> None:
    with pytest.raises(Refusal, match="the plan has 4 billing cycles"):
        NewSubscription("mill", FOUR, ((SETUP, 5),))
    subscription = sold(state, cycles=None)
    with pytest.raises(Refusal, match="the plan has 4 billing cycles"):
        rules.change_term(state, subscription, FOUR, {"SETUP": 5}, day(1))
    rules.change_term(state, subscription, FOUR, {"SETUP": 4}, day(1))
    state.catch_up(day(12))
    assert [lines for _, lines in bills(subscription)] == [
        ["MONTHLY 200.00", "SETUP 100.00"],
        *[["FOUR 50.00", "SETUP 100.00"]] * 4,
    ]


def test_cycles_are_not_given_to_an_add_on_that_does_not_fit_the_next_plan(state: State) -> None:
    """It may stay to the end of its term, for it isn't charged any more."""
    subscription = rules.create(state, NewSubscription("mill", QUARTERLY, ((SEASON, 1),)), day(1))
    rules.change_term(state, subscription, MONTHLY, {}, day(2))
    with pytest.raises(Refusal, match="does not divide"):
        rules.set_cycles(state, subscription, "SEASON", 1, day(2))
    state.catch_up(day(5))
    assert bills(subscription)[1:] == [("04-01", ["MONTHLY 200.00"]), ("05-01", ["MONTHLY 200.00"])]


def test_an_id_is_sold_once_and_a_code_is_of_one_thing(state: State) -> None:
    subscription = sold(state)
    with pytest.raises(Refusal, match="already"):
        sold(state)
    assert list(state.subscriptions.values()) == [subscription]
    with pytest.raises(Refusal, match="an add-on has the code 'CARE'"):
        rules.offer(state, Plan("CARE", "Care", Decimal("5.00"), 1))
    with pytest.raises(Refusal, match="a plan has the code 'MONTHLY'"):
        rules.offer(state, AddOn("MONTHLY", "Monthly", Decimal("5.00"), 1))
    rules.offer(state, dearer := Plan("MONTHLY", "Monthly", Decimal("250.00"), 1))
    rules.offer(state, AddOn("CARE", "Care", Decimal("25.00"), 1))
    assert (state.plans["MONTHLY"], state.add_ons["CARE"].price) == (dearer, Decimal("25.00"))
    assert (len(state.plans), len(state.add_ons)) == (3, 4)
    state.catch_up(day(2))
    assert bills(subscription)[1] == ("02-01", ["MONTHLY 200.00", "SETUP 100.00"])


def test_a_subscription_that_no_calendar_has_is_not_sold(state: State) -> None:
    with pytest.raises(Refusal, match="year 9999"):
        rules.create(state, NewSubscription("mill", MONTHLY), day(12, 2, 9999))
    assert (state.subscriptions, state.bills, state.take_events()) == ({}, [], [])


@pytest.mark.parametrize("is_collected", [False, True])
def test_no_invoice_is_expected_where_none_will_follow(state: State, is_collected: bool) -> None:
    subscription = sold(state, FOUR, cycles=None)
    if is_collected:
        rules.charge_later(state, subscription, "fine work", Decimal("7.00"), Decimal(1), day(1))
    for month in (2, 3, 4):
        coming = rules.expected(state, subscription)
        assert coming is not None
        state.catch_up(day(month))
        lines = [(line.item, line.amount) for line in coming.lines]
        assert (lines, coming.at) == (
            [(line.item, line.amount) for line in subscription.bills[-1].lines],
            day(month),
        )
    assert rules.expected(state, subscription) is None
    state.catch_up(day(12))
    assert len(subscription.bills) == 4
    other = rules.create(state, NewSubscription("wheel", MONTHLY), day(12))
    rules.cancel(state, other, day(12))
    assert rules.expected(state, other) is None


def test_who_is_canceled_can_not_be_canceled_or_charged_again(state: State) -> None:
    subscription = sold(state)
    rules.cancel(state, subscription, day(1, 5))
    for command in (
        lambda: rules.cancel(state, subscription, day(1, 6)),
        lambda: rules.add(state, subscription, CARE, 1, day(1, 6)),
        lambda: rules.set_cycles(state, subscription, "SETUP", 1, day(1, 6)),
        lambda: rules.change_term(state, subscription, QUARTERLY, {}, day(1, 6)),
        lambda: rules.advance_invoice(state, subscription, 1, day(1, 6)),
    ):
        with pytest.raises(Refusal, match="is canceled"):
            command()
    assert subscription.canceled_at == day(1, 5)
    state.catch_up(day(5))
    assert len(subscription.bills) == 1


def test_a_charge_is_billed_to_its_own_subscription(state: State) -> None:
    first = sold(state, cycles=None)
    second = rules.create(state, NewSubscription("wheel", MONTHLY), day(1))
    rules.charge_later(state, second, "fine work", Decimal("7.00"), Decimal(2), day(1))
    rules.charge_later(state, first, "oil", Decimal("3.00"), Decimal(1), day(1))
    state.catch_up(day(3))
    assert [lines for _, lines in bills(first)][1:] == [
        ["MONTHLY 200.00", "SETUP 100.00", "UC2 3.00"],
        ["MONTHLY 200.00", "SETUP 100.00"],
    ]
    assert [lines for _, lines in bills(second)][1:] == [["MONTHLY 200.00", "UC1 7.00"], ["MONTHLY 200.00"]]
    assert [bill.number for bill in state.bills] == [1, 2, 3, 4, 5, 6]
    assert (state.billed.count, state.billed.totals) == (6, {"USD": Decimal("1510.00")})


def test_cycles_are_set_for_the_add_on_that_is_named(state: State) -> None:
    both = ((SETUP, 5), (CARE, 5))
    subscription = rules.create(state, NewSubscription("mill", MONTHLY, both), day(1))
    rules.set_cycles(state, subscription, "CARE", 1, day(1))
    assert left(subscription) == {"SETUP": 4, "CARE": 1}
    with pytest.raises(Refusal, match="no add-on 'MOVE'"):
        rules.set_cycles(state, subscription, "MOVE", 1, day(1))


def test_cycles_are_kept_by_a_plan_with_a_term_of_the_same_length(state: State) -> None:
    both = ((SETUP, 3), (CARE, 1))
    subscription = rules.create(state, NewSubscription("mill", MONTHLY, both), day(1))
    with pytest.raises(Refusal, match="already the next plan"):
        rules.change_term(state, subscription, MONTHLY, {}, day(1))
    rules.change_term(state, subscription, FOUR, {"CARE": 2}, day(1))
    assert left(subscription) == {"SETUP": 2, "CARE": 2}
    state.catch_up(day(5))
    assert [lines for _, lines in bills(subscription)][1:] == [
        *[["FOUR 50.00", "SETUP 100.00", "CARE 20.00"]] * 2,
        *[["FOUR 50.00"]] * 2,
    ]


def test_a_canceled_subscription_gets_no_bill_in_time_paid_in_advance(state: State) -> None:
    subscription = sold(state, cycles=None)
    rules.advance_invoice(state, subscription, 2, day(1, 10))
    rules.add(state, subscription, CARE, None, day(1, 10))
    rules.cancel(state, subscription, day(1, 11))
    state.catch_up(day(6))
    assert [at for at, _ in bills(subscription)] == ["01-01", "01-10", "01-10"]
    assert subscription.status == "Cancelled"
    active = rules.create(state, NewSubscription("wheel", MONTHLY), day(6))
    with pytest.raises(Refusal, match="is not canceled"):
        rules.reactivate(state, active, day(6, 2))
    assert len(active.bills) == 1


def test_a_charge_is_collected_until_the_last_invoice(state: State) -> None:
    subscription = sold(state, FOUR, cycles=None)
    rules.advance_invoice(state, subscription, 3, day(1, 10))
    rules.charge_later(state, subscription, "fine work", Decimal("7.00"), Decimal(1), day(3, 31))
    with pytest.raises(Refusal, match="no further invoice"):
        rules.charge_later(state, subscription, "too late", Decimal("7.00"), Decimal(1), day(4, 1))
    canceled = rules.create(state, NewSubscription("wheel", MONTHLY), day(4))
    rules.cancel(state, canceled, day(4, 2))
    with pytest.raises(Refusal, match="no further invoice"):
        rules.charge_later(state, canceled, "too late", Decimal("7.00"), Decimal(1), day(4, 3))
    state.catch_up(day(12))
    assert bills(subscription)[2:] == [("04-01", ["UC1 7.00"])]
    assert len(canceled.bills) == 1


@pytest.mark.parametrize("command", ["change", "advance", "cancel"])
def test_what_is_due_is_billed_before_terms_change_or_end(state: State, command: str) -> None:
    """A command on 2 February leaves the term that began the day before as it is."""
    subscription = sold(state, cycles=2)
    match command:
        case "change":
            rules.change_term(state, subscription, QUARTERLY, {}, day(2, 2))
        case "advance":
            rules.advance_invoice(state, subscription, 1, day(2, 2))
        case "cancel":
            rules.cancel(state, subscription, day(2, 2))
    state.catch_up(day(3))
    assert bills(subscription)[1:] == [
        ("02-01", ["MONTHLY 200.00", "SETUP 100.00"]),
        *{
            "change": [("03-01", ["QUARTERLY 540.00"])],
            "advance": [("02-02", ["MONTHLY 200.00"])],
            "cancel": [],
        }[command],
    ]
