"""Invoices."""

from collections.abc import Sequence
from decimal import Decimal

from tallyhook import money
from tallyhook._call import Call
from tallyhook.cheddar.calls.call import CustomerRef, InvoiceRef, of_customer, of_invoice
from tallyhook.cheddar.models import Customer
from tallyhook.cheddar.parameters import ChargeInput, given_pairs, list_of_charges


def new_invoice(customer: CustomerRef, charges: Sequence[ChargeInput]) -> Call[Customer]:
    """Make a one-time invoice and execute it at once (documented)."""
    if not charges:
        raise ValueError("A one-time invoice needs a charge")
    form = list_of_charges(charges)
    return of_customer("invoices/new", customer, form)


def run_outstanding(customer: CustomerRef, *, cc_card_code: str | None = None) -> Call[Customer]:
    """Execute the outstanding invoice at once.

    On a canceled subscription a success reactivates it (documented).

    Raises:
        UnprocessableEntity: declined; `customer` of the error is how things stand.
    """
    form = given_pairs({"cc_card_code": cc_card_code})
    return of_customer("customers/run-outstanding", customer, form)


def refund(invoice: InvoiceRef, amount: Decimal | int | str) -> Call[Customer]:
    """Give back this much of what was paid on an invoice; two decimals at the most."""
    form = (("amount", money.amount_text(money.amount(amount))),)
    return of_invoice("invoices/refund", invoice, form)


def void(invoice: InvoiceRef) -> Call[Customer]:
    """Undo an invoice's transaction before it is settled."""
    return of_invoice("invoices/void", invoice)


def void_or_refund(invoice: InvoiceRef) -> Call[Customer]:
    """Undo an invoice's transaction, or refund it in full if it is settled already."""
    return of_invoice("invoices/void-or-refund", invoice)


def waive_invoice(invoice: InvoiceRef) -> Call[Customer]:
    """Put credits on an outstanding invoice that offset everything on it (staff 2014, in no reference).

    Then it can be run for 0.00, which reactivates a canceled subscription without a payment method.
    """
    return of_invoice("invoices/waive", invoice)


def run_invoice(invoice: InvoiceRef) -> Call[Customer]:
    """Execute this outstanding invoice at once (staff 2014, in no reference).

    Raises:
        UnprocessableEntity: declined; `customer` of the error is how things stand.
    """
    return of_invoice("invoices/run", invoice)


def send_email(invoice: InvoiceRef) -> Call[Customer]:
    """Mail an invoice to its customer once more."""
    return of_invoice("invoices/send-email", invoice)
