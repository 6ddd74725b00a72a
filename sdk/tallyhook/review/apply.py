"""Apply: make an invoice match its declaration, no matter where earlier attempts stopped.

An attempt is a generator without I/O. It yields calls to send and journal entries to write. `driver` does the
I/O, and passes answers and errors back with `send` and `throw`. `docs/review.md` proves the rules, and
`tests/sdk/test_review_model.py` explores every interleaving of them.
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

# How long a request may still arrive. The clients' default timeout is 30 seconds.
UNKNOWN_FOR = timedelta(minutes=5)

# A missing customer or invoice counts as gone only if it is still missing after this time.
GONE_AFTER = timedelta(minutes=1)

# How many times the invoice is changed and read back. The second read verifies the first round. A late
# request that arrives in between needs another round.
_ROUNDS = 4

_NEXT = "a quantity may still arrive, and would change the next invoice if this one is run"


class Application:
    """One attempt at a review.

    Args:
        entries: the journal so far; None without a journal.
        now: the clock, in UTC.
        unknown_for: how long after its entry a request may still arrive.
        marks: whether new charges get a mark.
        gone_after: a missing customer or invoice counts as gone if it is still missing after this time.
        is_second_look: take the declaration from the journal, and don't run the invoice.
        make_mark: makes a new mark.
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
        self._began_unknown = ledger.look_again and not is_second_look

    def check(self) -> None:
        """Call this right before sending a request. Raises NoAnswer if the request's entry is too old."""
        self.sending.check()

    def steps(self) -> Steps[Outcome]:
        """The calls and entries of this attempt, up to its outcome."""
        try:
            return (yield from self._steps())
        except Unresolved:
            if self.has_journal:
                asked = Asked(declaration=self.declaration, stands=self._stands(), at=self.now())
                yield from self.reading.write(asked)
            raise

    def _steps(self) -> Steps[Outcome]:
        reading = self.reading
        try:
            document = yield from reading.read()
        except NotFound as error:
            # Any other 404 means a wrong URL, which is no reason to release an invoice.
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
            # Either the next invoice isn't open yet, or the document is stale. An outcome here would release
            # the invoice without a review.
            raise ReviewFailed("the invoice is due, but not outstanding (yet)")
        try:
            yield from reading.take_in(document)
            return (yield from self._bring_in_line())
        except InvoicePaid:
            pass
        return (yield from self._compare_paid())

    def _is_accepted(self) -> bool:
        """Whether a person has accepted just this: what is on the invoice, for what is declared."""
        accepted = self.reading.ledger.accepted
        return (
            accepted is not None
            and accepted.declaration == self.declaration
            and accepted.stands == self._stands()
        )

    def _accept(self, standing: Standing) -> Steps[Outcome]:
        """Leave the invoice as a person has accepted it, once no request of ours may change any invoice."""
        reading = self.reading
        if standing is not Standing.GONE:
            with suppress(InvoicePaid, Unresolved):
                yield from reading.take_in(reading.document)  # it may find our charges on another invoice
        left = max(self._wait(), reading.ledger.wait_for_run(self.now()))
        if left > timedelta(0):
            yield from self.sending.announce(())
            raise reading.unknown("an earlier request may still arrive, after a person's decision", left)
        return self._nothing_to_do(standing, "someone accepted the invoice as it is")

    def _stands(self) -> tuple[str, ...]:
        return stands(self.review, self.reading.document, self.reading.invoice)

    def _bring_in_line(self) -> Steps[Outcome]:
        """Change the outstanding invoice until a document shows exactly what was declared."""
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
            # Continue only if an answer was lost or a late request added an extra charge.
            if not was_lost and not all(isinstance(change, DeleteCharge) for change in remaining):
                raise _not_standing(remaining)
        else:
            raise _not_standing(remaining)

        if (left := self._wait()) > timedelta(0) or ledger.open_addings():
            # The next attempt gives up an adding that was still open at the start.
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
        """Give up requests that can no longer arrive, so that their charges can be added again."""
        reading = self.reading
        reading.require_no_doubt()
        for adding in reading.ledger.open_addings():
            now = self.now()
            if reading.ledger.wait_for_adding(adding, now) <= timedelta(0):
                yield from reading.write(GivenUp(number=adding.number, at=now))

    def _require_whole_journal(self, changes: Changes) -> None:
        """Raises Unresolved if a review with another journal may already have added a missing charge."""
        missing = [change.charge for change in changes.changes if isinstance(change, AddCharge)]
        if found := self.reading.ledger.unknown_marks(missing, self.reading.invoice):
            raise Unresolved(
                "a charge on the invoice was added by a review that this journal doesn't know: delete it, or"
                " accept the invoice as it is",
                f"charge {', '.join(charge.id for charge in found)}",
            )

    def _compare(self, *, awaits: bool = True) -> Changes:
        """The changes to make. Raises Unresolved if a charge of ours has another price or quantity.

        With `awaits`, a charge that may still arrive counts as added.
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
        """The remaining changes.

        A quantity is done if the API has accepted it and the document doesn't contradict it.
        """
        return [
            change
            for change in changes.changes
            if not isinstance(change, SetQuantity)
            or change.contradicted
            or self.sending.answered.get(change.item) != change.quantity
        ]

    def _wait(self) -> timedelta:
        """How long a request of ours may still change the invoice."""
        return self.reading.ledger.wait_for_writes(self.declaration, self.reading.invoice, self.now())

    @property
    def _runs(self) -> bool:
        return self.declaration.run_when_done and not self.is_second_look

    @property
    def _look_again(self) -> bool:
        return self.sending.lost or self.reading.is_repeated or self._began_unknown

    def _verified(self) -> Steps[None]:
        self.reading.require_no_doubt()
        yield from self.reading.write(Verified(at=self.now(), look_again=self._look_again))

    def _compare_paid(self) -> Steps[Outcome]:
        """Compare a paid invoice with the declaration. Raises Unresolved if they differ."""
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
        """Treat the invoice as gone only if a later attempt finds the same, as a proxy may mix up answers."""
        if not self.has_journal:
            raise ReviewFailed(reason)
        now, since, left = self.now(), self.reading.ledger.gone_at, self.gone_after
        if since is None or now < since:  # if the clock was set back, wait the full time again
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
