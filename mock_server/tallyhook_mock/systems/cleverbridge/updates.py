"""Changes the quantity, product or price of a subscription's item, or adds an item."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.money import ZERO, amount_text, cents
from tallyhook_mock.systems.cleverbridge.charges import (
    Price,
    aligned_lines,
    early_lines,
    extended_end,
    extended_lines,
    price,
    renewal_lines,
)
from tallyhook_mock.systems.cleverbridge.model import Item, Manner, Mode, Subscription, Terms, Update, invalid
from tallyhook_mock.systems.cleverbridge.rules import active, begin_interval, bill, plan
from tallyhook_mock.systems.cleverbridge.state import State

__all__ = ["MOST", "NewPrice", "Outcome", "Target", "add", "increase_quantity", "set_price", "update"]


# The maximum quantity of an item. A larger one is treated as a typo.
MOST = 10**9


class NewPrice(Value, frozen=True):
    """A new price for one unit (inferred). It includes VAT if `is_gross` is true."""

    currency: str
    value: Decimal
    is_gross: bool = False


class Target(Value, frozen=True):
    """The item to change, and its new values.

    A field that is empty or None changes nothing. A new product has its own price, unless `price` is given.
    """

    subscription: str
    running_number: int
    product_id: int | None = None
    product_name: str = ""
    coupon: str = ""
    extension: str = ""
    english: str = ""
    price: NewPrice | None = None


class Outcome(Value, frozen=True):
    """What an update costs now, and what the next renewal will bill for all items, as far as is known now."""

    now: Price
    next: Price
    next_billing: datetime


def update(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Set an item's quantity. `quantity` is the new total. Raises Refusal if the update is not possible.

    Standing: documented.
    """
    return _change(state, target, lambda asked: replace(asked, quantity=_fine(state, quantity)), manner, at)


def increase_quantity(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Add `quantity` to an item's quantity. Raises Refusal if the update is not possible."""

    def increased(asked: Terms) -> Terms:
        return replace(asked, quantity=_fine(state, asked.quantity + _fine(state, quantity)))

    return _change(state, target, increased, manner, at)


def set_price(state: State, target: Target, quantity: int | None, manner: Manner, at: datetime) -> Outcome:
    """Set an item's unit price. If `quantity` is given, also set its quantity.

    Raises Refusal if the update is not possible.
    """

    def wish(asked: Terms) -> Terms:
        return asked if quantity is None else replace(asked, quantity=_fine(state, quantity))

    return _change(state, target, wish, manner, at)


def add(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Add an item with the next free number. It is billed like an update from a quantity of 0.

    Raises Refusal if the item can't be added.
    """
    subscription = active(state, target.subscription, at)
    assert target.product_id is not None
    product = state.product(target.product_id)
    terms = Terms(product.id, product.name, 0, product.price)
    item = Item(len(subscription.items) + 1, product.mode, terms, at, at)
    return _carry_out(state, subscription, item, target, _fine(state, quantity), manner, at)


def _change(
    state: State, target: Target, wish: Callable[[Terms], Terms], manner: Manner, at: datetime
) -> Outcome:
    subscription = active(state, target.subscription, at)
    item = subscription.item(target.running_number)
    if not item.is_active:
        raise invalid(f"Item {item.running_number} of {subscription.id} is deactivated; reinstate it first")
    return _carry_out(state, subscription, item, target, wish(item.asked).quantity, manner, at)


def _carry_out(
    state: State,
    subscription: Subscription,
    item: Item,
    target: Target,
    quantity: int,
    manner: Manner,
    at: datetime,
) -> Outcome:
    """Carry out an update of `item` to `quantity` units. Returns what it costs. A preview changes nothing.

    Standing: documented.
    """
    _check(subscription, manner, at)
    if not manner.is_aligned:
        manner = replace(manner, is_extended=False, resets=False)
    asked = replace(_named(state, subscription, item, target), quantity=quantity)
    changed, lines = _settled(subscription, item, asked, manner, at)
    items = subscription.with_item(changed)
    if manner.resets:
        lines = early_lines(subscription, items, at, resets=True)
    now = price(subscription, lines)
    if manner.is_aligned and now.net < ZERO and not manner.is_preview:
        raise invalid(
            f"The alignment price would be {amount_text(now.gross)} {now.currency}: amounts below zero are "
            "not supported, so make the change without AlignToCurrentInterval"
        )
    after = replace(subscription, items=items)
    _move_interval(after, manner, at)
    outcome = Outcome(now, price(after, renewal_lines(after, after.items)), after.next_billing)
    if manner.is_preview:
        return outcome
    if item.running_number <= len(subscription.items):
        changed = changed.next_version(item, at)
    subscription.items = subscription.with_item(changed)
    _record(state, subscription, changed, manner, at)
    _move_interval(subscription, manner, at)
    purchase = subscription.take_purchase() if manner.resets else None
    bill(state, subscription, lines, at, purchase)
    if manner.resets or manner.is_extended:
        plan(state, subscription, at)
    return outcome


def _move_interval(subscription: Subscription, manner: Manner, at: datetime) -> None:
    """Begin a new interval or extend the current one, if an update asks for it."""
    if manner.resets:
        subscription.anchor_at(at)
        begin_interval(subscription, at)
    elif manner.is_extended:
        subscription.anchor_at(extended_end(subscription, at))


def _check(subscription: Subscription, manner: Manner, at: datetime) -> None:
    """Raise Refusal if an update asks for a change of the interval that is not possible.

    The interval only changes if the update is aligned (charged now), but a preview may also ask for it
    without alignment (documented). An update can't both extend and reset the interval, nor extend it to an
    earlier date (inferred).
    """
    if manner.is_extended and manner.resets:
        raise invalid("ExtendInterval and ResetBillingInterval exclude each other")
    if manner.is_aligned:
        end = subscription.next_billing
        if manner.is_extended and extended_end(subscription, at) < end:
            raise invalid(
                f"ExtendInterval: the current interval already lasts until {end:%Y-%m-%d}, which is longer "
                "than a whole interval from now"
            )
        return
    for asked, name in ((manner.is_extended, "ExtendInterval"), (manner.resets, "ResetBillingInterval")):
        if asked and not manner.is_preview:
            raise invalid(f"{name} needs AlignToCurrentInterval: otherwise the interval can't change")


def _named(state: State, subscription: Subscription, item: Item, target: Target) -> Terms:
    """Return the item's latest requested terms, with the changes that `target` asks for."""
    terms = item.asked
    if target.product_id not in (None, terms.product_id):
        product = state.product(target.product_id)
        terms = replace(terms, product_id=product.id, product_name=product.name, unit_price=product.price)
    if target.product_name:
        terms = replace(terms, product_name=target.product_name)
    if target.extension:
        terms = replace(terms, extension=target.extension)
    if target.english:
        terms = replace(terms, english=target.english)
    if target.coupon:
        terms = replace(terms, coupon=state.coupon(target.coupon))
    if target.price is not None:
        terms = replace(terms, unit_price=_net(subscription, target.price))
    return terms


def _net(subscription: Subscription, new: NewPrice) -> Decimal:
    """Return a new price as a net price, rounded to cents (inferred).

    Raises Refusal if it isn't in the subscription's currency.
    """
    if new.currency != subscription.currency:
        raise invalid(
            f"CustomerPrice.Currency: subscription {subscription.id} is billed in {subscription.currency}, "
            f"not in {new.currency!r}"
        )
    return cents(new.value * 100 / (100 + subscription.vat_percent)) if new.is_gross else new.value


def _settled(
    subscription: Subscription, item: Item, asked: Terms, manner: Manner, at: datetime
) -> tuple[Item, tuple[Line, ...]]:
    """Return the item after an update to the terms `asked`, and the lines that are charged now.

    An aligned update applies now, even after the reminder (inferred). Any other update applies to the
    interval that the next renewal bills: for an item billed in advance, the next interval; for an item billed
    in arrears, the current one. After the reminder, when the renewal's purchase already exists, such an
    update applies one renewal later (inferred).

    Standing: documented.
    """
    is_arrears = item.mode is Mode.ARREARS
    if manner.is_aligned:
        if manner.resets:
            return item.changed_now(asked, charged=0), ()
        lines = (extended_lines if manner.is_extended else aligned_lines)(subscription, item, asked, at)
        own = (line for line in lines if line.item == str(item.running_number))
        ahead = sum(int(line.quantity) for line in own) if is_arrears else 0
        return item.changed_now(asked, charged=ahead), lines
    is_late = at >= subscription.next_reminder
    if is_arrears and not is_late:
        return item.changed_now(asked, charged=0), ()
    waits = 2 if is_late and not is_arrears else 1
    return item.changed_from(subscription.interval + waits, asked), ()


def _record(state: State, subscription: Subscription, item: Item, manner: Manner, at: datetime) -> None:
    """Record an update, and the email about it. `item` is the item after the update."""
    terms, number = item.asked, item.running_number
    coupon = terms.coupon.code if terms.coupon else ""
    subscription.updates.append(
        Update(at, state.actor, number, terms.product_id, terms.quantity, terms.unit_price, coupon, manner)
    )
    start = subscription.interval_start
    if item.pending:
        start = subscription.begins(item.pending[-1].interval)
    mail = "mail" if manner.mails else "no mail"
    what = f"{terms.quantity} × {terms.product_name}"
    note = f"{manner.action}: {what} in the interval of {start:%Y-%m-%d}, {mail}"
    state.emit("itemUpdated", at, subscription, note, item=str(number), quantity=Decimal(terms.quantity))
    if manner.mails:
        state.mail(subscription, f"update of item {number}", at, can_be_suppressed=True)


def _fine(state: State, quantity: int) -> int:
    if not 0 <= quantity <= MOST or (not quantity and not state.accepts_zero):
        least = 0 if state.accepts_zero else 1
        raise invalid(f"Quantity {quantity} is not a whole number from {least} to {MOST}")
    return quantity
