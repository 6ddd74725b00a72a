"""A window: the time in which you can still change what a period will be billed."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """How a window closes, which decides what an audit can promise."""

    HOLD = "hold"
    """The invoice waits until it has been compared, corrected and executed. Nothing is billed unaudited."""

    DEADLINE = "deadline"
    """Quantities count if they are set before a date. There is nothing to execute."""

    COLLECT = "collect"
    """Charges are collected for the next invoice."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """An account and a period that an audit is about.

    Attributes:
        system: `cheddar`, `fusebill`, `cleverbridge` or `chargemonk`.
        account: the customer or subscription, as the system names it.
        start: the start of the period; None if the system doesn't say.
        end: the end of the period, exclusive.
        opens: when the audit may begin; None if unknown.
        closes: when it is too late; None if only executing the invoice closes it.
        kind: what closes it.
        invoice: the invoice that waits, as the system names it; empty if there is none yet.
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
        """The journal's name for it, the same in every run."""
        about = self.invoice or (self.end.isoformat() if self.end else "")
        return f"{self.system}/{self.account}/{about}"

    def is_late(self, now: datetime) -> bool:
        """Whether it is too late to change the bill."""
        return self.closes is not None and now >= self.closes
