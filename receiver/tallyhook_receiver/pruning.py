"""Deletes old hooks that are done or ignored."""

import logging
from datetime import timedelta

from tallyhook_receiver.inbox import FRESH, Inbox

log = logging.getLogger("tallyhook.receiver")

PRUNED_EVERY = 3600.0  # seconds

_FOR_GOOD = timedelta(days=365_000)


class Pruning:
    """Prunes an inbox; `keep_days`: how long hooks that are done or ignored are kept, None = for good.

    Raises ValueError if hooks would be forgotten that may still come again.
    """

    def __init__(self, inbox: Inbox, keep_days: float | None) -> None:
        if keep_days is not None and keep_days < FRESH.days:
            raise ValueError(
                f"keep_days is {FRESH.days} at least: a hook that is done may come again till then"
            )
        self._inbox = inbox
        # An inbox that is never asked knows nothing of its clock, and can't make room when it is full.
        self._age = timedelta(days=keep_days) if keep_days is not None else _FOR_GOOD

    async def prune(self) -> None:
        """Raises InboxUnavailable."""
        if pruned := await self._inbox.prune(self._age):
            log.info("%d hooks were forgotten, done with for more than %s", pruned, self._age)
