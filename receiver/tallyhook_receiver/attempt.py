"""One attempt at a hook: under a lease, its handler runs, and the inbox is told what came of it."""

import asyncio
import itertools
import logging
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from tallyhook import events
from tallyhook.errors import DecodeError
from tallyhook.review import EarlierInvoiceOutstanding, Review, Standing
from tallyhook.review.journal import Entry
from tallyhook_receiver.answers import DONE, FAILED, IGNORED, UNDECODABLE, Answer, later
from tallyhook_receiver.cause import Cause, cause_of
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost, NotYet
from tallyhook_receiver.inbox import Inbox, State
from tallyhook_receiver.lease import Lease
from tallyhook_receiver.logs import working_at
from tallyhook_receiver.pipeline import Accepted
from tallyhook_receiver.routes import Routes
from tallyhook_receiver.watch import Watches

__all__ = ["INTERRUPTED", "RETRY_AFTER", "Attempt"]

log = logging.getLogger("tallyhook.receiver")

# Seconds asked for where nothing better is known; Cheddar's own schedule is about as patient (inferred).
RETRY_AFTER = 60.0

INTERRUPTED = "interrupted by the receiver's end"
_FRAMES = 12  # of the traceback that is kept with a failure

_numbers = itertools.count(1)


class Attempt:
    """Handles one accepted hook once, whoever waits for the answer."""

    def __init__(
        self,
        accepted: Accepted,
        routes: Routes,
        inbox: Inbox,
        owner: str,
        lease: Lease,
        watches: Watches,
    ) -> None:
        self.letter, self.hook, self.product = accepted
        self.routes = routes
        self.inbox = inbox
        self.owner = owner
        self.lease = lease
        self.watches = watches
        self._number = next(_numbers)
        self._cause: Cause | None = None

    @property
    def about(self) -> dict[str, str]:
        """What logs and traces tell of it: which hook of the inbox this is, and which attempt at it."""
        return {
            "hook": self.name,
            "product": self.letter.product,
            "type": self.letter.type,
            "attempt": f"{self.owner[:8]}-{self._number}",
        }

    async def run(self) -> Answer:
        """The answer to every delivery that waits for this attempt. Raises only if it is canceled.

        It runs in a task of its own, whose log lines are all about this hook.
        """
        working_at.set(self)
        if not self.watches:
            return await self._run()
        with self.watches.around(lambda watch: watch.attempt(self.letter)):
            return await self._run()

    async def _run(self) -> Answer:
        began = time.perf_counter()
        try:
            taken = await self.lease.take()
            if taken.state is State.DONE:
                return DONE
            if not taken.mine:
                return later(taken.free_in, "another worker is at it")
            try:
                state, note, answer = await self._handle()
            finally:
                self.lease.stop()
            await self.inbox.settle(self.letter.key, self.owner, state, note)
        except InboxUnavailable as error:
            log.error("hook %s: the inbox is unavailable: %s", self.name, error, extra=self.about)
            return later(RETRY_AFTER, "no inbox")
        except LeaseLost:
            log.error("hook %s: another worker has taken it over", self.name, extra=self.about)
            return later(RETRY_AFTER, "another worker is at it")
        except asyncio.CancelledError:
            # Also while the hook is only being taken: nobody would touch it before the lease had ended.
            with suppress(LeaseLost, InboxUnavailable):
                await self.inbox.settle(self.letter.key, self.owner, State.FAILED, INTERRUPTED)
            log.warning("hook %s, %s: %s", self.name, self.letter.type, INTERRUPTED, extra=self.about)
            raise
        level = logging.ERROR if state in (State.FAILED, State.UNDECODABLE) else logging.INFO
        if log.isEnabledFor(level):
            extra, told = self.about | {"state": state.value}, state.value
            if self._cause is not None:
                extra, told = extra | self._cause.about, f"{told}: {self._cause}"
            log.log(level, "hook %s, %s: %s", self.name, self.letter.type, told, extra=extra)
        if self.watches:
            seconds = time.perf_counter() - began
            self.watches.tell(lambda watch: watch.settled(self.letter, state, seconds))
        return answer

    @property
    def name(self) -> str:
        """What logs call the hook: enough of its identity to find it in the inbox."""
        return self.letter.key[:16]

    async def _handle(self) -> tuple[State, str, Answer]:
        try:
            hook = events.decode(self.letter.body) if self.hook is None else self.hook
        except DecodeError as error:  # which names the place, and not what stands there
            return State.UNDECODABLE, str(error), UNDECODABLE
        try:
            if (handler := self.routes.handlers.get(self.letter.type)) is not None:
                with self.watches.around(lambda watch: watch.step("handle")):
                    await handler(hook)
                return State.DONE, "", DONE
            return await self._review(hook)
        except (NotYet, EarlierInvoiceOutstanding) as error:
            seconds = error.retry_after if isinstance(error, NotYet) else RETRY_AFTER
            return State.WAITING, str(error), later(seconds)
        except (InboxUnavailable, LeaseLost):  # the journal's: nothing may be written any more
            raise
        except Exception as error:
            # The reason may quote the customer: it is for the inbox, and the log is told the cause alone.
            self._cause = cause_of(error)
            return State.FAILED, "".join(traceback.format_exception(error, limit=-_FRAMES)), FAILED

    async def _review(self, hook: events.Hook) -> tuple[State, str, Answer]:
        handler, client = self.routes.review, self.product.client
        if handler is None or client is None:
            raise TypeError(f"a review needs a handler, and product {self.product.code} a client")
        review = Review.from_hook(hook)
        with self.watches.around(lambda watch: watch.step("handle")):
            await handler(review)
        with self.watches.around(lambda watch: watch.step("apply")):
            outcome = await review.aapply(client, _LeasedJournal(self))
        self.watches.tell(lambda watch: watch.reviewed(self.letter, outcome))
        note = msgspec.json.encode(outcome).decode()
        if outcome.standing is Standing.CURRENT:
            # Its bill date was moved: the same invoice will be announced again, and has to be reviewed then.
            # What is ignored is forgotten one day, and a journal must not be: its charges are on the invoice.
            begun = await self.inbox.entries(self.letter.key)
            return State.WAITING if begun else State.IGNORED, note, IGNORED
        return State.DONE, note, DONE


class _LeasedJournal:
    """The journal of a hook's review; it ends the review once another worker may have taken the hook over."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    async def entries(self) -> Sequence[Entry]:
        return await self._attempt.inbox.entries(self._attempt.letter.key)

    async def append(self, entry: Entry) -> None:
        await self._attempt.inbox.append(self._attempt.letter.key, self._attempt.owner, entry)
        self._attempt.watches.tell(lambda watch: watch.wrote(entry))

    def check(self) -> None:
        self._attempt.lease.check()
