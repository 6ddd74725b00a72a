"""Parses durations such as `1mo`, `36d`, `1h30min` and `P1M`."""

import re
from datetime import datetime, timedelta

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.frequencies import add_months

__all__ = ["Duration", "parse_duration"]

_PLAIN = re.compile(
    r"(?:(?P<years>\d{1,6})y)?(?:(?P<months>\d{1,6})mo)?(?:(?P<weeks>\d{1,6})w)?(?:(?P<days>\d{1,6})d)?"
    r"(?:(?P<hours>\d{1,9})h)?(?:(?P<minutes>\d{1,9})(?:min|m))?(?:(?P<seconds>\d{1,12})s)?",
    re.ASCII,
)
_ISO = re.compile(
    r"P(?:(?P<years>\d{1,6})Y)?(?:(?P<months>\d{1,6})M)?(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,12})S)?)?",
    re.ASCII,
)


class Duration(Value, frozen=True):
    """A duration: a number of calendar months, which vary in length, plus an exact `rest`."""

    months: int
    rest: timedelta

    def after(self, moment: datetime) -> datetime:
        """Return `moment` plus this duration. Raises ValueError if the result is after the year 9999."""
        try:
            return add_months(moment, self.months) + self.rest
        except (ValueError, OverflowError):
            raise ValueError("the calendar ends with the year 9999") from None

    def before(self, moment: datetime) -> datetime:
        """Return `moment` minus this duration. Raises ValueError if the result is before the year 1."""
        try:
            return add_months(moment, -self.months) - self.rest
        except (ValueError, OverflowError):
            raise ValueError("the calendar begins with the year 1") from None


def parse_duration(written: str) -> Duration:
    """Parse a duration such as `2w`, `1mo`, `1d12h` or `90s`, or an ISO 8601 duration such as `P1M`.

    In the short form, `mo` means months, and `m` means minutes. Raises ValueError for any other text.
    """
    found = _PLAIN.fullmatch(written) or _ISO.fullmatch(written)
    parts = {unit: int(count) for unit, count in found.groupdict().items() if count} if found else {}
    if not parts:
        meant = _meant(written)
        hint = f"; did you mean {meant}?" if meant else " such as 1mo, 36d, 1h, 90s or P1M"
        raise ValueError(f"{written!r} is not a duration{hint}")
    months = parts.pop("years", 0) * 12 + parts.pop("months", 0)
    return Duration(months, timedelta(**parts))


_UNITS = {"year": "y", "month": "mo", "week": "w", "day": "d", "hour": "h", "minute": "min", "second": "s"}
_SHORT = {"y": "yr", "mo": "mth", "w": "wk", "d": "d", "h": "hr", "min": "m", "s": "sec"}
_LOOSE = re.compile(r"(\d{1,6})[\s_-]*([a-z]+)", re.ASCII)


def _meant(written: str) -> str:
    """Return the duration that was probably meant, such as `1mo` for `1 month` or `1mon`.

    Returns an empty string if that is unclear.
    """
    text = written.strip().lower().replace(",", " ").replace(" and ", " ")
    found = []
    for count, word in _LOOSE.findall(text):
        name = word.removesuffix("s") or word
        units = [
            unit for full, unit in _UNITS.items() if full.startswith(name) or name in (unit, _SHORT[unit])
        ]
        if not units:
            return ""
        found.append(f"{count}{units[0]}")
    return "".join(found) if found and not _LOOSE.sub("", text).strip() else ""
