"""Wakes those who watch whenever something has changed."""

import asyncio

__all__ = ["Notifier"]


class Notifier:
    """Counts changes and wakes those who wait for the next one. It belongs to one event loop."""

    def __init__(self) -> None:
        self.count = 0
        self._next: asyncio.Event | None = None  # for those who wait, if anybody does

    def beat(self) -> None:
        self.count += 1
        if self._next is not None:
            # The next beat has another event: a waiter is woken once, however late it runs.
            self._next.set()
            self._next = None

    async def after(self, count: int) -> int:
        """The count, as soon as it is another one than this."""
        while self.count == count:
            if self._next is None:
                self._next = asyncio.Event()
            await self._next.wait()
        return self.count
