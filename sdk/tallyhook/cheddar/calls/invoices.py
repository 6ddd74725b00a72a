"""Calls about invoices."""

from collections.abc import Sequence
from decimal import Decimal

from tallyhook import money
from tallyhook._call import Call, text
from tallyhook.cheddar.calls.call import CustomerRef, InvoiceRef, of_customer, of_invoice
from tallyhook.cheddar.models import Customer
from tallyhook.cheddar.parameters import ChargeInput, list_of_charges


def new_invoice(customer: CustomerRef, charges: Sequence[ChargeInput]) -> Call[Customer]:
    """Create a one-time invoice with these charges, and execute it at once (documented)."""
    form = list_of_charges(charges)
    if not form:
        raise ValueError("A one-time invoice needs at least one charge")
    return of_customer("invoices/new", customer, form)


def run_outstanding(customer: CustomerRef, *, cc_card_code: str | None = None) -> Call[Customer]:
    """Execute a customer's outstanding invoice at once.

    If the call succeeds, a canceled subscription becomes active again (documented).

    Raises:
        UnprocessableEntity: the gateway declined the payment. The error's `customer` shows the customer's
            current state.
    """
    form = () if cc_card_code is None else (("ccCardCode", text(cc_card_code, "cc_card_code")),)
    return of_customer("customers/run-outstanding", customer, form)


def refund(invoice: InvoiceRef, amount: Decimal | int | str) -> Call[Customer]:
    """Refund part or all of a paid invoice. `amount` can have at most two decimals."""
    form = (("amount", money.amount_text(money.amount(amount))),)
    return of_invoice("invoices/refund", invoice, form)


def void(invoice: InvoiceRef) -> Call[Customer]:
    """Cancel an invoice's transaction, which must not be settled yet."""
    return of_invoice("invoices/void", invoice)


def void_or_refund(invoice: InvoiceRef) -> Call[Customer]:
    """Cancel an invoice's transaction, or refund it in full if it is already settled."""
    return of_invoice("invoices/void-or-refund", invoice)


def waive_invoice(invoice: InvoiceRef) -> Call[Customer]:
    """Add credits that offset every charge on an outstanding invoice (staff 2014, not in any reference).

    You can then run the invoice for 0.00. Running it reactivates a canceled subscription, and doesn't require
    a payment method.
    """
    return of_invoice("invoices/waive", invoice)


def run_invoice(invoice: InvoiceRef) -> Call[Customer]:
    """Execute an outstanding invoice at once (staff 2014, not in any reference).

    Raises:
        UnprocessableEntity: the gateway declined the payment. The error's `customer` shows the customer's
            current state.
    """
    return of_invoice("invoices/run", invoice)


def send_email(invoice: InvoiceRef) -> Call[Customer]:
    """Email an invoice to the customer again."""
    return of_invoice("invoices/send-email", invoice)
