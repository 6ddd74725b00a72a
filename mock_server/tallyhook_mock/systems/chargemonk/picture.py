"""Prepares the picture of a Chargemonk subscription: its terms, and the billing cycles of its add-ons."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from tallyhook_mock.core.money import amount_text
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.bills import COMING, Account, Counter, Subject, tell_bills
from tallyhook_mock.picture.story import CANCELED, REACTIVATED, Sign, Span, Story, moment, pauses
from tallyhook_mock.systems.chargemonk.model import Plan, Subscription, Term
from tallyhook_mock.systems.chargemonk.state import State

__all__ = ["tell"]

# Terms paid in advance are drawn at most this far into the future.
_FARTHEST = timedelta(days=3653)
_TURNS = {
    "newSubscription": Sign.BEGAN,
    "termChanged": Sign.CHANGED,
    **dict.fromkeys(CANCELED, Sign.CANCELED),
    REACTIVATED: Sign.REACTIVATED,
}


def tell(mock: Mock, subscription: Subscription) -> Story:
    """Return what the picture of a subscription shows: its history and its next invoices."""
    state, now = mock.systems.of(State), mock.clock.now()
    entries = [*mock.timeline.entries(subscription.id, system="chargemonk")]
    term, plans = subscription.current, {term.plan.code for term in subscription.terms}
    end = min(subscription.paid_until, max(term.end, now + _FARTHEST)) if term else now
    items = dict.fromkeys(line.item for bill in subscription.bills for line in bill.lines)
    add_ons = [item for item in items if item not in plans]
    names = {code: add_on.name for code, add_on in state.add_ons.items()}
    account = Account(
        title=subscription.id,
        system="Chargemonk",
        start=subscription.created,
        end=end,
        currency=state.currency,
        bills=subscription.bills,
        subjects=[
            Subject("Terms", "invoice, price", frozenset(plans)),
            *(Subject(names.get(code, code), "add-on", frozenset((code,))) for code in add_ons),
        ],
        turns=_TURNS,
        counters=[Counter(code, names.get(code, code), "cycles, up to") for code in add_ons],
        plans=tuple(_plans(subscription, state.currency, end)),
        pauses=tuple(pauses(entries, subscription.canceled_at, max(end, now))),
        coming=state.forecast(subscription.id, COMING),
    )
    return tell_bills(account, entries, now)


def _plans(subscription: Subscription, currency: str, end: datetime) -> Iterator[Span]:
    """Yield one span for each series of consecutive terms with the same plan."""
    first: Term | None = None
    terms = [term for term in subscription.terms if term.start < end]
    for term, after in pairwise((*terms, None)):
        assert term is not None
        first = first or term
        if after is None or after.plan != term.plan or after.start != term.end:
            label = f"{term.plan.name} · {_price(term.plan, currency)}"
            yield Span(
                first.start, term.end, label, f"Plan {term.plan.code} from {moment(first.start)}: {label}"
            )
            first = None


def _price(plan: Plan, currency: str) -> str:
    term = "month" if plan.term_months == 1 else f"{plan.term_months} months"
    return f"{amount_text(plan.price)} {currency} per {term}"
