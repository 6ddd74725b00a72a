"""Chargemonk's rules: terms, the charges of an invoice, and the commands that change a subscription.

Every command is checked completely before it changes anything.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import cents
from tallyhook_mock.systems.chargemonk.model import (
    AddOn,
    Carried,
    Plan,
    Refusal,
    Subscription,
    Term,
    Unbilled,
    check_code,
)
from tallyhook_mock.systems.chargemonk.state import State

__all__ = [
    "MOST",
    "NewSubscription",
    "add",
    "add_on_line",
    "advance_invoice",
    "begin",
    "bill_in_advance",
    "cancel",
    "change_term",
    "charge_later",
    "create",
    "expected",
    "offer",
    "once_line",
    "plan_line",
    "prorated_line",
    "reactivate",
    "set_cycles",
]


def begin(state: State, subscription: Subscription, at: datetime, once: Sequence[Line] = ()) -> None:
    """Begin a subscription's next term and bill it, together with the lines in `once`.

    Standing: inferred.
    """
    terms = subscription.following(1)
    subscription.extend(terms)
    _run(state, subscription, terms[0])
    _bill(state, subscription, [plan_line(terms)], terms, once, at)


def bill_in_advance(state: State, subscription: Subscription, terms: Sequence[Term], at: datetime) -> None:
    """Bill the next terms in advance.

    Add-ons are also billed for any earlier terms for which they haven't been paid.

    Standing: inferred.
    """
    subscription.extend(terms)
    _bill(state, subscription, [plan_line(terms)], subscription.ahead, (), at)


def _run(state: State, subscription: Subscription, term: Term) -> None:
    """Schedule the end of a term. It is scheduled only once, because the end of a term never changes."""
    state.agenda.schedule(term.end, _turn, subscription)


def _turn(state: State, subscription: Subscription, at: datetime) -> None:
    """End the current term and begin the next. What was paid in advance is not billed again."""
    ended = subscription.terms[subscription.reached]
    subscription.reached += 1
    _drop_finished(state, subscription, ended, at)
    term = subscription.current
    if term is not None:
        state.emit("renewed", at, subscription, f"{term.plan.code}, paid in advance")
        _run(state, subscription, term)
        if not subscription.is_canceled:
            _bill(state, subscription, (), [term], (), at)
    elif subscription.is_canceled:
        return
    elif subscription.terms_left == 0:
        subscription.canceled_at = at
        state.emit("subscriptionEnded", at, subscription, "the billing cycles of the plan are over")
    else:
        state.emit("renewed", at, subscription, subscription.next_plan.code)
        begin(state, subscription, at)


def _drop_finished(state: State, subscription: Subscription, ended: Term, at: datetime) -> None:
    """Remove the add-ons that have no cycles left, and are paid only up to the end of the term `ended`."""
    for carried in tuple(subscription.add_ons):
        if carried.cycles_left == 0 and carried.paid_until <= ended.end:
            subscription.add_ons.remove(carried)
            state.emit_cycles("addOnEnded", at, subscription, carried)


def _bill(
    state: State,
    subscription: Subscription,
    plan: Sequence[Line],
    terms: Sequence[Term],
    once: Sequence[Line],
    at: datetime,
) -> None:
    """Send an invoice for the lines in `plan` and `once`, waiting charges, and the add-ons for `terms`.

    If there is nothing to bill, no invoice is sent.
    """
    charged = [(carried, owed) for carried in subscription.add_ons if (owed := carried.owed(terms))]
    unbilled = state.collect(subscription)
    waiting = (each.line for each in unbilled)
    lines = [*plan, *(add_on_line(carried.add_on, owed) for carried, owed in charged), *once, *waiting]
    if lines:
        state.bill(subscription, lines, at)
    for each in unbilled:
        each.invoice = subscription.bills[-1].number
    for carried, owed in charged:
        carried.pay(owed)
        state.emit_cycles("cycleCharged", at, subscription, carried)


def plan_line(terms: Sequence[Term]) -> Line:
    """Return the line that bills a plan for consecutive terms."""
    plan, count = terms[0].plan, Decimal(len(terms))
    text = plan.name if len(terms) == 1 else f"{plan.name}, {len(terms)} terms"
    return Line(plan.code, text, count, plan.price, plan.price * count, terms[0].start, terms[-1].end)


def add_on_line(add_on: AddOn, terms: Sequence[Term]) -> Line:
    """Return the line that bills an add-on for `terms`. Each term is one cycle.

    The unit price is charged for every period of the add-on in these terms (documented).
    """
    periods = Decimal(sum(add_on.periods_in(term.plan) for term in terms))
    text = add_on.text if len(terms) == 1 else f"{add_on.text}, {len(terms)} cycles"
    return Line(
        add_on.code, text, periods, add_on.price, add_on.price * periods, terms[0].start, terms[-1].end
    )


def prorated_line(add_on: AddOn, term: Term, at: datetime) -> Line:
    """Return the line that bills an add-on for the rest of a term, prorated by the days left (inferred)."""
    periods, left, days = Decimal(add_on.periods_in(term.plan)), term.days_left(at), term.days
    text = add_on.text if left == days else f"{add_on.text}, {left} of {days} days"
    amount = cents(add_on.price * periods * left / days)
    return Line(add_on.code, text, periods, add_on.price, amount, at, term.end)


def once_line(add_on: AddOn) -> Line:
    """Return the line that bills an add-on that does not recur."""
    return Line(add_on.code, add_on.text, Decimal(1), add_on.price, add_on.price)


def expected(state: State, subscription: Subscription) -> Bill | None:
    """Return a subscription's next automatic invoice, assuming that nothing changes.

    The invoice has the number 0. Returns None if there won't be an invoice, or only after the year 9999.
    """
    if subscription.is_canceled:
        return None
    waiting = [each.line for each in state.collect(subscription)]
    for term in subscription.ahead:
        if lines := [*_add_on_lines(subscription, [term]), *waiting]:
            return Bill(0, term.start, subscription.id, state.currency, tuple(lines))
    if subscription.terms_left == 0:
        return None
    try:
        terms = subscription.following(1)
    except Refusal:
        return None
    lines = [plan_line(terms), *_add_on_lines(subscription, terms), *waiting]
    return Bill(0, terms[0].start, subscription.id, state.currency, tuple(lines))


def _add_on_lines(subscription: Subscription, terms: Sequence[Term]) -> list[Line]:
    owing = ((carried.add_on, carried.owed(terms)) for carried in subscription.add_ons)
    return [add_on_line(add_on, owed) for add_on, owed in owing if owed]


MOST = 1000  # the largest number of billing cycles, or of terms in advance


class NewSubscription(Value, frozen=True):
    """A subscription to create. Raises Refusal if an add-on doesn't fit the plan.

    `add_ons` gives each add-on's number of billing cycles, or None if the add-on is charged forever.

    Standing: documented.
    """

    id: str
    plan: Plan
    add_ons: tuple[tuple[AddOn, int | None], ...] = ()

    def __post_init__(self) -> None:
        check_code(self.id)
        for add_on, cycles in self.add_ons:
            add_on.periods_in(self.plan)
            _check_cycles(add_on, cycles, self.plan.billing_cycles)


def create(state: State, new: NewSubscription, at: datetime) -> Subscription:
    """Create a subscription. Its first term begins and is billed, with the first cycle of each add-on.

    An add-on that does not recur is charged once and isn't kept on the subscription. Raises Refusal if the
    subscription can't be created.
    """
    state.catch_up(at)
    if new.id in state.subscriptions:
        raise Refusal(f"there is a subscription {new.id!r} already")
    for _, cycles in new.add_ons:
        _check_feature(state, cycles)
    subscription = Subscription(new.id, at, new.plan, new.plan.billing_cycles, at)
    subscription.following(1)
    subscription.add_ons = [
        Carried(add_on, cycles, at) for add_on, cycles in new.add_ons if add_on.is_recurring
    ]
    state.subscriptions[new.id] = subscription
    state.emit("newSubscription", at, subscription, new.plan.code)
    for carried in subscription.add_ons:
        state.emit_cycles("addOnAdded", at, subscription, carried)
    once = [once_line(add_on) for add_on, _ in new.add_ons if not add_on.is_recurring]
    if fee := new.plan.setup_fee:
        once.append(Line("SETUP-FEE", f"Setup fee of {new.plan.name}", Decimal(1), fee, fee))
    begin(state, subscription, at, once)
    return subscription


def add(state: State, subscription: Subscription, add_on: AddOn, cycles: int | None, at: datetime) -> None:
    """Add an add-on to a subscription. It is billed at once for the rest of the term, as one cycle.

    Standing: documented; inferred.
    """
    state.catch_up(at)
    term = _running(subscription)
    if subscription.carries(add_on):
        raise Refusal(f"{subscription.id} already has {add_on.code}: set its billing cycles instead")
    owing = [term, *subscription.ahead]
    _check_fits(add_on, owing, subscription.next_plan)
    _check_feature(state, cycles)
    _check_cycles(add_on, cycles, _most(subscription, owing))
    if not add_on.is_recurring:
        state.emit("addOnAdded", at, subscription, f"{add_on.code}: charged once", item=add_on.code)
        state.bill(subscription, [once_line(add_on)], at)
        return
    carried = Carried(add_on, cycles, term.start)
    subscription.add_ons.append(carried)
    state.emit_cycles("addOnAdded", at, subscription, carried)
    carried.pay([term])
    state.bill(subscription, [prorated_line(add_on, term, at)], at)
    state.emit_cycles("cycleCharged", at, subscription, carried)


def set_cycles(state: State, subscription: Subscription, code: str, cycles: int | None, at: datetime) -> None:
    """Set for how many more terms an add-on is charged. None means for all. Nothing is charged now.

    Standing: documented.
    """
    state.catch_up(at)
    _running(subscription)
    carried = subscription.carried(code)
    owing = carried.owing(subscription.ahead)
    _check_fits(carried.add_on, owing, subscription.next_plan)
    _check_feature(state, cycles)
    _check_cycles(carried.add_on, cycles, _most(subscription, owing))
    carried.cycles_left = cycles
    state.emit_cycles("cyclesSet", at, subscription, carried)


def offer(state: State, offered: Plan | AddOn) -> None:
    """Add a plan or an add-on to the catalogue, or replace the one with the same code (inferred).

    Existing subscriptions keep the old one. Raises Refusal if a plan and an add-on would have the same code.
    """
    own: dict[str, Any] = state.plans if isinstance(offered, Plan) else state.add_ons
    other = state.add_ons if isinstance(offered, Plan) else state.plans
    if offered.code in other:
        raise Refusal(
            f"{'an add-on' if isinstance(offered, Plan) else 'a plan'} has the code {offered.code!r}"
        )
    own[offered.code] = offered


def change_term(
    state: State, subscription: Subscription, plan: Plan, cycles: Mapping[str, int | None], at: datetime
) -> None:
    """Change a subscription's plan, from the first renewal that is not paid in advance (inferred).

    `cycles` maps the codes of add-ons to their new numbers of billing cycles. If the length of the term
    changes, an add-on that is not in `cycles` is from then on charged forever (documented), unless it was
    already charged for the last time (inferred). If the length doesn't change, such an add-on keeps its
    cycles (inferred).
    """
    state.catch_up(at)
    _running(subscription)
    if plan == subscription.next_plan:
        raise Refusal(f"the plan {plan.code} is already the next plan")
    is_same_term = plan.term_months == subscription.next_plan.term_months
    told = {subscription.carried(code): number for code, number in cycles.items()}
    going_on = [carried for carried in subscription.add_ons if carried.cycles_left != 0 or carried in told]
    for carried in going_on:
        owing = carried.owing(subscription.ahead)
        _check_fits(carried.add_on, owing, plan)
        _check_feature(state, told.get(carried))
        left = carried.cycles_left if is_same_term else None
        _check_cycles(carried.add_on, told.get(carried, left), _most(subscription, owing, plan))
    subscription.next_plan, subscription.terms_left = plan, plan.billing_cycles
    state.emit("termChanged", at, subscription, f"{plan.code} from {subscription.paid_until:%Y-%m-%d}")
    for carried in going_on:
        if is_same_term and carried not in told:
            continue
        was, carried.cycles_left = carried.cycles_left, told.get(carried)
        if was != carried.cycles_left:
            state.emit_cycles("cyclesSet" if carried in told else "cyclesReset", at, subscription, carried)


def charge_later(
    state: State,
    subscription: Subscription,
    description: str,
    amount: Decimal,
    quantity: Decimal,
    at: datetime,
) -> Unbilled:
    """Add a charge to the next automatic invoice. Raises Refusal if no invoice will follow (inferred)."""
    state.catch_up(at)
    if subscription.next_billing is None:
        raise Refusal(f"{subscription.id} gets no further invoice that could include a charge")
    return state.add_unbilled(subscription, description, amount, quantity, at)


def cancel(state: State, subscription: Subscription, at: datetime) -> None:
    """Cancel a subscription. It isn't renewed, and its add-ons are disabled.

    A paid term continues to its end (inferred).

    Standing: documented.
    """
    state.catch_up(at)
    _running(subscription)
    subscription.canceled_at = at
    state.emit("subscriptionCanceled", at, subscription)


def reactivate(state: State, subscription: Subscription, at: datetime) -> None:
    """Undo a subscription's cancellation.

    During the paid time, nothing is charged, the dates don't change, and add-ons keep their cycles. After the
    paid time, a new term begins at once and is billed, and add-ons are charged forever until their cycles are
    set again. All of this is documented, except the dates and that the term begins at once (inferred).
    """
    state.catch_up(at)
    if not subscription.is_canceled:
        raise Refusal(f"{subscription.id} is not canceled")
    if subscription.current is not None:
        subscription.canceled_at = None
        state.emit("subscriptionReactivated", at, subscription, "within its term")
        return
    subscription.restart(at)
    state.emit("subscriptionReactivated", at, subscription, "after its term")
    for carried in subscription.add_ons:
        if carried.cycles_left is not None:
            carried.cycles_left = None
            state.emit_cycles("cyclesReset", at, subscription, carried)
    begin(state, subscription, at)


def advance_invoice(state: State, subscription: Subscription, count: int, at: datetime) -> None:
    """Bill the next `count` terms now, and each add-on for as many of these terms as it has cycles left.

    An add-on that is added after the advance invoice is billed for these terms too (inferred).

    Standing: documented.
    """
    state.catch_up(at)
    _running(subscription)
    if not 1 <= count <= MOST:
        raise Refusal(f"terms: from 1 to {MOST}")
    if subscription.ahead:
        raise Refusal(
            f"{subscription.id} has an advance invoice up to {subscription.paid_until:%Y-%m-%d}; "
            "there can only be one at a time"
        )
    if subscription.terms_left is not None and count > subscription.terms_left:
        raise Refusal(f"{subscription.id} has {subscription.terms_left} terms left, not {count}")
    following = subscription.following(count)
    state.emit("advanceInvoice", at, subscription, "1 term" if count == 1 else f"{count} terms")
    bill_in_advance(state, subscription, following, at)


def _running(subscription: Subscription) -> Term:
    """Return the current term. Raises Refusal if the subscription is canceled."""
    if subscription.is_canceled or subscription.current is None:
        raise Refusal(f"{subscription.id} is canceled: reactivate it first")
    return subscription.current


def _check_fits(add_on: AddOn, owing: Sequence[Term], plan: Plan) -> None:
    """Raise Refusal unless the add-on fits the terms of `plan`, and the terms in `owing`.

    `owing` are the terms for which the add-on isn't paid yet. They may be terms of other plans.
    """
    for each in (*(term.plan for term in owing), plan):
        add_on.periods_in(each)


def _most(subscription: Subscription, owing: Sequence[Term], plan: Plan | None = None) -> int | None:
    """Return for how many more terms an add-on can be charged, or None if there is no limit.

    These are the terms in `owing`, and the terms that the plan has left.
    """
    left = subscription.terms_left if plan is None else plan.billing_cycles
    return None if left is None else left + len(owing)


def _check_feature(state: State, cycles: int | None) -> None:
    """Raise Refusal if a number of billing cycles is given, but the account doesn't have this feature."""
    if cycles is not None and not state.has_billing_cycles:
        raise Refusal("billing cycles of add-ons are not switched on for this account: ask support")


def _check_cycles(add_on: AddOn, cycles: int | None, most: int | None) -> None:
    """Raise Refusal if an add-on can't have this number of billing cycles.

    Only a recurring add-on has billing cycles, and it can't have more than the plan has (documented).
    """
    if cycles is None:
        return
    if not add_on.is_recurring:
        raise Refusal(f"the add-on {add_on.code} does not recur: it can't have billing cycles")
    if not 1 <= cycles <= MOST:
        raise Refusal(f"billing cycles: from 1 to {MOST}")
    if most is not None and cycles > most:
        raise Refusal(f"the plan has {most} billing cycles left: {add_on.code} can't have {cycles}")
