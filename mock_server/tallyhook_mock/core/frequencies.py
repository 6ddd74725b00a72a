"""Billing frequencies and the arithmetic of billing dates."""

from calendar import monthrange
from collections.abc import Callable
from datetime import datetime, timedelta

from tallyhook_mock.core.base import Value

__all__ = ["FREQUENCIES", "Frequency", "add_months", "run_over"]


def add_months(moment: datetime, months: int) -> datetime:
    """Return the same day and time `months` later, or the last day of that month if the month is too short.

    Standing: inferred.
    """
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    month += 1
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def run_over(moment: datetime, months: int) -> datetime:
    """Return the time that is `months` months after `moment`.

    A missing day runs over into the next month: one month after 31 August is 1 October.
    """
    first = add_months(moment.replace(day=1), months)
    return first + timedelta(days=moment.day - 1)


class Frequency(Value, frozen=True):
    """How often a plan bills, in Cheddar's terms.

    For a monthly plan, `name` is `monthly`, `per` is `month`, `unit` is `months` and `quantity` is 1.
    """

    name: str
    per: str
    unit: str
    quantity: int

    def after(
        self, anchor: datetime, count: int, add: Callable[[datetime, int], datetime] = add_months
    ) -> datetime | None:
        """Return the `count`-th billing date after `anchor`. Returns None if the plan doesn't bill again.

        `add` adds months to a date, and decides which date follows the 31st in a shorter month.
        """
        steps = self.quantity * count
        match self.unit:
            case "days":
                return anchor + timedelta(days=steps)
            case "weeks":
                return anchor + timedelta(weeks=steps)
            case "months":
                return add(anchor, steps)
            case "years":
                return add(anchor, steps * 12)
        return None


# The names and their order are documented. The per, unit and quantity of the rarer ones are inferred from
# the recorded `monthly` / `month` / `months` / 1.
FREQUENCIES = {
    frequency.name: frequency
    for frequency in (
        Frequency("daily", "day", "days", 1),
        Frequency("weekly", "week", "weeks", 1),
        Frequency("biweekly", "two weeks", "weeks", 2),
        Frequency("monthly", "month", "months", 1),
        Frequency("bimonthly", "two months", "months", 2),
        Frequency("quarterly", "quarter", "months", 3),
        Frequency("semi-annually", "six months", "months", 6),
        Frequency("annually", "year", "years", 1),
        Frequency("biennially", "two years", "years", 2),
        Frequency("none", "none", "none", 0),
    )
}
