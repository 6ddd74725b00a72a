"""A dry run shows what then happens: to the day, the cent and the line."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.dryrun import forecast
from tallyhook_mock.systems.fusebill.model import Customer, Subscription, Timing
from tallyhook_mock.systems.fusebill.rules import (
    NewCustomer,
    NewSubscription,
    activate,
    add_charge,
    edit_definition,
    move,
    new_customer,
)
from tallyhook_mock.systems.fusebill.state import State

from .fusebill_face import dump, plan

START = datetime(2026, 1, 1, 10, tzinfo=UTC)


@st.composite
def dates(draw: st.DrawFn, cycle: Cycle) -> InvoiceDate:
    if cycle is Cycle.MONTHLY:
        return InvoiceDate(cycle, draw(st.integers(1, 31)))
    return InvoiceDate(cycle, draw(st.integers(1, 28)), draw(st.integers(1, 12)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[State, Customer, datetime]:
    """A customer with some subscriptions, of which some wait for charges, and a moment."""
    state, now = State(), START
    customer = new_customer(state, NewCustomer("Ida Lamp", "USD"), now)
    for _ in range(draw(st.integers(1, 3))):
        cycle = draw(st.sampled_from(Cycle))
        date = draw(st.none() | dates(cycle))
        amount = draw(st.decimals("0.01", "99", places=2))
        subscription = activate(
            state, customer, NewSubscription(plan(cycle, amount, draw(st.sampled_from(Timing))), date), now
        )
        now += timedelta(days=draw(st.integers(0, 50)), hours=draw(st.integers(0, 23)))
        state.catch_up(now)
        add_charge(
            state,
            subscription,
            name="Oil",
            amount=Decimal(7),
            prorate=draw(st.booleans()),
            at_period_end=True,
            at=now,
        )
    return state, customer, now


@settings(max_examples=150)
@given(world=worlds(), data=st.data())
def test_what_is_shown_of_a_date_then_happens(
    world: tuple[State, Customer, datetime], data: st.DataObject
) -> None:
    state, customer, now = world
    subscription = data.draw(st.sampled_from(customer.subscriptions))
    number, date = subscription.definition.id, data.draw(dates(subscription.interval))

    def change(state: State) -> None:
        edit_definition(state, state.definition(number), at=now, date=date)

    before, known = dump(state), len(customer.bills)
    shown = forecast(state, customer, lambda state: state.definition(number), change)
    assert dump(state) == before
    change(state)
    start = state.definition(number).start
    assert shown[0].start == start
    assert [each.bill.at for each in shown[1:]] == [date.after(each.bill.at) for each in shown[:-1]]
    assert_happens(state, customer, subscription, known, shown[-1].bill.at, [each.bill for each in shown])


@settings(max_examples=150)
@given(world=worlds(), data=st.data())
def test_what_is_shown_of_a_move_then_happens(
    world: tuple[State, Customer, datetime], data: st.DataObject
) -> None:
    state, customer, now = world
    subscription = data.draw(st.sampled_from(customer.subscriptions))
    number = subscription.id
    targets = [each.id for each in customer.definitions if each.cycle is subscription.interval]
    target = data.draw(st.sampled_from(targets) | dates(subscription.interval))

    def change(state: State) -> None:
        into = target if isinstance(target, InvoiceDate) else state.definition(target)
        move(state, state.subscription(number), into, now)

    before, known = dump(state), len(customer.bills)
    shown = forecast(state, customer, lambda state: state.subscription(number), change)
    assert dump(state) == before
    start = subscription.start
    change(state)
    # Later if the first recharge bills it nothing: paid in advance before, and in arrears from now on.
    assert shown[0].bill.at >= subscription.end
    assert shown[0].start == (start if shown[0].bill.at == subscription.end else subscription.end)
    assert_happens(state, customer, subscription, known, shown[-1].bill.at, [each.bill for each in shown])


def assert_happens(
    state: State,
    customer: Customer,
    subscription: Subscription,
    known: int,
    until: datetime,
    shown: list[object],
) -> None:
    """Of the bills up to a moment, those that the subscription is on are the ones that were shown."""
    items = {subscription.item, *(charge.item for charge in subscription.charges)}
    state.catch_up(until)
    bills = [bill for bill in customer.bills[known:] if items & {line.item for line in bill.lines}]
    assert bills == shown
    assert len(shown) == 3
