"""Prepares the picture of a Cleverbridge subscription, with a row for each item."""

from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.bills import COMING, Account, Counter, Subject, tell_bills
from tallyhook_mock.picture.story import Sign, Story
from tallyhook_mock.systems.cleverbridge.charges import VAT, arrears_lines
from tallyhook_mock.systems.cleverbridge.model import Item, Mode, Subscription
from tallyhook_mock.systems.cleverbridge.state import State

__all__ = ["tell"]

_MODES = {Mode.ADVANCE: "in advance", Mode.ARREARS: "in arrears"}
_TURNS = {
    "newSubscription": Sign.BEGAN,
    "itemUpdated": Sign.CHANGED,
    "subscriptionDeactivated": Sign.CANCELED,
}


def tell(mock: Mock, subscription: Subscription) -> Story:
    """Return what the picture of a subscription shows: its history and its next bills."""
    now, is_active = mock.clock.now(), subscription.is_active
    end = subscription.next_billing
    account = Account(
        title=f"{subscription.id} · {subscription.customer.reference or subscription.customer.id}",
        system="Cleverbridge",
        start=subscription.start,
        end=end if is_active else now,
        currency=subscription.currency,
        bills=subscription.bills,
        subjects=[_subject(item) for item in subscription.items],
        turns=_TURNS,
        waiting=arrears_lines(subscription, subscription.items, end) if is_active else (),
        counters=[
            Counter(str(item.running_number), item.terms.product_name, is_billed=True)
            for item in subscription.items
        ],
        untold=frozenset((VAT,)),
        coming=mock.systems.of(State).forecast(subscription.id, COMING),
    )
    return tell_bills(account, mock.timeline.entries(subscription.id, system="cleverbridge"), now)


def _subject(item: Item) -> Subject:
    number = str(item.running_number)
    return Subject(item.terms.product_name, f"{number} · {_MODES[item.mode]}", frozenset((number,)))
