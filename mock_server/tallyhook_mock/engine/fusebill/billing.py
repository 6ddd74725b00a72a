"""Recharges: what is billed when a period ends and the next one begins."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.fusebill.customer import BillingPeriodDefinition, Customer, Subscription
from tallyhook_mock.engine.fusebill.state import State

__all__ = ["begin", "follow", "plan_recharge", "send"]


def send(state: State, customer: Customer, lines: Iterable[Line], at: datetime) -> None:
    """Bill a customer these lines."""
    state.last_bill += 1
    bill = Bill(state.last_bill, at, str(customer.id), customer.currency, tuple(lines))
    customer.bills.append(bill)
    state.emit("invoiced", at, customer, invoice=bill.number, amount=bill.total)


def plan_recharge(state: State, definition: BillingPeriodDefinition) -> None:
    """Have the definition recharged at the end of its period, unless that is moved."""
    state.agenda.schedule(definition.end, lambda at: _recharge(state, definition, at))


def begin(subscription: Subscription, start: datetime, amount: Decimal) -> list[Line]:
    """Enter the present period of the definition, for an amount; what of it is billed at once.

    Whoever calls this puts the lines on the customer's next bill.
    """
    subscription.start = start
    if subscription.definition.settings.invoice_in_advance:
        subscription.owed, subscription.billed = None, len(subscription.customer.bills)
        return [subscription.line(amount)]
    subscription.owed, subscription.billed = amount, None
    return []


def follow(subscription: Subscription) -> None:
    """Have the line that billed the present period be for the time up to its end, wherever that is now.

    The amount stays: more days cost nothing, and for fewer nothing is given back (documented). That the line
    is for other days from then on is inferred; no day is billed twice so.
    """
    if subscription.billed is None:
        return
    bills = subscription.customer.bills
    bill = bills[subscription.billed]
    lines = (
        replace(line, end=subscription.end)
        if line.item == subscription.item and line.start == subscription.start
        else line
        for line in bill.lines
    )
    bills[subscription.billed] = replace(bill, lines=tuple(lines))


def _recharge(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """End the present period and begin the next: one bill for all the subscriptions in it.

    An empty definition only goes on to its next period.
    """
    if definition.is_deleted or definition.end > at:  # moved since this was planned
        return
    moment, following = definition.end, definition.date.after(definition.end)
    lines = [line for subscription in definition.subscriptions for line in _finish(subscription)]
    definition.start, definition.end = moment, following
    definition.cycle_days = definition.days
    definition.count += 1
    for subscription in definition.subscriptions:
        lines += begin(subscription, moment, subscription.amount)
    if lines:
        send(state, definition.customer, lines, moment)
    plan_recharge(state, definition)


def _finish(subscription: Subscription) -> Iterable[Line]:
    """What the end of its period makes due: the period itself in arrears, and the charges that waited."""
    if subscription.owed is not None:
        yield subscription.line(subscription.owed)
    yield from (charge.line for charge in subscription.charges)
    subscription.charges.clear()
