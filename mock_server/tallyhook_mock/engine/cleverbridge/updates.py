"""The calls that change an item: its quantity, its product, its price.

Each starts from what was asked for last, whether that has taken effect yet or not (inferred).
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.engine.bill import Line
from tallyhook_mock.engine.cleverbridge.charges import Price, aligned_lines, price, renewal_lines
from tallyhook_mock.engine.cleverbridge.item import Item, Mode, Terms
from tallyhook_mock.engine.cleverbridge.refusal import Refusal
from tallyhook_mock.engine.cleverbridge.state import State
from tallyhook_mock.engine.cleverbridge.subscription import Manner, Subscription, Update
from tallyhook_mock.engine.cleverbridge.subscriptions import active, bill
from tallyhook_mock.engine.money import cents
from tallyhook_mock.engine.record import Record

__all__ = ["MOST", "NewPrice", "Outcome", "Target", "increase_quantity", "set_price", "update"]

# Units of an item; what lies above is taken for a typing error.
MOST = 10**9


class Target(Record, frozen=True):
    """Which item of which subscription, and what it is to be an item of: None for the product that it is of.

    `product_name` and `coupon` are changed if they are given; another product brings its own price.
    """

    subscription: str
    running_number: int
    product_id: int | None = None
    product_name: str = ""
    coupon: str = ""


class NewPrice(Record, frozen=True):
    """Of one unit, with VAT if `is_gross`."""

    currency: str
    value: Decimal
    is_gross: bool = False


class Outcome(Record, frozen=True):
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
