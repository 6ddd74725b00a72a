"""Chargemonk's rules after any sequence of commands and advances, held against a ledger of another make."""

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from tallyhook_mock.systems.chargemonk import rules
from tallyhook_mock.systems.chargemonk.model import AddOn, Plan, Refusal, Subscription
from tallyhook_mock.systems.chargemonk.rules import NewSubscription, create, expected
from tallyhook_mock.systems.chargemonk.state import State

START = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
PLANS = [
    Plan("MONTH", "Month", Decimal("100.00"), 1),
    Plan("QUARTER", "Quarter", Decimal("270.00"), 3, 4),
    Plan("HALF", "Half", Decimal("600.00"), 6, 3),
    Plan("YEAR", "Year", Decimal("999.99"), 12),
]
ADD_ONS = [
    AddOn("SETUP", "Setup", Decimal("33.33"), 1),
    AddOn("CARE", "Care", Decimal("20.00"), 3),
    AddOn("TWO", "Two", Decimal("7.77"), 2),
    AddOn("VISIT", "Visit", Decimal("80.00"), None),
]
cycles = st.none() | st.integers(1, 4) | st.integers(-1, 9)
plans = st.sampled_from([plan.code for plan in PLANS])
add_ons = st.sampled_from([add_on.code for add_on in ADD_ONS])


@dataclass
class Promise:
    """An add-on as whoever sells it has it in mind: so many charges from now on, and the terms it was for."""

    left: int | None
    is_over: bool = False
    cells: set[int] = field(default_factory=set)  # the numbers of the terms that it was charged for


@dataclass
class Ledger:
    """One subscription, term by term and number by number: no dates but for what is prorated."""

    billed: Decimal = Decimal(0)
    count: int = 0
    promises: dict[str, Promise] = field(default_factory=dict)

    def bill(self, *amounts: Decimal) -> None:
        if amounts:
            self.billed += sum(amounts, Decimal(0))
            self.count += 1


class Selling(RuleBasedStateMachine):
    """One subscription whose owner cannot make up their mind."""

    def __init__(self) -> None:
        super().__init__()
        self.state = State()
        self.state.plans = {plan.code: plan for plan in PLANS}
        self.state.add_ons = {add_on.code: add_on for add_on in ADD_ONS}
        self.now = START
        self.ledger = Ledger()
        self.began: set[int] = set()  # numbers of the terms that began without one before them
        self.seen = -1  # the number of the term that the ledger has come to

    @initialize(plan=plans, wanted=st.dictionaries(add_ons, st.none() | st.integers(1, 4), max_size=3))
    def subscribe(self, plan: str, wanted: dict[str, int | None]) -> None:
        chosen = self.state.plans[plan]
        told = tuple((self.state.add_ons[code], number) for code, number in wanted.items())
        if self.refused(lambda: create(self.state, NewSubscription("s", chosen, told), self.now)):
            create(self.state, NewSubscription("s", chosen), self.now)
            wanted = {}
        self.began.add(0)
        for code, number in wanted.items():
            if code != "VISIT":
                self.ledger.promises[code] = Promise(number)
        once = [Decimal("80.00")] if "VISIT" in wanted else []
        self.renew(0, [chosen.price, *once])
        self.seen = 0

    @property
    def subscription(self) -> Subscription:
        return self.state.subscriptions["s"]

    def refused(self, command: Callable[[], object]) -> bool:
        """Whether a command is refused, and then has changed nothing."""
        before = dump(self.state)
        try:
            command()
        except Refusal:
            assert dump(self.state) == before
            return True
        return False

    def per_term(self, code: str, number: int) -> Decimal:
        add_on, plan = self.state.add_ons[code], self.subscription.terms[number].plan
        assert add_on.period_months is not None
        return add_on.price * plan.term_months / add_on.period_months

    def charge(self, number: int) -> list[Decimal]:
        """What all add-ons that are promised are charged for one term."""
        amounts = []
        for code, promise in self.ledger.promises.items():
            if promise.left == 0 or number in promise.cells:
                continue
            promise.cells.add(number)
            if promise.left is not None:
                promise.left -= 1
            amounts.append(self.per_term(code, number))
        return amounts

    def renew(self, number: int, plan: list[Decimal]) -> None:
        self.ledger.bill(*plan, *self.charge(number))

    def drop(self, number: int) -> None:
        """Forget what is over when a term begins."""
        promises = self.ledger.promises
        for code in [c for c, p in promises.items() if p.left == 0 and max(p.cells, default=-1) < number]:
            del promises[code]

    @rule(days=st.integers(0, 200), seconds=st.integers(0, 86399), is_late=st.booleans())
    def advance(self, days: int, seconds: int, is_late: bool = False) -> None:
        """`is_late`: what is due is done when all of the time has passed, as if the machine had slept."""
        self.now += timedelta(days=days, seconds=seconds)
        while (due := self.state.next_due()) is not None and due <= self.now:
            known = len(self.subscription.terms)
            promised = expected(self.state, self.subscription)
            was, before = self.subscription.is_canceled, len(self.state.bills)
            assert self.state.step(self.now if is_late else due)
            self.seen += 1
            self.drop(self.seen)
            if was:
                assert len(self.state.bills) == before
            elif self.seen < known:  # paid in advance
                self.ledger.bill(*self.charge(self.seen))
            elif len(self.subscription.terms) > known:
                self.renew(self.seen, [self.subscription.terms[self.seen].plan.price])
            else:
                assert self.subscription.is_canceled
            if len(self.state.bills) > before:  # what was told beforehand is what came
                assert promised is not None
                assert promised.at == due  # however late it is done
                assert replace(promised, number=len(self.state.bills)) == self.state.bills[-1]
            else:
                assert promised is None or promised.at > due

    @rule(code=add_ons, number=cycles)
    def add(self, code: str, number: int | None) -> None:
        add_on, subscription = self.state.add_ons[code], self.subscription
        if self.refused(lambda: rules.add(self.state, subscription, add_on, number, self.now)):
            return
        if code == "VISIT":
            self.ledger.bill(Decimal("80.00"))
            return
        term = subscription.terms[self.seen]
        begun = (self.now - term.start).days  # whole days that are over
        days = (term.end - term.start).days
        share = self.per_term(code, self.seen) * (days - begun) / days
        self.ledger.bill(share.quantize(Decimal("0.01"), ROUND_HALF_UP))
        left = None if number is None else number - 1
        self.ledger.promises[code] = Promise(left, cells={self.seen})

    @rule(code=add_ons, number=cycles)
    def set_cycles(self, code: str, number: int | None) -> None:
        if not self.refused(lambda: rules.set_cycles(self.state, self.subscription, code, number, self.now)):
            self.ledger.promises[code].left = number

    @rule(plan=plans, told=st.dictionaries(add_ons, cycles, max_size=2))
    def change_term(self, plan: str, told: dict[str, int | None]) -> None:
        chosen = self.state.plans[plan]
        if self.refused(lambda: rules.change_term(self.state, self.subscription, chosen, told, self.now)):
            return
        for code, promise in self.ledger.promises.items():
            if code in told or promise.left != 0:
                promise.left = told.get(code)

    @rule(days=st.integers(0, 200))
    def cancel_and_come_back(self, days: int) -> None:
        if not self.subscription.is_canceled:
            rules.cancel(self.state, self.subscription, self.now)
        self.advance(days, 0)
        self.reactivate()

    @rule()
    def cancel(self) -> None:
        self.refused(lambda: rules.cancel(self.state, self.subscription, self.now))

    @rule()
    def reactivate(self) -> None:
        is_over = self.subscription.current is None
        if self.refused(lambda: rules.reactivate(self.state, self.subscription, self.now)):
            return
        if is_over:
            self.began.add(self.seen)
            for promise in self.ledger.promises.values():
                promise.left = None
            self.renew(self.seen, [self.subscription.terms[self.seen].plan.price])

    @rule(count=st.integers(0, 4))
    def advance_invoice(self, count: int) -> None:
        known = len(self.subscription.terms)
        if self.refused(lambda: rules.advance_invoice(self.state, self.subscription, count, self.now)):
            return
        new = range(known, known + count)
        assert len(self.subscription.terms) == new.stop
        amounts = [self.subscription.terms[number].plan.price for number in new]
        for number in range(self.seen + 1, new.stop):
            amounts += self.charge(number)
        self.ledger.bill(*amounts)

    @invariant()
    def the_ledger_agrees(self) -> None:
        bills = self.subscription.bills
        assert sum((bill.total for bill in bills), Decimal(0)) == self.ledger.billed
        assert len(bills) == self.ledger.count
        assert {carried.add_on.code: carried.cycles_left for carried in self.subscription.add_ons} == {
            code: promise.left for code, promise in self.ledger.promises.items()
        }

    @invariant()
    def terms_tile_time(self) -> None:
        subscription = self.subscription
        for number, (before, after) in enumerate(pairwise(subscription.terms), 1):
            assert after.start >= before.end if number in self.began else after.start == before.end
            assert before.start < before.end
        current = subscription.current
        assert current is None or current.start <= self.now < current.end
        assert current is not None or subscription.is_canceled
        if self.began == {0}:  # the 31st comes back
            for term in subscription.terms:
                assert term.end.day == monthrange(term.end.year, term.end.month)[1]

    @invariant()
    def nothing_is_billed_twice(self) -> None:
        spans: dict[str, list[tuple[datetime, datetime]]] = {}
        for bill in self.subscription.bills:
            for line in bill.lines:
                if line.start is not None and line.end is not None:
                    spans.setdefault(line.item, []).append((line.start, line.end))
        for taken in spans.values():
            for before, after in pairwise(sorted(taken)):
                assert before[1] <= after[0]
        paid = sorted(span for code in spans if code in self.state.plans for span in spans[code])
        assert paid[0][0] == self.subscription.terms[0].start
        days = sum((end - start for start, end in paid), timedelta())
        assert days == sum((term.end - term.start for term in self.subscription.terms), timedelta())

    @invariant()
    def numbers_count_up(self) -> None:
        assert [bill.number for bill in self.state.bills] == list(range(1, len(self.state.bills) + 1))


def dump(state: State) -> object:
    """Everything that a command could change."""
    return [
        (
            each.id,
            each.next_plan,
            each.terms_left,
            each.anchor,
            each.months,
            list(each.terms),
            each.reached,
            [(carried.add_on, carried.cycles_left, carried.paid_until) for carried in each.add_ons],
            list(each.bills),
            each.canceled_at,
        )
        for each in state.subscriptions.values()
    ] + [list(state.bills), state.next_due(), list(state._happenings)]


Selling.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestSelling = Selling.TestCase
