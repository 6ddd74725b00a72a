"""Billing period definitions: making, changing and deleting them."""

from datetime import datetime

from tallyhook_mock.engine.fusebill.billing import follow, plan_recharge
from tallyhook_mock.engine.fusebill.customer import (
    BillingPeriodDefinition,
    BillingPeriodType,
    Customer,
    Settings,
)
from tallyhook_mock.engine.fusebill.invoice_date import Cycle, InvoiceDate, day_of
from tallyhook_mock.engine.fusebill.refusal import invalid
from tallyhook_mock.engine.fusebill.state import State

__all__ = ["activation_date", "delete_definition", "edit_definition", "new_definition"]


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
