"""Calculates when a billing period ends: on a day of the month, every few months or years."""

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
    """Return midnight UTC on the day of `moment`.

    Billing periods begin and end at midnight UTC (inferred: no source names a time zone).
    """
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class InvoiceDate(Value, frozen=True):
    """The dates on which to bill: a day of the month, every `intervals` months or years.

    A yearly date needs a `month`. If a monthly date has a `month`, the next recharge moves to that month
    (documented), and later recharges are counted from it. In a month that is too short for `day`, the date is
    the last day of the month; the next month that is long enough uses `day` again (inferred). Raises Refusal
    if `day` doesn't exist in `month`, or in any month if `month` is None.
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
        """Return the invoice date with the day of `moment`, and for a yearly cycle, with its month too."""
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
        """Return the invoice date `periods` periods after `moment`, which must be an invoice date too."""
        months = 12 * (moment.year - _ERA) + moment.month - 1 + periods * self.months
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), months)

    def near(self, moment: datetime) -> datetime:
        """Return the invoice date in the same month as `moment`, or if `month` is set, in the same year."""
        month = moment.month if self.month is None else self.month
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), 12 * (moment.year - _ERA) + month - 1)

    def after(self, moment: datetime) -> datetime:
        """Return the first invoice date after `moment`."""
        date = self.near(moment)
        return date if date > moment else self._next(date)

    def first_end(self, start: datetime) -> datetime:
        """Return the end of a first period.

        The end is the next invoice date, or one whole period after `start` if `start` is an invoice date.
        """
        if self.near(start) == start:
            return self.later(start, 1)
        return self.after(start)

    def instead_of(self, end: datetime, at: datetime) -> datetime:
        """Return the new end of a period that would end at `end`, when the period moves to this invoice date.

        The new end is in the same month as the old one, or if `month` is set, in the same year. A move from
        the 1st to the 6th ends the period five days later. A move from the 30th to the 22nd ends it eight
        days earlier (documented). If the new end is not after the day of `at`, the next invoice date is used
        (inferred).
        """
        date, day = self.near(end), day_of(at)
        return date if date > day else self.after(day)

    def _next(self, date: datetime) -> datetime:
        """Return the invoice date a month after `date`, or a year after it if `month` is set."""
        months = 12 * (date.year - _ERA) + date.month - 1 + (1 if self.month is None else 12)
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), months)
