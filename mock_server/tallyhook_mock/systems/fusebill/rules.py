"""What Fusebill does: billing period definitions, recharges, subscriptions, and moves between periods."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.invoice_lines import Bill, Line
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    BillingPeriodType,
    Charge,
    Customer,
    Cycle,
    InvoiceDate,
    Settings,
    State,
    Subscription,
    day_of,
    invalid,
)

__all__ = [
    "NewCustomer",
    "NewSubscription",
    "activate",
    "activation_date",
    "add_charge",
    "begin",
    "check_target",
    "delete_definition",
    "edit_definition",
    "follow",
    "move",
    "new_customer",
    "new_definition",
    "plan_recharge",
    "send",
]


def activation_date(customer: Customer, type: BillingPeriodType, cycle: Cycle) -> InvoiceDate:
    """The date that a definition of this type has without being told (inferred).

    Refusal if it has to be told, or there was no such activation.
    """
    if type is BillingPeriodType.CUSTOMER_ACTIVATION:
        return InvoiceDate.of(cycle, customer.created)
    if type is BillingPeriodType.SPECIFIED_DATE:
        raise invalid("invoiceDay", f"required for {type}")
    if not customer.subscriptions:
        raise invalid("billingPeriodType", "the customer has no subscription yet; specify a date")
    return InvoiceDate.of(cycle, customer.subscriptions[0].activated)


def new_definition(
    state: State,
    customer: Customer,
    date: InvoiceDate,
    *,
    at: datetime,
    type: BillingPeriodType = BillingPeriodType.SPECIFIED_DATE,
    settings: Settings | None = None,
    manually_created: bool = False,
    end: datetime | None = None,
) -> BillingPeriodDefinition:
    """A definition whose first period lasts from this day to its date: the next one, unless `end` says which.

    It bills nothing while it is empty (documented).
    """
    start = day_of(at)
    end = end or date.after(start)
    definition = BillingPeriodDefinition(
        state.ids.next(),
        customer,
        date,
        type,
        settings or Settings(),
        created=at,
        start=start,
        end=end,
        cycle_days=(end - date.near(end, -1)).days,
        manually_created=manually_created,
    )
    state.add_definition(definition)
    plan_recharge(state, definition)
    state.emit("periodCreated", at, customer, item=_name(definition), note=f"recharges on {end.date()}")
    return definition


def edit_definition(
    state: State,
    definition: BillingPeriodDefinition,
    *,
    at: datetime,
    date: InvoiceDate | None = None,
    settings: Settings | None = None,
) -> None:
    """Move the date, or change the settings; what is not given stays.

    The present period then ends on the new date and costs what it did (documented). Refusal if the cycle
    would change.
    """
    if date is not None and date.cycle is not definition.cycle:
        raise invalid("cycle", f"a definition stays {definition.cycle}; make another one")
    if settings is not None and settings != definition.settings:
        definition.settings = settings
        state.emit("periodChanged", at, definition.customer, item=_name(definition), note="settings")
    if date is not None and date != definition.date:
        _move_date(state, definition, date, at)


def delete_definition(state: State, definition: BillingPeriodDefinition, at: datetime) -> None:
    """For good. Refusal while there are subscriptions in it (documented)."""
    if definition.subscriptions:
        named = ", ".join(str(subscription.id) for subscription in definition.subscriptions)
        raise invalid("id", f"the subscriptions {named} are in it; move them to another definition first")
    state.remove_definition(definition)
    state.emit("periodDeleted", at, definition.customer, item=_name(definition))


def _move_date(state: State, definition: BillingPeriodDefinition, date: InvoiceDate, at: datetime) -> None:
    before = definition.end
    definition.date, definition.type = date, BillingPeriodType.SPECIFIED_DATE
    definition.end = date.instead_of(before, at)
    for subscription in definition.subscriptions:
        follow(subscription)
    plan_recharge(state, definition)
    note = f"recharge moved from {before.date()} to {definition.end.date()}"
    state.emit("periodMoved", at, definition.customer, item=_name(definition), note=note)


def _name(definition: BillingPeriodDefinition) -> str:
    return f"definition {definition.id}"


def send(state: State, customer: Customer, lines: Iterable[Line], at: datetime) -> None:
    """Bill a customer these lines."""
    state.last_bill += 1
    bill = Bill(state.last_bill, at, str(customer.id), customer.currency, tuple(lines))
    customer.bills.append(bill)
    state.emit("invoiced", at, customer, invoice=bill.number, amount=bill.total)


def plan_recharge(state: State, definition: BillingPeriodDefinition) -> None:
    """Have the definition recharged at the end of its period, unless that is moved."""
    state.agenda.schedule(definition.end, _recharge, definition)


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


class NewCustomer(Value, frozen=True):
    name: str
    currency: str
    id: int | None = None


class NewSubscription(Value, frozen=True):
    """A subscription to begin. `date` is when it bills, None for the day on which it begins.

    `prorate`: a first period that is not whole costs its part only.
    """

    plan_code: str
    plan_name: str
    interval: Cycle
    amount: Decimal
    date: InvoiceDate | None = None
    prorate: bool = True
    id: int | None = None


def new_customer(state: State, new: NewCustomer, at: datetime) -> Customer:
    """Refusal if another customer has the id."""
    customer = Customer(state.customer_id(new.id), new.name, new.currency, at)
    state.add_customer(customer)
    state.emit("customerCreated", at, customer, note=new.name)
    return customer


def activate(
    state: State,
    customer: Customer,
    new: NewSubscription,
    at: datetime,
    into: BillingPeriodDefinition | None = None,
) -> Subscription:
    """Begin a subscription in a definition of the customer that bills on its date, or else in a new one.

    `into` names the definition. The first period, or its part, is billed now if that bills in advance
    (inferred). Refusal if the definition is another customer's or of another cycle, or the id is taken.
    """
    date = new.date or InvoiceDate.of(new.interval, at)
    if into is None:
        into = next((each for each in customer.definitions if each.date == date), None)
    else:
        check_target(into, customer, new.interval)
    number = state.subscription_id(new.id)
    if into is None:
        kind = BillingPeriodType.SPECIFIED_DATE
        if new.date is None:
            kind = BillingPeriodType.FIRST_SUBSCRIPTION_ACTIVATION
        into = new_definition(state, customer, date, at=at, type=kind)
    day = day_of(at)
    subscription = Subscription(
        number, customer, into, new.plan_code, new.plan_name, new.amount, activated=at, start=day
    )
    state.add_subscription(subscription)
    note = f"{new.plan_code} in definition {into.id}"
    state.emit("subscriptionActivated", at, customer, item=subscription.item, note=note)
    if lines := begin(subscription, day, into.prorate(new.amount, day) if new.prorate else new.amount):
        send(state, customer, lines, at)
    return subscription


def move(
    state: State, subscription: Subscription, into: BillingPeriodDefinition | InvoiceDate, at: datetime
) -> None:
    """Move a subscription to another definition of its customer, or to a new one that bills on a date.

    Its present period then ends with that of the definition, and with a new one as if the date were moved. It
    costs what it did (inferred: as with a date). Refusal if the definition is another customer's or of
    another cycle.
    """
    if isinstance(into, BillingPeriodDefinition):
        check_target(into, subscription.customer, subscription.interval)
    elif into.cycle is not subscription.interval:
        raise invalid("cycle", f"the subscription stays {subscription.interval}")
    if into is subscription.definition:
        return
    if isinstance(into, InvoiceDate):
        end = into.instead_of(subscription.end, at)
        into = new_definition(state, subscription.customer, into, at=at, end=end)
    before = subscription.definition
    before.subscriptions.remove(subscription)
    into.subscriptions.append(subscription)
    subscription.definition = into
    follow(subscription)
    note = f"to definition {into.id}, recharge moved from {before.end.date()} to {into.end.date()}"
    state.emit("subscriptionMoved", at, subscription.customer, item=subscription.item, note=note)


def add_charge(
    state: State,
    subscription: Subscription,
    *,
    name: str,
    amount: Decimal,
    prorate: bool,
    at_period_end: bool,
    at: datetime,
) -> Charge:
    """Charge once, all of the amount or the part for what is left of the period.

    The part is fixed now, by the end of the period as it is now, also for what is billed at the end; a date
    that is moved later changes when that is, and not how much (documented).
    """
    day = day_of(at)
    charge = Charge(state.ids.next(), name, amount, at)
    if prorate:
        definition = subscription.definition
        charge = replace(charge, amount=definition.prorate(amount, day), start=day, end=definition.end)
    note = f"{name}, {'at the end of the period' if at_period_end else 'now'}"
    state.emit(
        "chargeAdded", at, subscription.customer, item=subscription.item, amount=charge.amount, note=note
    )
    if at_period_end:
        subscription.charges.append(charge)
    else:
        send(state, subscription.customer, [charge.line], at)
    return charge


def check_target(definition: BillingPeriodDefinition, customer: Customer, interval: Cycle) -> None:
    """Refusal if subscriptions of this customer and cycle can't be in a definition."""
    key = "billingPeriodDefinitionId"
    if definition.customer is not customer:
        raise invalid(key, f"{definition.id} is of another customer; choose one of customer {customer.id}")
    if definition.cycle is not interval:
        raise invalid(
            key, f"{definition.id} is {definition.cycle}; a frequency can't change, {interval} is needed"
        )
