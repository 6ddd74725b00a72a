"""Invoices."""

from collections.abc import Sequence
from decimal import Decimal

from tallyhook import documents, money
from tallyhook.calls.call import (
    Call,
    CustomerRef,
    InvoiceRef,
    customer_subject,
    identity,
    invoice_identity,
    invoice_subject,
)
from tallyhook.inputs import ChargeInput, given_pairs, list_of_charges
from tallyhook.models import Customer


def new_invoice(customer: CustomerRef, charges: Sequence[ChargeInput]) -> Call[Customer]:
    """Make a one-time invoice and execute it at once (documented)."""
    if not charges:
        raise ValueError("A one-time invoice needs a charge")
    form = list_of_charges(charges)
    return Call(
        "invoices/new",
        documents.customer,
        identity(customer, "customer"),
        form,
        subject=customer_subject(customer),
    )


def run_outstanding(customer: CustomerRef, *, cc_card_code: str | None = None) -> Call[Customer]:
    """Execute the outstanding invoice at once.

    On a canceled subscription a success reactivates it (documented).

    Raises:
        UnprocessableEntity: declined; `customer` of the error is how things stand.
    """
    form = given_pairs({"cc_card_code": cc_card_code})
    return Call(
        "customers/run-outstanding",
        documents.customer,
        identity(customer, "customer"),
        form,
        subject=customer_subject(customer),
    )


def refund(invoice: InvoiceRef, amount: Decimal | int | str) -> Call[Customer]:
    """Give back this much of what was paid on an invoice; two decimals at the most."""
    form = (("amount", money.amount_text(money.amount(amount))),)
    return Call(
        "invoices/refund",
        documents.customer,
        invoice_identity(invoice),
        form,
        subject=invoice_subject(invoice),
    )


def void(invoice: InvoiceRef) -> Call[Customer]:
    """Undo an invoice's transaction before it is settled."""
    return Call(
        "invoices/void", documents.customer, invoice_identity(invoice), subject=invoice_subject(invoice)
    )


def void_or_refund(invoice: InvoiceRef) -> Call[Customer]:
    """Undo an invoice's transaction, or refund it in full if it is settled already."""
    return Call(
        "invoices/void-or-refund",
        documents.customer,
        invoice_identity(invoice),
        subject=invoice_subject(invoice),
    )


def send_email(invoice: InvoiceRef) -> Call[Customer]:
    """Mail an invoice to its customer once more."""
    return Call(
        "invoices/send-email", documents.customer, invoice_identity(invoice), subject=invoice_subject(invoice)
    )
