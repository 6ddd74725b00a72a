"""What the receiver does for its inbox while it runs: old hooks that are done with are forgotten."""

import asyncio
import logging
from datetime import timedelta

from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import FRESH, Inbox

__all__ = ["Care"]

log = logging.getLogger("tallyhook.receiver")

_HOUR = 3600.0


class Care:
    """Prunes an inbox when it is opened, and about once an hour from then on.

    `keep_days`: how long hooks that are done or ignored are kept; None = for good. `every` is in seconds.
    Raises ValueError if hooks would be forgotten that may still come again.
    """

    def __init__(self, inbox: Inbox, keep_days: float | None, every: float = _HOUR) -> None:
        if keep_days is not None and keep_days < FRESH.days:
            raise ValueError(
                f"keep_days is {FRESH.days} at least: a hook that is done may come again till then"
            )
        self._inbox = inbox
        self._age = None if keep_days is None else timedelta(days=keep_days)
        self._every = every
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it has begun."""
        if self._age is not None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._go_on(self._age))

    async def stop(self) -> None:
        """End, before the inbox is closed."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    async def _go_on(self, age: timedelta) -> None:
        while True:
            try:
                if pruned := await self._inbox.prune(age):
                    log.info("%d hooks were forgotten, done with for more than %s", pruned, age)
            except InboxUnavailable as error:
                log.warning("the inbox could not be pruned: %s", error)
            await asyncio.sleep(self._every)
