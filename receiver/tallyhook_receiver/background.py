"""Work that an open receiver repeats in the background."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from tallyhook_receiver.errors import InboxUnavailable

__all__ = ["Repeated"]

log = logging.getLogger("tallyhook.receiver")


class Repeated:
    """Does some work at the start and then every so many seconds; a failure is logged, and it goes on."""

    def __init__(self, what: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        self._what = what
        self._seconds = seconds
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start in this event loop. A task in an earlier loop ended with that loop."""
        self._task = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait({task})

    async def _go_on(self) -> None:
        task = asyncio.current_task()
        while True:
            try:
                await self._work()
            except InboxUnavailable as error:
                log.warning("%s: the inbox is unavailable: %s", self._what, error)
            except Exception:
                log.exception("%s failed", self._what)
            if self._task is not task:  # stopped, but the work swallowed the cancellation
                return
            await asyncio.sleep(self._seconds)
