"""Time scales: one for a whole history, and one for the minutes, hours and days after a bill date."""

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tallyhook_mock.core.frequencies import add_months

__all__ = ["Aftermath", "Axis", "Tick", "Zone"]

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tick:
    """A tick with its label. `context` is the rest of the date, such as the year, if it has changed."""

    x: float
    label: str
    context: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """A time scale from `start` to `end`, drawn from x `left` to x `right`."""

    start: datetime
    end: datetime
    left: float
    right: float

    def x(self, at: datetime) -> float:
        """Return the x of a moment. A moment outside the axis gets the x of the nearest edge."""
        share = (at - self.start) / (self.end - self.start)
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def ticks(self) -> Iterator[Tick]:
        """Yield ticks at the smallest interval for which the labels fit, starting at the left edge."""
        pixels = (self.right - self.left) / ((self.end - self.start) / _HOUR)
        unit = next((unit for unit in _UNITS if unit.hours * pixels >= unit.room), _UNITS[-1])
        before = self.start.strftime(unit.context)
        yield Tick(self.left, _label(self.start, unit.label), before)
        for at in unit.moments(self.start, self.end):
            context = at.strftime(unit.context)
            yield Tick(self.x(at), _label(at, unit.label), context if context != before else "")
            before = context


@dataclass(frozen=True, slots=True)
class _Unit:
    hours: float
    room: float
    label: str
    context: str
    moments: Callable[[datetime, datetime], Iterator[datetime]]


def _label(at: datetime, pattern: str) -> str:
    return at.strftime(pattern).lstrip("0") if pattern[:2] == "%d" else at.strftime(pattern)


def _every(hours: int) -> Callable[[datetime, datetime], Iterator[datetime]]:
    def moments(start: datetime, end: datetime) -> Iterator[datetime]:
        monday = datetime(1970, 1, 5, tzinfo=UTC)  # so that weeks begin on Mondays, and days at midnight
        step = timedelta(hours=hours)
        at = monday + math.ceil((start - monday) / step) * step
        while at <= end:
            yield at
            at += step

    return moments


def _months(count: int) -> Callable[[datetime, datetime], Iterator[datetime]]:
    def moments(start: datetime, end: datetime) -> Iterator[datetime]:
        at = datetime(start.year, 1, 1, tzinfo=UTC)
        while at <= end:
            if at >= start:
                yield at
            at = add_months(at, count)

    return moments


_UNITS = (
    _Unit(1, 56, "%H:%M", "%d %B %Y", _every(1)),
    _Unit(3, 56, "%H:%M", "%d %B %Y", _every(3)),
    _Unit(6, 56, "%H:%M", "%d %B %Y", _every(6)),
    _Unit(24, 34, "%d", "%B %Y", _every(24)),
    _Unit(24 * 7, 62, "%d %b", "%Y", _every(24 * 7)),
    _Unit(24 * 28, 44, "%b", "%Y", _months(1)),
    _Unit(24 * 90, 44, "%b", "%Y", _months(3)),
    _Unit(24 * 365, 44, "%Y", "", _months(12)),
    _Unit(24 * 3650, 44, "%Y", "", _months(120)),
)


@dataclass(frozen=True, slots=True)
class Zone:
    """A part of the time after a bill date, with its own scale."""

    start: timedelta
    end: timedelta
    left: float
    right: float
    unit: timedelta
    name: str

    def x(self, after: timedelta) -> float:
        share = (after - self.start) / (self.end - self.start)
        return self.left + (self.right - self.left) * min(max(share, 0.0), 1.0)

    def ticks(self, room: float) -> Iterator[Tick]:
        length = (self.end - self.start) / self.unit
        fitting = max((self.right - self.left) / room, 1)
        step = next(step for step in _steps(self.unit) if length / step <= fitting)
        first = math.ceil(self.start / self.unit / step) * step
        for count in range(first, math.floor(self.end / self.unit) + 1, step):
            yield Tick(self.x(count * self.unit), f"{count} {self.name}")


def _steps(unit: timedelta) -> Iterator[int]:
    """Yield the possible intervals between ticks, as multiples of `unit`, smallest first."""
    yield from {_MINUTE: (5, 10, 15, 30), _HOUR: (3, 6, 12), _DAY: (1, 2, 7, 14, 28)}[unit]
    step = 50
    while True:
        yield step
        step *= 2


class Aftermath:
    """A time scale for the time after a bill date, shared by all invoices.

    Minutes, hours and days each have their own scale. On a single scale of days, an hour would be too narrow
    to see. A zone in which nothing happens takes no space.
    """

    _GAP = 20.0

    def __init__(self, moments: Iterable[timedelta], left: float, right: float) -> None:
        """`moments` are the times since the bill date that the scale must show."""
        latest = sorted({timedelta(0), *moments})
        top = max(latest[-1], 3 * _DAY)
        bounds = (
            (timedelta(0), 90 * _MINUTE, _MINUTE, "min", 7.0),
            (90 * _MINUTE, _DAY, _HOUR, "h", 2.0),
            (_DAY, math.ceil(top / _DAY) * _DAY, _DAY, "d", 2.0),
        )
        used = [bound for bound in bounds if not bound[0] or _any_within(latest, bound[0], bound[1])]
        room = right - left - self._GAP * (len(used) - 1)
        share = room / sum(weight for *_, weight in used)
        self.zones: list[Zone] = []
        for start, end, unit, name, weight in used:
            self.zones.append(Zone(start, end, left, left + weight * share, unit, name))
            left += weight * share + self._GAP

    def x(self, after: timedelta) -> float:
        zone = next((zone for zone in self.zones if after <= zone.end), self.zones[-1])
        return zone.x(after)


def _any_within(sorted_moments: list[timedelta], above: timedelta, to: timedelta) -> bool:
    place = bisect_left(sorted_moments, above + timedelta.resolution)
    return place < len(sorted_moments) and sorted_moments[place] <= to
