"""Work that an open receiver repeats in the background."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import Inbox

log = logging.getLogger("tallyhook.receiver")

PRUNED_EVERY = 3600.0  # seconds

_FOREVER = 365_000  # days


class Repeated:
    """Calls `work` in the background: at once, and again after each pause of `seconds`.

    If a call fails, the error is logged, and the next call is made as usual. `what` names the work in the
    log.
    """

    def __init__(self, what: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        self._what = what
        self._seconds = seconds
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start calling `work`, in the current event loop."""
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


async def prune(inbox: Inbox, keep_days: float | None) -> None:
    """Delete the hooks that have been done or ignored for `keep_days` days. Raises InboxUnavailable."""
    # Prune even if hooks are kept forever, because pruning makes the inbox check its clock. Without these
    # checks, a full inbox can't delete hooks to make room.
    age = timedelta(days=_FOREVER if keep_days is None else min(keep_days, _FOREVER))
    if pruned := await inbox.prune(age):
        log.info("deleted %d hooks that were done or ignored for more than %s", pruned, age)
