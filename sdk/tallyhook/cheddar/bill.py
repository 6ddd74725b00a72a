"""Show an invoice as a bill, with its lines, tax, total and payment status."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from tallyhook import money
from tallyhook.tables import Column, Table

if TYPE_CHECKING:
    from tallyhook.cheddar.models import Invoice

_COLUMNS = (
    Column("code"),
    Column("description"),
    Column("quantity", is_number=True),
    Column("each", is_number=True),
    Column("amount", is_number=True),
)


def bill(invoice: "Invoice") -> Table:
    """Return the invoice as a table: its lines, rounded to cents, and their total with tax.

    `money.tax` computes the tax (inferred).

    If the invoice comes from a hook, a remark below the table lists the quantities used in the period. They
    can be larger than the charged quantities, because the units that the plan includes are not charged.
    """
    subtotal = money.total(money.cents(charge.amount) for charge in invoice.charges)
    tax = money.tax(subtotal, invoice.rate)
    sums = [_sum("subtotal", subtotal), _sum(f"tax {_percent(invoice.rate)}", tax)] if invoice.rate else []
    return Table(
        title=_title(invoice),
        columns=_COLUMNS,
        rows=tuple(
            (
                charge.code,
                charge.description,
                money.quantity_text(charge.quantity),
                money.amount_text(charge.each_amount),
                money.amount_text(charge.amount),
            )
            for charge in invoice.charges
        ),
        sums=(*sums, _sum("total", max(money.total((subtotal, tax)), Decimal(0)))),
        remarks=tuple(_remarks(invoice, subtotal)),
    )


def _sum(name: str, amount: Decimal) -> tuple[str, ...]:
    return name, "", "", "", money.amount_text(amount)


def _percent(rate: Decimal) -> str:
    return f"{money.quantity_text(money.product(rate, Decimal(100)))} %"


def _title(invoice: "Invoice") -> str:
    name = invoice.number or invoice.id
    return f"invoice{f' {name}' if name else ''}{_on(invoice.billing_datetime)}: {_state(invoice)}"


def _state(invoice: "Invoice") -> str:
    if invoice.is_paid:
        paid = (done for done in invoice.transactions if done.id == invoice.paid_transaction_id)
        return f"paid{_on(next((done.transacted_datetime for done in paid), None))}"
    if invoice.is_projected:
        return "open, its lines are projected"
    declined = any(tried.response == "declined" for tried in invoice.transactions)
    return "unpaid, declined" if declined else "unpaid"


def _remarks(invoice: "Invoice", subtotal: Decimal) -> Iterator[str]:
    if not invoice.charges:
        yield "no lines yet"
    if subtotal < 0:
        yield f"{money.amount_text(subtotal.copy_negate())} of credit is carried forward"
    if invoice.items:
        used = (f"{item.code} {money.quantity_text(item.quantity)}" for item in invoice.items)
        yield f"in the period: {', '.join(used)}"


def _on(moment: datetime | None) -> str:
    return "" if moment is None else f" on {moment:%Y-%m-%d}"
