"""Something that happened in one of the systems without hooks."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

__all__ = ["Happening"]


@dataclass(frozen=True, slots=True)
class Happening:
    """A line for the timeline of an `account`.

    `invoice` is a number, `amount` what was billed, `item` what it is about, and `quantity` what that stands
    at. None, or empty: there is none.
    """

    kind: str
    at: datetime
    actor: str
    account: str
    note: str = ""
    invoice: int | None = None
    amount: Decimal | None = None
    item: str = ""
    quantity: Decimal | None = None
