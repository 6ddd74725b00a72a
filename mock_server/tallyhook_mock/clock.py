"""The mock's clock, which runs in real time or is frozen until it is moved."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

__all__ = ["Clock", "ClockBusy", "Mode", "parse_moment"]

# The years that the clock may show. A system may calculate a date up to a thousand years ahead, such as the
# first bill after a trial, and a datetime ends with the year 9999.
_YEARS = range(1000, 8000)


class Mode(StrEnum):
    FROZEN = "frozen"
    REAL = "real"


class ClockBusy(Exception):
    """Raised when another call is already moving the clock."""


class Clock:
    """A clock that is frozen, or runs at the speed of real time. Only `set` can turn it back."""

    __slots__ = ("_is_held", "_is_suspended", "_moment", "_offset")

    def __init__(self, start: datetime, mode: Mode = Mode.FROZEN) -> None:
        """Create a clock that shows `start`, an aware datetime in the years 1000 to 7999.

        Raises ValueError for any other `start`.
        """
        self._moment = _reachable(start)
        self._offset: timedelta | None = None
        self._is_held = self._is_suspended = False
        if mode is Mode.REAL:
            self.run()

    @property
    def mode(self) -> Mode:
        return Mode.FROZEN if self._offset is None else Mode.REAL

    def now(self) -> datetime:
        """Return the mock's current time, in UTC."""
        if self._offset is not None and not self._is_held:
            # If the machine's clock is set back, this clock stands still until that one has caught up.
            self._moment = max(self._moment, datetime.now(UTC) + self._offset)
        return self._moment

    @property
    def offset(self) -> timedelta | None:
        """How far the clock is ahead of real time. None if it is frozen.

        While the clock is suspended, this is how far ahead it would be if it were resumed now.
        """
        return self._moment - datetime.now(UTC) if self._is_suspended else self._offset

    def hold(self) -> None:
        """Make `now` return the same moment until `let_go` is called."""
        self.now()
        self._is_held = True

    def let_go(self) -> None:
        self._is_held = False

    def set(self, moment: datetime, offset: timedelta | None) -> None:
        """Set the clock to a saved time, even one in the past.

        If `offset` is None, the clock is frozen. Otherwise it runs, and is ahead of real time by `offset`.
        """
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
        """Stop the clock until `resume` is called."""
        is_running = self._offset is not None
        self.freeze()
        self._is_suspended = is_running

    def resume(self) -> None:
        """Let the clock run again if `suspend` stopped it."""
        if self._is_suspended:
            self._is_suspended = False
            self.run()

    def ahead(self, to: datetime) -> datetime:
        """Return `to` in UTC. Raises ValueError if it is before the clock's time or after the year 7999."""
        to = _reachable(to)
        if to < self.now():
            raise ValueError(f"{to.isoformat()} is in the past: it is now {self._moment.isoformat()}")
        return to

    def move(self, to: datetime) -> None:
        """Move the clock ahead to a moment. Raises ValueError in the same cases as `ahead`."""
        to = self.ahead(to)
        self._moment = to
        if self._offset is not None:
            self._offset = to - datetime.now(UTC)


def parse_moment(written: str) -> datetime:
    """Parse an ISO 8601 date and time. Without a UTC offset, it is taken as UTC.

    Raises ValueError for any other text.
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
