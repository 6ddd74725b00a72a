"""A window: the time in which what will be billed for a period can still be changed."""

from datetime import datetime
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What closes a window, and so what an audit can promise."""

    HOLD = "hold"
    """The invoice waits. It is compared, corrected and then executed: nothing is billed unaudited."""

    DEADLINE = "deadline"
    """Quantities count if they are set before a date. There is nothing to execute; late is late."""

    COLLECT = "collect"
    """Charges are collected, and the next invoice takes them in."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Whose usage of which time is asked for.

    Attributes:
        system: `cheddar`, `fusebill`, `cleverbridge` or `chargemonk`.
        account: the customer or subscription, as that system names it.
        start: the beginning of the period; None where the system doesn't tell it.
        end: its end, which usage does not belong to any more.
        opens: since when it can be audited; None if that is not told.
        closes: up to when; None if nothing but executing closes it.
        kind: what closes it.
        invoice: what waits, as the system names it; empty if nothing does yet.
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
        """What the journal files it under: the same for every run that is about it."""
        about = self.invoice or (self.end.isoformat() if self.end else "")
        return f"{self.system}/{self.account}/{about}"

    def is_late(self, now: datetime) -> bool:
        """Whether what is set now comes too late."""
        return self.closes is not None and now >= self.closes
