"""Apply: bring an invoice to what was declared, however often and wherever an attempt was cut.

All rules stand in one generator that does no I/O. It yields calls to send and journal entries to write, is
sent the answers, and has the calls' errors thrown into it; `drive` and `adrive` do the sending for the two
clients. `docs/review.md` says why it is right, and `tests/sdk/test_review_model.py` explores it.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tallyhook import calls
from tallyhook.cheddar.calls import Call
from tallyhook.cheddar.client import AsyncClient, Client
from tallyhook.cheddar.models import Customer, Id, Invoice, InvoicePeriod, Subscription
from tallyhook.errors import APIError, Error, NoAnswer, NotFound, UnprocessableEntity
from tallyhook.review.compare import AddCharge, Change, Changes, DeleteCharge, SetQuantity, difference, named
from tallyhook.review.journal import (
    Added,
    Adding,
    Declared,
    DeclaredCharge,
    Entry,
    GivenUp,
    Gone,
    Journal,
    Refused,
    Running,
    Verified,
)
from tallyhook.review.outcome import (
    EarlierInvoiceOutstanding,
    Outcome,
    OutcomeUnknown,
    ReviewFailed,
    Standing,
    Unresolved,
)
from tallyhook.review.ownership import Ledger, new_mark

if TYPE_CHECKING:
    from tallyhook.review.review import Review

__all__ = ["GONE_AFTER", "UNKNOWN_FOR", "Application", "adrive", "drive", "utc_now"]

T = TypeVar("T")

# How long a request may be on its way; the clients' own timeout is 30 seconds.
UNKNOWN_FOR = timedelta(minutes=5)

# How much later a customer or an invoice that isn't found is looked for once more.
GONE_AFTER = timedelta(minutes=1)

# How often the invoice is read, compared and brought in line. The second reading is the one that verifies; a
# request thought lost that arrives meanwhile needs another.
_ROUNDS = 4

# So often one charge is given up before a person is asked.
_GIVEN_UP = 2

# Statuses by which the API says that a call was not carried out (documented).
_REFUSALS = (400, 401, 404, 412, 422)

# A request leaves at most so long after the entry that announces it, or a tenth of what it may be on its way.
_LEEWAY = timedelta(seconds=10)

Steps = Generator[Call[Customer] | Entry, Customer | None, T]


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


def drive(review: "Review", client: Client, *, unknown_for: timedelta, marks: bool) -> Outcome:
    """Apply with a sync client, without a journal."""
    _require_product(review, client)
    steps = Application(review, None, utc_now, unknown_for, marks).steps()
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


async def adrive(
    review: "Review",
    client: AsyncClient,
    journal: Journal | None,
    *,
    now: Callable[[], datetime],
    unknown_for: timedelta,
    marks: bool,
    gone_after: timedelta,
    is_second_look: bool = False,
) -> Outcome:
    """Apply with an async client; what the journal raises ends the attempt at that point."""
    _require_product(review, client)
    entries = None if journal is None else await journal.entries()
    application = Application(
        review, entries, now, unknown_for, marks, gone_after=gone_after, is_second_look=is_second_look
    )

    def check() -> None:
        if journal is not None:
            journal.check()
        application.check()

    steps = application.steps()
    try:
        step = next(steps)
        while True:
            if not isinstance(step, Call):
                if journal is not None:
                    await journal.append(step)
                step = next(steps)
                continue
            try:
                customer = await client.send(step, check=check)
            except Error as error:
                step = steps.throw(error)
            else:
                step = steps.send(customer)
    except StopIteration as stop:
        outcome: Outcome = stop.value
        return outcome


class Application:
    """One attempt. `invoice` is always as the last document showed it.

    Args:
        entries: those of the journal so far; None without a journal.
        now: the clock, in UTC.
        unknown_for: how long after its entry a request may still arrive.
        marks: whether new charges carry a mark.
        gone_after: how much later what isn't found has to be missing still.
        is_second_look: whether the journal says what is declared, and nothing is run.
        make_mark: where the marks come from.
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
        self.ledger = Ledger(entries or (), unknown_for)
        self.now = now
        self.make_mark = make_mark if marks else str
        self.gone_after = gone_after
        self.is_second_look = is_second_look
        self.declaration = review.declaration
        if is_second_look and self.ledger.declaration is not None:
            self.declaration = self.ledger.declaration
        self.customer = Id(review.customer.id) if review.customer.id else review.customer.code
        self.document = review.customer
        self.invoice = review.invoice
        self.lost = False  # an answer, in this attempt
        self._lost_in_round = False
        self._began_unknown = self.ledger.look_again and not is_second_look
        self._answered: dict[str, object] = {}  # item -> the quantity that the API has taken
        self._leeway = max(unknown_for / 10, _LEEWAY)
        self._round = now()  # when the writes of this round were written down
        self._announced: datetime | None = None  # when the write that leaves next was written down

    def check(self) -> None:
        """Asked right before each request leaves. Raises NoAnswer if it was announced too long ago."""
        if self._announced is not None and not self._is_fresh(self._announced, self._leeway):
            raise NoAnswer("the request was held up before it left", maybe_applied=False)

    def steps(self) -> Steps[Outcome]:
        """The calls and entries of this attempt, up to its outcome."""
        try:
            self.document = yield from self._read()
        except NotFound as error:
            # Any other 404 is a wrong address, and no reason to let an invoice go.
            if not error.documented or "customer not found" not in error.message.lower():
                raise
            if not self.has_journal:
                raise
            return (yield from self._gone("the customer isn't found"))
        standing = self._standing()
        if self.ledger.accepted is not None:
            return self._nothing_to_do(standing, "a person accepted the invoice as it stands")
        match standing:
            case Standing.GONE:
                return (yield from self._gone("the customer has no such invoice to pay"))
            case Standing.CURRENT if self._is_put_off():
                return self._nothing_to_do(standing, f"nothing to do: not outstanding but {standing}")
            case Standing.CURRENT:
                # To let it go would release it as it is: its successor isn't open yet, or the document
                # misleads.
                raise ReviewFailed("the invoice is due, and does not stand as outstanding (yet)")
        try:
            yield from self._see(self.document)
            return (yield from self._bring_in_line())
        except _Paid:
            pass
        return (yield from self._compare_paid())

    def _bring_in_line(self) -> Steps[Outcome]:
        if not self.has_journal:
            self.ledger.adopt(self.declaration.charges, self.invoice)
        if (left := self.ledger.wait_for_run(self.now())) > timedelta(0):
            yield from self._announce(())
            raise self._unknown("the invoice is being run, and isn't paid (yet)", left)
        yield from self._give_up()

        found = changes = self._compare()
        yield from self._announce(changes.changes)
        applied: list[Change] = []
        for _ in range(_ROUNDS):
            self._lost_in_round = False
            for index, change in enumerate(changes.changes):
                if not isinstance(change, AddCharge) and not self._is_fresh(self._round, self._leeway / 2):
                    yield from self._announce(changes.changes[index:])
                yield from self._make(change)
                applied.append(change)
            yield from self._see((yield from self._read()))
            changes = self._compare()
            remaining = self._remaining(changes)
            if not remaining:
                break
            if not self._lost_in_round and not all(isinstance(change, DeleteCharge) for change in remaining):
                raise _not_standing(remaining)
            # An answer was lost on the way, or a request thought lost has added a charge too many.
            yield from self._announce(changes.changes)
        else:
            raise _not_standing(remaining)

        if (left := self._wait()) > timedelta(0) or self.ledger.open_addings():
            # What was awaited at first was not given up: only the next attempt adds it again.
            raise self._unknown("an earlier request may still arrive and change the invoice", left)
        self._require_no_doubt()
        look_again = self.lost or self._began_unknown
        yield from self._write(Verified(at=self.now(), look_again=look_again))

        ran, note = False, ""
        if self.declaration.run_when_done and not self.is_second_look:
            ran, note = yield from self._run()
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
            look_again=self.lost or self._began_unknown,
        )

    # What is read

    def _read(self) -> Steps[Customer]:
        self._announced = None
        return (yield from self._ask(calls.get_customer(self.customer)))

    def _ask(self, call: Call[Customer]) -> Steps[Customer]:
        """The answer to a call. Raises ReviewFailed if it isn't the customer that was asked for."""
        document = yield call
        assert document is not None  # it is None only in answer to an entry
        asked = self.review.customer
        for name, meant, shown in (("id", asked.id, document.id), ("code", asked.code, document.code)):
            if meant and shown != meant:
                raise ReviewFailed("the answer is another customer's document", f"its {name} differs")
        return document

    def _see(self, document: Customer, sent: Adding | None = None) -> Steps[None]:
        """Take a new document in: claim what is ours, then insist that the invoice is still outstanding.

        `sent` is the adding that this document is the direct answer to.
        """
        self.document = document
        self.invoice = named(document, self.review.invoice) or self.invoice
        for claim in self.ledger.claims(document):
            yield from self._write(claim)
        if sent is not None and not self.ledger.is_claimed(sent.number):
            yield from self._claim_answered(sent)
        yield from self._delete_strays()
        standing = self._standing()
        if standing is Standing.PAID:
            raise _Paid
        if standing is not Standing.OUTSTANDING:
            raise ReviewFailed(
                f"the invoice was being adjusted, and is not outstanding any more but {standing}"
            )

    def _claim_answered(self, sent: Adding) -> Steps[None]:
        """Where the answer to our own adding shows one new charge, that is it, however it is written."""
        found = self.ledger.candidates(sent, self.invoice.charges)
        if not found:
            others = (invoice for invoice in _invoices(self.document) if not invoice.is_paid)
            found = self.ledger.candidates(sent, (charge for other in others for charge in other.charges))
        if len(found) > 1 and not self.ledger.keeps_marks(sent):
            raise self._doubt(sent, [charge.id for charge in found])
        if len(found) == 1:
            yield from self._write(Added(number=sent.number, charge_id=found[0].id))

    def _delete_strays(self) -> Steps[None]:
        """Delete what landed on another invoice, and fail: the invoice was not the one that calls reach."""
        subscription, did = self.document.subscription, False
        for stray in self.ledger.strays(self.document, self.invoice):
            period = _period(subscription, stray.invoice)
            if period is None:
                raise Unresolved(
                    "a charge of this review is on an invoice that was paid, or that no call reaches",
                    f"charge {stray.charge.id} on invoice {stray.invoice.number or stray.invoice.id}",
                )
            self._announced = None
            yield from self._ask(
                _once(calls.delete_charge(self.customer, stray.charge.id, invoice_period=period))
            )
            did = True
        if did:
            raise ReviewFailed("a charge had landed on another invoice, and was deleted there")

    def _standing(self) -> Standing:
        return _standing(self.document, self.review.invoice)

    def _is_put_off(self) -> bool:
        """Whether its bill date was moved to a later one, at which it will be announced again."""
        found, announced = named(self.document, self.review.invoice), self.review.invoice.billing_datetime
        now = None if found is None else found.billing_datetime
        return announced is not None and now is not None and now > announced

    def _compare(self, *, awaits: bool = True) -> Changes:
        """What is to be changed. Raises Unresolved if a charge of ours costs something else.

        `awaits`: whether a charge that may still arrive counts as there.
        """
        for charge, asked in self.ledger.ours(self.invoice):
            if asked in self.declaration.charges and not asked.costs_the_same(charge):
                raise Unresolved(
                    "a charge that was added costs something else than was asked for",
                    f"charge {charge.id}: {asked}",
                )
        awaited = self.ledger.open_addings() if awaits else []
        return difference(self.review, self.declaration, self.document, self.invoice, self.ledger, awaited)

    def _remaining(self, changes: Changes) -> list[Change]:
        """What the document proves to be still different, and quantities that nobody has taken.

        A quantity that was taken and that the document doesn't show proves nothing.
        """
        return [
            change
            for change in changes.changes
            if not isinstance(change, SetQuantity)
            or change.contradicted
            or self._answered.get(change.item) != change.quantity
        ]

    # What is written

    def _write(self, entry: Entry) -> Steps[None]:
        self.ledger.write(entry)
        yield entry

    def _announce(self, changes: Sequence[Change]) -> Steps[None]:
        """Write down what leaves next, ahead of it."""
        self._round = self.now()
        yield from self._write(
            Declared(
                declaration=self.declaration,
                changes=tuple(map(str, changes)),
                at=self._round,
                quantities={it.item: it.quantity for it in changes if isinstance(it, SetQuantity)},
                deletions=tuple(it.charge_id for it in changes if isinstance(it, DeleteCharge)),
            )
        )

    def _lose(self) -> None:
        self.lost = self._lost_in_round = True

    def _is_fresh(self, at: datetime, leeway: timedelta) -> bool:
        return abs(self.now() - at) <= leeway

    def _make(self, change: Change) -> Steps[None]:
        match change:
            case SetQuantity():
                yield from self._set(change)
            case DeleteCharge():
                yield from self._delete(change.charge_id)
            case AddCharge():
                yield from self._add(change.charge)

    def _set(self, change: SetQuantity) -> Steps[None]:
        self._announced = self._round
        try:
            document = yield from self._ask(
                _once(
                    calls.set_item_quantity(
                        self.customer,
                        change.item,
                        change.quantity,
                        invoice_period=InvoicePeriod.OUTSTANDING,
                    )
                )
            )
        except Error as error:
            if _certainly_not_applied(error):
                raise
            self._lose()
            yield from self._see((yield from self._read()))
        else:
            self._answered[change.item] = change.quantity
            yield from self._see(document)

    def _delete(self, charge_id: str) -> Steps[None]:
        self._announced = self._round
        try:
            document = yield from self._ask(
                _once(calls.delete_charge(self.customer, charge_id, invoice_period=InvoicePeriod.OUTSTANDING))
            )
        except Error as error:
            refused = _certainly_not_applied(error)
            if not refused:
                self._lose()
            # It may be gone all the same: by a call whose answer was lost, or by somebody's hand.
            yield from self._see((yield from self._read()))
            if refused and any(charge.id == charge_id for charge in self.invoice.charges):
                raise
        else:
            yield from self._see(document)

    def _add(self, charge: DeclaredCharge) -> Steps[None]:
        if len(given_up := self.ledger.given_up(charge)) > _GIVEN_UP:
            numbers = ", ".join(str(adding.number) for adding in given_up)
            raise Unresolved(
                "a charge was added several times, and is never there", f"addings {numbers}: {charge}"
            )
        adding = self.ledger.adding(charge, self.document, self.now(), self.make_mark())
        yield from self._write(adding)
        self._announced = adding.at
        try:
            document = yield from self._ask(
                _once(
                    calls.add_charge(
                        self.customer,
                        charge.code,
                        charge.quantity,
                        charge.each_amount,
                        adding.description,
                        invoice_period=InvoicePeriod.OUTSTANDING,
                    )
                )
            )
        except Error as error:
            if _certainly_not_applied(error):
                yield from self._write(Refused(number=adding.number))
                raise
            self._lose()
            yield from self._see((yield from self._read()))
            if not self.ledger.is_claimed(adding.number):
                # Never a second time before it is waited out: the request may still be on its way.
                raise self._unknown(
                    "the answer to adding a charge was lost, and it is not there (yet)",
                    self.ledger.wait_for_adding(adding, self.now()),
                    charge.code,
                ) from error
        else:
            yield from self._see(document, sent=adding)
            if not self.ledger.is_claimed(adding.number):
                self._lose()
                yield from self._see((yield from self._read()))
            if not self.ledger.is_claimed(adding.number):
                raise self._unknown(
                    "a charge was added, but the answer doesn't show it",
                    self.ledger.wait_for_adding(adding, self.now()),
                    charge.code,
                )

    def _run(self) -> Steps[tuple[bool, str]]:
        """Run the invoice before the hook is acknowledged, so that a crash in between is repaired by its next
        delivery.

        A decline doesn't undo the review: the work is on the invoice, and dunning is the billing system's.
        """
        running = Running(at=self.now())
        yield from self._write(running)
        self._announced = running.at
        try:
            document = yield from self._ask(calls.run_outstanding(self.customer))
        except Error as error:
            declined = isinstance(error, UnprocessableEntity) and error.documented
            if declined or _certainly_not_applied(error):
                yield from self._write(Refused(number=0))
            if isinstance(error, UnprocessableEntity) and error.documented:
                return False, f"the run was declined ({error.aux_code})"
            if _certainly_not_applied(error):
                raise
            self._lose()
            document = yield from self._read()
        self.document = document
        self.invoice = named(document, self.review.invoice) or self.invoice
        if self._standing() is not Standing.PAID:
            self._lose()
            raise self._unknown(
                "the invoice was run, and isn't paid (yet)", self.ledger.wait_for_run(self.now())
            )
        yield from self._compare_paid()
        return True, ""

    # What may still arrive

    def _wait(self) -> timedelta:
        return self.ledger.wait_for_writes(self.declaration, self.invoice, self.now())

    def _unknown(self, reason: str, left: timedelta, details: str = "") -> OutcomeUnknown:
        return OutcomeUnknown(reason, details, self.ledger.pause(left))

    def _give_up(self) -> Steps[None]:
        """Give up the addings that can't arrive any more. Raises Unresolved for those that may have."""
        self._require_no_doubt()
        for adding in self.ledger.open_addings():
            now = self.now()
            if self.ledger.wait_for_adding(adding, now) <= timedelta(0):
                yield from self._write(GivenUp(number=adding.number, at=now))

    def _require_no_doubt(self) -> None:
        for adding, charges in self.ledger.doubtful(self.invoice):
            if self.ledger.wait_for_adding(adding, self.now()) <= timedelta(0):
                raise self._doubt(adding, [charge.id for charge in charges])

    def _doubt(self, adding: Adding, ids: Sequence[str]) -> Unresolved:
        return Unresolved(
            "nobody can tell whether a charge on the invoice is this review's or somebody else's",
            f"adding {adding.number}: {adding.charge}; on the invoice: {', '.join(ids)}",
        )

    # Where nothing can be changed

    def _gone(self, reason: str) -> Steps[Outcome]:
        """Believe it at a second delivery, some time later: a gateway mixes up answers for a moment."""
        if not self.has_journal:
            raise ReviewFailed(reason)
        now, since, left = self.now(), self.ledger.gone_at, self.gone_after
        if since is None or now < since:  # by a clock that was set back it takes as long once more
            yield from self._write(Gone(at=now))
        elif (left := self.gone_after - (now - since)) <= timedelta(0):
            return self._nothing_to_do(Standing.GONE, f"nothing to do: not outstanding but {Standing.GONE}")
        raise OutcomeUnknown(reason, retry_after=max(1.0, left.total_seconds()))

    def _compare_paid(self) -> Steps[Outcome]:
        """What was billed, beside what was declared. Raises Unresolved if it is something else."""
        if not self.ledger.has_addings:  # by hand, or in a journal that was forgotten
            self.ledger.adopt(self.declaration.charges, self.invoice, only_marked=self.has_journal)
        changes = self._compare(awaits=False)
        if wrong := [it for it in changes.changes if not isinstance(it, SetQuantity) or it.contradicted]:
            raise Unresolved("the invoice was paid, and isn't what was declared", "; ".join(map(str, wrong)))
        if (left := self._wait()) > timedelta(0):
            yield from self._announce(())
            raise self._unknown("an earlier request may still arrive, on another invoice", left)
        self._require_no_doubt()
        look_again = self.lost or self._began_unknown
        yield from self._write(Verified(at=self.now(), look_again=look_again))
        return Outcome(
            declared=self.declaration,
            standing=Standing.PAID,
            total_before=changes.total_before,
            total_after=changes.total_before,
            note="nothing to do: it was paid with everything declared on it",
            unverified=_unverified(changes),
            look_again=look_again,
        )

    def _nothing_to_do(self, standing: Standing, note: str) -> Outcome:
        return Outcome(declared=self.declaration, standing=standing, note=note)


class _Paid(Exception):
    """The invoice is paid: nothing can be changed any more."""


def _require_product(review: "Review", client: Client | AsyncClient) -> None:
    product = review.product
    if product is None:
        return
    for meant, used in ((product.code, client.product_code), (product.id, client.product_id)):
        if meant and used and meant != used:
            raise ValueError("The client is for another product than the one that the hook is about")


def _standing(document: Customer, invoice: Invoice) -> Standing:
    found = named(document, invoice)
    if found is None:
        return Standing.GONE
    if found.is_paid:
        return Standing.PAID
    subscription = document.subscription
    match _period(subscription, found):
        case InvoicePeriod.OUTSTANDING:
            return Standing.OUTSTANDING
        case InvoicePeriod.CURRENT:
            return Standing.CURRENT
    if (outstanding := subscription.outstanding_invoice) is None:
        return Standing.GONE  # it hangs on a subscription of the past, where no call reaches it
    raise EarlierInvoiceOutstanding(f"invoice {outstanding.number} is outstanding before it")


def _period(subscription: Subscription, invoice: Invoice) -> InvoicePeriod | None:
    """By which period calls reach an invoice; None if by neither."""
    reached = (
        (InvoicePeriod.OUTSTANDING, subscription.outstanding_invoice),
        (InvoicePeriod.CURRENT, subscription.current_invoice),
    )
    for period, found in reached:
        if found is not None and (found.id, found.number) == (invoice.id, invoice.number):
            return period
    return None


def _invoices(document: Customer) -> list[Invoice]:
    return [invoice for subscription in document.subscriptions for invoice in subscription.invoices]


def _once(call: Call[Customer]) -> Call[Customer]:
    """Sent one time only: a request that the client repeats could arrive long after its entry."""
    return replace(call, repeatable=False)


def _certainly_not_applied(error: Error) -> bool:
    """Whether the API itself refused, or the call never left. After anything else it may be applied."""
    match error:
        case APIError():
            # An error inside of a customer's document came after something was done.
            return error.documented and error.customer is None and error.status in _REFUSALS
        case NoAnswer():
            return not error.maybe_applied
    return False


def _unverified(changes: Changes) -> tuple[str, ...]:
    return tuple(change.item for change in changes.changes if isinstance(change, SetQuantity))


def _not_standing(remaining: Sequence[Change]) -> ReviewFailed:
    return ReviewFailed("read back, and still to be done", "; ".join(map(str, remaining)))
