"""What Cleverbridge does: prices, renewals, and the calls that change an item."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.invoice_lines import Bill, Line
from tallyhook_mock.core.money import ZERO, amount_text, cents, quantity_text
from tallyhook_mock.systems.cleverbridge.model import (
    Item,
    Manner,
    Mode,
    Refusal,
    State,
    Status,
    Subscription,
    Terms,
    Update,
)

__all__ = [
    "LONGEST_REMINDER",
    "MOST",
    "VAT",
    "NewPrice",
    "NewSubscription",
    "Outcome",
    "Price",
    "Target",
    "active",
    "advance_lines",
    "aligned_lines",
    "arrears_lines",
    "bill",
    "deactivate",
    "increase_quantity",
    "price",
    "renewal_lines",
    "set_price",
    "subscribe",
    "update",
    "with_vat",
]

VAT = "VAT"  # as what a bill's line for it names its item


class Price(Value, frozen=True):
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


# In days: a reminder never comes before the shortest interval has begun.
LONGEST_REMINDER = 27


class NewSubscription(Value, frozen=True):
    """What a subscription begins with; `items` are numbered in their order.

    A `start` before the present moment makes a subscription that has
    been there: the interval it is in is taken to be billed. `reminder_days`: up to `LONGEST_REMINDER`.
    """

    id: str
    items: tuple[tuple[Mode, Terms], ...]
    customer: str = ""
    currency: str = "EUR"
    months: int = 1
    start: datetime | None = None
    vat_percent: Decimal | None = None
    reminder_days: int | None = None


def subscribe(state: State, new: NewSubscription, at: datetime) -> Subscription:
    """Begin a subscription, and bill its items in advance.

    Refusal for an id that is taken, and for a start that is still to come.
    """
    state.catch_up(at)
    if state.has_subscription(new.id):
        raise Refusal(400, "SubscriptionExists", f"There is a subscription {new.id!r} already")
    start = new.start or at
    if start > at:
        raise Refusal(400, "StartInFuture", f"A subscription can't begin later than now, {at.isoformat()}")
    subscription = Subscription(
        new.id,
        new.customer,
        new.currency,
        new.months,
        start,
        0,
        tuple(Item(number, mode, terms) for number, (mode, terms) in enumerate(new.items, 1)),
        state.vat_percent if new.vat_percent is None else new.vat_percent,
        state.reminder_days if new.reminder_days is None else new.reminder_days,
    )
    while subscription.next_billing <= at:
        subscription.interval += 1
    state.add_subscription(subscription)
    state.emit("newSubscription", at, subscription)
    if start == at:
        bill(state, subscription, advance_lines(subscription, subscription.items, 0), at)
    _plan_renewal(state, subscription, at)
    return subscription


def active(state: State, id: str, at: datetime) -> Subscription:
    """A subscription that can be changed, as it stands once all is done that is due by then.

    Refusal if there is none, or it was deactivated.
    """
    state.catch_up(at)
    subscription = state.subscription(id)
    if not subscription.is_active:
        raise Refusal(
            400, "SubscriptionDeactivated", f"Subscription {id} is deactivated and can't be changed"
        )
    return subscription


def deactivate(state: State, subscription: Subscription, at: datetime) -> None:
    """End a subscription: items in arrears are billed for the interval so far, nothing is given back.

    What was waiting for a renewal is forgotten. All of it is inferred. Refusal if it has ended already.
    """
    active(state, subscription.id, at)
    subscription.status = Status.DEACTIVATED
    subscription.items = tuple(replace(item, pending=()) for item in subscription.items)
    state.emit("subscriptionDeactivated", at, subscription)
    bill(state, subscription, arrears_lines(subscription, subscription.items, at), at)


def bill(state: State, subscription: Subscription, lines: Iterable[Line], at: datetime) -> Bill | None:
    """Bill lines, with VAT; None if there are none, and then nothing is billed."""
    lines = with_vat(subscription, tuple(lines))
    if not lines:
        return None
    billed = state.add_bill(subscription, lines, at)
    state.emit("billed", at, subscription, "; ".join(line.description for line in lines), bill=billed)
    return billed


def _plan_renewal(state: State, subscription: Subscription, at: datetime) -> None:
    """Put the end of the current interval, and the reminder before it, on the agenda."""
    if subscription.reminder_days and subscription.next_reminder > at:
        state.agenda.schedule(subscription.next_reminder, _remind, subscription)
    state.agenda.schedule(subscription.next_billing, _renew, subscription)


def _remind(state: State, subscription: Subscription, at: datetime) -> None:
    """Announce the bill that is coming; from now on updates count for the interval after."""
    if subscription.is_active:
        due = price(subscription, renewal_lines(subscription, subscription.items)).gross
        note = f"{amount_text(due)} {subscription.currency} due {subscription.next_billing:%Y-%m-%d}"
        state.emit("reminder", at, subscription, note)


def _renew(state: State, subscription: Subscription, at: datetime) -> None:
    """End the interval and begin the next, with the terms that were waiting for it."""
    if not subscription.is_active:
        return
    lines = renewal_lines(subscription, subscription.items)
    subscription.interval += 1
    subscription.items = tuple(item.renewed(subscription.interval) for item in subscription.items)
    if bill(state, subscription, lines, at) is None:
        state.emit("nothingToBill", at, subscription)
    _plan_renewal(state, subscription, at)


# Units of an item; what lies above is taken for a typing error.
MOST = 10**9


class Target(Value, frozen=True):
    """Which item of which subscription, and what it is to be an item of: None for the product that it is of.

    `product_name` and `coupon` are changed if they are given; another product brings its own price.
    """

    subscription: str
    running_number: int
    product_id: int | None = None
    product_name: str = ""
    coupon: str = ""


class NewPrice(Value, frozen=True):
    """Of one unit, with VAT if `is_gross`."""

    currency: str
    value: Decimal
    is_gross: bool = False


class Outcome(Value, frozen=True):
    """What an update costs now, and what the whole next renewal bills, as far as is known."""

    now: Price
    next: Price
    next_billing: datetime


def update(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Set an item's quantity, to a total; Refusal."""
    return _change(state, target, lambda asked: replace(asked, quantity=_fine(quantity)), manner, at)


def increase_quantity(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Add to an item's quantity; Refusal."""

    def increased(asked: Terms) -> Terms:
        return replace(asked, quantity=_fine(asked.quantity + _fine(quantity)))

    return _change(state, target, increased, manner, at)


def set_price(state: State, target: Target, new: NewPrice, manner: Manner, at: datetime) -> Outcome:
    """Set what one unit of an item costs; Refusal, also for another product or currency."""
    subscription = active(state, target.subscription, at)
    if target.product_id not in (None, subscription.item(target.running_number).asked.product_id):
        raise Refusal(
            400,
            "ProductMismatch",
            f"Item {target.running_number} is not of product {target.product_id}: a price is set for the "
            "product that it is of",
        )
    if new.currency != subscription.currency:
        raise Refusal(
            400,
            "CurrencyMismatch",
            f"Subscription {subscription.id} is billed in {subscription.currency}, not in {new.currency!r}",
        )
    # Parts of a cent that VAT leaves are rounded away (inferred).
    net = cents(new.value * 100 / (100 + subscription.vat_percent)) if new.is_gross else new.value
    return _change(state, target, lambda asked: replace(asked, unit_price=net), manner, at)


def _change(
    state: State, target: Target, wish: Callable[[Terms], Terms], manner: Manner, at: datetime
) -> Outcome:
    """What all updates have in common; a preview ends before anything is changed."""
    subscription = active(state, target.subscription, at)
    item = subscription.item(target.running_number)
    if manner.is_extended and not manner.is_aligned:
        raise Refusal(
            400,
            "ExtendIntervalNotAllowed",
            "ExtendInterval needs AlignToCurrentInterval: an update at the next renewal has no interval to "
            "charge in full now",
        )
    asked = wish(_named(state, item, target))
    changed, lines = _settled(subscription, item, asked, manner, at)
    items = subscription.with_item(changed)
    outcome = Outcome(
        price(subscription, lines),
        price(subscription, renewal_lines(subscription, items)),
        subscription.next_billing,
    )
    if not manner.is_preview:
        subscription.items = items
        _record(state, subscription, changed, manner, at)
        bill(state, subscription, lines, at)
    return outcome


def _named(state: State, item: Item, target: Target) -> Terms:
    """What was asked for last, of the product and with the coupon that a call names."""
    terms = item.asked
    if target.product_id not in (None, terms.product_id):
        product = state.product(target.product_id)
        terms = replace(terms, product_id=product.id, product_name=product.name, unit_price=product.price)
    if target.product_name:
        terms = replace(terms, product_name=target.product_name)
    if target.coupon:
        terms = replace(terms, coupon=state.coupon(target.coupon))
    return terms


def _settled(
    subscription: Subscription, item: Item, asked: Terms, manner: Manner, at: datetime
) -> tuple[Item, tuple[Line, ...]]:
    """The item as it will be, and what is charged for it now.

    An aligned update counts at once, whatever the reminder's date, unless it makes things less: nothing is
    given back, so it then waits as if it weren't aligned (inferred). One that isn't aligned counts for what
    the next renewal bills, which of an item in arrears is the current interval; after the reminder, for what
    the renewal after that bills.
    """
    is_arrears = item.mode is Mode.ARREARS
    is_less = asked.quantity < item.terms.quantity if is_arrears else asked.total < item.terms.total
    if manner.is_aligned and not is_less:
        lines = aligned_lines(subscription, item, asked, at, in_full=manner.is_extended)
        ahead = sum(int(line.quantity) for line in lines) if is_arrears else 0
        return item.changed_now(asked, charged=ahead), lines
    is_late = at >= subscription.next_reminder
    if is_arrears and not is_late:
        return item.changed_now(asked, charged=0), ()
    waits = 2 if is_late and not is_arrears else 1
    return item.changed_from(subscription.interval + waits, asked), ()


def _record(state: State, subscription: Subscription, item: Item, manner: Manner, at: datetime) -> None:
    """Write down an update of which `item` is what has become."""
    terms, number = item.asked, item.running_number
    coupon = terms.coupon.code if terms.coupon else ""
    subscription.updates.append(
        Update(at, state.actor, number, terms.product_id, terms.quantity, terms.unit_price, coupon, manner)
    )
    start = subscription.begins(item.pending[-1].interval if item.pending else subscription.interval)
    mail = "mail" if manner.mails else "no mail"
    what = f"{terms.quantity} × {terms.product_name}"
    note = f"{manner.action}: {what} in the interval of {start:%Y-%m-%d}, {mail}"
    state.emit("itemUpdated", at, subscription, note, item=str(number), quantity=Decimal(terms.quantity))


def _fine(quantity: int) -> int:
    if not 0 <= quantity <= MOST:
        raise Refusal(400, "QuantityInvalid", f"Quantity {quantity} is not a whole number from 0 to {MOST}")
    return quantity
