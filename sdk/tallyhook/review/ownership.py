"""Derive from the journal which charges the review has added, and which requests may still arrive."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from tallyhook.cheddar.models import Charge, Customer, Invoice, canonical
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
    """Return ten random hexadecimal digits from a secure source."""
    return secrets.token_hex(5)


class Found(msgspec.Struct, frozen=True):
    """A charge in a customer document, with the charge's invoice."""

    charge: Charge
    invoice: Invoice


def charges_of(document: Customer) -> Iterator[Found]:
    """Yield all charges of a customer that have an id, each with its invoice."""
    for subscription in document.subscriptions:
        for invoice in subscription.invoices:
            for charge in invoice.charges:
                if charge.id:
                    yield Found(charge, invoice)


class Ledger:
    """The state that results from all journal entries so far.

    The ledger measures time by the times in the entries. The time between two entries is taken as at least
    zero and at most half of `unknown_for`. So setting the clock forward once doesn't end a wait, and setting
    the clock back only makes the wait longer. If an earlier attempt had a longer `unknown_for`, that value is
    used.
    """

    def __init__(self, entries: Iterable[Entry] = (), unknown_for: timedelta = timedelta(0)) -> None:
        self.unknown_for = unknown_for
        self.declaration: Declaration | None = None
        self.accepted: Asked | None = None  # what a person has accepted
        self._asked: Asked | None = None
        self.gone_at: datetime | None = None  # when the invoice was missing; None once it was seen again
        self.has_sent = False  # whether requests were sent since the last Verified entry
        self._is_look_due = False  # `look_again` of the last Verified entry
        self._addings: dict[int, Adding] = {}
        self._began: dict[int, timedelta] = {}  # number of the Adding entry -> its time, as `_waited`
        self._numbers: dict[str, int] = {}  # charge id -> number of the Adding entry
        self._marked: dict[int, bool] = {}  # number of the Adding entry -> whether its mark was kept
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
        """Update the state with the journal's next entry."""
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
                self.has_sent |= bool(entry.quantities or entry.deletions)
            case Adding(number=number):
                self._addings[number] = entry
                self._began[number] = self._waited
                self.has_sent = True
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
                self.has_sent = True
            case Verified():
                if not (entry.look_again or self._is_look_due):  # all requests so far were answered
                    self._sets, self._deletions, self._run = [], {}, None
                self.has_sent, self._is_look_due = False, entry.look_again
            case Gone():
                self.gone_at = entry.at

    def adding(self, charge: DeclaredCharge, document: Customer, at: datetime, mark: str) -> Adding:
        """Return the entry to write before the request that adds this charge."""
        before = tuple(found.charge.id for found in charges_of(document) if not found.invoice.is_paid)
        number = max(self._addings, default=0) + 1
        return Adding(number=number, charge=charge, before=before, mark=mark, at=at)

    @property
    def look_again(self) -> bool:
        """Whether the invoice needs a second look, because the outcome of a request may be unknown."""
        return self.has_sent or self._is_look_due

    # Time

    def _time(self, now: datetime) -> timedelta:
        if self._last is None:
            return self._waited
        return self._waited + min(max(now - self._last, timedelta(0)), self.unknown_for / 2)

    def _left(self, since: timedelta, now: datetime) -> timedelta:
        """Return for how long a request may still arrive; zero or less if it can't any more.

        `since` is the time of the request's entry, on the ledger's own clock (`_waited`).
        """
        return self.unknown_for - (self._time(now) - since)

    def pause(self, left: timedelta) -> float:
        """Return the seconds to wait before the next attempt, at most half of `unknown_for`.

        A request may still arrive within the time `left`.
        """
        return max(1.0, min(left, self.unknown_for / 2).total_seconds())

    # What may still arrive

    def open_addings(self) -> list[Adding]:
        """Return the `Adding` entries whose requests have an unknown outcome and aren't given up."""
        closed = self._claimed | self._refused | self._denied | self._given_up
        return [adding for number, adding in self._addings.items() if number not in closed]

    def wait_for_adding(self, adding: Adding, now: datetime) -> timedelta:
        """Return for how long the request of an `Adding` entry may still arrive."""
        return self._left(self._began[adding.number], now)

    def wait_for_writes(self, declaration: Declaration, invoice: Invoice, now: datetime) -> timedelta:
        """Return for how long an earlier request may still arrive and make the invoice wrong.

        Such a request adds a charge, sets a quantity other than the declared one, or deletes a charge
        that is on the invoice. A request to add a charge is ignored if its outcome is known.
        """
        standing = {charge.id for charge in invoice.charges}
        since = [self._began[adding.number] for adding in self.open_addings()]
        since += [at for item, value, at in self._sets if declaration.quantities.get(item, value) != value]
        since += [at for charge_id, at in self._deletions.items() if charge_id in standing]
        return max((self._left(at, now) for at in since), default=timedelta(0))

    def wait_for_sets(self, now: datetime) -> timedelta:
        """Return for how long any request to set a quantity may still arrive.

        Requests that set the declared quantity count too: a request that arrives after this invoice is run
        changes the next invoice.
        """
        return max((self._left(at, now) for _, _, at in self._sets), default=timedelta(0))

    def wait_for_run(self, now: datetime) -> timedelta:
        """Return for how long the request to run the invoice may still arrive."""
        return timedelta(0) if self._run is None else self._left(self._run, now)

    def given_up(self, charge: DeclaredCharge) -> list[Adding]:
        """Return the `Adding` entries for this charge that were given up and whose charge never appeared.

        Entries that a person has resolved are left out.
        """
        return [adding for adding in self._unexplained() if adding.charge == charge]

    def _unexplained(self) -> list[Adding]:
        return [self._addings[number] for number in sorted(self._given_up - self._denied - self._claimed)]

    # Ownership of charges

    @property
    def has_addings(self) -> bool:
        return bool(self._addings)

    def is_claimed(self, number: int) -> bool:
        return number in self._claimed

    @property
    def _claimed(self) -> set[int]:
        return set(self._numbers.values())

    def claims(self, document: Customer) -> list[Added]:
        """Return the `Added` entries to write for charges that show one of the review's marks.

        Charges that are already known to be the review's are left out. The marks of refused requests are
        included, because a refusal may have been the answer to another call.
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
        """Return those of the `charges` that the request of an `Adding` entry may have added.

        Such a charge is new, has the entry's price and quantity, and isn't yet known to be the review's.
        """
        code = canonical(adding.charge.code)
        return [
            charge
            for charge in charges
            if charge.id
            and charge.id not in self._numbers
            and charge.id not in adding.before
            and adding.charge.costs_the_same(charge)
            # Charges from the plan get their ids when the period closes, so they look new.
            and (canonical(charge.type) not in PLAN_TYPES or canonical(charge.code) == code)
        ]

    def keeps_marks(self, adding: Adding) -> bool:
        """Return whether the billing system is known to keep the mark of an `Adding` entry.

        This is so if the system has kept a mark in a description of the same length or longer, and has never
        dropped a mark from a description of the same length or shorter.
        """
        if not adding.mark:
            return False
        length = len(adding.description)
        seen = [(self._addings[n], kept) for n, kept in self._marked.items() if self._addings[n].mark]
        kept = any(is_kept and len(other.description) >= length for other, is_kept in seen)
        return kept and not any(not is_kept and len(other.description) <= length for other, is_kept in seen)

    def doubtful(self, invoice: Invoice) -> list[tuple[Adding, list[Charge]]]:
        """Return the `Adding` entries whose charge wasn't found but may be on the invoice without its mark.

        Each entry comes with the charges that its request may have added. If the billing system is known to
        keep marks, the entry is left out, because its charge would still have the mark.
        """
        unseen = (*self.open_addings(), *self._unexplained())
        found = [
            (adding, self.candidates(adding, invoice.charges))
            for adding in unseen
            if not self.keeps_marks(adding)
        ]
        return [(adding, charges) for adding, charges in found if charges]

    def unknown_marks(self, declared: Sequence[DeclaredCharge], invoice: Invoice) -> list[Charge]:
        """Return the charges that have both a declared code and a review's mark unknown to this journal.

        Such a charge means that this journal is incomplete: it was lost, or another receiver uses a separate
        journal.
        """
        codes = {canonical(charge.code) for charge in declared}
        return [
            charge
            for charge in invoice.charges
            if charge.id not in self._numbers
            and is_marked(charge.description)
            and canonical(charge.code) in codes
        ]

    def adopt(
        self, declared: Sequence[DeclaredCharge], invoice: Invoice, *, only_marked: bool = False
    ) -> None:
        """Treat a charge on the invoice as the review's if its content is the same as a declared charge's.

        This is done if there is no journal, or if the journal was lost.

        If `only_marked` is True, charges without a review's mark are skipped, because a person may have added
        them.
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
        """Return the charges on the invoice that the review has added, each with its `DeclaredCharge`."""
        return [
            (charge, self._addings[self._numbers[charge.id]].charge)
            for charge in invoice.charges
            if charge.id in self._numbers
        ]

    def strays(self, document: Customer, invoice: Invoice) -> list[Found]:
        """Return the charges that the review has added to the customer's other invoices.

        A charge is left out if a person has resolved that the review's request didn't add it.
        """
        return [
            found
            for found in charges_of(document)
            if found.charge.id in self._numbers
            and self._numbers[found.charge.id] not in self._denied
            and (found.invoice.id, found.invoice.number) != (invoice.id, invoice.number)
        ]
