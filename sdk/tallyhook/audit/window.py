"""A window: the time in which you can still change the bill for a period."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What closes a window. This decides what an audit can guarantee."""

    HOLD = "hold"
    """The invoice waits until it is executed. Nothing is billed unaudited."""

    DEADLINE = "deadline"
    """A quantity is billed only if it is set before a date. There is nothing to execute."""

    COLLECT = "collect"
    """Charges are collected for the next invoice."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """An account and a period to audit.

    Attributes:
        system: `cheddar`, `fusebill`, `cleverbridge` or `chargemonk`.
        account: the code or id that the billing system uses for the customer or subscription.
        start: the start of the period; None if unknown.
        end: the end of the period, exclusive.
        opens: when the audit may begin; None if unknown.
        closes: when it is too late to change the bill; None if only executing the invoice closes the window.
        kind: what closes the window.
        invoice: the billing system's id of the waiting invoice; empty if there is none yet.
    """

    system: str
    account: str
    start: datetime | None
    end: datetime | None
    opens: datetime | None = None
    closes: datetime | None = None
    kind: Kind
    invoice: str = ""

    @property
    def key(self) -> str:
        """The window's key in the journal. It is the same in every run."""
        about = self.invoice or (self.end.isoformat() if self.end else "")
        return f"{self.system}/{self.account}/{about}"

    def is_late(self, now: datetime) -> bool:
        """Return whether it is too late to change the bill."""
        return self.closes is not None and now >= self.closes
