"""What holds of Cleverbridge's bills after any sequence of updates and advances."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import structs

from tallyhook_mock.core.base import Refusal
from tallyhook_mock.core.bills import Line
from tallyhook_mock.systems.cleverbridge.model import Manner
from tallyhook_mock.systems.cleverbridge.updates import Outcome

from .cleverbridge_world import BASE, DAY, EXCESS, World, dump

HALF_A_CENT = Decimal("0.005")
PRODUCTS = {101: Decimal(50), 102: Decimal(1), 103: Decimal(80)}

quantities = st.integers(0, 12)
manners = st.sampled_from([Manner(), Manner(is_aligned=True)])
numbers = st.sampled_from([BASE, EXCESS])


@dataclass(frozen=True)
class Wish:
    """What an item is to be: the model's own idea of terms."""

    product: int
    units: int
    price: Decimal
    percent: int = 0

    @property
    def total(self) -> Decimal:
        return self.units * self.price * (100 - self.percent) / 100


@dataclass
class Kept:
    """What the model knows of an item in advance: who is there each day, and what each day is worth."""

    current: Wish
    coming: dict[int, Wish] = field(default_factory=dict)
    units: dict[datetime, int] = field(default_factory=dict)
    worth: dict[datetime, Decimal] = field(default_factory=dict)

    @property
    def asked(self) -> Wish:
        return self.coming[max(self.coming)] if self.coming else self.current


class Billing(RuleBasedStateMachine):
    """A subscription of an item in advance and one in arrears, and a model that keeps a book of days."""

    @initialize(
        vat=st.sampled_from([0, 19]),
        reminder=st.sampled_from([0, 3, 27]),
        months=st.sampled_from([1, 3]),
    )
    def begin(self, vat: int, reminder: int, months: int) -> None:
        self.world = World(vat_percent=Decimal(vat), reminder_days=reminder, months=months)
        self.vat = vat
        self.has_one_price = True
        self.base = Kept(Wish(101, 1, PRODUCTS[101]))
        self.excess = Wish(102, 0, PRODUCTS[102])
        self.late_excess: Wish | None = None  # asked for after the reminder
        self.announced: Decimal | None = None  # what the next renewal is to bill
        self.open_interval()

    def open_interval(self) -> None:
        subscription = self.world.subscription
        start = subscription.interval_start
        while start < subscription.next_billing:
            self.base.units[start] = self.base.current.units
            self.base.worth[start] = self.base.current.total
            start += DAY

    def lines(self, number: int) -> list[Line]:
        return [line for bill in self.world.bills for line in bill.lines if line.item == str(number)]

    # -- time

    @rule(days=st.integers(0, 40), seconds=st.integers(0, 86399))
    def advance(self, days: int, seconds: int) -> None:
        end = self.world.now + timedelta(days=days, seconds=seconds)
        while self.world.subscription.next_billing <= end:
            self.renew()
        self.world.advance(end)

    def renew(self) -> None:
        ended, bills = self.world.subscription.interval_start, len(self.world.bills)
        ahead = self.billed_units(ended)
        self.world.advance(self.world.subscription.next_billing)
        assert self.billed_units(ended) == max(self.excess.units, ahead)
        if self.announced is not None:
            made = sum((bill.total for bill in self.world.bills[bills:]), Decimal(0))
            assert made == self.announced
            self.announced = None
        self.excess, self.late_excess = self.late_excess or self.excess, None
        self.base.current = self.base.coming.pop(self.world.subscription.interval, self.base.current)
        self.open_interval()

    def billed_units(self, interval: datetime) -> Decimal:
        """Units in arrears that were billed for an interval so far."""
        return sum((line.quantity for line in self.lines(EXCESS) if line.start == interval), Decimal(0))

    # -- updates

    @rule(number=numbers, quantity=quantities, manner=manners)
    def update(self, number: int, quantity: int, manner: Manner) -> None:
        wish = replace(self.asked(number), units=quantity)
        self.change(number, wish, manner, lambda manner: self.world.update(number, quantity, manner))

    @rule(number=numbers, added=quantities, manner=manners)
    def increase(self, number: int, added: int, manner: Manner) -> None:
        asked = self.asked(number)
        wish = replace(asked, units=asked.units + added)
        self.change(number, wish, manner, lambda manner: self.world.increase(number, added, manner))

    @rule(quantity=quantities, product=st.sampled_from([101, 103]), manner=manners)
    def change_product(self, quantity: int, product: int, manner: Manner) -> None:
        wish = replace(self.base.asked, units=quantity)
        if product != wish.product:
            wish = replace(wish, product=product, price=PRODUCTS[product])
            self.has_one_price = False
        self.change(BASE, wish, manner, lambda manner: self.world.update(BASE, quantity, manner, product))

    @rule(quantity=quantities, manner=manners)
    def redeem_coupon(self, quantity: int, manner: Manner) -> None:
        self.has_one_price = False
        wish = replace(self.base.asked, units=quantity, percent=10)
        self.change(
            BASE, wish, manner, lambda manner: self.world.update(BASE, quantity, manner, coupon="TEN")
        )

    @rule(number=numbers, price=st.decimals("0", "99.99", places=2), manner=manners)
    def set_price(self, number: int, price: Decimal, manner: Manner) -> None:
        self.has_one_price = False
        wish = replace(self.asked(number), price=price)
        self.change(number, wish, manner, lambda manner: self.world.set_price(number, str(price), manner))

    def asked(self, number: int) -> Wish:
        return self.base.asked if number == BASE else self.late_excess or self.excess

    def change(self, number: int, wish: Wish, manner: Manner, call: Callable[[Manner], Outcome]) -> None:
        """Preview a change, make it, and enter it in the book."""
        before, bills = dump(self.world.state), len(self.world.bills)
        ahead = self.billed_units(self.world.subscription.interval_start)
        shown = call(structs.replace(manner, is_preview=True))
        assert dump(self.world.state) == before
        if manner.is_aligned and shown.now.gross < 0:
            with pytest.raises(Refusal, match="below zero"):
                call(manner)
            assert dump(self.world.state) == before
            return
        assert call(manner) == shown
        assert sum((bill.total for bill in self.world.bills[bills:]), Decimal(0)) == shown.now.gross
        self.announced = shown.next.gross
        subscription = self.world.subscription
        charged = self.billed_units(subscription.interval_start)
        assert number == BASE or charged <= max(ahead, wish.units)
        is_late = self.world.now >= subscription.next_reminder
        if number == BASE:
            self.enter(wish, manner, subscription.interval + (2 if is_late else 1))
        elif is_late and not manner.is_aligned:
            self.late_excess = wish
        else:
            self.excess, self.late_excess = wish, None

    def enter(self, wish: Wish, manner: Manner, interval: int) -> None:
        """A change of the item in advance, now or from an interval on."""
        base, start = self.base, self.world.subscription.interval_start
        if not manner.is_aligned:
            base.coming = {number: kept for number, kept in base.coming.items() if number < interval}
            base.coming[interval] = wish
            return
        for day in base.worth:
            if day >= start and day + DAY > self.world.now:
                base.units[day], base.worth[day] = wish.units, wish.total
        base.current, base.coming = wish, {}

    # -- what is refused

    @rule(number=numbers, quantity=st.integers(-5, -1), manner=manners)
    def ask_for_less_than_nothing(self, number: int, quantity: int, manner: Manner) -> None:
        self.refused(number, quantity, manner)

    @rule(number=st.integers(3, 9), quantity=quantities, manner=manners)
    def ask_for_an_item_that_is_not_there(self, number: int, quantity: int, manner: Manner) -> None:
        self.refused(number, quantity, manner)

    @rule(number=numbers, quantity=quantities)
    def ask_for_a_whole_interval_at_the_renewal(self, number: int, quantity: int) -> None:
        self.refused(number, quantity, Manner(is_extended=True))

    def refused(self, number: int, quantity: int, manner: Manner) -> None:
        before = dump(self.world.state)
        with pytest.raises(Refusal):
            self.world.update(number, quantity, manner)
        assert dump(self.world.state) == before

    # -- what always holds

    @invariant()
    def the_present_lies_in_the_current_interval(self) -> None:
        subscription = self.world.subscription
        assert subscription.interval_start <= self.world.now < subscription.next_billing

    @invariant()
    def every_unit_is_billed_once_for_every_day(self) -> None:
        if not self.has_one_price:  # then some lines are about money, not about units
            return
        billed = dict.fromkeys(self.base.units, Decimal(0))
        for line in self.lines(BASE):
            assert line.start is not None
            assert line.end is not None
            day = line.start
            while day < line.end:
                billed[day] += line.quantity
                day += DAY
        assert billed == self.base.units

    @invariant()
    def the_days_are_worth_what_was_billed_for_them(self) -> None:
        subscription = self.world.subscription
        for interval in range(subscription.interval + 1):
            start, end = subscription.begins(interval), subscription.begins(interval + 1)
            lines = [
                line for line in self.lines(BASE) if line.start is not None and start <= line.start < end
            ]
            worth = [worth for day, worth in self.base.worth.items() if start <= day < end]
            expected = sum(worth, Decimal(0)) / len(worth)
            off = abs(sum((line.amount for line in lines), Decimal(0)) - expected)
            assert off <= HALF_A_CENT * len(lines) + Decimal("1e-20")

    @invariant()
    def vat_is_that_of_the_lines(self) -> None:
        for bill in self.world.bills:
            *lines, last = bill.lines
            if not self.vat:
                assert last.item != "VAT"
                continue
            off = abs(last.amount - sum(line.amount for line in lines) * self.vat / 100)
            assert off <= HALF_A_CENT * len(lines)

    @invariant()
    def bills_are_numbered_in_their_order(self) -> None:
        assert [bill.number for bill in self.world.bills] == list(range(1, len(self.world.bills) + 1))


Billing.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestBilling = Billing.TestCase
