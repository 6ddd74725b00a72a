"""Calculates what items cost: the lines of a bill, and their price with VAT."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.money import ZERO, cents, quantity_text
from tallyhook_mock.systems.cleverbridge.model import Item, Mode, Subscription, Terms

__all__ = [
    "VAT",
    "Price",
    "aligned_lines",
    "arrears_lines",
    "early_lines",
    "extended_end",
    "extended_lines",
    "first_lines",
    "joining_lines",
    "price",
    "renewal_lines",
    "with_vat",
]

VAT = "VAT"  # the `item` of a bill's line for VAT


class Price(Value, frozen=True):
    currency: str
    net: Decimal
    vat: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.vat


def price(subscription: Subscription, lines: Iterable[Line]) -> Price:
    """Return the total price of `lines`, whose amounts are net. VAT is rounded for each line (inferred)."""
    lines = tuple(lines)
    net = sum((line.amount for line in lines), ZERO)
    vat = sum((cents(line.amount * subscription.vat_percent / 100) for line in lines), ZERO)
    return Price(subscription.currency, net, vat)


def with_vat(subscription: Subscription, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Return `lines` and a line for VAT. If there is no VAT or nothing to bill, returns only `lines`."""
    if not lines or not subscription.vat_percent:
        return lines
    vat = price(subscription, lines).vat
    return (*lines, Line(VAT, f"VAT {quantity_text(subscription.vat_percent)} %", Decimal(1), vat, vat))


# -- at a renewal


def first_lines(subscription: Subscription) -> tuple[Line, ...]:
    """Return the lines that are billed when a subscription begins."""
    return _advance(subscription.items, 0, subscription.start, subscription.next_billing)


def renewal_lines(subscription: Subscription, items: Iterable[Item]) -> tuple[Line, ...]:
    """Return the lines that the next renewal bills for `items`.

    Items billed in arrears are charged for the interval that ends at that renewal, and items billed in
    advance for the next interval.

    Standing: documented.
    """
    items, following = tuple(items), subscription.interval + 1
    start, end = subscription.next_billing, subscription.begins(following + 1)
    return _in_order(
        _advance(items, following, start, end), arrears_lines(subscription, items, subscription.next_billing)
    )


def early_lines(
    subscription: Subscription, items: Iterable[Item], at: datetime, *, resets: bool
) -> tuple[Line, ...]:
    """Return the lines of a renewal that is carried out early, at the time `at`.

    Items billed in arrears are charged for their usage so far, and items billed in advance for the whole next
    interval. The next interval begins now if `resets` is true, otherwise when the current one ends
    (documented).
    """
    items, following = tuple(items), subscription.interval + 1
    start = at if resets else subscription.next_billing
    end = add_months(at, subscription.months) if resets else subscription.begins(following + 1)
    return _in_order(_advance(items, following, start, end), arrears_lines(subscription, items, at))


def arrears_lines(subscription: Subscription, items: Iterable[Item], end: datetime) -> tuple[Line, ...]:
    """Return the lines that bill items in arrears for the current interval, except units already charged.

    The lines bill the time up to `end`. If the interval has only just begun, nothing is billed (inferred),
    because the same units were billed at the end of the previous interval.
    """
    start = subscription.interval_start
    if end == start:
        return ()
    return tuple(
        _line(item, item.terms.product_name, item.uncharged, item.terms.price, start, end)
        for item in items
        if item.mode is Mode.ARREARS and item.uncharged and item.is_billed_in(subscription.interval)
    )


def _advance(items: Iterable[Item], interval: int, start: datetime, end: datetime) -> tuple[Line, ...]:
    """Return the lines that charge the items billed in advance for a whole interval."""
    billed = (
        (item, item.terms_in(interval))
        for item in items
        if item.mode is Mode.ADVANCE and item.is_billed_in(interval)
    )
    return tuple(
        _line(item, terms.product_name, terms.quantity, terms.price, start, end)
        for item, terms in billed
        if terms.quantity
    )


def _in_order(*lines: tuple[Line, ...]) -> tuple[Line, ...]:
    return tuple(sorted((each for some in lines for each in some), key=lambda line: int(line.item)))


# -- at once


def aligned_lines(subscription: Subscription, item: Item, asked: Terms, at: datetime) -> tuple[Line, ...]:
    """Return the lines that charge now for changing an item to the terms `asked`.

    For an item billed in advance, they charge the difference in price for the remaining days, including the
    day of `at`; the amount is negative if the old terms cost more. For an item billed in arrears, they charge
    the additional units in full, except units already charged. Prorating by whole days is inferred.

    Standing: documented.
    """
    before, start, end = item.terms, subscription.interval_start, subscription.next_billing
    if item.mode is Mode.ARREARS:
        return _ahead(item, asked, start, end)
    difference = asked.total - before.total
    if not difference:
        return ()
    days, gone = subscription.interval_days, (at - start).days
    left = (end - start).days - gone
    amount = cents(difference * left / days)
    name = f"{_said(before)} to {_said(asked)}, {left} of {days} days"
    first = start + timedelta(days=gone)
    if before.price == asked.price:
        more = Decimal(asked.quantity - before.quantity)
        return (Line(str(item.running_number), name, more, asked.price, amount, first, end),)
    return (Line(str(item.running_number), name, Decimal(1), difference, amount, first, end),)


def extended_end(subscription: Subscription, at: datetime) -> datetime:
    """Return when the current interval ends if it is extended to a whole interval from today."""
    gone = (at - subscription.interval_start).days
    return add_months(subscription.interval_start + timedelta(days=gone), subscription.months)


def extended_lines(subscription: Subscription, item: Item, asked: Terms, at: datetime) -> tuple[Line, ...]:
    """Return the lines that are charged now if an update also extends the current interval.

    The current interval then ends one whole interval from today. An updated item that is billed in advance is
    charged for this whole interval with the new terms, less the remaining paid days with the old terms. One
    that is billed in arrears is charged as in `aligned_lines`. The other items billed in advance are charged
    for the additional days. All of these calculations are inferred, because the table on the vendor's page is
    cut off. Only the extension itself is documented.

    Standing: documented.
    """
    start, end, until = subscription.interval_start, subscription.next_billing, extended_end(subscription, at)
    first = start + timedelta(days=(at - start).days)
    left, whole = (end - first).days, (until - first).days
    lines: list[Line] = []
    if item.mode is Mode.ARREARS:
        lines += _ahead(item, asked, start, until)
    else:
        before = item.terms
        amount = cents(asked.total - before.total * left / subscription.interval_days)
        name = f"{_said(asked)}, a whole interval, less {left} days of {_said(before)}"
        lines.append(Line(str(item.running_number), name, Decimal(1), amount, amount, first, until))
    more = (until - end).days
    for other in subscription.items:
        is_billed = other.mode is Mode.ADVANCE and other.is_billed_in(subscription.interval)
        if other.running_number != item.running_number and is_billed and more and other.terms.quantity:
            amount = cents(other.terms.total * more / whole)
            name = f"{_said(other.terms)}, {more} of {whole} days"
            lines.append(Line(str(other.running_number), name, Decimal(1), amount, amount, end, until))
    return _in_order(tuple(lines))


def joining_lines(primary: Subscription, secondary: Subscription) -> tuple[Line, ...]:
    """Return the lines that are billed when the items of `secondary` move to `primary`.

    Items billed in advance are charged for the days from the next billing date of `secondary` to that of
    `primary`, prorated by days (inferred).
    """
    start, end, first = secondary.next_billing, primary.next_billing, len(primary.items) + 1
    days, whole = (end - start).days, primary.interval_days
    lines = []
    going = (item for item in secondary.items if item.is_active)
    for number, item in enumerate(going, first):
        terms = item.terms_in(secondary.interval + 1)
        if item.mode is Mode.ADVANCE and terms.quantity:
            amount = cents(terms.total * days / whole)
            name = f"{_said(terms)}, {days} of {whole} days"
            lines.append(Line(str(number), name, Decimal(1), amount, amount, start, end))
    return tuple(lines)


def _ahead(item: Item, asked: Terms, start: datetime, end: datetime) -> tuple[Line, ...]:
    """Return the line that charges units of an item in arrears before the interval ends.

    The line's quantity is negative if more units were already charged than the new terms (`asked`) have.
    """
    units = asked.quantity - item.charged
    if units > 0:
        units = max(0, min(units, asked.quantity - item.terms.quantity))
    if not units:
        return ()
    name = f"{asked.product_name}, ahead of the end of the interval"
    return (_line(item, name, units, asked.price, start, end),)


def _said(terms: Terms) -> str:
    return f"{terms.quantity} × {terms.product_name}"


def _line(item: Item, name: str, units: int, each: Decimal, start: datetime, end: datetime) -> Line:
    quantity = Decimal(units)
    return Line(str(item.running_number), name, quantity, each, cents(quantity * each), start, end)
