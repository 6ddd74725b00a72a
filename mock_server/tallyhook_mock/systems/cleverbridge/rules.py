"""Cleverbridge's rules for subscriptions: how they begin, renew and end, and how two are joined.

The rules for changing an item are in `updates`.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Refusal, Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import ZERO, amount_text
from tallyhook_mock.systems.cleverbridge.charges import (
    arrears_lines,
    early_lines,
    first_lines,
    joining_lines,
    price,
    renewal_lines,
    with_vat,
)
from tallyhook_mock.systems.cleverbridge.model import (
    Item,
    Mode,
    Pending,
    Status,
    Subscription,
    Terms,
    invalid,
)
from tallyhook_mock.systems.cleverbridge.state import State

__all__ = [
    "LONGEST_REMINDER",
    "NewSubscription",
    "active",
    "begin_interval",
    "bill",
    "deactivate",
    "deactivate_items",
    "join",
    "move_next_billing",
    "plan",
    "reinstate_items",
    "renew",
    "subscribe",
]


# In days. Even in the shortest interval, the reminder comes after the interval's start.
LONGEST_REMINDER = 27
_SOONEST = timedelta(minutes=1)  # a next billing date must be at least this far ahead (documented)


class NewSubscription(Value, frozen=True):
    """A subscription to create. Its items are numbered in the order of `items`.

    If `start` is in the past, the current interval is treated as already billed. `reminder_days` is at most
    `LONGEST_REMINDER`.
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
    """Create a subscription. Items billed in advance are charged now, unless it started in the past.

    Raises Refusal if the id is taken, or the start is in the future.
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
    """Carry out everything due by now, then return the subscription with this id.

    Raises Refusal if the subscription doesn't exist or isn't active.
    """
    state.catch_up(at)
    subscription = state.subscription(id)
    if not subscription.is_active:
        raise invalid(f"Subscription {id} is deactivated and can't be changed")
    return subscription


def deactivate(state: State, subscription: Subscription, at: datetime) -> None:
    """End a subscription. Items billed in arrears are charged for their usage so far.

    Nothing is refunded, and changes that were waiting for a renewal are dropped. All of this is inferred.
    Raises Refusal if the subscription has already ended.
    """
    active(state, subscription.id, at)
    subscription.status, subscription.ended = Status.DEACTIVATED, at
    lines = arrears_lines(subscription, subscription.items, at)
    billed = {line.item: int(line.quantity) for line in lines}
    subscription.items = tuple(
        replace(
            item,
            pending=(),
            charged=item.charged + billed.get(str(item.running_number), 0),
            deactivated=item.deactivated or at,
            last=subscription.interval,
            ended=item.ended or at,
        )
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
    """Bill `lines`, with VAT added. Returns the bill, or None if there are no lines.

    `purchase` is the id of an existing purchase, such as the one that a reminder creates for a renewal
    (documented). If it is None, a new purchase is created. An email about the purchase is recorded; no
    parameter can suppress this email.

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
    """Schedule the next renewal, and the reminder before it."""
    if subscription.reminder_days and subscription.next_reminder > at:
        state.agenda.schedule(subscription.next_reminder, _remind, subscription)
    state.agenda.schedule(subscription.next_billing, _renew, subscription)


def begin_interval(subscription: Subscription, at: datetime) -> None:
    """Begin the next interval at `at`. The terms that were pending for this interval take effect."""
    subscription.interval += 1
    subscription.interval_start = at
    subscription.items = tuple(item.renewed(subscription.interval, at) for item in subscription.items)


def renew(state: State, id: str, at: datetime, *, resets: bool) -> Subscription:
    """Renew a subscription early, and bill its next interval now.

    The rest of the current interval is added to the next one, unless `resets` is true (documented). Raises
    Refusal if the subscription doesn't exist or isn't active.
    """
    subscription = active(state, id, at)
    lines = early_lines(subscription, subscription.items, at, resets=resets)
    if resets:
        subscription.anchor_at(at)
    begin_interval(subscription, at)
    purchase = subscription.take_purchase()
    state.emit("renewed", at, subscription, f"ahead of time, to {subscription.next_billing:%Y-%m-%d}")
    bill(state, subscription, lines, at, purchase)
    plan(state, subscription, at)
    return subscription


def move_next_billing(state: State, id: str, date: datetime, at: datetime) -> Subscription:
    """Move the end of the current interval to `date`, at no cost (inferred).

    Raises Refusal if the subscription isn't active, or if `date` is less than a minute ahead.

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
    """Announce the next renewal, and create its purchase if there is anything to bill.

    After this, an update that is not charged at once only applies to the renewal after the next one.
    """
    if subscription.is_active and subscription.next_reminder == at:  # not moved since this was scheduled
        lines = renewal_lines(subscription, subscription.items)
        due = price(subscription, lines).gross
        note = f"{amount_text(due)} {subscription.currency} due {subscription.next_billing:%Y-%m-%d}"
        known = subscription.coming_purchase  # from an earlier reminder, before the renewal was moved
        purchase = (known or state.create_purchase(subscription)) if lines else None
        subscription.coming_purchase = purchase
        state.emit("reminder", at, subscription, note, subject=purchase or 0)


def _renew(state: State, subscription: Subscription, at: datetime) -> None:
    """End the current interval, begin the next one, and bill the renewal."""
    if not subscription.is_active or subscription.next_billing != at:  # ended, or moved since
        return
    lines = renewal_lines(subscription, subscription.items)
    begin_interval(subscription, at)
    purchase = subscription.take_purchase()
    if bill(state, subscription, lines, at, purchase) is None:
        state.emit("nothingToBill", at, subscription)
    plan(state, subscription, at)


# -- deactivating and reinstating items


def deactivate_items(
    state: State, id: str, numbers: Collection[int], at: datetime, *, mails: bool, may_reinstate: bool
) -> Subscription:
    """Deactivate items, so that they end with the current interval.

    At least one item must stay active (documented). Raises Refusal if the subscription or an item doesn't
    exist or isn't active, or if no item would stay active.
    """
    subscription = active(state, id, at)
    items = [subscription.item(number) for number in numbers]
    for item in items:
        if not item.is_active:
            raise invalid(f"Item {item.running_number} of {subscription.id} is already deactivated")
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
    """Reinstate deactivated items. They are billed again from the next renewal, not now (inferred).

    If the subscription was deactivated, it becomes active again and keeps its dates, and usage that was
    billed at its end is not billed again (inferred). Raises Refusal if the subscription is finished, or if an
    item is active or can't be reinstated.
    """
    state.catch_up(at)
    subscription = state.subscription(id)
    if subscription.status is Status.FINISHED:
        raise invalid(f"Subscription {subscription.id} is finished: its items continue in another one")
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
            subscription.coming_purchase = None
            subscription.items = tuple(replace(item, charged=0) for item in subscription.items)
        plan(state, subscription, at)
    _note_items(state, subscription, "itemsReinstated", numbers, mails, at)
    return subscription


def join(state: State, id: str, joining: str, at: datetime) -> Subscription:
    """Move the items of the subscription `joining` to the subscription `id`, which must bill later.

    Both subscriptions must be active and have the same interval and currency, and the amount for the days
    between their next billing dates must be positive (documented). They must also have the same customer
    (inferred). Raises Refusal if one of these conditions isn't met. After the move, `joining` is finished and
    its own items are removed (documented). Usage that is billed in arrears moves with the items; that of
    deactivated items is billed now (inferred).
    """
    primary, secondary = active(state, id, at), active(state, joining, at)
    reasons = {
        "they are the same": primary is secondary,
        "they have different intervals": primary.months != secondary.months,
        "they have different currencies": primary.currency != secondary.currency,
        "they belong to different customers": primary.customer.id != secondary.customer.id,
        f"{primary.id} does not bill later": primary.next_billing <= secondary.next_billing,
    }
    for reason, applies in reasons.items():
        if applies:
            raise invalid(f"{primary.id} and {secondary.id} can't be joined: {reason}")
    lines = joining_lines(primary, secondary)
    if price(primary, lines).net <= ZERO:
        raise invalid(f"{primary.id} and {secondary.id} can't be joined: the amount is not positive")
    ending = [item for item in secondary.items if not item.is_active]
    owed = arrears_lines(secondary, ending, at)
    going = (item for item in secondary.items if item.is_active)
    primary.items += tuple(
        _moved(item, number, secondary, primary, at)
        for number, item in enumerate(going, len(primary.items) + 1)
    )
    secondary.items = tuple(
        replace(item, is_removed=True, deactivated=item.deactivated or at, last=secondary.interval, ended=at)
        for item in secondary.items
    )
    secondary.status, secondary.ended = Status.FINISHED, at
    state.emit("joined", at, secondary, f"continues in {primary.id}")
    state.emit("joined", at, primary, f"includes {secondary.id}")
    bill(state, secondary, owed, at)
    bill(state, primary, lines, at)
    return primary


def _moved(item: Item, number: int, old: Subscription, new: Subscription, at: datetime) -> Item:
    """Return an item of `old` as item `number` of `new`.

    Usage of the current interval of `old` stays due, and terms that were requested for later apply from the
    next renewal of `new` on (inferred).
    """
    terms = item.terms if item.mode is Mode.ARREARS else item.terms_in(old.interval + 1)
    pending = (Pending(new.interval + 1, item.asked),) if item.asked != terms else ()
    return replace(
        item,
        running_number=number,
        terms=terms,
        pending=pending,
        added=at,
        since=at,
        version=1,
        past=(),
    )


def _note_items(
    state: State, subscription: Subscription, kind: str, numbers: Collection[int], mails: bool, at: datetime
) -> None:
    listed = ", ".join(map(str, numbers))
    state.emit(kind, at, subscription, f"items {listed}, {'mail' if mails else 'no mail'}")
    if mails:
        state.mail(subscription, f"{kind}: {listed}", at, can_be_suppressed=True)
