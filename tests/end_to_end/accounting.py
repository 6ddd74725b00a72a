"""Accounting checks for a customer, computed only from the client's documents."""

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from tallyhook import Charge, Customer, Invoice, Transaction

CENT = Decimal("0.01")
CREDIT_FORWARD = "CREDIT_FORWARD"
_SOURCE = re.compile(r"Credit carried forward from invoice #(\d+)")


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def invoices(customer: Customer) -> list[Invoice]:
    """All of a customer's invoices, sorted by number."""
    found = [invoice for subscription in customer.subscriptions for invoice in subscription.invoices]
    return sorted(found, key=lambda invoice: invoice.number or 0)


def charges(customer: Customer) -> Iterator[tuple[Invoice, Charge]]:
    """All charges that have an id."""
    for invoice in invoices(customer):
        yield from ((invoice, charge) for charge in invoice.charges if charge.id)


def total(invoice: Invoice) -> Decimal:
    """Charges − credits + tax, with each line and the tax rounded to cents."""
    net = sum((cents(charge.amount) for charge in invoice.charges), Decimal(0))
    return net + cents(max(net, Decimal(0)) * (invoice.tax_rate or 0))


def payments(invoice: Invoice) -> list[Transaction]:
    """The payments of an invoice, without declined transactions and refunds."""
    return [made for made in invoice.transactions if made.response == "approved" and not made.parent_id]


def check(customer: Customer) -> None:
    for invoice in invoices(customer):
        check_invoice(invoice)
    check_conservation(customer)
    check_periods(customer)


def check_invoice(invoice: Invoice) -> None:
    """A paid invoice has one payment, an unpaid one none, and refunds don't exceed payments."""
    taken = payments(invoice)
    assert [made.id for made in taken] == ([invoice.paid_transaction_id] if invoice.is_paid else [])
    if taken:
        assert taken[0].amount == max(total(invoice), Decimal(0))
    back = [made for made in invoice.transactions if made.parent_id]
    assert all(made.amount < 0 and made.parent_id == invoice.paid_transaction_id for made in back)
    assert sum((made.amount for made in [*taken, *back]), Decimal(0)) >= 0
    if invoice.is_paid or invoice.transactions:
        assert all(charge.id for charge in invoice.charges)


def check_conservation(customer: Customer) -> None:
    """Charges − credits + tax = transactions + outstanding + carried forward.

    An unpaid invoice is open or outstanding with its whole total, so it is on both sides. A credit may be
    missing only while there is no next invoice to carry it to.
    """
    books = invoices(customer)
    left = {invoice.number: total(invoice) for invoice in books if invoice.is_paid}
    for invoice in books:
        for paid in payments(invoice):
            left[invoice.number] -= paid.amount
    for invoice, charge in charges(customer):
        if charge.code == CREDIT_FORWARD:
            source = _SOURCE.fullmatch(charge.description)
            assert source is not None
            assert int(source[1]) != invoice.number
            left[int(source[1])] -= charge.amount
    assert all(amount <= 0 for amount in left.values())
    if not customer.subscription.is_canceled and customer.subscription.current_invoice:
        assert not any(left.values())


def check_periods(customer: Customer) -> None:
    """Each invoice of the cycle starts when the last one ends, or later if the cycle was interrupted."""
    cycle = [invoice for invoice in invoices(customer) if invoice.type == "subscription"]
    for invoice in cycle:
        assert invoice.created_datetime is not None
        assert invoice.billing_datetime is not None
        assert invoice.created_datetime <= invoice.billing_datetime
    for before, after in pairwise(cycle):
        assert before.billing_datetime <= after.created_datetime  # type: ignore[operator]  # checked above


def gaps(customer: Customer) -> list[int | None]:
    """The numbers of the invoices whose period didn't start when the last one ended."""
    cycle = [invoice for invoice in invoices(customer) if invoice.type == "subscription"]
    return [
        after.number for before, after in pairwise(cycle) if before.billing_datetime != after.created_datetime
    ]
