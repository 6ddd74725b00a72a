"""Second looks at invoices, in case a request that got no answer arrived late."""

import logging
import random
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from tallyhook.review import Outcome, Review, Unresolved
from tallyhook_receiver.attempt import Context
from tallyhook_receiver.errors import InboxUnavailable, LeaseLost
from tallyhook_receiver.failures import cause_of
from tallyhook_receiver.inbox import Due, Record, State
from tallyhook_receiver.lease import Lease, LeasedJournal
from tallyhook_receiver.logs import log_hook
from tallyhook_receiver.sources import Cheddar, Source

LOOKED_EVERY = 10.0  # seconds
_AGAIN = timedelta(minutes=1)  # average pause after a failed look


async def look_again(context: Context, sources: Mapping[str, Source]) -> int:
    """Take all second looks that are due, and return their number. Raises InboxUnavailable.

    If a second look fails, it is retried while the invoice is held. If no retry succeeds in
    that time, the hook becomes unresolved.
    """
    looks = 0
    while True:
        # Use a new owner, because an owner can claim a hook that it has already leased. With the owner of
        # this worker's attempts, an attempt at a different body could run during the second look, and the end
        # of the second look would end the attempt's lease.
        lease = Lease(context.inbox, uuid.uuid4().hex, context.lease)
        due = await lease.claim_due(context.clock())
        if due is None:
            return looks
        looks += 1
        try:
            await _look(context, sources.get(due.record.product), lease, due)
        except LeaseLost:
            log_hook(logging.ERROR, due.record, "another worker has taken over")
        finally:
            lease.stop()


async def _look(context: Context, source: Source | None, lease: Lease, due: Due) -> None:
    record, now = due.record, context.clock()
    again: datetime | None = None
    state, note = record.state, None
    try:
        outcome = await _outcome(context, source, lease, record)
        if outcome.look_again:
            again = now + context.unknown_for
        note = _told(record.outcome, outcome, now)
        if outcome.applied:
            log_hook(logging.WARNING, record, "a second look has corrected the invoice")
    except (InboxUnavailable, LeaseLost):
        raise
    except Unresolved as error:
        state, note = State.UNRESOLVED, str(error)
        log_hook(logging.ERROR, record, f"unresolved: {cause_of(error)}")
    except Exception as error:
        if now < due.until:
            # The pause is random. Otherwise, a receiver that can't take this look, for example because it has
            # no client for the product, could always claim it just before the receiver that can.
            again = min(now + _AGAIN * random.uniform(0.5, 1.5), due.until)
            log_hook(logging.WARNING, record, f"a second look failed and will be retried: {cause_of(error)}")
        else:
            state, note = State.UNRESOLVED, f"no second look was possible in time: {error}"
            log_hook(
                logging.ERROR, record, f"unresolved: no second look was possible in time: {cause_of(error)}"
            )
    if record.state is not State.DONE:
        # The hook is to be handled again, and its state and note are about that. If a person must decide, the
        # next attempt will ask.
        state, note = record.state, None
    if again is not None:
        await context.inbox.plan(record.key, lease.owner, again, due.until)
    await context.inbox.finish(record.key, lease.owner, state, note, ends_look=again is None)
    context.observers.tell(lambda observer: observer.looked_again(record, state))


async def _outcome(context: Context, source: Source | None, lease: Lease, record: Record) -> Outcome:
    if not isinstance(source, Cheddar) or source.client is None:
        raise LookupError(f"this receiver has no client for {record.product}")
    review = Review.from_hook(source.read({}, record.body).payload)
    return await review.alook_again(
        source.client,
        LeasedJournal(lease, record.key, context.observers),
        now=context.clock,
        unknown_for=context.unknown_for,
        marks=context.marks,
        gone_after=context.gone_after,
    )


def _told(first: Outcome | None, second: Outcome, now: datetime) -> str:
    """Return the hook's new note, with the outcomes of the review and of the second look."""
    changes = ", ".join(" ".join(str(change).split()) for change in second.applied)
    look = f"second look on {now:%Y-%m-%d at %H:%M} UTC: {changes or 'nothing to change'}"
    told = first or second
    notes = [note for note in (told.note, look) if note]
    return msgspec.json.encode(
        msgspec.structs.replace(told, note="; ".join(notes), look_again=second.look_again)
    ).decode()
