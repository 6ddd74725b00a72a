"""A worker's hold on a hook: taken, kept alive while the work takes, and known to be over in time."""

import asyncio
import time

from tallyhook_receiver.deadlines import Deadline, Deadlines
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox import Inbox, Letter, Taken

__all__ = ["Lease"]


class Lease:
    """One hook's lease of so many seconds, renewed three times as often from `take` until `stop`."""

    def __init__(
        self,
        inbox: Inbox,
        letter: Letter,
        owner: str,
        seconds: float,
        renewals: Deadlines,
        *,
        durably: bool,
    ) -> None:
        self._inbox = inbox
        self._letter = letter
        self._owner = owner
        self._seconds = seconds
        self._until = 0.0  # by our own clock, and never later than by the inbox's
        self._renewals = renewals
        self._durably = durably
        self._first: Deadline | None = None
        self._renewing: asyncio.Task[None] | None = None

    async def take(self) -> Taken:
        """Ask the inbox for the hook. Raises InboxUnavailable."""
        asked = _clock()
        taken = await self._inbox.take(self._letter, self._owner, self._seconds, durably=self._durably)
        if taken.mine:
            self._until = asked + self._seconds
            # No task before it is needed: most work is over by then.
            self._first = self._renewals.set(self._seconds / 3, self._start)
        return taken

    def check(self) -> None:
        """Raises LeaseLost if it has run out: this process stood still, or the inbox was away too long."""
        if _clock() >= self._until:
            raise LeaseLost("the lease has run out")

    def stop(self) -> None:
        """Renew it no more; harmless if it isn't ours."""
        if self._first is not None:
            self._first.cancel()
        if self._renewing is not None:
            self._renewing.cancel()

    def _start(self) -> None:
        self._renewing = asyncio.create_task(self._renew())

    async def _renew(self) -> None:
        while True:
            asked = _clock()
            try:
                await self._inbox.renew(self._letter.key, self._owner, self._seconds)
                if asked < self._until:  # what has run out stays so for `check`, whoever has it now
                    self._until = asked + self._seconds
            except InboxUnavailable:
                pass  # there are two more chances before the lease ends
            except LeaseLost:
                self._until = 0.0
                return
            await asyncio.sleep(self._seconds / 3)


# Seconds that always go on, where there are such: a machine that slept has lost its leases all the same, and
# Linux's monotonic clock doesn't count sleep.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", None)


def _clock() -> float:
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
