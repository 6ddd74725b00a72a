"""The mock's clock: real time, or a moment that stands still until it is moved."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

__all__ = ["Clock", "ClockBusy", "Mode", "parse_moment"]


class Mode(StrEnum):
    FROZEN = "frozen"
    REAL = "real"


class ClockBusy(Exception):
    """Somebody else is moving the clock."""


class Clock:
    """Frozen at a moment, or running with real time from it. It never goes back."""

    __slots__ = ("_moment", "_offset")

    def __init__(self, start: datetime, mode: Mode = Mode.FROZEN) -> None:
        """`start` is aware; ValueError otherwise."""
        self._moment = _utc(start)
        self._offset: timedelta | None = None
        if mode is Mode.REAL:
            self.run()

    @property
    def mode(self) -> Mode:
        return Mode.FROZEN if self._offset is None else Mode.REAL

    def now(self) -> datetime:
        """The moment that everything in the mock takes for the present, in UTC."""
        if self._offset is not None:
            # The machine's clock may be set back; this one stands still until it has caught up.
            self._moment = max(self._moment, datetime.now(UTC) + self._offset)
        return self._moment

    def freeze(self) -> None:
        """Stand still at the present moment."""
        self.now()
        self._offset = None

    def run(self) -> None:
        """Go on from the present moment at the speed of real time."""
        if self._offset is None:
            self._offset = self._moment - datetime.now(UTC)

    def move(self, to: datetime) -> None:
        """Jump ahead; ValueError for a moment in the past."""
        to = _utc(to)
        if to < self.now():
            raise ValueError(f"{to.isoformat()} is in the past: it is {self._moment.isoformat()}")
        self._moment = to
        if self._offset is not None:
            self._offset = to - datetime.now(UTC)


def parse_moment(written: str) -> datetime:
    """An ISO 8601 moment, in UTC; one without an offset is taken as UTC. ValueError if it is none."""
    try:
        moment = datetime.fromisoformat(written)
        return _utc(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{written!r} is not an ISO 8601 moment such as 2026-01-31T12:00:00Z") from None


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a moment must carry its offset")
    return moment.astimezone(UTC)
