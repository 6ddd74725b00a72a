"""The day on which a billing period definition bills, month after month or year after year."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from tallyhook_mock.engine.calendar import add_months
from tallyhook_mock.engine.fusebill.refusal import invalid
from tallyhook_mock.engine.record import Record

__all__ = ["Cycle", "InvoiceDate", "day_of"]

# All dates are counted from this year; a leap year, or there would be no February 29 to count from.
_ERA = 2000


class Cycle(StrEnum):
    MONTHLY = "Monthly"
    YEARLY = "Yearly"

    @property
    def months(self) -> int:
        return 1 if self is Cycle.MONTHLY else 12


def day_of(moment: datetime) -> datetime:
    """Midnight, UTC, of its day: where periods begin and end (inferred: no source names a time zone)."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class InvoiceDate(Record, frozen=True):
    """`day` of every month, or of one `month` every year.

    In a month that is too short it is the last day; the 31st comes back in the month after (inferred).
    Refusal for a day that there is in no such month.
    """

    cycle: Cycle
    day: int
    month: int | None = None

    def __post_init__(self) -> None:
        if self.cycle is Cycle.MONTHLY and self.month is not None:
            raise invalid("invoiceMonth", "a monthly period has none; leave it out")
        if self.cycle is Cycle.YEARLY and not (self.month is not None and 1 <= self.month <= 12):
            raise invalid("invoiceMonth", "a yearly period needs its month, from 1 to 12")
        longest = add_months(datetime(_ERA, 1, 31, tzinfo=UTC), (self.month or 1) - 1).day
        if not 1 <= self.day <= longest:
            raise invalid("invoiceDay", f"from 1 to {longest}")

    @classmethod
    def of(cls, cycle: Cycle, moment: datetime) -> Self:
        """The date that makes what begins at this moment bill when it begins."""
        return cls(cycle, moment.day, moment.month if cycle is Cycle.YEARLY else None)

    def near(self, moment: datetime, later: int = 0) -> datetime:
        """The date in the month of the moment, or in its year if yearly, and so many cycles later."""
        anchor = datetime(_ERA, self.month or 1, self.day, tzinfo=UTC)
        months = moment.month - 1 if self.cycle is Cycle.MONTHLY else 0
        return add_months(anchor, 12 * (moment.year - _ERA) + months + later * self.cycle.months)

    def after(self, moment: datetime) -> datetime:
        """The first such date after the moment."""
        date = self.near(moment)
        return date if date > moment else self.near(moment, 1)

    def instead_of(self, end: datetime, at: datetime) -> datetime:
        """Where a period ends that was to end at `end`, when it is moved to this date.

        In the month of that end, or in its year: so the 1st becomes the 6th five days later, and the 30th the
        22nd eight days earlier (documented). If that day is not to come any more, the next one (inferred).
        """
        date, day = self.near(end), day_of(at)
        return date if date > day else self.after(day)
