"""The mock's clock: it runs in real time, or is frozen until it is moved."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

__all__ = ["Clock", "ClockBusy", "Mode", "parse_moment"]

# The years that the clock may show. A system calculates at most a thousand years ahead (a first bill after a
# trial), so every date fits into a datetime.
_YEARS = range(1000, 8000)


class Mode(StrEnum):
    FROZEN = "frozen"
    REAL = "real"


class ClockBusy(Exception):
    """Another call is already moving the clock."""


class Clock:
    """A clock that is frozen, or runs at the speed of real time. It never goes back."""

    __slots__ = ("_is_held", "_is_suspended", "_moment", "_offset")

    def __init__(self, start: datetime, mode: Mode = Mode.FROZEN) -> None:
        """`start` is an aware datetime from the years 1000 to 7999. Raises ValueError otherwise."""
        self._moment = _reachable(start)
        self._offset: timedelta | None = None
        self._is_held = self._is_suspended = False
        if mode is Mode.REAL:
            self.run()

    @property
    def mode(self) -> Mode:
        return Mode.FROZEN if self._offset is None else Mode.REAL

    def now(self) -> datetime:
        """The mock's current time, in UTC."""
        if self._offset is not None and not self._is_held:
            # If the machine's clock is set back, this clock stands still until the machine's catches up.
            self._moment = max(self._moment, datetime.now(UTC) + self._offset)
        return self._moment

    @property
    def offset(self) -> timedelta | None:
        """How far the clock is ahead of real time, or will be once it is resumed. None while it is frozen."""
        return self._moment - datetime.now(UTC) if self._is_suspended else self._offset

    def hold(self) -> None:
        """Make `now` return the same moment until `let_go`."""
        self.now()
        self._is_held = True

    def let_go(self) -> None:
        self._is_held = False

    def set(self, moment: datetime, offset: timedelta | None) -> None:
        """Set the clock to a saved time, even one in the past."""
        self._moment, self._offset = moment, offset

    def freeze(self) -> None:
        """Stop the clock."""
        self.now()
        self._offset = None

    def run(self) -> None:
        """Let the clock run from its current time, at the speed of real time."""
        if self._offset is None:
            self._offset = self._moment - datetime.now(UTC)

    def suspend(self) -> None:
        """Stop the clock until `resume`."""
        is_running = self._offset is not None
        self.freeze()
        self._is_suspended = is_running

    def resume(self) -> None:
        """Run again if `suspend` stopped the clock."""
        if self._is_suspended:
            self._is_suspended = False
            self.run()

    def ahead(self, to: datetime) -> datetime:
        """The moment in UTC. Raises ValueError if it is in the past or after the year 7999."""
        to = _reachable(to)
        if to < self.now():
            raise ValueError(f"{to.isoformat()} is in the past: it is now {self._moment.isoformat()}")
        return to

    def move(self, to: datetime) -> None:
        """Jump ahead. Raises ValueError in the same cases as `ahead`."""
        to = self.ahead(to)
        self._moment = to
        if self._offset is not None:
            self._offset = to - datetime.now(UTC)


def parse_moment(written: str) -> datetime:
    """Read an ISO 8601 moment. One without an offset is taken as UTC.

    Raises ValueError if it can't be read.
    """
    try:
        moment = datetime.fromisoformat(written)
        return _utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{written!r} is not an ISO 8601 moment such as 2026-01-31T12:00:00Z") from None


def _reachable(moment: datetime) -> datetime:
    moment = _utc(moment)
    if moment.year not in _YEARS:
        known = f"the mock's clock knows the years from {_YEARS[0]} to {_YEARS[-1]}"
        raise ValueError(f"{moment.isoformat()} is out of range: {known}")
    return moment


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the moment needs a UTC offset")
    return moment.astimezone(UTC)
