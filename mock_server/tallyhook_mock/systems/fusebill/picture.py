"""Prepares the picture of a Fusebill customer.

The picture has a row for each subscription, and one for prorated charges.
"""

from collections.abc import Iterator

from tallyhook_mock.core.bills import Line
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.bills import COMING, Account, Subject, tell_bills
from tallyhook_mock.picture.story import AHEAD, Sign, Story
from tallyhook_mock.systems.fusebill.model import Customer, Subscription, Timing
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["tell"]

_TURNS = {
    "customerCreated": Sign.BEGAN,
    "subscriptionActivated": Sign.BEGAN,
    "subscriptionMoved": Sign.CHANGED,
    "periodMoved": Sign.CHANGED,
    "periodDeleted": Sign.CANCELED,
    "subscriptionCancelled": Sign.CANCELED,
}


def tell(mock: Mock, customer: Customer) -> Story:
    """Return what the picture of a customer shows: its history and its next invoices."""
    now, waiting = mock.clock.now(), tuple(_waiting(customer))
    own = {item for subscription in customer.subscriptions for item in subscription.items}
    billed = (line for bill in customer.bills for line in bill.lines)
    charges = frozenset(line.item for line in (*billed, *waiting) if line.item not in own)
    account = Account(
        title=f"{customer.id} · {customer.name}",
        system="Fusebill",
        start=min([customer.created, *(each.begun for each in customer.subscriptions)]),
        end=max((each.end for each in customer.subscriptions if each.is_active), default=now + AHEAD),
        currency=customer.currency,
        bills=customer.bills,
        subjects=[
            *(_subject(subscription) for subscription in customer.subscriptions),
            Subject("Prorated", "charges", charges),
        ],
        turns=_TURNS,
        waiting=waiting,
        untold=charges,
        coming=mock.systems.of(State).forecast(str(customer.id), COMING),
    )
    return tell_bills(account, mock.timeline.entries(str(customer.id), system="fusebill"), now)


def _subject(subscription: Subscription) -> Subject:
    note = f"{amount_text(subscription.amount)} {subscription.interval.lower()}"
    return Subject(subscription.plan_name, note, subscription.items)


def _waiting(customer: Customer) -> Iterator[Line]:
    """Yield the lines to bill at the end of the period: products charged then, and waiting charges."""
    for subscription in customer.subscriptions:
        if subscription.is_active:
            yield from (
                subscription.line(product)
                for product in subscription.products
                if product.plan.timing is Timing.END and product.quantity
            )
        yield from (charge.line for charge in subscription.charges)
