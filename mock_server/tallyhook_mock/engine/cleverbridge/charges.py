"""What items cost: the lines of a bill, and their price with VAT."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook_mock.engine.bill import Line
from tallyhook_mock.engine.cleverbridge.item import Item, Mode, Terms
from tallyhook_mock.engine.cleverbridge.subscription import Subscription
from tallyhook_mock.engine.money import ZERO, cents, quantity_text
from tallyhook_mock.engine.record import Record

__all__ = [
    "VAT",
    "Price",
    "advance_lines",
    "aligned_lines",
    "arrears_lines",
    "price",
    "renewal_lines",
    "with_vat",
]

VAT = "VAT"  # as what a bill's line for it names its item


class Price(Record, frozen=True):
    currency: str
    net: Decimal
    vat: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.vat


def price(subscription: Subscription, lines: Iterable[Line]) -> Price:
    """Unit prices are net, and VAT is rounded line by line (inferred). `lines` are without VAT."""
    lines = tuple(lines)
    net = sum((line.amount for line in lines), ZERO)
    vat = sum((cents(line.amount * subscription.vat_percent / 100) for line in lines), ZERO)
    return Price(subscription.currency, net, vat)


def with_vat(subscription: Subscription, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """The lines of a bill, VAT as the last of them."""
    if not lines or not subscription.vat_percent:
        return lines
    vat = price(subscription, lines).vat
    return (*lines, Line(VAT, f"VAT {quantity_text(subscription.vat_percent)} %", Decimal(1), vat, vat))


# -- at a renewal


def renewal_lines(subscription: Subscription, items: Iterable[Item]) -> tuple[Line, ...]:
    """What the next renewal bills: what it ends, in arrears, and what it begins, in advance."""
    items = tuple(items)
    lines = (
        *advance_lines(subscription, items, subscription.interval + 1),
        *arrears_lines(subscription, items, subscription.next_billing),
    )
    return tuple(sorted(lines, key=lambda line: int(line.item)))


def advance_lines(subscription: Subscription, items: Iterable[Item], interval: int) -> tuple[Line, ...]:
    """The items in advance, for all of an interval."""
    start, end = subscription.begins(interval), subscription.begins(interval + 1)
    billed = ((item, item.terms_in(interval)) for item in items if item.mode is Mode.ADVANCE)
    return tuple(
        _line(item, terms.product_name, terms.quantity, terms.price, start, end)
        for item, terms in billed
        if terms.quantity
    )


def arrears_lines(subscription: Subscription, items: Iterable[Item], end: datetime) -> tuple[Line, ...]:
    """The items in arrears, for the current interval up to `end`, as far as they were not charged already.

    For no time nothing is billed (inferred): what stands then was billed with the interval before.
    """
    start = subscription.interval_start
    if end == start:
        return ()
    return tuple(
        _line(item, item.terms.product_name, item.uncharged, item.terms.price, start, end)
        for item in items
        if item.mode is Mode.ARREARS and item.uncharged
    )


# -- at once


def aligned_lines(
    subscription: Subscription, item: Item, asked: Terms, at: datetime, *, in_full: bool
) -> tuple[Line, ...]:
    """What new terms cost now, when they cost more than those of the current interval.

    An item in advance: the difference for the days that are left, that of `at` included; with `in_full` for a
    whole interval. An item in arrears: the units that come on top, in full, as far as they were not charged
    already. Proration by the day, a day that has begun as a whole, is inferred.
    """
    before, start, end = item.terms, subscription.interval_start, subscription.next_billing
    if item.mode is Mode.ARREARS:
        units = min(asked.quantity - before.quantity, asked.quantity - item.charged)
        name = f"{asked.product_name}, ahead of the end of the interval"
        return (_line(item, name, units, asked.price, start, end),) if units > 0 else ()
    difference = asked.total - before.total
    if difference <= 0:
        return ()
    days, gone = (end - start).days, (at - start).days
    left = days if in_full else days - gone
    amount = cents(difference * left / days)
    name = f"{_said(before)} to {_said(asked)}, {left} of {days} days"
    first = start + timedelta(days=gone)
    if before.price == asked.price:
        more = Decimal(asked.quantity - before.quantity)
        return (Line(str(item.running_number), name, more, asked.price, amount, first, end),)
    return (Line(str(item.running_number), name, Decimal(1), difference, amount, first, end),)


def _said(terms: Terms) -> str:
    return f"{terms.quantity} × {terms.product_name}"


def _line(item: Item, name: str, units: int, each: Decimal, start: datetime, end: datetime) -> Line:
    quantity = Decimal(units)
    return Line(str(item.running_number), name, quantity, each, cents(quantity * each), start, end)
