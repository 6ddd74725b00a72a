"""What is to come, in order of time."""

import heapq
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

__all__ = ["Action", "Agenda"]

Action: TypeAlias = Callable[[datetime], None]


class Agenda:
    """Actions and their moments; those of one moment are carried out in the order they were planned in."""

    def __init__(self) -> None:
        self._planned: list[tuple[datetime, int, Action]] = []
        self._count = 0

    def schedule(self, when: datetime, action: Action) -> None:
        """Have `action` called at `when`. An action checks for itself whether it still applies."""
        self._count += 1
        heapq.heappush(self._planned, (when, self._count, action))

    def next_due(self) -> datetime | None:
        """The moment of the next action; None if nothing is planned."""
        return self._planned[0][0] if self._planned else None

    def step(self, at: datetime) -> bool:
        """Carry out the next action that is due at `at`; False if none is."""
        if not self._planned or self._planned[0][0] > at:
            return False
        _, _, action = heapq.heappop(self._planned)
        action(at)
        return True
