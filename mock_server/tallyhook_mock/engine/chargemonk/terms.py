"""What time does: terms end, others begin, and what is not paid for is billed."""

from collections.abc import Sequence
from datetime import datetime

from tallyhook_mock.engine.bill import Line
from tallyhook_mock.engine.chargemonk.charges import add_on_line, plan_line
from tallyhook_mock.engine.chargemonk.state import State
from tallyhook_mock.engine.chargemonk.subscription import Subscription, Term

__all__ = ["begin", "bill_in_advance"]


def begin(state: State, subscription: Subscription, at: datetime, once: Sequence[Line] = ()) -> None:
    """Begin the next term when none runs, and bill it, together with what is charged `once`."""
    terms = subscription.following(1)
    subscription.extend(terms)
    _run(state, subscription, terms[0])
    _bill(state, subscription, [plan_line(terms)], terms, once, at)


def bill_in_advance(state: State, subscription: Subscription, terms: Sequence[Term], at: datetime) -> None:
    """Bill terms that follow, and with them what add-ons still owe for those that were billed before."""
    subscription.extend(terms)
    _bill(state, subscription, [plan_line(terms)], subscription.ahead, (), at)


def _run(state: State, subscription: Subscription, term: Term) -> None:
    """Nothing but time ends a term, so its end is planned once and always applies."""
    state.agenda.schedule(term.end, lambda at: _turn(state, subscription, at))


def _turn(state: State, subscription: Subscription, at: datetime) -> None:
    """From one term to the next; what was paid for in advance is not billed again."""
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
    """`at` may be long after the end, if time was not looked at for a while."""
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
    """Bill the plan, and the add-ons for what they owe of `terms`; no invoice if that is nothing."""
    charged = [(carried, owed) for carried in subscription.add_ons if (owed := carried.owed(terms))]
    lines = [*plan, *(add_on_line(carried.add_on, owed) for carried, owed in charged), *once]
    if lines:
        state.bill(subscription, lines, at)
    for carried, owed in charged:
        carried.pay(owed)
        state.emit_cycles("cycleCharged", at, subscription, carried)
