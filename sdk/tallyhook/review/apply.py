"""Make an invoice match its declaration, no matter where earlier attempts stopped.

An attempt is a generator without I/O. It yields calls to send and journal entries to write. The module
`driver` does the I/O, and passes answers and errors to the generator with `send` and `throw`.
`docs/review.md` proves that this is safe, and `tests/sdk/test_review_model.py` explores every interleaving of
the steps.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tallyhook.errors import NotFound
from tallyhook.review.compare import (
    AddCharge,
    Change,
    Changes,
    DeleteCharge,
    SetQuantity,
    difference,
    named,
    stands,
)
from tallyhook.review.journal import Asked, Entry, GivenUp, Gone, Verified
from tallyhook.review.outcome import Outcome, OutcomeUnknown, ReviewFailed, Standing, Unresolved
from tallyhook.review.ownership import Ledger, new_mark
from tallyhook.review.reading import InvoicePaid, Reading, Steps
from tallyhook.review.sending import Sending

if TYPE_CHECKING:
    from tallyhook.review.review import Review

# A request may still arrive for this long after its journal entry was written. The clients' default timeout
# is 30 seconds.
UNKNOWN_FOR = timedelta(minutes=5)

# A missing customer or invoice counts as gone only if it is still missing after this time.
GONE_AFTER = timedelta(minutes=1)

# The maximum number of rounds, in which the invoice is changed and read back. Another round is needed if an
# answer was lost, or if a late request arrived in between.
_ROUNDS = 4

_NEXT = "a quantity may still arrive, and would change the next invoice if this one is run"


class Application:
    """One attempt at a review.

    Args:
        entries: the journal so far; None if there is no journal.
        now: returns the time in UTC.
        unknown_for: for how long after its journal entry a request may still arrive.
        marks: whether new charges get a mark in their description.
        gone_after: a missing customer or invoice counts as gone if it is still missing after this time.
        is_second_look: if True, take the declaration from the journal, and don't run the invoice.
        make_mark: returns a new mark.
    """

    def __init__(
        self,
        review: "Review",
        entries: Sequence[Entry] | None,
        now: Callable[[], datetime],
        unknown_for: timedelta,
        marks: bool,
        *,
        gone_after: timedelta = GONE_AFTER,
        is_second_look: bool = False,
        make_mark: Callable[[], str] = new_mark,
    ) -> None:
        if min(unknown_for, gone_after) < timedelta(0):
            raise ValueError("unknown_for and gone_after can't be negative")
        self.review = review
        self.has_journal = entries is not None
        self.now = now
        self.gone_after = gone_after
        self.is_second_look = is_second_look
        ledger = Ledger(entries or (), unknown_for)
        self.reading = Reading(review, ledger, now)
        self.declaration = review.declaration
        if is_second_look and ledger.declaration is not None:
            self.declaration = ledger.declaration
        self.sending = Sending(self.reading, self.declaration, unknown_for, make_mark if marks else str)
        self._began_unknown = ledger.has_sent if is_second_look else ledger.look_again

    def check(self) -> None:
        """Raise NoAnswer if the next request's journal entry is too old.

        Call this right before sending the request.
        """
        self.sending.check()

    def steps(self) -> Steps[Outcome]:
        """Yield the attempt's calls and journal entries, and return its outcome."""
        try:
            return (yield from self._steps())
        except Unresolved:
            if self.has_journal:
                asked = Asked(
                    declaration=self.declaration,
                    stands=self._stands(),
                    at=self.now(),
                    is_second_look=self.is_second_look,
                )
                yield from self.reading.write(asked)
            raise

    def _steps(self) -> Steps[Outcome]:
        reading = self.reading
        try:
            document = yield from reading.read()
        except NotFound as error:
            # Any other 404 means that the URL is wrong, not that the invoice is gone.
            if not error.documented or "customer not found" not in error.message.lower():
                raise
            if not self.has_journal:
                raise
            return (yield from self._gone("the customer was not found"))
        reading.show(document)
        is_there = named(document, self.review.invoice) is not None
        if is_there and reading.ledger.gone_at is not None:
            yield from self.sending.announce(())  # resets `gone_at`
        standing = reading.standing()
        if is_there and standing is not Standing.CURRENT and self._is_accepted():
            return (yield from self._accept(standing))
        if standing is Standing.GONE:
            if is_there:
                raise Unresolved("the invoice is unpaid, and no call reaches it")
            return (yield from self._gone("the customer has no such unpaid invoice"))
        if standing is Standing.CURRENT:
            if reading.is_postponed():
                return self._nothing_to_do(standing, f"nothing to do: the invoice is {standing}")
            # Either the next invoice isn't open yet, or the document is stale. An outcome here would let the
            # invoice be executed without a review.
            raise ReviewFailed("the invoice is due, but not outstanding (yet)")
        try:
            yield from reading.take_in(document)
            return (yield from self._bring_in_line())
        except InvoicePaid:
            pass
        return (yield from self._compare_paid())

    def _is_accepted(self) -> bool:
        """Return whether a person has accepted the invoice's current content for the current declaration."""
        accepted = self.reading.ledger.accepted
        return (
            accepted is not None
            and accepted.declaration == self.declaration
            and accepted.stands == self._stands()
        )

    def _accept(self, standing: Standing) -> Steps[Outcome]:
        """Return the outcome of an invoice that a person has accepted, without changing the invoice.

        Charges that this review added to other invoices are deleted. Raises OutcomeUnknown if an earlier
        request may still change any invoice.
        """
        reading = self.reading
        if standing is not Standing.GONE:
            with suppress(InvoicePaid, Unresolved):
                yield from reading.take_in(reading.document)  # deletes our charges on other invoices
        left = max(self._wait(), reading.ledger.wait_for_run(self.now()))
        if left > timedelta(0):
            yield from self.sending.announce(())
            raise reading.unknown("an earlier request may still arrive, after a person's decision", left)
        return self._nothing_to_do(standing, "someone accepted the invoice as it is")

    def _stands(self) -> tuple[str, ...]:
        return stands(self.review, self.reading.document, self.reading.invoice)

    def _bring_in_line(self) -> Steps[Outcome]:
        """Change the outstanding invoice until it matches the declaration, and return the outcome."""
        reading, ledger = self.reading, self.reading.ledger
        if not self.has_journal:
            ledger.adopt(self.declaration.charges, reading.invoice)
        if (left := ledger.wait_for_run(self.now())) > timedelta(0):
            yield from self.sending.announce(())
            raise reading.unknown("the invoice is being run, but isn't paid (yet)", left)
        if self._runs and (left := ledger.wait_for_sets(self.now())) > timedelta(0):
            yield from self.sending.announce(())
            raise reading.unknown(_NEXT, left)
        yield from self._give_up()

        found = changes = self._compare()
        if self.has_journal:
            self._require_whole_journal(found)
        applied: list[Change] = []
        for _ in range(_ROUNDS):
            was_lost = yield from self.sending.make(changes.changes)
            applied += changes.changes
            yield from reading.look()
            changes = self._compare()
            remaining = self._remaining(changes)
            if not remaining:
                break
            # Try another round only if an answer was lost, or if a late request added an extra charge.
            if not was_lost and not all(isinstance(change, DeleteCharge) for change in remaining):
                raise _not_standing(remaining)
        else:
            raise _not_standing(remaining)

        if (left := self._wait()) > timedelta(0) or ledger.open_addings():
            # If a request to add a charge can't arrive any more, the next attempt gives it up.
            raise reading.unknown("an earlier request may still arrive and change the invoice", left)
        if self._runs and self.sending.lost_quantity:
            raise reading.unknown(_NEXT, ledger.wait_for_sets(self.now()))
        yield from self._verified()
        self.review.verified |= self.sending.answered

        ran, note = False, ""
        if self._runs:
            note = yield from self.sending.run()
            if not note:
                yield from self._compare_paid()
                ran = True
        return Outcome(
            declared=self.declaration,
            standing=Standing.OUTSTANDING,
            found=found.changes,
            applied=tuple(applied),
            total_before=found.total_before,
            total_after=changes.total_after,
            ran=ran,
            note=note,
            unverified=_unverified(changes),
            look_again=self._look_again,
        )

    def _give_up(self) -> Steps[None]:
        """Give up requests that are too old to arrive, so that their charges can be added again."""
        reading = self.reading
        reading.require_no_doubt()
        for adding in reading.ledger.open_addings():
            now = self.now()
            if reading.ledger.wait_for_adding(adding, now) <= timedelta(0):
                yield from reading.write(GivenUp(number=adding.number, at=now))

    def _require_whole_journal(self, changes: Changes) -> None:
        """Raise Unresolved if a review with another journal may have added one of the missing charges."""
        missing = [change.charge for change in changes.changes if isinstance(change, AddCharge)]
        if found := self.reading.ledger.unknown_marks(missing, self.reading.invoice):
            raise Unresolved(
                "a charge on the invoice was added by a review that this journal doesn't know: delete it, or"
                " accept the invoice as it is",
                f"charge {', '.join(charge.id for charge in found)}",
            )

    def _compare(self, *, awaits: bool = True) -> Changes:
        """Return the changes to make.

        If `awaits` is True, a charge whose request may still arrive counts as added. Raises Unresolved if one
        of this review's charges has a price or quantity other than the one that the review sent.
        """
        reading, ledger = self.reading, self.reading.ledger
        for charge, asked in ledger.ours(reading.invoice):
            if not asked.costs_the_same(charge):
                raise Unresolved(
                    "a charge of this review has another price or quantity than the review sent",
                    f"charge {charge.id}: {asked}",
                )
        awaited = ledger.open_addings() if awaits else []
        return difference(self.review, self.declaration, reading.document, reading.invoice, ledger, awaited)

    def _remaining(self, changes: Changes) -> list[Change]:
        """Return the changes that are still to be made.

        A quantity needs no change if the API has accepted it and the document doesn't contradict it.
        """
        return [
            change
            for change in changes.changes
            if not isinstance(change, SetQuantity)
            or change.contradicted
            or self.sending.answered.get(change.item) != change.quantity
        ]

    def _wait(self) -> timedelta:
        """Return for how long an earlier request may still change the invoice."""
        return self.reading.ledger.wait_for_writes(self.declaration, self.reading.invoice, self.now())

    @property
    def _runs(self) -> bool:
        return self.declaration.run_when_done and not self.is_second_look

    @property
    def _look_again(self) -> bool:
        return self.sending.lost or self.reading.is_repeated or self._began_unknown

    def _verified(self) -> Steps[None]:
        self.reading.require_no_doubt()
        verified = Verified(at=self.now(), look_again=self._look_again, is_second_look=self.is_second_look)
        yield from self.reading.write(verified)

    def _compare_paid(self) -> Steps[Outcome]:
        """Compare a paid invoice with the declaration, and return the outcome.

        Raises Unresolved if they differ.
        """
        ledger, invoice = self.reading.ledger, self.reading.invoice
        if not ledger.has_addings:  # there is no journal, or it was lost
            ledger.adopt(self.declaration.charges, invoice, only_marked=self.has_journal)
        changes = self._compare(awaits=False)
        if wrong := [it for it in changes.changes if not isinstance(it, SetQuantity) or it.contradicted]:
            raise Unresolved(
                "the invoice was paid, but differs from what was declared", "; ".join(map(str, wrong))
            )
        if (left := self._wait()) > timedelta(0):
            yield from self.sending.announce(())
            raise self.reading.unknown("an earlier request may still arrive and change another invoice", left)
        yield from self._verified()
        return Outcome(
            declared=self.declaration,
            standing=Standing.PAID,
            total_before=changes.total_before,
            total_after=changes.total_before,
            note="nothing to do: it was paid with everything that was declared",
            unverified=_unverified(changes),
            look_again=self._look_again,
        )

    def _gone(self, reason: str) -> Steps[Outcome]:
        """Return the outcome for a missing invoice if it is certainly gone.

        It counts as gone if an attempt at least `gone_after` earlier didn't find it either. Until then,
        raises OutcomeUnknown, because a proxy may have mixed up answers. Without a journal, raises
        ReviewFailed.
        """
        if not self.has_journal:
            raise ReviewFailed(reason)
        now, since, left = self.now(), self.reading.ledger.gone_at, self.gone_after
        if since is None or now < since:  # after the clock was set back, wait the full time again
            yield from self.reading.write(Gone(at=now))
        elif (left := self.gone_after - (now - since)) <= timedelta(0):
            return self._nothing_to_do(Standing.GONE, "nothing to do: the invoice is gone")
        raise OutcomeUnknown(reason, retry_after=max(1.0, left.total_seconds()))

    def _nothing_to_do(self, standing: Standing, note: str) -> Outcome:
        return Outcome(declared=self.declaration, standing=standing, note=note)


def _unverified(changes: Changes) -> tuple[str, ...]:
    return tuple(change.item for change in changes.changes if isinstance(change, SetQuantity))


def _not_standing(remaining: Sequence[Change]) -> ReviewFailed:
    return ReviewFailed(
        "the invoice was read back, but doesn't have what was sent", "; ".join(map(str, remaining))
    )
