"""The outcome of an audit."""

from decimal import Decimal
from enum import StrEnum

import msgspec

from tallyhook import money
from tallyhook.audit.window import Window
from tallyhook.errors import Error
from tallyhook.tables import Column, Shown, Table


class AuditFailed(Error):
    """The declaration can't be applied. A person must find out why.

    Attributes:
        reason: why the declaration can't be applied.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Standing(StrEnum):
    """The state of a window after an audit."""

    DRY_RUN = "dry run"
    """The quantities were compared with the declaration; nothing was changed."""

    EXECUTED = "executed"
    """The invoice was run or posted as declared."""

    SET = "set"
    """The quantities match the declaration."""

    LATE = "late"
    """The window closed before the declared quantities were set, so the bill may be wrong."""

    UNKNOWN = "unknown"
    """A call got no answer and may still be applied. Run the audit again in a few minutes."""

    FAILED = "failed"
    """A call was refused, or the declaration can't be applied."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of an item's quantity from `before`, its current value, to `after`, the declared one.

    `before` is None if the system doesn't show the quantity.
    """

    item: str
    before: Decimal | None
    after: Decimal

    @property
    def shown(self) -> str:
        """The current quantity as text; `?` if the system doesn't show it."""
        return "?" if self.before is None else money.quantity_text(self.before)

    def __str__(self) -> str:
        return f"{self.item}: {self.shown} → {money.quantity_text(self.after)}"


class Outcome(Shown, msgspec.Struct, frozen=True, kw_only=True):
    """The result of an audit of one window.

    Attributes:
        window: the account and period.
        standing: the window's state.
        changes: the quantities that differed from the declaration.
        problem: why the audit failed, was late or has an unknown result; empty otherwise.
        not_promised: what the billing system can't guarantee, for people to read.
    """

    window: Window
    standing: Standing
    changes: tuple[Change, ...] = ()
    problem: str = ""
    not_promised: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether the audit succeeded and nothing is left to do."""
        return self.standing in (Standing.DRY_RUN, Standing.EXECUTED, Standing.SET)

    def table(self) -> Table:
        problem = (self.problem,) if self.problem else ()
        return Table(
            title=f"{self.window.system} {self.window.account}, {self.window.kind}: {self.standing}",
            columns=(Column("item"), Column("stood at", True), Column("declared", True)),
            rows=tuple((each.item, each.shown, money.quantity_text(each.after)) for each in self.changes),
            remarks=(*problem, *(f"not promised: {each}" for each in self.not_promised)),
        )
