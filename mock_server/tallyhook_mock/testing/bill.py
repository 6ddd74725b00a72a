"""An immutable copy of an invoice. Printing the copy shows a bill."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cheddar.model import Charge, ChargeType, Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import UNLIMITED, PlanItem
from tallyhook_mock.timeline import Entry

__all__ = ["Bill", "Line", "aligned"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill.

    `type` is `recurring`, `item`, `custom` or `setup`. `origin` tells where the line comes from.
    """

    code: str
    type: str
    quantity: Decimal
    each_amount: Decimal
    amount: Decimal
    description: str
    origin: str


@dataclass(frozen=True, slots=True)
class Bill:
    """A copy of an invoice. The copy doesn't change when the invoice does.

    `state` is `open`, `held`, `released`, `unpaid`, `lapsed`, `paid` or `void`. `quantities` maps item codes
    to the quantities in the invoice's period. `total` is the amount to pay, including tax and never below 0.
    `collected` is the amount that the gateway charged, minus refunds and voids. `title` and `remarks` are for
    display.
    """

    number: int
    customer: str
    plan: str
    state: str
    billing_at: datetime
    lines: tuple[Line, ...]
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    collected: Decimal
    quantities: Mapping[str, Decimal]
    title: str
    remarks: tuple[str, ...]

    @classmethod
    def of(cls, invoice: Invoice, entries: Iterable[Entry] = ()) -> "Bill":
        """Return a copy of an invoice.

        `entries` are the customer's timeline entries, which show who added each charge.
        """
        actors = _actors(invoice, entries)
        return cls(
            invoice.number,
            invoice.subscription.customer.code,
            invoice.plan.code,
            invoice.state.value,
            invoice.billing_at,
            tuple(_line(charge, invoice, actors) for charge in invoice.lines()),
            invoice.subtotal,
            invoice.tax,
            invoice.total,
            invoice.collected,
            {planned.item.code: invoice.quantity(planned.item.code) for planned in invoice.plan.items},
            _title(invoice),
            tuple(_remarks(invoice)),
        )

    def custom(self, code: str) -> list[Line]:
        """Return the custom charges and credits with this code."""
        return [line for line in self.lines if line.type == "custom" and line.code == code]

    def __str__(self) -> str:
        heading = ("code", "quantity", "each", "amount", "")
        rows = [
            (
                line.code,
                quantity_text(line.quantity),
                amount_text(line.each_amount),
                amount_text(line.amount),
                line.origin,
            )
            for line in self.lines
        ]
        if self.tax:
            rows += [("subtotal", "", "", amount_text(self.subtotal), "")]
            rows += [("tax", "", "", amount_text(self.tax), "")]
        rows += [("total", "", "", amount_text(self.total), "")]
        return "\n".join(
            [
                self.title,
                *aligned([heading, *rows], numbers=(1, 2, 3)),
                *(f"  {remark}" for remark in self.remarks),
            ]
        )


def aligned(rows: Sequence[Sequence[str]], *, numbers: Iterable[int] = ()) -> Iterator[str]:
    """Yield each row as a line of fixed-width columns. The columns in `numbers` are right-aligned."""
    right = set(numbers)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(wide) if place in right else cell.ljust(wide)
            for place, (cell, wide) in enumerate(zip(row, widths, strict=True))
        )
        yield f"  {'  '.join(cells)}".rstrip()


def _line(charge: Charge, invoice: Invoice, actors: Mapping[tuple[datetime, str], str]) -> Line:
    return Line(
        charge.code,
        charge.type.value,
        charge.quantity,
        charge.each_amount,
        charge.amount,
        charge.description,
        _origin(charge, invoice, actors),
    )


def _origin(charge: Charge, invoice: Invoice, actors: Mapping[tuple[datetime, str], str]) -> str:
    planned = invoice.plan.item(charge.code)
    if charge.type is ChargeType.ITEM and planned is not None:
        return _counted(planned, invoice)
    if charge.type is not ChargeType.CUSTOM:
        return f"plan {invoice.plan.code}"
    actor = actors.get((charge.created, charge.code))
    added = f"added {_moment(charge.created)}" + (f" by {actor}" if actor else "")
    return f"{charge.description}, {added}" if charge.description else added


def _counted(planned: PlanItem, invoice: Invoice) -> str:
    used = quantity_text(invoice.quantity(planned.item.code))
    if planned.quantity_included >= UNLIMITED:
        return f"{used} used, unlimited"
    return f"{used} used, {quantity_text(planned.quantity_included)} included"


def _actors(invoice: Invoice, entries: Iterable[Entry]) -> Mapping[tuple[datetime, str], str]:
    return {
        (entry.at, entry.item): entry.actor
        for entry in entries
        if entry.kind == "charge" and entry.invoice == invoice.number
    }


def _title(invoice: Invoice) -> str:
    began = f"{_moment(invoice.previous_at)} to " if invoice.previous_at else ""
    customer = invoice.subscription.customer.code
    return (
        f"invoice #{invoice.number} of {customer}, {began}{_moment(invoice.billing_at)}, "
        f"plan {invoice.plan.code}: {_standing(invoice)}"
    )


def _standing(invoice: Invoice) -> str:
    made = invoice.transactions[-1] if invoice.transactions else None
    match invoice.state:
        case InvoiceState.OPEN:
            return "open, its lines are projected"
        case InvoiceState.LAPSED:
            return "not billed, as the subscription is canceled"
        case InvoiceState.HELD:
            return "held, as its hooks are not all acknowledged"
        case InvoiceState.UNPAID:
            return f"unpaid: {made.reason}" if made else "unpaid, there is no way to pay it"
        case InvoiceState.RELEASED:
            return f"released, runs {_moment(invoice.run_at)}"
        case InvoiceState.PAID:
            paid = next((each for each in invoice.transactions if each.id == invoice.paid_by), made)
            return f"paid {_moment(paid.at)}" if paid else "paid"
        case InvoiceState.VOID:
            return "void"


def _remarks(invoice: Invoice) -> Iterator[str]:
    if invoice.carried:
        yield f"{amount_text(invoice.carried.copy_negate())} of credit is carried forward"
    shown = {charge.code for charge in invoice.lines() if charge.type is ChargeType.ITEM}
    for planned in invoice.plan.items:
        if planned.item.code not in shown:
            yield f"{planned.item.code}: {_counted(planned, invoice)}"


def _moment(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"
