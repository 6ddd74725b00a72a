"""What Cleverbridge does: subscriptions that begin, renew and end, and the calls that change an item."""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import ZERO, amount_text, cents
from tallyhook_mock.systems.cleverbridge.charges import (
    Price,
    aligned_lines,
    arrears_lines,
    early_lines,
    extended_end,
    extended_lines,
    first_lines,
    joining_lines,
    price,
    renewal_lines,
    with_vat,
)
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
    invalid,
)

__all__ = [
    "LONGEST_REMINDER",
    "MOST",
    "NewPrice",
    "NewSubscription",
    "Outcome",
    "Target",
    "active",
    "add",
    "begin_interval",
    "bill",
    "deactivate",
    "deactivate_items",
    "increase_quantity",
    "join",
    "move_next_billing",
    "plan",
    "reinstate_items",
    "renew",
    "set_price",
    "subscribe",
    "update",
]


# In days: a reminder never comes before the shortest interval has begun.
LONGEST_REMINDER = 27
_SOONEST = timedelta(minutes=1)  # for a next billing date (documented)


class NewSubscription(Value, frozen=True):
    """What a subscription begins with; `items` are numbered in their order.

    A `start` before the present moment makes a subscription that has
    been there: the interval it is in is taken to be billed. `reminder_days`: up to `LONGEST_REMINDER`.
    """

    id: str
    items: tuple[tuple[Mode, Terms], ...]
    customer_id: int | None = None
    reference: str = ""
    email: str = ""
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
        raise Refusal(400, f"There is a subscription {new.id!r} already")
    start = new.start or at
    if start > at:
        raise Refusal(400, f"A subscription can't begin later than now, {at.isoformat()}")
    subscription = Subscription(
        new.id,
        state.enter_customer(new.customer_id, new.reference, new.email),
        new.currency,
        new.months,
        start,
        tuple(Item(number, mode, terms, start, start) for number, (mode, terms) in enumerate(new.items, 1)),
        state.vat_percent if new.vat_percent is None else new.vat_percent,
        state.reminder_days if new.reminder_days is None else new.reminder_days,
        purchase=0,
        anchor=start,
        interval_start=start,
    )
    while subscription.next_billing <= at:
        subscription.interval += 1
    subscription.interval_start = subscription.begins(subscription.interval)
    state.add_subscription(subscription)
    state.emit("newSubscription", at, subscription)
    if start == at:
        bill(state, subscription, first_lines(subscription), at)
    plan(state, subscription, at)
    return subscription


def active(state: State, id: str, at: datetime) -> Subscription:
    """A subscription that can be changed, as it stands once all is done that is due by then.

    Refusal if there is none, or it was deactivated.
    """
    state.catch_up(at)
    subscription = state.subscription(id)
    if not subscription.is_active:
        raise invalid(f"Subscription {id} is deactivated and can't be changed")
    return subscription


def deactivate(state: State, subscription: Subscription, at: datetime) -> None:
    """End a subscription: items in arrears are billed for the interval so far, nothing is given back.

    What was waiting for a renewal is forgotten. All of it is inferred. Refusal if it has ended already.
    """
    active(state, subscription.id, at)
    subscription.status, subscription.ended = Status.DEACTIVATED, at
    lines = arrears_lines(subscription, subscription.items, at)
    subscription.items = tuple(
        replace(item, pending=(), deactivated=item.deactivated or at, last=subscription.interval, ended=at)
        for item in subscription.items
    )
    state.emit("subscriptionDeactivated", at, subscription)
    bill(state, subscription, lines, at)


def bill(
    state: State,
    subscription: Subscription,
    lines: Iterable[Line],
    at: datetime,
    purchase: int | None = None,
) -> Bill | None:
    """Bill lines, with VAT; None if there are none, and then nothing is billed.

    `purchase` is the id of one that was created before, as a renewal's is on the reminder date (documented).
    A purchase sends a mail that no parameter suppresses; it is recorded.

    Standing: inferred.
    """
    lines = with_vat(subscription, tuple(lines))
    if not lines:
        return None
    billed = state.add_bill(subscription, lines, at, purchase)
    state.emit("billed", at, subscription, "; ".join(line.description for line in lines), bill=billed)
    state.mail(subscription, f"purchase {state.purchase_ids[billed.number]}", at, can_be_suppressed=False)
    return billed


# -- intervals


def plan(state: State, subscription: Subscription, at: datetime) -> None:
    """Put the end of the current interval, and the reminder before it, on the agenda."""
    if subscription.reminder_days and subscription.next_reminder > at:
        state.agenda.schedule(subscription.next_reminder, _remind, subscription)
    state.agenda.schedule(subscription.next_billing, _renew, subscription)


def begin_interval(subscription: Subscription, at: datetime) -> None:
    """The next interval begins, with the terms that were waiting for it."""
    subscription.interval += 1
    subscription.interval_start = at
    subscription.items = tuple(item.renewed(subscription.interval, at) for item in subscription.items)


def renew(state: State, id: str, at: datetime, *, resets: bool) -> Subscription:
    """Renew ahead of the date: the next interval is billed now.

    What is left of the current one is added to it, unless it `resets` (documented). Refusal.
    """
    subscription = active(state, id, at)
    lines = early_lines(subscription, subscription.items, at, resets=resets)
    if resets:
        subscription.anchor_at(at)
    begin_interval(subscription, at)
    purchase, subscription.coming_purchase = subscription.coming_purchase, None
    state.emit("renewed", at, subscription, f"ahead of time, to {subscription.next_billing:%Y-%m-%d}")
    bill(state, subscription, lines, at, purchase)
    plan(state, subscription, at)
    return subscription


def move_next_billing(state: State, id: str, date: datetime, at: datetime) -> Subscription:
    """Let the current interval end at another moment, for the same money (inferred). Refusal.

    Standing: documented.
    """
    subscription = active(state, id, at)
    if date < at + _SOONEST:
        raise invalid(f"NextBillingDate {date.isoformat()} is not at least a minute after {at.isoformat()}")
    before = subscription.next_billing
    subscription.anchor_at(date)
    note = f"next billing moved from {before:%Y-%m-%d} to {date:%Y-%m-%d}"
    state.emit("nextBillingMoved", at, subscription, note)
    plan(state, subscription, at)
    return subscription


def _remind(state: State, subscription: Subscription, at: datetime) -> None:
    """Announce the bill that is coming; from now on updates count for the interval after."""
    if subscription.is_active and subscription.next_reminder == at:  # not moved since
        lines = renewal_lines(subscription, subscription.items)
        due = price(subscription, lines).gross
        note = f"{amount_text(due)} {subscription.currency} due {subscription.next_billing:%Y-%m-%d}"
        purchase = subscription.coming_purchase = state.create_purchase(subscription) if lines else None
        state.emit("reminder", at, subscription, note, subject=purchase or 0)


def _renew(state: State, subscription: Subscription, at: datetime) -> None:
    """End the interval and begin the next."""
    if not subscription.is_active or subscription.next_billing != at:  # moved since
        return
    lines = renewal_lines(subscription, subscription.items)
    begin_interval(subscription, at)
    purchase, subscription.coming_purchase = subscription.coming_purchase, None
    if bill(state, subscription, lines, at, purchase) is None:
        state.emit("nothingToBill", at, subscription)
    plan(state, subscription, at)


# -- items that go and come back


def deactivate_items(
    state: State, id: str, numbers: Collection[int], at: datetime, *, mails: bool, may_reinstate: bool
) -> Subscription:
    """Let items end with the current interval; one has to stay active (documented). Refusal."""
    subscription = active(state, id, at)
    items = [subscription.item(number) for number in numbers]
    for item in items:
        if not item.is_active:
            raise invalid(f"Item {item.running_number} of {subscription.id} is deactivated already")
    if all(item in items for item in subscription.items if item.is_active):
        raise invalid(f"At least one item of {subscription.id} has to stay active")
    for item in items:
        ended = replace(
            item, deactivated=at, last=subscription.interval, may_reinstate=may_reinstate
        ).next_version(item, at)
        subscription.items = subscription.with_item(ended)
    _note_items(state, subscription, "itemsDeactivated", numbers, mails, at)
    return subscription


def reinstate_items(
    state: State, id: str, numbers: Collection[int], at: datetime, *, mails: bool
) -> Subscription:
    """Let deactivated items go on, billed again from the next renewal; nothing is charged now (inferred).

    A subscription that has ended goes on with them: it renews when it would have (inferred). Refusal.
    """
    state.catch_up(at)
    subscription = state.subscription(id)
    if subscription.status is Status.FINISHED:
        raise invalid(f"Subscription {subscription.id} is finished: its items go on in another one")
    items = [subscription.item(number) for number in numbers]
    for item in items:
        if item.is_active:
            raise invalid(f"Item {item.running_number} of {subscription.id} is not deactivated")
        if not item.may_reinstate:
            raise invalid(f"Item {item.running_number} was deactivated for good: AllowReinstate was false")
    for item in items:
        back = replace(item, deactivated=None, last=None, ended=None).next_version(item, at)
        subscription.items = subscription.with_item(back)
    if not subscription.is_active:
        subscription.status, subscription.ended = Status.ACTIVE, None
        while subscription.next_billing <= at:
            subscription.interval += 1
        subscription.interval_start = subscription.begins(subscription.interval)
        plan(state, subscription, at)
    _note_items(state, subscription, "itemsReinstated", numbers, mails, at)
    return subscription


def join(state: State, id: str, joining: str, at: datetime) -> Subscription:
    """Join two subscriptions: the items of the one that bills earlier go on in the other, which bills later.

    Both are active, of one interval and currency, and the amount for the days in between is positive; the one
    that joins ends as finished, its items as removed (all documented). That both are of one customer, and
    that what is used in arrears comes along, is inferred. Refusal.
    """
    primary, secondary = active(state, id, at), active(state, joining, at)
    reasons = {
        "they are one and the same": primary is secondary,
        "they have different intervals": primary.months != secondary.months,
        "they have different currencies": primary.currency != secondary.currency,
        "they are of different customers": primary.customer.id != secondary.customer.id,
        f"{primary.id} does not bill later": primary.next_billing <= secondary.next_billing,
    }
    for reason, applies in reasons.items():
        if applies:
            raise invalid(f"{primary.id} and {secondary.id} can't be joined: {reason}")
    lines = joining_lines(primary, secondary)
    if price(primary, lines).net <= ZERO:
        raise invalid(f"{primary.id} and {secondary.id} can't be joined: the amount is not positive")
    going = (item for item in secondary.items if item.is_active)
    following = secondary.interval + 1
    primary.items += tuple(
        replace(
            item,
            running_number=number,
            terms=item.terms_in(following),
            pending=(),
            added=at,
            since=at,
            version=1,
            past=(),
        )
        for number, item in enumerate(going, len(primary.items) + 1)
    )
    secondary.items = tuple(
        replace(item, is_removed=True, deactivated=item.deactivated or at, last=secondary.interval, ended=at)
        for item in secondary.items
    )
    secondary.status, secondary.ended = Status.FINISHED, at
    state.emit("joined", at, secondary, f"goes on in {primary.id}")
    state.emit("joined", at, primary, f"takes in {secondary.id}")
    bill(state, primary, lines, at)
    return primary


def _note_items(
    state: State, subscription: Subscription, kind: str, numbers: Collection[int], mails: bool, at: datetime
) -> None:
    listed = ", ".join(map(str, numbers))
    state.emit(kind, at, subscription, f"items {listed}, {'mail' if mails else 'no mail'}")
    if mails:
        state.mail(subscription, f"{kind}: {listed}", at, can_be_suppressed=True)


# Units of an item; what lies above is taken for a typing error.
MOST = 10**9


class NewPrice(Value, frozen=True):
    """Of one unit (inferred), with VAT if `is_gross`."""

    currency: str
    value: Decimal
    is_gross: bool = False


class Target(Value, frozen=True):
    """Which item of which subscription, and what it is to be an item of: None for the product that it is of.

    What else is given is changed; another product brings its own price, unless `price` says one.
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
    """What an update costs now, and what the whole next renewal bills, as far as is known."""

    now: Price
    next: Price
    next_billing: datetime


def update(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Set an item's quantity, to a total; Refusal.

    Standing: documented.
    """
    return _change(state, target, lambda asked: replace(asked, quantity=_fine(state, quantity)), manner, at)


def increase_quantity(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Add to an item's quantity; Refusal."""

    def increased(asked: Terms) -> Terms:
        return replace(asked, quantity=_fine(state, asked.quantity + _fine(state, quantity)))

    return _change(state, target, increased, manner, at)


def set_price(state: State, target: Target, quantity: int | None, manner: Manner, at: datetime) -> Outcome:
    """Set what one unit of an item costs, and perhaps its quantity; Refusal."""

    def wish(asked: Terms) -> Terms:
        return asked if quantity is None else replace(asked, quantity=_fine(state, quantity))

    return _change(state, target, wish, manner, at)


def add(state: State, target: Target, quantity: int, manner: Manner, at: datetime) -> Outcome:
    """Add an item, whose number is the next free one; it is an update from none. Refusal."""
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
    """What all updates have in common; a preview ends before anything is changed.

    Standing: documented.
    """
    _check(manner)
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
    outcome = Outcome(now, price(subscription, renewal_lines(subscription, items)), subscription.next_billing)
    if manner.is_preview:
        return outcome
    if item.running_number <= len(subscription.items):
        changed = changed.next_version(item, at)
    subscription.items = subscription.with_item(changed)
    _record(state, subscription, changed, manner, at)
    if manner.resets:
        subscription.anchor_at(at)
        begin_interval(subscription, at)
    elif manner.is_extended:
        subscription.anchor_at(extended_end(subscription, at))
    bill(state, subscription, lines, at)
    if manner.resets or manner.is_extended:
        plan(state, subscription, at)
    return replace(outcome, next_billing=subscription.next_billing)


def _check(manner: Manner) -> None:
    """Refusal for what a preview may ask for too (documented), but nothing can do."""
    if manner.is_preview or manner.is_aligned:
        return
    for asked, name in ((manner.is_extended, "ExtendInterval"), (manner.resets, "ResetBillingInterval")):
        if asked:
            raise invalid(
                f"{name} needs AlignToCurrentInterval: an update at the next renewal leaves it alone"
            )


def _named(state: State, subscription: Subscription, item: Item, target: Target) -> Terms:
    """What was asked for last, of the product, at the price and with the coupon that a call names."""
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
    """Parts of a cent that VAT leaves are rounded away (inferred). Refusal for another currency."""
    if new.currency != subscription.currency:
        raise invalid(
            f"CustomerPrice.Currency: subscription {subscription.id} is billed in {subscription.currency}, "
            f"not in {new.currency!r}"
        )
    return cents(new.value * 100 / (100 + subscription.vat_percent)) if new.is_gross else new.value


def _settled(
    subscription: Subscription, item: Item, asked: Terms, manner: Manner, at: datetime
) -> tuple[Item, tuple[Line, ...]]:
    """The item as it will be, and what is charged for it now.

    An aligned update counts at once, whatever the reminder's date (inferred). One that isn't aligned counts
    for what the next renewal bills, which of an item in arrears is the current interval; after the reminder,
    when the purchase has been created, for what the renewal after that bills (inferred).

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
    """Write down an update of which `item` is what has become."""
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
