"""Customers and subscriptions: activating, moving to another period, charging."""

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.engine.fusebill.billing import begin, follow, send
from tallyhook_mock.engine.fusebill.customer import (
    BillingPeriodDefinition,
    BillingPeriodType,
    Charge,
    Customer,
    Subscription,
)
from tallyhook_mock.engine.fusebill.definitions import new_definition
from tallyhook_mock.engine.fusebill.invoice_date import Cycle, InvoiceDate, day_of
from tallyhook_mock.engine.fusebill.refusal import invalid
from tallyhook_mock.engine.fusebill.state import State
from tallyhook_mock.engine.record import Record

__all__ = ["NewCustomer", "NewSubscription", "activate", "add_charge", "check_target", "move", "new_customer"]


class NewCustomer(Record, frozen=True):
    name: str
    currency: str
    id: int | None = None


class NewSubscription(Record, frozen=True):
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
