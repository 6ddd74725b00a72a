"""Derive from the journal which charges are ours, and which of our requests may still arrive."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from tallyhook.cheddar.models import Charge, Customer, Invoice
from tallyhook.review.journal import (
    PLAN_TYPES,
    Added,
    Adding,
    Asked,
    Declaration,
    Declared,
    DeclaredCharge,
    Entry,
    GivenUp,
    Gone,
    Refused,
    Resolved,
    Running,
    Verified,
    is_marked,
)


def new_mark() -> str:
    """Ten random hexadecimal digits from a secure source."""
    return secrets.token_hex(5)


class Found(msgspec.Struct, frozen=True):
    """A charge in a document, and the invoice that it is on."""

    charge: Charge
    invoice: Invoice


def charges_of(document: Customer) -> Iterator[Found]:
    """All charges of a customer that have an id."""
    for subscription in document.subscriptions:
        for invoice in subscription.invoices:
            for charge in invoice.charges:
                if charge.id:
                    yield Found(charge, invoice)


class Ledger:
    """The combined state of all entries so far.

    The ledger measures time by the times in the entries. The time between two entries is taken as at least
    zero and at most half of `unknown_for`. So setting the clock forward once doesn't end a wait, and setting
    it back only makes the wait longer. If an earlier attempt had a longer `unknown_for`, that value is used.
    """

    def __init__(self, entries: Iterable[Entry] = (), unknown_for: timedelta = timedelta(0)) -> None:
        self.unknown_for = unknown_for
        self.declaration: Declaration | None = None
        self.accepted: Asked | None = None  # what a person has accepted
        self._asked: Asked | None = None
        self.gone_at: datetime | None = None  # when it was missing; None once it was seen again
        self.look_again = False
        self._is_look_due = False  # `look_again` of the last Verified entry
        self._addings: dict[int, Adding] = {}
        self._began: dict[int, timedelta] = {}  # adding -> when, in waited time
        self._numbers: dict[str, int] = {}  # charge id -> adding
        self._marked: dict[int, bool] = {}  # adding -> whether the server kept its mark
        self._refused: set[int] = set()
        self._denied: set[int] = set()  # a person resolved that these never happened
        self._given_up: set[int] = set()
        self._sets: list[tuple[str, Decimal, timedelta]] = []
        self._deletions: dict[str, timedelta] = {}
        self._run: timedelta | None = None
        self._waited = timedelta(0)
        self._last: datetime | None = None
        for entry in entries:
            self.write(entry)

    def write(self, entry: Entry) -> None:
        """Add the journal's next entry."""
        at = None if isinstance(entry, Added | Refused) else entry.at
        if at is not None:
            self._waited = self._time(at)
            self._last = at
        match entry:
            case Declared():
                self.declaration = entry.declaration
                self.unknown_for = max(self.unknown_for, entry.unknown_for)
                self.gone_at = None
                self._sets += [(item, value, self._waited) for item, value in entry.quantities.items()]
                self._deletions |= dict.fromkeys(entry.deletions, self._waited)
                self.look_again |= bool(entry.quantities or entry.deletions)
            case Adding(number=number):
                self._addings[number] = entry
                self._began[number] = self._waited
                self.look_again = True
            case Added(number=number, charge_id=charge_id):
                self._numbers[charge_id] = number
                self._marked[number] = self._marked.get(number, False) or entry.marked
            case Refused(number=0):
                self._run = None
            case Refused(number=number):
                self._refused.add(number)
            case GivenUp(number=number):
                self._given_up.add(number)
            case Asked():
                self._asked = entry
            case Resolved(accept=True):
                self.accepted = self._asked
            case Resolved(number=number, charge_id=None):
                self._denied.add(number)
            case Resolved(number=number, charge_id=str() as charge_id):
                self._numbers[charge_id] = number
            case Running():
                self._run = self._waited
                self.look_again = True
            case Verified():
                if not (entry.look_again or self._is_look_due):  # all requests so far were answered
                    self._sets, self._deletions, self._run = [], {}, None
                self.look_again = self._is_look_due = entry.look_again
            case Gone():
                self.gone_at = entry.at

    def adding(self, charge: DeclaredCharge, document: Customer, at: datetime, mark: str) -> Adding:
        """Return the entry to write before the request that adds this charge."""
        before = tuple(found.charge.id for found in charges_of(document) if not found.invoice.is_paid)
        number = max(self._addings, default=0) + 1
        return Adding(number=number, charge=charge, before=before, mark=mark, at=at)

    # Time

    def _time(self, now: datetime) -> timedelta:
        if self._last is None:
            return self._waited
        return self._waited + min(max(now - self._last, timedelta(0)), self.unknown_for / 2)

    def _left(self, since: timedelta, now: datetime) -> timedelta:
        """How long a request that was announced at `since` may still arrive; zero or less if it can't."""
        return self.unknown_for - (self._time(now) - since)

    def pause(self, left: timedelta) -> float:
        """Seconds to wait before the next attempt."""
        return max(1.0, min(left, self.unknown_for / 2).total_seconds())

    # What may still arrive

    def open_addings(self) -> list[Adding]:
        """Return the requests to add a charge that have an unknown outcome and aren't given up."""
        claimed = set(self._numbers.values())
        closed = claimed | self._refused | self._denied | self._given_up
        return [adding for number, adding in self._addings.items() if number not in closed]

    def wait_for_adding(self, adding: Adding, now: datetime) -> timedelta:
        """Return how much longer a request to add a charge may still arrive."""
        return self._left(self._began[adding.number], now)

    def wait_for_writes(self, declaration: Declaration, invoice: Invoice, now: datetime) -> timedelta:
        """How long a request of ours may still arrive and make this invoice differ from the declaration.

        Such requests add a charge with an unknown outcome, set a different quantity, or delete a charge that
        is on the invoice. If all requests were answered, there is nothing to wait for.
        """
        standing = {charge.id for charge in invoice.charges}
        since = [self._began[adding.number] for adding in self.open_addings()]
        since += [at for item, value, at in self._sets if declaration.quantities.get(item, value) != value]
        since += [at for charge_id, at in self._deletions.items() if charge_id in standing]
        return max((self._left(at, now) for at in since), default=timedelta(0))

    def wait_for_sets(self, now: datetime) -> timedelta:
        """Return how much longer a quantity that we set may still arrive, even if it is the declared one.

        Once this invoice is run, it would change the next one.
        """
        return max((self._left(at, now) for _, _, at in self._sets), default=timedelta(0))

    def wait_for_run(self, now: datetime) -> timedelta:
        """Return how much longer our request to run the invoice may still arrive."""
        return timedelta(0) if self._run is None else self._left(self._run, now)

    def given_up(self, charge: DeclaredCharge) -> list[Adding]:
        """Return the given-up requests for this charge that were never seen or resolved by a person."""
        unexplained = (self._addings[number] for number in self._unexplained())
        return [adding for adding in unexplained if adding.charge == charge]

    def _unexplained(self) -> list[int]:
        return sorted(self._given_up - self._denied - set(self._numbers.values()))

    # Ownership of charges

    @property
    def has_addings(self) -> bool:
        return bool(self._addings)

    def is_claimed(self, number: int) -> bool:
        return number in self._numbers.values()

    def claims(self, document: Customer) -> list[Added]:
        """The entries to write for new charges that show one of our marks.

        Refused requests are included, because the refusal may have been the answer to another call.
        """
        by_mark = {adding.mark.lower(): number for number, adding in self._addings.items() if adding.mark}
        return [
            Added(number=number, charge_id=found.charge.id, marked=True)
            for found in charges_of(document)
            if found.charge.id not in self._numbers
            for mark, number in by_mark.items()
            if mark in found.charge.description.lower()
        ]

    def candidates(self, adding: Adding, charges: Iterable[Charge]) -> list[Charge]:
        """Return the charges that this request may have added: new, unclaimed, same price and quantity."""
        code = adding.charge.code.strip().lower()
        return [
            charge
            for charge in charges
            if charge.id
            and charge.id not in self._numbers
            and charge.id not in adding.before
            and adding.charge.costs_the_same(charge)
            # Charges from the plan get their ids when the period closes, so they look new.
            and (charge.type not in PLAN_TYPES or charge.code.strip().lower() == code)
        ]

    def keeps_marks(self, adding: Adding) -> bool:
        """Whether this server is known to keep this charge's mark.

        True if the server has kept a mark in a description at least as long as this charge's, and has never
        dropped one from a description that is as long or shorter.
        """
        if not adding.mark:
            return False
        length = len(adding.description)
        seen = [(self._addings[n], kept) for n, kept in self._marked.items() if self._addings[n].mark]
        kept = any(is_kept and len(other.description) >= length for other, is_kept in seen)
        return kept and not any(not is_kept and len(other.description) <= length for other, is_kept in seen)

    def doubtful(self, invoice: Invoice) -> list[tuple[Adding, list[Charge]]]:
        """The addings that were never seen, each with the charges on the invoice that it may have created.

        If the server is known to keep marks, there is no doubt: a charge without our mark isn't ours.
        """
        unseen = (*self.open_addings(), *map(self._addings.__getitem__, self._unexplained()))
        found = [
            (adding, self.candidates(adding, invoice.charges))
            for adding in unseen
            if not self.keeps_marks(adding)
        ]
        return [(adding, charges) for adding, charges in found if charges]

    def unknown_marks(self, declared: Sequence[DeclaredCharge], invoice: Invoice) -> list[Charge]:
        """Return the charges with these codes that have a mark which isn't in this journal.

        Such a charge means that this journal is incomplete: it was lost, or another receiver has a separate
        journal.
        """
        codes = {charge.code.strip().casefold() for charge in declared}
        return [
            charge
            for charge in invoice.charges
            if charge.id not in self._numbers
            and is_marked(charge.description)
            and charge.code.strip().casefold() in codes
        ]

    def adopt(
        self, declared: Sequence[DeclaredCharge], invoice: Invoice, *, only_marked: bool = False
    ) -> None:
        """Without a journal: claim each declared charge whose content is on the invoice.

        `only_marked` skips charges without a review's mark, which a person may have added.
        """
        for charge in declared:
            same = (
                it
                for it in invoice.charges
                if it.id not in self._numbers
                and charge.is_same(it)
                and (is_marked(it.description) or not only_marked)
            )
            if found := next(same, None):
                number = max(self._addings, default=0) + 1
                self.write(Adding(number=number, charge=charge, before=()))
                self.write(Added(number=number, charge_id=found.id))

    def ours(self, invoice: Invoice) -> list[tuple[Charge, DeclaredCharge]]:
        """Our charges on the invoice, each with the charge that we declared."""
        return [
            (charge, self._addings[self._numbers[charge.id]].charge)
            for charge in invoice.charges
            if charge.id in self._numbers
        ]

    def strays(self, document: Customer, invoice: Invoice) -> list[Found]:
        """Our charges on the customer's other invoices, except those of addings resolved as never added."""
        return [
            found
            for found in charges_of(document)
            if found.charge.id in self._numbers
            and self._numbers[found.charge.id] not in self._denied
            and (found.invoice.id, found.invoice.number) != (invoice.id, invoice.number)
        ]
