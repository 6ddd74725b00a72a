"""Bill dates."""

from calendar import monthrange
from datetime import date, datetime, timedelta

# Months and days.
FREQUENCIES: dict[str, tuple[int, int]] = {
    "daily": (0, 1),
    "weekly": (0, 7),
    "biweekly": (0, 14),
    "monthly": (1, 0),
    "bimonthly": (2, 0),
    "quarterly": (3, 0),
    "semi-annually": (6, 0),
    "annually": (12, 0),
    "biennially": (24, 0),
}


def months_after(at: datetime, months: int) -> datetime:
    """The same day `months` later. Days that the month lacks run over into the next one (K38 to K41)."""
    years, month = divmod(at.month - 1 + months, 12)
    first = at.replace(year=at.year + years, month=month + 1, day=1)
    return first + timedelta(days=at.day - 1)


def after(at: datetime, frequency: str) -> datetime:
    """The bill date after the one at `at`."""
    months, days = FREQUENCIES[frequency]
    return months_after(at, months) if months else at + timedelta(days=days)


def end_of_month(month: int, year: int) -> date:
    """The last day on which a card is valid."""
    return date(year, month, monthrange(year, month)[1])
