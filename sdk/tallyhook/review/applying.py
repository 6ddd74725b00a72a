"""Apply: bring an invoice to what was declared, however often and wherever an attempt was cut.

All rules stand in one generator that does no I/O. It yields calls to send and journal entries to write, is
sent the answers, and has the calls' errors thrown into it; `drive` and `adrive` do the sending for the two
clients.
"""

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from tallyhook.cheddar import calls
from tallyhook.cheddar.calls import Call
from tallyhook.cheddar.client import AsyncClient, Client
from tallyhook.cheddar.models import Customer, Id, Invoice, InvoicePeriod
from tallyhook.errors import APIError, Error, NoAnswer, NotFound, UnprocessableEntity
from tallyhook.journal import Declared, DeclaredCharge, Entry, Journal, Refused
from tallyhook.review.changes import AddCharge, Change, Changes, DeleteCharge, SetQuantity, difference, named
from tallyhook.review.ledger import Ledger
from tallyhook.review.outcome import Outcome, Standing

if TYPE_CHECKING:
    from tallyhook.review.review import Review

__all__ = ["EarlierInvoiceOutstanding", "ReviewFailed", "adrive", "drive"]

# How often the invoice is read, compared and brought in line. The second reading is the one that verifies; a
# request thought lost that arrives meanwhile needs another.
_ROUNDS = 4


class ReviewFailed(Error):
    """The invoice doesn't hold what was declared, or nobody can tell yet. Another attempt goes on.

    Attributes:
        reason: why, in words that quote neither customer nor charge: they may stand in a log.
        details: what it is about, may be empty.
    """

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason, details)
        self.reason = reason
        self.details = details

    def __str__(self) -> str:
        return f"{self.reason}: {self.details}" if self.details else self.reason


class EarlierInvoiceOutstanding(Error):
    """An older invoice is outstanding, and it is the one that calls would reach. Try later."""


Applying = Generator[Call[Customer] | Entry, Customer, Outcome]


def drive(review: "Review", client: Client) -> Outcome:
    """Apply with a sync client, without a journal."""
    steps = _Application(review, None).steps()
    try:
        step = next(steps)
        while True:
            if not isinstance(step, Call):
                step = next(steps)
                continue
            try:
                customer = client.send(step)
            except Error as error:
                step = steps.throw(error)
            else:
                step = steps.send(customer)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


async def adrive(review: "Review", client: AsyncClient, journal: Journal | None) -> Outcome:
    """Apply with an async client; what the journal raises ends the attempt at that point."""
    entries = None if journal is None else await journal.entries()
    steps = _Application(review, entries).steps()
    try:
        step = next(steps)
        while True:
            if not isinstance(step, Call):
                if journal is not None:
                    await journal.append(step)
                step = next(steps)
                continue
            try:
                customer = await client.send(step, check=None if journal is None else journal.check)
            except Error as error:
                step = steps.throw(error)
            else:
                step = steps.send(customer)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


class _Application:
    """One attempt. `invoice` is always as the last document showed it."""

    def __init__(self, review: "Review", entries: Sequence[Entry] | None) -> None:
        self.review = review
        self.has_journal = entries is not None
        self.ledger = Ledger(entries or ())
        self.customer = Id(review.customer.id) if review.customer.id else review.customer.code
        self.document = review.customer
        self.invoice = review.invoice

    def steps(self) -> Applying:
        try:
            self.document = yield self._read()
        except NotFound as error:
            # Any other 404 is a wrong address, and no reason to let an invoice go.
            if "customer not found" not in error.message.lower():
                raise
            return self._nothing_to_do(Standing.GONE)
        standing = _standing(self.document, self.review.invoice)
        if standing is Standing.CURRENT and not self._is_put_off():
            # To let it go would release it as it is: its successor isn't open yet, or the document misleads.
            raise ReviewFailed("the invoice is due, and does not stand as outstanding (yet)")
        if standing is not Standing.OUTSTANDING:
            return self._nothing_to_do(standing)
        yield from self._see(self.document)
        if not self.has_journal:
            self.ledger.adopt(self.review.declaration.charges, self.invoice)

        found = changes = self._compare()
        yield Declared(declaration=self.review.declaration, changes=tuple(map(str, found.changes)))
        applied: list[Change] = []
        for _ in range(_ROUNDS):
            for change in changes.changes:
                yield from self._make(change)
                applied.append(change)
            yield from self._see((yield self._read()))
            changes = self._compare()
            if not _remaining(changes):
                break
            if any(not isinstance(change, DeleteCharge) for change in _remaining(changes)):
                raise _not_standing(changes)
            # Only a request thought lost can have added a charge of ours too many: it arrived after all.
        else:
            raise _not_standing(changes)

        ran, note = False, ""
        if self.review.declaration.run_when_done:
            ran, note = yield from self._run()
        return Outcome(
            declared=self.review.declaration,
            standing=Standing.OUTSTANDING,
            found=found.changes,
            applied=tuple(applied),
            total_before=found.total_before,
            total_after=changes.total_after,
            ran=ran,
            note=note,
        )

    def _nothing_to_do(self, standing: Standing) -> Outcome:
        return Outcome(
            declared=self.review.declaration,
            standing=standing,
            note=f"nothing to do: not outstanding but {standing}",
        )

    def _is_put_off(self) -> bool:
        """Whether its bill date was moved to a later one, at which it will be announced again."""
        found, announced = named(self.document, self.review.invoice), self.review.invoice.billing_datetime
        now = None if found is None else found.billing_datetime
        return announced is not None and now is not None and now > announced

    def _compare(self) -> Changes:
        return difference(self.review, self.document, self.invoice, self.ledger)

    def _read(self) -> Call[Customer]:
        return calls.get_customer(self.customer)

    def _see(self, document: Customer, sent: int | None = None) -> Generator[Entry, None, None]:
        """Take a new document in: claim what is ours, then insist that the invoice is still outstanding."""
        self.document = document
        self.invoice = named(document, self.review.invoice) or self.invoice
        for claim in self.ledger.claims(self.invoice, sent):
            self.ledger.write(claim)
            yield claim
        standing = _standing(document, self.review.invoice)
        if standing is not Standing.OUTSTANDING:
            raise ReviewFailed(
                f"the invoice was being adjusted, and is not outstanding any more but {standing}"
            )

    def _make(self, change: Change) -> Generator[Call[Customer] | Entry, Customer, None]:
        match change:
            case SetQuantity():
                period = InvoicePeriod.OUTSTANDING
                call = calls.set_item_quantity(
                    self.customer, change.item, change.quantity, invoice_period=period
                )
                yield from self._see((yield call))
            case DeleteCharge():
                yield from self._delete(change.charge_id)
            case AddCharge():
                yield from self._add(change.charge)

    def _delete(self, charge_id: str) -> Generator[Call[Customer] | Entry, Customer, None]:
        try:
            document = yield calls.delete_charge(
                self.customer, charge_id, invoice_period=InvoicePeriod.OUTSTANDING
            )
        except Error:
            # It may be gone all the same: by a call whose answer was lost, or by somebody's hand.
            yield from self._see((yield self._read()))
            if any(charge.id == charge_id for charge in self.invoice.charges):
                raise
        else:
            yield from self._see(document)

    def _add(self, charge: DeclaredCharge) -> Generator[Call[Customer] | Entry, Customer, None]:
        adding = self.ledger.adding(charge, self.invoice)
        self.ledger.write(adding)
        yield adding
        try:
            document = yield calls.add_charge(
                self.customer,
                charge.code,
                charge.quantity,
                charge.each_amount,
                charge.description,
                invoice_period=InvoicePeriod.OUTSTANDING,
            )
        except Error as error:
            if _certainly_not_applied(error):
                refused = Refused(number=adding.number)
                self.ledger.write(refused)
                yield refused
                raise
            # Never a second time within this attempt: the first request may still be on its way.
            yield from self._see((yield self._read()), sent=adding.number)
            if not self.ledger.is_claimed(adding.number):
                raise ReviewFailed(
                    "the answer to adding a charge was lost, and it is not there (yet)", charge.code
                ) from error
        else:
            yield from self._see(document, sent=adding.number)
            if not self.ledger.is_claimed(adding.number):
                raise ReviewFailed("a charge was added, but the answer doesn't show it", charge.code)

    def _run(self) -> Generator[Call[Customer], Customer, tuple[bool, str]]:
        """Run the invoice before the hook is acknowledged, so that a crash in between is repaired by its next
        delivery.

        A decline doesn't undo the review: the work is on the invoice, and dunning is the billing system's.
        """
        try:
            yield calls.run_outstanding(self.customer)
        except UnprocessableEntity as declined:
            return False, f"the run was declined ({declined.aux_code})"
        return True, ""


def _standing(document: Customer, invoice: Invoice) -> Standing:
    found = named(document, invoice)
    if found is None:
        return Standing.GONE
    if found.is_paid:
        return Standing.PAID
    subscription = document.subscription
    outstanding, current = subscription.outstanding_invoice, subscription.current_invoice
    if outstanding is not None and _is_same(outstanding, found):
        return Standing.OUTSTANDING
    if current is not None and _is_same(current, found):
        return Standing.CURRENT
    if outstanding is None:
        return Standing.GONE  # it hangs on a subscription of the past, where no call reaches it
    raise EarlierInvoiceOutstanding(f"invoice {outstanding.number} is outstanding before it")


def _is_same(one: Invoice, other: Invoice) -> bool:
    return (one.id, one.number) == (other.id, other.number)


def _certainly_not_applied(error: Error) -> bool:
    """Whether the API itself refused, or the call never left. After anything else it may be applied."""
    match error:
        case APIError():
            return error.status in (400, 401, 404, 412, 422)
        case NoAnswer():
            return not error.maybe_applied
    return False


def _remaining(changes: Changes) -> list[Change]:
    """What the document proves to be still different; a quantity that it doesn't show proves nothing."""
    return [c for c in changes.changes if not isinstance(c, SetQuantity) or c.contradicted]


def _not_standing(changes: Changes) -> ReviewFailed:
    return ReviewFailed("read back, and still to be done", "; ".join(map(str, _remaining(changes))))
