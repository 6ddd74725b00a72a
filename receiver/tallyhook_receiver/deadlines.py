"""Deadlines that are all equally far away, and hardly ever reached."""

import asyncio
from collections.abc import Callable

from tallyhook_receiver.here import running_loop

__all__ = ["Deadline", "Deadlines"]


class Deadline:
    """A moment of the loop's time; `is_reached` tells whether it came before `cancel`."""

    __slots__ = ("_pending", "at", "is_reached", "reach")

    def __init__(self, at: float, reach: Callable[[], object], pending: "dict[Deadline, None]") -> None:
        self.at = at
        self.reach = reach
        self.is_reached = False
        self._pending = pending

    def cancel(self) -> None:
        """Nothing will happen any more; harmless if it has."""
        self._pending.pop(self, None)


class Deadlines:
    """A queue with one timer of the loop, where a timer for each would have to be sorted in and out.

    All have to be the same time away, for they are looked at in the order in which they were set.
    """

    def __init__(self) -> None:
        self._pending: dict[Deadline, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def set(self, seconds: float, reach: Callable[[], object]) -> Deadline:
        """Call `reach` in so many seconds, unless it is canceled."""
        loop = running_loop()
        if loop is not self._loop:  # what another loop has left behind is nobody's any more
            self._loop, self._timer, self._pending = loop, None, {}
        deadline = Deadline(loop.time() + seconds, reach, self._pending)
        self._pending[deadline] = None
        if self._timer is None:
            self._timer = loop.call_at(deadline.at, self._look)
        return deadline

    def _look(self) -> None:
        """Come to those that are reached, and look again when the next one may be."""
        assert self._loop is not None
        now = self._loop.time()
        while self._pending:
            deadline = next(iter(self._pending))
            if deadline.at > now:
                self._timer = self._loop.call_at(deadline.at, self._look)
                return
            deadline.cancel()
            deadline.is_reached = True
            deadline.reach()
        self._timer = None
