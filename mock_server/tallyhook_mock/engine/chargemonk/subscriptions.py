"""What is done to subscriptions. Every command is checked to the end before it changes anything."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tallyhook_mock.engine.chargemonk import terms
from tallyhook_mock.engine.chargemonk.charges import once_line, prorated_line
from tallyhook_mock.engine.chargemonk.plan import AddOn, Plan, check_code
from tallyhook_mock.engine.chargemonk.refusal import Refusal
from tallyhook_mock.engine.chargemonk.state import State
from tallyhook_mock.engine.chargemonk.subscription import Carried, Subscription, Term
from tallyhook_mock.engine.record import Record

__all__ = [
    "MOST",
    "NewSubscription",
    "add",
    "advance_invoice",
    "cancel",
    "change_term",
    "create",
    "reactivate",
    "set_cycles",
]

MOST = 1000  # billing cycles, or terms in advance


class NewSubscription(Record, frozen=True):
    """What is to be subscribed to; `add_ons` come with their numbers of billing cycles, None for forever.

    Refusal if these do not go together.
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
    """Subscribe: the first term begins and is billed, with the first cycle of every add-on.

    An add-on that does not recur is charged once, and is not carried.
    """
    state.catch_up(at)
    if new.id in state.subscriptions:
        raise Refusal(f"there is a subscription {new.id!r} already")
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
    terms.begin(state, subscription, at, once)
    return subscription


def add(state: State, subscription: Subscription, add_on: AddOn, cycles: int | None, at: datetime) -> None:
    """Have it carry another add-on, billed at once for the rest of the term, which is one of the cycles."""
    state.catch_up(at)
    term = _running(subscription)
    if subscription.carries(add_on):
        raise Refusal(f"{subscription.id} carries {add_on.code} already: set its billing cycles instead")
    owing = [term, *subscription.ahead]
    _check_fits(add_on, owing, subscription.next_plan)
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
    """Have an add-on that is carried charged by so many invoices more; nothing is charged now."""
    state.catch_up(at)
    _running(subscription)
    carried = subscription.carried(code)
    owing = carried.owing(subscription.ahead)
    _check_fits(carried.add_on, owing, subscription.next_plan)
    _check_cycles(carried.add_on, cycles, _most(subscription, owing))
    carried.cycles_left = cycles
    state.emit_cycles("cyclesSet", at, subscription, carried)


def change_term(
    state: State, subscription: Subscription, plan: Plan, cycles: Mapping[str, int | None], at: datetime
) -> None:
    """Go over to a plan of another term, from the first renewal that is not paid for in advance (inferred).

    `cycles` are by the codes of add-ons. An add-on that is not among them is charged forever from now on
    (documented), unless it has been charged for the last time already (inferred).
    """
    state.catch_up(at)
    _running(subscription)
    if plan.term_months == subscription.next_plan.term_months:
        raise Refusal(f"the plan {plan.code} changes nothing: {plan.term_months}-month terms come already")
    told = {subscription.carried(code): number for code, number in cycles.items()}
    going_on = [carried for carried in subscription.add_ons if carried.cycles_left != 0 or carried in told]
    for carried in going_on:
        owing = carried.owing(subscription.ahead)
        _check_fits(carried.add_on, owing, plan)
        _check_cycles(carried.add_on, told.get(carried), _most(subscription, owing, plan))
    subscription.next_plan, subscription.terms_left = plan, plan.billing_cycles
    state.emit("termChanged", at, subscription, f"{plan.code} from {subscription.paid_until:%Y-%m-%d}")
    for carried in going_on:
        was, carried.cycles_left = carried.cycles_left, told.get(carried)
        if was != carried.cycles_left:
            state.emit_cycles("cyclesSet" if carried in told else "cyclesReset", at, subscription, carried)


def cancel(state: State, subscription: Subscription, at: datetime) -> None:
    """Do not renew it, and disable its add-ons; what is paid for goes on to its end (inferred)."""
    state.catch_up(at)
    _running(subscription)
    subscription.canceled_at = at
    state.emit("subscriptionCanceled", at, subscription)


def reactivate(state: State, subscription: Subscription, at: datetime) -> None:
    """Undo that it was canceled.

    Within the time that is paid for, nothing is charged, the dates go on and add-ons keep the cycles they
    have left. After it, a new term begins and is billed, and add-ons are charged forever until their cycles
    are set again (all documented but the dates and that a term begins at once, which are inferred).
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
    terms.begin(state, subscription, at)


def advance_invoice(state: State, subscription: Subscription, count: int, at: datetime) -> None:
    """Bill the next `count` terms now, and of each add-on as many cycles as it has left for them.

    An add-on that was added after an advance invoice is billed for the terms of that one too (inferred).
    """
    state.catch_up(at)
    _running(subscription)
    if not 1 <= count <= MOST:
        raise Refusal(f"terms: from 1 to {MOST}")
    if subscription.terms_left is not None and count > subscription.terms_left:
        raise Refusal(f"{subscription.id} has {subscription.terms_left} terms to come, not {count}")
    following = subscription.following(count)
    state.emit("advanceInvoice", at, subscription, "1 term" if count == 1 else f"{count} terms")
    terms.bill_in_advance(state, subscription, following, at)


def _running(subscription: Subscription) -> Term:
    """The current term of a subscription that is to be changed."""
    if subscription.is_canceled or subscription.current is None:
        raise Refusal(f"{subscription.id} is canceled: reactivate it first")
    return subscription.current


def _check_fits(add_on: AddOn, owing: Sequence[Term], plan: Plan) -> None:
    """Refusal unless it fits the terms it owes, which may be of other plans, and those to come."""
    for each in (*(term.plan for term in owing), plan):
        add_on.periods_in(each)


def _most(subscription: Subscription, owing: Sequence[Term], plan: Plan | None = None) -> int | None:
    """How many invoices can charge an add-on: for terms that are known and `owing`, and those to come."""
    left = subscription.terms_left if plan is None else plan.billing_cycles
    return None if left is None else left + len(owing)


def _check_cycles(add_on: AddOn, cycles: int | None, most: int | None) -> None:
    """A number of cycles is for what recurs, and no higher than that of the plan (documented)."""
    if cycles is None:
        return
    if not add_on.is_recurring:
        raise Refusal(f"the add-on {add_on.code} does not recur: it takes no billing cycles")
    if not 1 <= cycles <= MOST:
        raise Refusal(f"billing cycles: from 1 to {MOST}")
    if most is not None and cycles > most:
        raise Refusal(f"the plan has {most} billing cycles to come: {add_on.code} can't have {cycles}")
