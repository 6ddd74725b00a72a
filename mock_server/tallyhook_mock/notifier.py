"""Notifies observers, such as open console pages, of changes."""

import asyncio

__all__ = ["Notifier"]


class Notifier:
    """Counts changes, and wakes the tasks that are waiting for the next one. Belongs to one event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._next: asyncio.Event | None = None  # set only while a task is waiting

    def beat(self) -> None:
        self.count += 1
        if self._next is not None:
            # Each beat has its own event, so a beat wakes a task only once, however late the task runs.
            self._next.set()
            self._next = None

    async def after(self, count: int) -> int:
        """Wait until the count is no longer `count`, and return the new count."""
        while self.count == count:
            if self._next is None:
                self._next = asyncio.Event()
            await self._next.wait()
        return self.count
