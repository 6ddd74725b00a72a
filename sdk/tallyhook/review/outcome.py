"""A review's outcome: what was declared, found and applied, or why the review failed."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

import msgspec

from tallyhook import money
from tallyhook.errors import Error
from tallyhook.review.compare import AddCharge, Change, DeleteCharge, SetQuantity
from tallyhook.review.journal import Declaration
from tallyhook.tables import Column, Shown, Table


class ReviewFailed(Error):
    """The invoice doesn't match the declaration. Another attempt can continue the review.

    Attributes:
        reason: why the review failed. The text names no customer or charge, so it is safe to log.
        details: the charges or items that are affected; may be empty.
    """

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason, details)
        self.reason = reason
        self.details = details

    def __str__(self) -> str:
        return f"{self.reason}: {self.details}" if self.details else self.reason


class OutcomeUnknown(ReviewFailed):
    """It isn't certain yet whether the invoice is right, for example because a request may still arrive.

    Try again in `retry_after` seconds.
    """

    def __init__(self, reason: str, details: str = "", retry_after: float = 60.0) -> None:
        super().__init__(reason, details)
        self.args = (reason, details, retry_after)
        self.retry_after = retry_after


class Unresolved(ReviewFailed):
    """Only a person can decide: it is unclear who added a charge, or the invoice is wrong but already paid.

    Every later attempt raises this too, until the journal has a `Resolved` entry.
    """


class EarlierInvoiceOutstanding(Error):
    """An older invoice is outstanding, so calls would change that invoice instead. Try again later."""


class Standing(StrEnum):
    """The state of an invoice when a review was applied."""

    OUTSTANDING = "outstanding"
    CURRENT = "current"
    PAID = "paid"
    GONE = "gone"


class Outcome(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """The result of a review.

    `found` has the changes that were needed, and `applied` has the changes that were made. `unverified` has
    the items whose quantity no document showed. If `look_again` is True, a request had an unknown outcome:
    call `Review.alook_again` while the invoice is still held (it is held for an hour).
    """

    declared: Declaration
    standing: Standing
    found: tuple[Change, ...] = ()
    applied: tuple[Change, ...] = ()
    total_before: Decimal | None = None
    total_after: Decimal | None = None
    ran: bool = False
    note: str = ""
    unverified: tuple[str, ...] = ()
    look_again: bool = False

    def table(self) -> Table:
        """Return a table with a row for each charge or quantity: what was declared, found and applied."""
        totals = ["" if it is None else money.amount_text(it) for it in (self.total_before, self.total_after)]
        remarks = [self.note] if self.note else []
        if self.ran:
            remarks.append("the invoice was run")
        if self.unverified:
            remarks.append(f"not verified, because no document shows it: {', '.join(self.unverified)}")
        if self.look_again:
            remarks.append("an answer was lost, so the invoice needs a second look")
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
            elif code in self.unverified:
                yield code, declared, "?", "", ""
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
        """Return `declared`, or an empty string if the invoice wasn't compared with it."""
        return "" if self.total_after is None else declared


_COLUMNS = (
    Column("code"),
    Column("declared", is_number=True),
    Column("found", is_number=True),
    Column("applied", is_number=True),
    Column("description"),
)
