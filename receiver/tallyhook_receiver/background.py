"""Work that an open receiver repeats in the background."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import FRESH, Inbox

log = logging.getLogger("tallyhook.receiver")

PRUNED_EVERY = 3600.0  # seconds

_FOR_GOOD = timedelta(days=365_000)


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


class Pruning:
    """Deletes the inbox's hooks that have been done or ignored for `keep_days` days.

    If `keep_days` is None, no hook is deleted. Raises ValueError if `keep_days` is less than 2, because a
    hook may be delivered again within two days.
    """

    def __init__(self, inbox: Inbox, keep_days: float | None) -> None:
        if keep_days is not None and keep_days < FRESH.days:
            raise ValueError(
                f"keep_days must be at least {FRESH.days}: until then, a done hook may come again"
            )
        self._inbox = inbox
        # Prune even if hooks are kept forever, because pruning makes the inbox check its clock. Without these
        # checks, a full inbox can't delete hooks to make room.
        self._age = _FOR_GOOD if keep_days is None else timedelta(days=min(keep_days, _FOR_GOOD.days))

    async def prune(self) -> None:
        """Delete the hooks that have been done or ignored for long enough. Raises InboxUnavailable."""
        if pruned := await self._inbox.prune(self._age):
            log.info("deleted %d hooks that were done or ignored for more than %s", pruned, self._age)
