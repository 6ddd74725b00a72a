"""An agenda of actions that are planned for later, in order of time."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any, TypeAlias

__all__ = ["Action", "Agenda"]

# A module-level function that takes the system, the subject and the time. It can't be a closure, because
# agendas are saved.
Action: TypeAlias = Callable[[Any, Any, datetime], None]
_Planned: TypeAlias = tuple[datetime, int, Action, Any]

_RANK = 1 << 40  # larger than any number of planned actions


class Agenda:
    """Planned actions and their times. Actions planned for the same time run in the order of planning.

    Actions with a `rank` run after the other actions of the same time, in the order of their ranks. An action
    gets a rank if it is planned when a listener answers, because the order must not depend on how fast each
    listener answers.
    """

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._count = 0
        # The planned actions by the `id()` of their subject. Built by the first `about`, so that a mock
        # without forecasts needs no memory for it.
        self._by_subject: defaultdict[int, list[_Planned]] | None = None

    def __getstate__(self) -> tuple[list[_Planned], int]:
        return self._planned, self._count

    def __setstate__(self, state: tuple[list[_Planned], int]) -> None:
        self._planned, self._count = state
        self._by_subject = None

    def schedule(self, when: datetime, action: Action, subject: object, rank: int = 0) -> None:
        """Schedule `action` to be called with `subject` at `when`.

        The action itself must check whether it still applies.
        """
        self._count += 1
        planned = when, rank * _RANK + self._count, action, subject
        heapq.heappush(self._planned, planned)
        if self._by_subject is not None:
            self._by_subject[id(subject)].append(planned)

    def about(self, ids: Iterable[int]) -> list[tuple[datetime, Action, Any]]:
        """Return the actions planned for the subjects with these `id()`s, in the order of planning."""
        if self._by_subject is None:
            self._by_subject = defaultdict(list)
            for planned in self._planned:
                self._by_subject[id(planned[3])].append(planned)
        found = [planned for each in ids for planned in self._by_subject.get(each, ())]
        return [(when, action, subject) for when, _, action, subject in sorted(found, key=itemgetter(1))]

    def next_due(self) -> datetime | None:
        """Return the time of the next action, or None if nothing is planned."""
        return self._planned[0][0] if self._planned else None

    def take(self, at: datetime) -> tuple[Action, Any] | None:
        """Remove and return the next action due by `at`, with its subject. Returns None if nothing is due."""
        if not self._planned or self._planned[0][0] > at:
            return None
        planned = heapq.heappop(self._planned)
        _, _, action, subject = planned
        if self._by_subject is not None:
            self._by_subject[id(subject)].remove(planned)
            if not self._by_subject[id(subject)]:
                del self._by_subject[id(subject)]
        return action, subject
