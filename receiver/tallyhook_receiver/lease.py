"""A worker's lease on a hook, and the journal that the worker writes only while it has the lease."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from tallyhook._uptime import uptime
from tallyhook.review.journal import Added, Adding, Entry, GivenUp, Refused
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.inbox import Claim, Due, Inbox, Letter
from tallyhook_receiver.observer import Observers


class Lease:
    """A worker's lease on one hook. The lease lasts for `seconds`.

    Whenever a third of this time has passed, the lease is renewed, until you call `stop`.
    """

    def __init__(self, inbox: Inbox, owner: str, seconds: float) -> None:
        self.inbox = inbox
        self.owner = owner
        self._seconds = seconds
        self._until = 0.0  # the lease's end by this process's uptime; never later than the end in the inbox
        self._renewing: asyncio.Task[None] | None = None

    async def claim(self, letter: Letter) -> Claim:
        """Claim a hook. If the claim succeeds, start renewing the lease. Raises InboxUnavailable."""
        asked = uptime()
        claim = await self.inbox.claim(letter, self.owner, self._seconds)
        if claim.mine:
            self._hold(asked, letter.key)
        return claim

    async def claim_due(self, now: datetime) -> Due | None:
        """Claim a hook whose second look is due, and start renewing the lease.

        Returns None if no second look is due at `now`. Raises InboxUnavailable.
        """
        asked = uptime()
        due = await self.inbox.claim_due(now, self.owner, self._seconds)
        if due is not None:
            self._hold(asked, due.record.key)
        return due

    def check(self) -> None:
        """Raise LeaseLost unless at least a quarter of the lease is left.

        Call this method right before you send a request. The request is then sent well before another worker
        may take over the hook, even if this process was suspended for a while.
        """
        if uptime() >= self._until - self._seconds / 4:
            raise LeaseLost("the lease has run out")

    def stop(self) -> None:
        """Stop renewing the lease. Does nothing if no hook was claimed."""
        renewing, self._renewing = self._renewing, None
        if renewing is not None:
            renewing.cancel()

    def _hold(self, since: float, key: str) -> None:
        self._until = since + self._seconds
        self._renewing = asyncio.create_task(self._renew(key))

    async def _renew(self, key: str) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            asked = uptime()
            try:
                await self.inbox.renew(key, self.owner, self._seconds)
                if asked < self._until:  # once the lease has run out, `check` keeps failing
                    self._until = asked + self._seconds
            except InboxUnavailable:
                pass  # try again before the lease ends
            except LeaseLost:
                self._until = 0.0
                return
            if self._renewing is None:  # stopped, but the inbox swallowed the cancellation
                return


class LeasedJournal:
    """The journal of a hook's review.

    `append` and `check` raise LeaseLost if another worker may have taken the hook.
    """

    def __init__(self, lease: Lease, key: str, observers: Observers) -> None:
        self._lease = lease
        self._key = key
        self._observers = observers
        self._open: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether the journal still lacks the outcome of the last request to add a charge."""
        return self._open is not None

    async def entries(self) -> Sequence[Entry]:
        return await self._lease.inbox.entries(self._key)

    async def append(self, entry: Entry) -> None:
        if isinstance(entry, Adding):
            self._open = entry.number
        await self._lease.inbox.append(self._key, self._lease.owner, entry)
        if isinstance(entry, Added | Refused | GivenUp) and entry.number == self._open:
            self._open = None
        self._observers.tell(lambda observer: observer.wrote(entry))

    def check(self) -> None:
        self._lease.check()
