"""What came of a review, and how it is told: declared, found, applied."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from tallyhook import money
from tallyhook.journal import Declaration
from tallyhook.review.changes import AddCharge, Change, DeleteCharge, SetQuantity
from tallyhook.tables import Column, Shown, Table

__all__ = ["Outcome", "Standing"]


class Standing(StrEnum):
    """How an invoice stood when the review was applied."""

    OUTSTANDING = "outstanding"
    CURRENT = "current"
    PAID = "paid"
    GONE = "gone"


class Outcome(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """What came of a review. `found` is what had to be changed at first, `applied` what was changed."""

    declared: Declaration
    standing: Standing
    found: tuple[Change, ...] = ()
    applied: tuple[Change, ...] = ()
    total_before: Decimal | None = None
    total_after: Decimal | None = None
    ran: bool = False
    note: str = ""

    def table(self) -> Table:
        """A row for each thing declared or deleted: what was declared, found, and applied."""
        totals = ["" if it is None else money.amount_text(it) for it in (self.total_before, self.total_after)]
        remarks = [self.note] if self.note else []
        if self.ran:
            remarks.append("the invoice was run")
        return Table(
            title=f"review, the invoice was {self.standing}",
            columns=_COLUMNS,
            rows=(*self._quantities(), *self._charges(), *self._deletions()),
            sums=(("total", "", *totals, ""),) if any(totals) else (),
            remarks=tuple(remarks),
        )

    def _quantities(self) -> Iterator[tuple[str, ...]]:
        changes = {change.item: change for change in self.found if isinstance(change, SetQuantity)}
        for code, quantity in self.declared.quantities.items():
            declared = money.quantity_text(quantity)
            if (change := changes.get(code)) is not None:
                yield code, declared, change.shown, "set", ""
            else:
                yield code, declared, self._as_declared(declared), "", ""

    def _charges(self) -> Iterator[tuple[str, ...]]:
        missing = [change.charge for change in self.found if isinstance(change, AddCharge)]
        for charge in self.declared.charges:
            if charge in missing:
                missing.remove(charge)
                yield charge.code, charge.price, "none", "added", charge.description
            else:
                yield charge.code, charge.price, self._as_declared(charge.price), "", charge.description

    def _deletions(self) -> Iterator[tuple[str, ...]]:
        for change in self.applied:
            if isinstance(change, DeleteCharge):
                yield change.charge.code, "none", change.charge.price, "deleted", change.charge.description

    def _as_declared(self, declared: str) -> str:
        """What was found where nothing had to be changed; an invoice that wasn't outstanding was not read."""
        return declared if self.standing is Standing.OUTSTANDING else ""


_COLUMNS = (
    Column("code"),
    Column("declared", is_number=True),
    Column("found", is_number=True),
    Column("applied", is_number=True),
    Column("description"),
)
