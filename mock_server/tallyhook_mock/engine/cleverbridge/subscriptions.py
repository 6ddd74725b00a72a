"""The life of a subscription: it begins, renews, and may be deactivated."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.cleverbridge.charges import (
    advance_lines,
    arrears_lines,
    price,
    renewal_lines,
    with_vat,
)
from tallyhook_mock.engine.cleverbridge.item import Item, Mode, Terms
from tallyhook_mock.engine.cleverbridge.refusal import Refusal
from tallyhook_mock.engine.cleverbridge.state import State
from tallyhook_mock.engine.cleverbridge.subscription import Status, Subscription
from tallyhook_mock.engine.money import amount_text
from tallyhook_mock.engine.record import Record

__all__ = ["LONGEST_REMINDER", "NewSubscription", "active", "bill", "deactivate", "subscribe"]

# In days: a reminder never comes before the shortest interval has begun.
LONGEST_REMINDER = 27


class NewSubscription(Record, frozen=True):
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
        state.agenda.schedule(subscription.next_reminder, lambda at: _remind(state, subscription, at))
    state.agenda.schedule(subscription.next_billing, lambda at: _renew(state, subscription, at))


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
