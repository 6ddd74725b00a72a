"""An invoice as a list of charges, for systems whose invoices have no life of their own: sent is settled."""

from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import total

__all__ = ["Bill", "Line"]


class Line(Value, frozen=True):
    """One charge. `item` says of what, in the system's own terms.

    It is for the time from `start` up to, not including, `end`; None for what is for no time.
    """

    item: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    start: datetime | None = None
    end: datetime | None = None


class Bill(Value, frozen=True):
    """What an account was billed at a moment. `number` counts through the system from 1."""

    number: int
    at: datetime
    account: str
    currency: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        return total(line.amount for line in self.lines)
