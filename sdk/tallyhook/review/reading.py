"""Read the customer's documents during a review, and recognise the review's charges in them."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from tallyhook import calls
from tallyhook.cheddar.calls import Call
from tallyhook.cheddar.models import Customer, Id, Invoice, InvoicePeriod, Subscription, canonical
from tallyhook.review.compare import named
from tallyhook.review.journal import Added, Adding, Entry
from tallyhook.review.outcome import (
    EarlierInvoiceOutstanding,
    OutcomeUnknown,
    ReviewFailed,
    Standing,
    Unresolved,
)
from tallyhook.review.ownership import Ledger

if TYPE_CHECKING:
    from tallyhook.review.review import Review

T = TypeVar("T")

Steps = Generator[Call[Customer] | Entry, Customer | None, T]
"""A generator that yields calls to send and journal entries to write.

It receives the answer to each call, and None for each entry.
"""


class InvoicePaid(Exception):
    """The invoice is paid, so it can't be changed any more."""


class Reading:
    """Processes the customer's documents one by one.

    It claims the charges that the review has added, which means that it writes an `Added` entry for each.
    """

    def __init__(self, review: "Review", ledger: Ledger, now: Callable[[], datetime]) -> None:
        self.ledger = ledger
        self.now = now
        asked = review.customer
        self.customer = Id(asked.id.strip()) if asked.id.strip() else asked.code.strip()
        self.document = review.customer
        self.invoice = review.invoice
        self.is_repeated = False  # whether this attempt saw that the network sent a request twice
        self.announced: datetime | None = None  # the time of the next request's journal entry
        self._review = review

    def read(self) -> Steps[Customer]:
        """Fetch the customer's document and return it."""
        return (yield from self._ask(calls.get_customer(self.customer)))

    def send(self, call: Call[Customer], announced: datetime | None = None) -> Steps[Customer]:
        """Send a call that changes something, and return the customer's document from the answer.

        The call isn't retried, because a retry could arrive long after the call's journal entry. `announced`
        is the time of that entry.
        """
        return (yield from self._ask(replace(call, repeatable=False), announced))

    def write(self, entry: Entry) -> Steps[None]:
        """Add an entry to the ledger and to the journal."""
        self.ledger.write(entry)
        yield entry

    def look(self) -> Steps[None]:
        """Fetch the customer's document and process it with `take_in`."""
        yield from self.take_in((yield from self.read()))

    def take_in(self, document: Customer, sent: Adding | None = None) -> Steps[None]:
        """Process a document: record the review's charges, and delete those that are on other invoices.

        If the document is the answer to a request to add a charge, `sent` is the request's `Adding` entry.

        Raises InvoicePaid if the invoice is paid, and ReviewFailed if it is neither paid nor outstanding.
        """
        self.show(document)
        for claim in self.ledger.claims(document):
            self.is_repeated |= self.ledger.is_claimed(claim.number)
            yield from self.write(claim)
        if sent is not None and not self.ledger.is_claimed(sent.number):
            yield from self._claim_answer(sent)
        yield from self._delete_strays()
        standing = self.standing()
        if standing is Standing.PAID:
            raise InvoicePaid
        if standing is not Standing.OUTSTANDING:
            raise ReviewFailed(f"the invoice changed during the review: it is {standing}, not outstanding")

    def show(self, document: Customer) -> None:
        """Store a document as the latest one, without acting on it."""
        self.document = document
        self.invoice = named(document, self._review.invoice) or self.invoice

    def standing(self) -> Standing:
        """Return the invoice's state.

        Raises EarlierInvoiceOutstanding if calls would change an older invoice instead.
        """
        found = named(self.document, self._review.invoice)
        if found is None:
            return Standing.GONE
        if found.is_paid:
            return Standing.PAID
        subscription = self.document.subscription
        match _period(subscription, found):
            case InvoicePeriod.OUTSTANDING:
                return Standing.OUTSTANDING
            case InvoicePeriod.CURRENT:
                return Standing.CURRENT
        if (outstanding := subscription.outstanding_invoice) is None:
            return Standing.GONE  # the invoice belongs to a former subscription, which no call reaches
        raise EarlierInvoiceOutstanding(f"the earlier invoice {outstanding.number} is still outstanding")

    def is_postponed(self) -> bool:
        """Return whether the invoice's bill date was moved to a later date.

        Another hook will come on that date.
        """
        found, announced = named(self.document, self._review.invoice), self._review.invoice.billing_datetime
        now = None if found is None else found.billing_datetime
        return announced is not None and now is not None and now > announced

    def require_no_doubt(self) -> None:
        """Raise Unresolved if an earlier request may have added one of the invoice's unmarked charges.

        A request that may still arrive isn't checked yet.
        """
        for adding, charges in self.ledger.doubtful(self.invoice):
            if self.ledger.wait_for_adding(adding, self.now()) <= timedelta(0):
                raise _doubt(adding, [charge.id for charge in charges])

    def unknown(self, reason: str, left: timedelta, details: str = "") -> OutcomeUnknown:
        """Return an OutcomeUnknown exception for a request that may still arrive within the time `left`."""
        return OutcomeUnknown(reason, details, self.ledger.pause(left))

    def _ask(self, call: Call[Customer], announced: datetime | None = None) -> Steps[Customer]:
        self.announced = announced
        document = yield call
        assert document is not None  # it is None only after an entry
        asked = self._review.customer
        for name, meant, shown in (("id", asked.id, document.id), ("code", asked.code, document.code)):
            if canonical(meant) not in ("", canonical(shown)):
                raise ReviewFailed("the answer is another customer's document", f"its {name} differs")
        return document

    def _claim_answer(self, sent: Adding) -> Steps[None]:
        """Record that the only new charge in an answer is the review's, even if its description was changed.

        Raises Unresolved if there are several new charges, unless the billing system is known to keep marks.
        """
        found = self.ledger.candidates(sent, self.invoice.charges)
        if not found:
            invoices = (invoice for each in self.document.subscriptions for invoice in each.invoices)
            unpaid = (invoice for invoice in invoices if not invoice.is_paid)
            found = self.ledger.candidates(sent, (charge for other in unpaid for charge in other.charges))
        if len(found) > 1 and not self.ledger.keeps_marks(sent):
            raise _doubt(sent, [charge.id for charge in found])
        if len(found) == 1:
            yield from self.write(Added(number=sent.number, charge_id=found[0].id))

    def _delete_strays(self) -> Steps[None]:
        """Delete the review's charges from other invoices. Raises ReviewFailed if there were any."""
        subscription = self.document.subscription
        strays = self.ledger.strays(self.document, self.invoice)
        for stray in strays:
            period = _period(subscription, stray.invoice)
            if period is None:
                raise Unresolved(
                    "a charge of this review is on an invoice that is paid, or that no call reaches",
                    f"charge {stray.charge.id} on invoice {stray.invoice.number or stray.invoice.id}",
                )
            call = calls.delete_charge(self.customer, stray.charge.id, invoice_period=period)
            yield from self.send(call)
        if strays:
            raise ReviewFailed("a charge was added to another invoice and has been deleted from it")


def _period(subscription: Subscription, invoice: Invoice) -> InvoicePeriod | None:
    """Return the `invoice_period` argument for calls about an invoice; None if calls can't reach it."""
    reached = (
        (InvoicePeriod.OUTSTANDING, subscription.outstanding_invoice),
        (InvoicePeriod.CURRENT, subscription.current_invoice),
    )
    for period, found in reached:
        if found is not None and (found.id, found.number) == (invoice.id, invoice.number):
            return period
    return None


def _doubt(adding: Adding, ids: Sequence[str]) -> Unresolved:
    return Unresolved(
        "it is unclear whether this review added a charge on the invoice",
        f"adding {adding.number}: {adding.charge}; on the invoice: {', '.join(ids)}",
    )
