"""When a billing period ends: on a day of the month, every few months or years."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.systems.fusebill.refusal import invalid

__all__ = ["MOST_INTERVALS", "Cycle", "InvoiceDate", "day_of"]

MOST_INTERVALS = 120
# All dates are counted from this year. It is a leap year, so that February 29 exists.
_ERA = 2000


class Cycle(StrEnum):
    MONTHLY = "Monthly"
    YEARLY = "Yearly"

    @property
    def months(self) -> int:
        return 1 if self is Cycle.MONTHLY else 12


def day_of(moment: datetime) -> datetime:
    """Midnight UTC of the day, where periods begin and end (inferred: no source names a time zone)."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class InvoiceDate(Value, frozen=True):
    """A `day` of the month every `intervals` months, or every `intervals` years in a `month`.

    With a monthly cycle, the next recharge moves to `month` (documented), and later ones count from there. In
    a shorter month it is on the last day; the 31st returns in the next month (inferred). Refusal for a day
    that such months don't have.
    """

    cycle: Cycle
    day: int
    month: int | None = None
    intervals: int = 1

    def __post_init__(self) -> None:
        if self.cycle is Cycle.YEARLY and self.month is None:
            raise invalid("invoiceMonth", "a yearly period needs its month, from 1 to 12")
        if self.month is not None and not 1 <= self.month <= 12:
            raise invalid("invoiceMonth", "from 1 to 12")
        if not 1 <= self.intervals <= MOST_INTERVALS:
            raise invalid("numberOfIntervals", f"from 1 to {MOST_INTERVALS}")
        longest = add_months(datetime(_ERA, 1, 31, tzinfo=UTC), (self.month or 1) - 1).day
        if not 1 <= self.day <= longest:
            raise invalid("invoiceDay", f"from 1 to {longest}")

    @classmethod
    def of(cls, cycle: Cycle, moment: datetime, intervals: int = 1) -> Self:
        """The date on which something that begins at this moment bills."""
        return cls(cycle, moment.day, moment.month if cycle is Cycle.YEARLY else None, intervals)

    @property
    def months(self) -> int:
        """The length of a period in months."""
        return self.cycle.months * self.intervals

    @property
    def settled(self) -> Self:
        """The date for later recharges, without the month that a monthly recharge was moved to."""
        return type(self)(
            self.cycle, self.day, self.month if self.cycle is Cycle.YEARLY else None, self.intervals
        )

    @property
    def frequency(self) -> tuple[Cycle, int]:
        """The cycle and the number of intervals, which a subscription can't change."""
        return self.cycle, self.intervals

    def later(self, moment: datetime, periods: int) -> datetime:
        """The date `periods` whole periods after one of its dates."""
        months = 12 * (moment.year - _ERA) + moment.month - 1 + periods * self.months
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), months)

    def near(self, moment: datetime) -> datetime:
        """The date in the month of the moment, or in its year if it has a month."""
        month = moment.month if self.month is None else self.month
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), 12 * (moment.year - _ERA) + month - 1)

    def after(self, moment: datetime) -> datetime:
        """The first such date after the moment."""
        date = self.near(moment)
        return date if date > moment else self._next(date)

    def first_end(self, start: datetime) -> datetime:
        """The end of a first period: the next date, or whole intervals later if it begins on such a date."""
        if self.near(start) == start:
            return self.later(start, 1)
        return self.after(start)

    def instead_of(self, end: datetime, at: datetime) -> datetime:
        """The new end of a period that would end at `end`, when it is moved to this date.

        It is in the month of the old end, or in its year. From the 1st to the 6th is five days later, from
        the 30th to the 22nd is eight days earlier (documented). If that day is already over, it is the next
        such day (inferred).
        """
        date, day = self.near(end), day_of(at)
        return date if date > day else self.after(day)

    def _next(self, date: datetime) -> datetime:
        """The date a month after one, or a year if it has a month."""
        months = 12 * (date.year - _ERA) + date.month - 1 + (1 if self.month is None else 12)
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), months)
