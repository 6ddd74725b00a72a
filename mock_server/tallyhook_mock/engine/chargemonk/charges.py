"""What is charged: the lines of invoices."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.chargemonk.plan import AddOn
from tallyhook_mock.engine.chargemonk.refusal import Refusal
from tallyhook_mock.engine.chargemonk.subscription import Subscription, Term
from tallyhook_mock.engine.money import cents

__all__ = ["add_on_line", "expected", "once_line", "plan_line", "prorated_line"]


def plan_line(terms: Sequence[Term]) -> Line:
    """The price of a plan for terms that follow one another."""
    plan, count = terms[0].plan, Decimal(len(terms))
    text = plan.name if len(terms) == 1 else f"{plan.name}, {len(terms)} terms"
    return Line(plan.code, text, count, plan.price, plan.price * count, terms[0].start, terms[-1].end)


def add_on_line(add_on: AddOn, terms: Sequence[Term]) -> Line:
    """One cycle for each of the terms: the unit price for every period of the add-on (documented)."""
    periods = Decimal(sum(add_on.periods_in(term.plan) for term in terms))
    text = add_on.name if len(terms) == 1 else f"{add_on.name}, {len(terms)} cycles"
    return Line(
        add_on.code, text, periods, add_on.price, add_on.price * periods, terms[0].start, terms[-1].end
    )


def prorated_line(add_on: AddOn, term: Term, at: datetime) -> Line:
    """A cycle that begins within a term: the share of the days that are left of it (inferred: by days)."""
    periods, left, days = Decimal(add_on.periods_in(term.plan)), term.days_left(at), term.days
    text = add_on.name if left == days else f"{add_on.name}, {left} of {days} days"
    amount = cents(add_on.price * periods * left / days)
    return Line(add_on.code, text, periods, add_on.price, amount, at, term.end)


def once_line(add_on: AddOn) -> Line:
    """An add-on that does not recur."""
    return Line(add_on.code, add_on.name, Decimal(1), add_on.price, add_on.price)


def expected(subscription: Subscription, currency: str) -> Bill | None:
    """The next invoice that comes by itself, as things stand, without a number.

    None if none will come, or only beyond the years that can be written.
    """
    if subscription.is_canceled:
        return None
    for term in subscription.ahead:
        if lines := _add_on_lines(subscription, [term]):
            return Bill(0, term.start, subscription.id, currency, tuple(lines))
    if subscription.terms_left == 0:
        return None
    try:
        terms = subscription.following(1)
    except Refusal:
        return None
    lines = [plan_line(terms), *_add_on_lines(subscription, terms)]
    return Bill(0, terms[0].start, subscription.id, currency, tuple(lines))


def _add_on_lines(subscription: Subscription, terms: Sequence[Term]) -> list[Line]:
    owing = ((carried.add_on, carried.owed(terms)) for carried in subscription.add_ons)
    return [add_on_line(add_on, owed) for add_on, owed in owing if owed]
