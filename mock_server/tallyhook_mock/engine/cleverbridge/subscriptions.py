"""The life of a subscription: it begins, renews, its date is moved, items come and go, and it may end."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.cleverbridge.charges import (
    arrears_lines,
    early_lines,
    first_lines,
    price,
    renewal_lines,
    with_vat,
)
from tallyhook_mock.engine.cleverbridge.item import Item, Mode, Terms
from tallyhook_mock.engine.cleverbridge.refusal import Refusal, invalid
from tallyhook_mock.engine.cleverbridge.state import State, purchase_id
from tallyhook_mock.engine.cleverbridge.subscription import Status, Subscription
from tallyhook_mock.engine.money import amount_text
from tallyhook_mock.engine.record import Record

__all__ = [
    "LONGEST_REMINDER",
    "NewSubscription",
    "active",
    "begin_interval",
    "bill",
    "deactivate",
    "deactivate_items",
    "move_next_billing",
    "plan",
    "reinstate_items",
    "renew",
    "subscribe",
]

# In days: a reminder never comes before the shortest interval has begun.
LONGEST_REMINDER = 27
_SOONEST = timedelta(minutes=1)  # for a next billing date (documented)


class NewSubscription(Record, frozen=True):
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


def bill(state: State, subscription: Subscription, lines: Iterable[Line], at: datetime) -> Bill | None:
    """Bill lines, with VAT; None if there are none, and then nothing is billed.

    A purchase sends a mail that no parameter suppresses; it is recorded.
    """
    lines = with_vat(subscription, tuple(lines))
    if not lines:
        return None
    billed = state.add_bill(subscription, lines, at)
    state.emit("billed", at, subscription, "; ".join(line.description for line in lines), bill=billed)
    state.mail(subscription, f"purchase {purchase_id(billed)}", at, can_be_suppressed=False)
    return billed


# -- intervals


def plan(state: State, subscription: Subscription, at: datetime) -> None:
    """Put the end of the current interval, and the reminder before it, on the agenda."""
    if subscription.reminder_days and subscription.next_reminder > at:
        state.agenda.schedule(subscription.next_reminder, lambda at: _remind(state, subscription, at))
    state.agenda.schedule(subscription.next_billing, lambda at: _renew(state, subscription, at))


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
    state.emit("renewed", at, subscription, f"ahead of time, to {subscription.next_billing:%Y-%m-%d}")
    bill(state, subscription, lines, at)
    plan(state, subscription, at)
    return subscription


def move_next_billing(state: State, id: str, date: datetime, at: datetime) -> Subscription:
    """Let the current interval end at another moment, for the same money (inferred). Refusal."""
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
        due = price(subscription, renewal_lines(subscription, subscription.items)).gross
        note = f"{amount_text(due)} {subscription.currency} due {subscription.next_billing:%Y-%m-%d}"
        state.emit("reminder", at, subscription, note)


def _renew(state: State, subscription: Subscription, at: datetime) -> None:
    """End the interval and begin the next."""
    if not subscription.is_active or subscription.next_billing != at:  # moved since
        return
    lines = renewal_lines(subscription, subscription.items)
    begin_interval(subscription, at)
    if bill(state, subscription, lines, at) is None:
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


def _note_items(
    state: State, subscription: Subscription, kind: str, numbers: Collection[int], mails: bool, at: datetime
) -> None:
    listed = ", ".join(map(str, numbers))
    state.emit(kind, at, subscription, f"items {listed}, {'mail' if mails else 'no mail'}")
    if mails:
        state.mail(subscription, f"{kind}: {listed}", at, can_be_suppressed=True)
