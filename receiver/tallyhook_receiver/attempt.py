"""One attempt to handle a hook: claim the hook, run its handler, and store the outcome in the inbox."""

import asyncio
import itertools
import logging
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from tallyhook import events
from tallyhook.review import EarlierInvoiceOutstanding, Outcome, OutcomeUnknown, Review, Standing, Unresolved
from tallyhook_receiver import responses
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost, NotYet, Unconfirmed
from tallyhook_receiver.failures import Cause, cause_of
from tallyhook_receiver.handlers import Registered, argument
from tallyhook_receiver.inbox import Inbox, Letter, State
from tallyhook_receiver.lease import Lease, LeasedJournal
from tallyhook_receiver.logs import log_hook, working_at
from tallyhook_receiver.observer import Observers
from tallyhook_receiver.responses import RETRY_AFTER, Response, later
from tallyhook_receiver.sources import Cheddar, Event, Source, UnsignedSource

INTERRUPTED = "interrupted because the receiver closed"
# How long an invoice remains held after its hook is acknowledged (documented: an hour), less a margin.
HELD = timedelta(minutes=55)
_FRAMES = 12  # how many frames of a traceback are stored with a failure

_numbers = itertools.count(1)

_Ending = tuple[State, str, Response]


@dataclass(frozen=True, slots=True)
class Context:
    """The objects and settings that all attempts of one receiver share.

    Attributes:
        inbox: the open inbox.
        owner: the name under which this worker takes leases.
        observers: the observers to notify.
        clock: returns the current time as an aware datetime.
        lease: the length of a lease in seconds.
        unknown_for: for how long a request that got no answer may still reach Cheddar.
        marks: whether the descriptions of added charges get a mark. By this mark, a review recognises the
            charges that it added.
        gone_after: how long a customer or invoice must be missing before a review treats it as gone.
        handle_within: how many seconds the handler and the review may take together; None means no limit.
    """

    inbox: Inbox
    owner: str
    observers: Observers
    clock: Callable[[], datetime]
    lease: float
    unknown_for: timedelta
    marks: bool
    gone_after: timedelta
    handle_within: float | None


class Attempt:
    """One attempt to handle an event. All deliveries of the event that are waiting get the same response."""

    def __init__(
        self, context: Context, source: Source, event: Event[object], letter: Letter, handler: Registered
    ) -> None:
        self.context = context
        self.source = source
        self.event = event
        self.letter = letter
        self.handler = handler
        self._lease = Lease(context.inbox, context.owner, context.lease)
        self._journal = LeasedJournal(self._lease, letter.key, context.observers)
        self._name = f"{context.owner[:8]}-{next(_numbers)}"
        self._cause: Cause | None = None

    async def run(self) -> Response:
        """Handle the event, and return the response for every delivery that is waiting for the outcome.

        Call this method in a separate task, because all log lines of the task get this hook's fields. Raises
        only CancelledError.
        """
        working_at.set(self.letter.about | {"attempt": self._name})
        with self.context.observers.around(lambda observer: observer.attempt(self.letter)):
            try:
                return await self._run()
            except InboxUnavailable as error:
                self._log(logging.ERROR, f"the inbox is unavailable: {error}")
                return later(RETRY_AFTER, "no inbox")
            except LeaseLost:
                self._log(logging.ERROR, "another worker has taken over")
                return later(RETRY_AFTER, "another worker has it")
            except asyncio.CancelledError:
                self._log(logging.WARNING, INTERRUPTED)
                raise

    async def _run(self) -> Response:
        inbox, key, owner = self.context.inbox, self.letter.key, self.context.owner
        began = time.perf_counter()
        try:
            claim = await self._lease.claim(self.letter)
            if not claim.mine and claim.state is State.DONE:
                self._log(logging.INFO, "already done")
                self.context.observers.tell(lambda observer: observer.repeated(self.letter.product))
                return responses.DONE
            if not claim.mine:
                return later(claim.free_in, "another worker has it")
            if claim.differs:
                self._log(logging.WARNING, "delivered again with a different body, so it is handled again")
            state, note, response = await self._handle_within()
        except asyncio.CancelledError:
            # The claim may have been written although it was canceled. So end the lease now. Otherwise, no
            # worker could take the hook until the lease runs out.
            with suppress(LeaseLost, InboxUnavailable):
                await self._let_go(INTERRUPTED)
            raise
        finally:
            self._lease.stop()
        if self._journal.is_open and response.word == _CUT:
            return response
        await inbox.finish(key, owner, state, note)
        self._log_end(state)
        seconds = time.perf_counter() - began
        self.context.observers.tell(lambda observer: observer.finished(self.letter, state, seconds))
        return response

    async def _let_go(self, why: str) -> None:
        """Mark the hook as failed and end its lease, so that another worker can take the hook.

        Does nothing if a request to add a charge may still reach Cheddar. `why` becomes the hook's note.
        """
        if not self._journal.is_open:
            await self.context.inbox.finish(self.letter.key, self.context.owner, State.FAILED, why)

    def _log(self, level: int, what: str, **more: str) -> None:
        log_hook(level, self.letter, what, {"attempt": self._name, **more})

    def _log_end(self, state: State) -> None:
        bad = state in (State.FAILED, State.UNDECODABLE, State.UNRESOLVED)
        cause = {} if self._cause is None else self._cause.about
        why = "" if self._cause is None else f": {self._cause}"
        self._log(logging.ERROR if bad else logging.INFO, f"{state}{why}", state=state, **cause)

    async def _handle_within(self) -> _Ending:
        within = self.context.handle_within
        limit = asyncio.timeout(within)
        try:
            async with limit:
                return await self._handle()
        except TimeoutError:
            if not limit.expired():  # raised by the handler's own code
                raise
        why = f"canceled: it took longer than {within:g} s"
        self._log(logging.WARNING, why)
        return State.FAILED, why, later(self.context.lease, _CUT)

    async def _handle(self) -> _Ending:
        try:
            return await self._work()
        except (InboxUnavailable, LeaseLost):  # raised by the journal: write nothing more
            raise
        except Exception as error:
            # The exception may contain customer data, so only the inbox gets its text. The log gets the
            # cause.
            self._cause = cause_of(error)
            note = "".join(traceback.format_exception(error, limit=-_FRAMES))
            return State.FAILED, note, responses.FAILED

    async def _work(self) -> _Ending:
        observers = self.context.observers
        try:
            event = self.event
            if isinstance(self.source, UnsignedSource):
                with observers.around(lambda observer: observer.step("confirm")):
                    event = await self.source.confirm(event)
            if self.handler.is_review:
                return await self._review()
            with observers.around(lambda observer: observer.step("handle")):
                await self.handler.call(argument(event))
            return State.DONE, "", responses.DONE
        except (NotYet, OutcomeUnknown) as error:
            return State.WAITING, str(error), later(error.retry_after)
        except EarlierInvoiceOutstanding as error:
            return State.WAITING, str(error), later(RETRY_AFTER)
        except Unconfirmed as error:
            self._cause = cause_of(error)
            return State.FAILED, str(error), responses.UNCONFIRMED

    async def _review(self) -> _Ending:
        observers = self.context.observers
        if not isinstance(self.source, Cheddar) or self.source.client is None:
            raise TypeError(f"a review of {self.source.name} needs a client")
        if not isinstance(self.event.payload, events.Hook):
            raise TypeError(f"a review needs a Cheddar hook, and {self.source.name} read something else")
        review = Review.from_hook(self.event.payload)
        if not (review.customer.code.strip() and review.invoice.number):
            # With only ids, the same invoice would get a different inbox key, and so a different journal.
            raise ValueError("the hook lacks its customer's code, or its invoice's number")
        with observers.around(lambda observer: observer.step("handle")):
            await self.handler.call(review)
        review.close()
        try:
            with observers.around(lambda observer: observer.step("apply")):
                outcome = await review.aapply(
                    self.source.client,
                    self._journal,
                    now=self.context.clock,
                    unknown_for=self.context.unknown_for,
                    marks=self.context.marks,
                    gone_after=self.context.gone_after,
                )
        except Unresolved as error:
            self._cause = cause_of(error)
            return State.UNRESOLVED, str(error), responses.UNRESOLVED
        if review.is_late:
            raise RuntimeError("something was declared after the handler had returned")
        observers.tell(lambda observer: observer.reviewed(self.letter, outcome))
        await self._plan(outcome)
        note = msgspec.json.encode(outcome).decode()
        if outcome.standing is Standing.CURRENT:
            # The bill date was moved, so Cheddar will send a hook for this invoice again, and the invoice is
            # reviewed then. Ignored hooks are deleted after a while, but a hook with a journal must be kept,
            # because its charges are on the invoice.
            begun = await self.context.inbox.entries(self.letter.key)
            return State.WAITING if begun else State.IGNORED, note, responses.IGNORED
        return State.DONE, note, responses.DONE

    async def _plan(self, outcome: Outcome) -> None:
        """Plan a second look at the invoice if a request that got no answer may still reach Cheddar."""
        if outcome.look_again:
            now = self.context.clock()
            await self.context.inbox.plan(
                self.letter.key, self.context.owner, now + self.context.unknown_for, now + HELD
            )


_CUT = "took too long"
