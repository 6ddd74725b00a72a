"""What holds after any sequence of moves, charges and advances."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tallyhook_mock.core.bills import Line
from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate, day_of
from tallyhook_mock.systems.fusebill.dryrun import forecast
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    Charge,
    Customer,
    Subscription,
    Timing,
)
from tallyhook_mock.systems.fusebill.refusal import Refusal
from tallyhook_mock.systems.fusebill.rules import (
    NewCustomer,
    NewSubscription,
    activate,
    add_charge,
    create_definition,
    definition_of,
    delete_definition,
    edit_definition,
    move,
    new_customer,
)
from tallyhook_mock.systems.fusebill.state import State

from .fusebill_face import dump, plan


def define(state: State, customer: Customer, date: InvoiceDate, *, at: datetime) -> None:
    create_definition(state, definition_of(customer, date, at=at), at)


cycles = st.sampled_from(Cycle)
days = st.integers(1, 31)
months = st.integers(1, 12)
amounts = st.decimals("0", "999.99", places=2)
numbers = st.integers(0, 20)


def date_of(cycle: Cycle, day: int, month: int) -> InvoiceDate:
    if cycle is Cycle.MONTHLY:
        return InvoiceDate(cycle, day)
    return InvoiceDate(cycle, min(day, 29 if month == 2 else 30), month)


class Periods(RuleBasedStateMachine):
    """Two customers, and a clock that only goes forward."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.now = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
        self.charges: dict[int, tuple[Charge, Subscription]] = {}
        self.firsts: dict[int, Decimal] = {}  # what the first period costs, by the subscription's id
        self.cycles: dict[int, Cycle] = {}
        self.customers = [new_customer(self.state, NewCustomer(n, "USD"), self.now) for n in ("Ida", "Eve")]

    @initialize(cycle=cycles, amount=amounts)
    def begin(self, cycle: Cycle, amount: Decimal) -> None:
        self.subscribe(0, cycle, amount, None, None)

    # -- what is picked

    @property
    def definitions(self) -> list[BillingPeriodDefinition]:
        return [definition for customer in self.customers for definition in customer.definitions]

    @property
    def subscriptions(self) -> list[Subscription]:
        return [subscription for customer in self.customers for subscription in customer.subscriptions]

    # -- what is done

    def attempt(self, command: object, *args: object, **named: object) -> object:
        before = dump(self.state)
        try:
            return command(self.state, *args, **named, at=self.now)  # type: ignore[operator]  # a command
        except Refusal:
            assert dump(self.state) == before
            return None

    def subscribe(
        self,
        who: int,
        cycle: Cycle,
        amount: Decimal,
        date: InvoiceDate | None,
        into: BillingPeriodDefinition | None,
        prorate: bool = True,
        timing: Timing = Timing.START,
    ) -> None:
        new = NewSubscription(plan(cycle, amount, timing), date, prorate)
        made = self.attempt(activate, self.customers[who], new, into=into)
        if isinstance(made, Subscription):
            definition, day = made.definition, day_of(self.now)
            part = amount * (made.end - day).days / definition.cycle_days if prorate else amount
            self.firsts[made.id] = part
            self.cycles[made.id] = cycle

    @rule(
        who=st.integers(0, 1),
        cycle=cycles,
        amount=amounts,
        day=st.none() | days,
        month=months,
        prorate=st.booleans(),
        timing=st.sampled_from(Timing),
    )
    def subscribe_by_date(
        self,
        who: int,
        cycle: Cycle,
        amount: Decimal,
        day: int | None,
        month: int,
        prorate: bool,
        timing: Timing,
    ) -> None:
        if len(self.subscriptions) < 6:
            date = None if day is None else date_of(cycle, day, month)
            self.subscribe(who, cycle, amount, date, None, prorate, timing)

    @rule(who=st.integers(0, 1), cycle=cycles, amount=amounts, where=numbers)
    def subscribe_into(self, who: int, cycle: Cycle, amount: Decimal, where: int) -> None:
        if len(self.subscriptions) < 6:
            self.subscribe(who, cycle, amount, None, self.definitions[where % len(self.definitions)])

    @rule(who=st.integers(0, 1), cycle=cycles, day=days, month=months)
    def define(self, who: int, cycle: Cycle, day: int, month: int) -> None:
        if len(self.definitions) < 8:
            self.attempt(define, self.customers[who], date_of(cycle, day, month))

    @rule(which=numbers, cycle=cycles, day=days, month=months)
    def move_date(self, which: int, cycle: Cycle, day: int, month: int) -> None:
        definition = self.definitions[which % len(self.definitions)]
        self.attempt(edit_definition, definition, date=date_of(cycle, day, month))

    @rule(which=numbers, where=numbers)
    def move_subscription(self, which: int, where: int) -> None:
        subscription = self.subscriptions[which % len(self.subscriptions)]
        self.attempt(move, subscription, self.definitions[where % len(self.definitions)])

    @rule(which=numbers, cycle=cycles, day=days, month=months)
    def move_to_a_new_one(self, which: int, cycle: Cycle, day: int, month: int) -> None:
        if len(self.definitions) < 8:
            subscription = self.subscriptions[which % len(self.subscriptions)]
            self.attempt(move, subscription, date_of(cycle, day, month))

    @rule(which=numbers, amount=amounts, prorate=st.booleans(), at_period_end=st.booleans())
    def charge(self, which: int, amount: Decimal, prorate: bool, at_period_end: bool) -> None:
        subscription = self.subscriptions[which % len(self.subscriptions)]
        made = self.attempt(
            add_charge, subscription, name="Oil", amount=amount, prorate=prorate, at_period_end=at_period_end
        )
        assert isinstance(made, Charge)
        if not prorate:
            assert made.amount == amount
        self.charges[made.id] = (made, subscription)

    @rule(which=numbers)
    def delete(self, which: int) -> None:
        definition = self.definitions[which % len(self.definitions)]
        is_used = bool(definition.subscriptions)
        self.attempt(delete_definition, definition)
        assert (definition in self.definitions) is is_used

    @rule(days=st.integers(0, 70) | st.sampled_from([31, 62, 370]), seconds=st.integers(0, 86399))
    def advance(self, days: int, seconds: int) -> None:
        self.now += timedelta(days=days, seconds=seconds)
        self.state.catch_up(self.now)

    @rule(which=numbers, cycle=cycles, day=days, month=months)
    def try_a_date(self, which: int, cycle: Cycle, day: int, month: int) -> None:
        """A dry run changes nothing, whatever it shows."""
        definition = self.definitions[which % len(self.definitions)]
        before, date = dump(self.state), date_of(cycle, day, month)

        def change(state: State) -> None:
            edit_definition(state, state.definition(definition.id), at=self.now, date=date)

        try:
            shown = forecast(
                self.state, definition.customer, lambda state: state.definition(definition.id), change
            )
            assert len(shown) == (3 if definition.subscriptions else 0)
        except Refusal:
            assert cycle is not definition.cycle
        assert dump(self.state) == before

    # -- what holds

    @staticmethod
    def lines(customer: Customer, item: str) -> list[Line]:
        return [line for bill in customer.bills for line in bill.lines if line.item == item]

    @invariant()
    def every_day_of_a_subscription_is_in_one_period(self) -> None:
        for subscription in self.subscriptions:
            lines = self.lines(subscription.customer, subscription.item)
            spans = [(line.start, line.end) for line in lines]
            if (
                subscription.products[0].plan.timing is Timing.END
            ):  # in arrears, the current period is not on a bill yet
                spans.append((subscription.start, subscription.end))
            assert subscription.activated is not None
            assert spans[0][0] == day_of(subscription.activated)
            assert spans[-1] == (subscription.start, subscription.end)
            for (start, end), (following, _) in pairwise(spans):
                assert start is not None
                assert end is not None
                assert start < end == following
            assert subscription.begun <= self.now < subscription.end

    @invariant()
    def every_period_costs_the_whole_amount(self) -> None:
        for subscription in self.subscriptions:
            lines = self.lines(subscription.customer, subscription.item)
            for line in lines[1:]:
                assert line.amount == subscription.amount
            for line in lines[:1]:
                assert abs(line.amount - self.firsts[subscription.id]) <= Decimal("0.005")

    @invariant()
    def every_charge_is_billed_once_and_as_it_was_fixed(self) -> None:
        for charge, subscription in self.charges.values():
            billed = self.lines(subscription.customer, f"charge {charge.id}")
            waiting = [each for each in subscription.charges if each.id == charge.id]
            assert len(billed) + len(waiting) == 1
            assert [line.amount for line in billed] in ([], [charge.amount])
            if waiting:
                assert charge.added >= subscription.begun  # no recharge went by without it

    @invariant()
    def nothing_else_is_billed(self) -> None:
        known = {subscription.item for subscription in self.subscriptions}
        known |= {f"charge {number}" for number in self.charges}
        bills = [bill for customer in self.customers for bill in customer.bills]
        assert {line.item for bill in bills for line in bill.lines} <= known
        assert sorted(bill.number for bill in bills) == list(range(1, self.state.last_bill + 1))
        assert all(bill.lines and bill.at <= self.now for bill in bills)

    @invariant()
    def definitions_go_on(self) -> None:
        for definition in self.definitions:
            assert definition.start <= self.now < definition.end
            assert definition.date.near(definition.end) == definition.end
            due = self.state.next_due()
            assert due is not None
            assert self.now < due <= definition.end

    @invariant()
    def a_subscription_is_in_one_definition_of_its_cycle(self) -> None:
        places = Counter(each.id for definition in self.definitions for each in definition.subscriptions)
        assert places == {subscription.id: 1 for subscription in self.subscriptions}
        for subscription in self.subscriptions:
            assert subscription in subscription.definition.subscriptions
            assert subscription.customer is subscription.definition.customer
            assert subscription.interval is self.cycles[subscription.id]


Periods.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestPeriods = Periods.TestCase
