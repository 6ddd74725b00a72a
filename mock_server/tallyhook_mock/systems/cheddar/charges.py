"""Charges and credits on invoices, and one-time invoices outside the billing cycle."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import ONE, amount_text, quantity_text
from tallyhook_mock.systems.cheddar import gateway, payments
from tallyhook_mock.systems.cheddar.model import (
    Charge,
    ChargeType,
    Customer,
    Invoice,
    InvoiceState,
    InvoiceType,
    Subscription,
)
from tallyhook_mock.systems.cheddar.products import Plan
from tallyhook_mock.systems.cheddar.refusal import Refusal, not_found
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "NewCharge",
    "add_charge",
    "charge_now",
    "custom",
    "delete_charge",
    "discount",
    "draft_one_time",
    "one_time_invoice",
    "setup_before_first_bill",
    "setup_charge",
    "target",
]


class NewCharge(Value, frozen=True):
    """A charge to add to an invoice, or a credit if `each_amount` is negative."""

    code: str
    quantity: Decimal
    each_amount: Decimal
    description: str = ""


def discount(state: State, invoice: Invoice) -> None:
    """Recalculate a promotion's credits on a closed invoice.

    Call this after the invoice's charges have changed.
    """
    if invoice.state is not InvoiceState.OPEN:
        invoice.credits = tuple(
            credit if credit.id else replace(credit, id=state.ids.next())
            for credit in invoice.discounts(invoice.charges, invoice.promotion)
        )


def setup_charge(state: State, plan: Plan, at: datetime) -> tuple[Charge, ...]:
    """Return a tuple with the plan's setup charge, or an empty tuple if the plan has none."""
    amount = plan.setup_charge_amount
    if not amount:
        return ()
    return (Charge(state.ids.next(), plan.setup_charge_code, ChargeType.SETUP, ONE, amount, "", at),)


def target(customer: Customer, *, outstanding: bool) -> Invoice:
    """Return a customer's outstanding invoice if `outstanding` is true, or else the current invoice.

    Raises a Refusal if there is no such invoice.

    Standing: documented.
    """
    subscription = customer.subscription
    if outstanding:
        invoice = subscription.outstanding
        if invoice is None:
            raise not_found("No outstanding invoice found")  # inferred text
        return invoice
    if subscription.current is None:
        raise Refusal(412, "The subscription has no current invoice", "invoicePeriod:notFound")  # inferred
    return subscription.current


def add_charge(
    state: State, customer: Customer, new: NewCharge, *, outstanding: bool, at: datetime
) -> Charge:
    """Add a custom charge or credit to a customer's current or outstanding invoice."""
    invoice = target(customer, outstanding=outstanding)
    charge = custom(state, new, at)
    invoice.charges += (charge,)
    discount(state, invoice)
    note = f"{charge.code} {quantity_text(charge.quantity)} × {amount_text(charge.each_amount)}"
    state.emit("charge", at, customer, invoice=invoice, note=note, charge=charge)
    return charge


def delete_charge(
    state: State, customer: Customer, charge_id: int, *, outstanding: bool, at: datetime
) -> None:
    """Remove a custom charge or credit from a customer's current or outstanding invoice."""
    invoice = target(customer, outstanding=outstanding)
    for charge in invoice.charges:
        if charge.id == charge_id and charge.type is ChargeType.CUSTOM:
            invoice.charges = tuple(kept for kept in invoice.charges if kept is not charge)
            discount(state, invoice)
            state.emit("chargeDeleted", at, customer, invoice=invoice, note=charge.code, charge=charge)
            return
    raise not_found(f"Charge not found (id={ids.text(charge_id)})")  # inferred text


def one_time_invoice(state: State, customer: Customer, charges: Iterable[NewCharge], at: datetime) -> Invoice:
    """Bill custom charges at once on an invoice of their own, which is kept even if it is not paid.

    If the payment fails, this raises a Refusal (422).
    """
    lines = tuple(custom(state, new, at) for new in charges)
    invoice = draft_one_time(state, customer.subscription, lines, at)
    _put_beside(state, invoice)
    payments.execute(state, invoice, at)
    if invoice.state is not InvoiceState.PAID:
        raise gateway.failure("6000", customer)
    return invoice


def charge_now(state: State, subscription: Subscription, charges: tuple[Charge, ...], at: datetime) -> None:
    """Create a one-time invoice with `charges` and execute it as part of a call.

    If the payment fails, this raises a Refusal (422), and the invoice is not kept.
    """
    invoice = draft_one_time(state, subscription, charges, at)
    payment = payments.collect(state, invoice, invoice, at)
    _put_beside(state, invoice)
    payments.settle(state, invoice, at, payment)


def setup_before_first_bill(
    state: State, subscription: Subscription, setup: tuple[Charge, ...], at: datetime
) -> tuple[Charge, ...]:
    """Charge the setup of a sign-up at once if the plan says so and its first bill comes later.

    Returns the charges that are left for the first bill. If the payment fails, this raises a Refusal (422).
    """
    if not setup or subscription.plan.setup_charge_bill_handler != "now":
        return setup
    charge_now(state, subscription, setup, at)
    return ()


def draft_one_time(
    state: State, subscription: Subscription, charges: tuple[Charge, ...], at: datetime
) -> Invoice:
    """Return a draft of a one-time invoice with `charges`."""
    customer = subscription.customer
    number = state.next_invoice_number(customer.product)
    invoice = Invoice(
        state.ids.next(), number, InvoiceType.ONE_TIME, subscription, subscription.plan, at, None, at
    )
    invoice.tax_rate = customer.charged_tax_rate
    invoice.state = InvoiceState.UNPAID
    invoice.charges = charges
    if any(charge.type is ChargeType.SETUP for charge in charges):
        invoice.promotion = subscription.promotion_on(invoice.plan, at)
        discount(state, invoice)
    return invoice


def _put_beside(state: State, invoice: Invoice) -> None:
    subscription = invoice.subscription
    state.add_invoice(invoice)
    before_pending = len(subscription.invoices) - (subscription.pending is not None)
    past, pending = subscription.invoices[:before_pending], subscription.invoices[before_pending:]
    subscription.invoices = (*past, invoice, *pending)


def custom(state: State, new: NewCharge, at: datetime) -> Charge:
    return Charge(
        state.ids.next(), new.code, ChargeType.CUSTOM, new.quantity, new.each_amount, new.description, at
    )
