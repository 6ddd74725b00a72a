"""Changes the counters of tracked items. Usage is never prorated."""

from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.money import quantity_text
from tallyhook_mock.systems.cheddar.charges import discount, target
from tallyhook_mock.systems.cheddar.model import ChargeType, Customer, Invoice, InvoiceState, InvoiceType
from tallyhook_mock.systems.cheddar.products import Plan, PlanItem
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid, not_found
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "add_quantity",
    "check_limit",
    "counted_plan",
    "find_item",
    "remove_quantity",
    "set_quantity",
]

# How long quantities can be changed while a customer who owes the first bill waits for PayPal (documented).
PAYPAL_VALID_FOR = timedelta(hours=3)


def counted_plan(customer: Customer, *, outstanding: bool) -> Plan:
    """Return the plan on which a call looks up an item.

    If `outstanding` is true, this is the plan of the outstanding invoice.

    Standing: inferred.
    """
    subscription = customer.subscription
    invoice = subscription.outstanding if outstanding else None
    return invoice.plan if invoice else subscription.plan


def find_item(plan: Plan, *, code: str | None = None, id: int | None = None, given: str = "") -> str:
    """Return an item's code on a plan, found by code or id.

    `given` is the id as the caller wrote it, for the text of the refusal.
    """
    for planned in plan.items:
        if planned.item.code == code or planned.item.id == id:
            return planned.item.code
    raise not_found(f"Item not found (code={code})" if code is not None else f"Item not found (id={given})")


def check_limit(planned: PlanItem, quantity: Decimal) -> None:
    """Raise a Refusal if a quantity is above the item's hard limit."""
    limit = planned.hard_limit
    if limit is not None and quantity > limit:
        raise invalid(
            "quantity",
            "notLessThan",
            f"'{quantity_text(quantity)}' is not less than or equal to '{quantity_text(limit)}'",
        )


def set_quantity(
    state: State, customer: Customer, item: str, quantity: Decimal, *, outstanding: bool, at: datetime
) -> None:
    """Set an item's counter in the current or the outstanding period.

    The other period's counter doesn't change.

    Standing: inferred.
    """
    invoice = target(customer, outstanding=outstanding)
    if invoice.type is InvoiceType.ONE_TIME:
        raise not_found("No outstanding invoice found")  # inferred: a one-time invoice has no counters
    planned = invoice.plan.item(item)
    if planned is None:
        raise not_found(f"Item not found (code={item})")
    if invoice.state is InvoiceState.OPEN and invoice.billing_at <= at:
        _check_request(customer, at)
    if quantity < 0:
        raise invalid(
            "quantity", "notGreaterThan", f"'{quantity_text(quantity)}' is not greater than or equal to '0'"
        )
    check_limit(planned, quantity)
    invoice.count(item, quantity, at)
    if invoice.state is not InvoiceState.OPEN:
        _recount(invoice, planned, quantity)
        discount(state, invoice)
    note = f"{item} = {quantity_text(quantity)}"
    state.emit("usage", at, customer, invoice=invoice, note=note, item=item, quantity=quantity)


def add_quantity(
    state: State, customer: Customer, item: str, quantity: Decimal, *, outstanding: bool, at: datetime
) -> None:
    """Add a quantity to an item's counter."""
    before = target(customer, outstanding=outstanding).quantity(item)
    set_quantity(state, customer, item, before + quantity, outstanding=outstanding, at=at)


def remove_quantity(
    state: State, customer: Customer, item: str, quantity: Decimal, *, outstanding: bool, at: datetime
) -> None:
    """Subtract a quantity from an item's counter.

    If the result would be negative, the setting `removed_below_zero` decides what happens.
    """
    if customer.product.rules.removed_below_zero == "zero":
        quantity = min(quantity, target(customer, outstanding=outstanding).quantity(item))
    add_quantity(state, customer, item, -quantity, outstanding=outstanding, at=at)


def _check_request(customer: Customer, at: datetime) -> None:
    """Raise a Refusal unless a customer's request for PayPal's preapproval is still valid (documented)."""
    subscription, asked = customer.subscription, customer.subscription.canceled_at
    if asked is not None and not (subscription.waits_for_paypal and at <= asked + PAYPAL_VALID_FOR):
        raise Refusal(412, "The PayPal preapproval request has expired", "invoicePeriod:expired")  # inferred


def _recount(invoice: Invoice, planned: PlanItem, quantity: Decimal) -> None:
    """Update the quantity of an item's line on an outstanding invoice. The line keeps its id."""
    invoice.charges = tuple(
        replace(line, quantity=planned.overage(quantity))
        if line.type is ChargeType.ITEM and line.code == planned.item.code
        else line
        for line in invoice.charges
    )
