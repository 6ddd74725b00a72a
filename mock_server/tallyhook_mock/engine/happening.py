"""Something that happened in one of the systems without hooks."""

from datetime import datetime
from decimal import Decimal

from tallyhook_mock.engine.record import Record

__all__ = ["Happening"]


class Happening(Record, frozen=True):
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
