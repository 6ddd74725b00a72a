"""Makes the data of a picture from an account's bills. Each line of a bill has its own period."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from tallyhook_mock.core.bills import Bill, Coming, Line
from tallyhook_mock.core.money import ZERO, amount_text, quantity_text, total
from tallyhook_mock.picture.lanes import TO_COME
from tallyhook_mock.picture.story import (
    Count,
    Lane,
    Mark,
    Period,
    Row,
    Sign,
    Span,
    Step,
    Story,
    Tally,
    dated,
    entry_words,
    moment,
    near,
    signed,
    to_come,
)
from tallyhook_mock.timeline import FAULT, Entry

__all__ = ["COMING", "Account", "Counter", "Subject", "tell_bills"]

# The number of forecast invoices in a picture and on an account's page.
COMING = 3
# The kind of timeline entries for charges that are added before they are billed.
_CHARGE_ADDED = "chargeAdded"


@dataclass(frozen=True, slots=True)
class Subject:
    """A row of the picture. The row shows the periods of the bill lines for `items`."""

    name: str
    note: str
    items: frozenset[str]


@dataclass(frozen=True, slots=True)
class Counter:
    """An item whose quantity is drawn over time.

    If `is_billed` is true, bills have lines for the quantity. `measure` is the label in front of the largest
    quantity, such as `up to`.
    """

    item: str
    name: str
    measure: str = "up to"
    is_billed: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """The data about an account that a picture needs besides the timeline.

    Attributes:
        end: the end of the time that the picture should show.
        bills: the bills, oldest first.
        waiting: lines that will be on the next bill.
        turns: the kinds of timeline entries that change the account, each with its sign.
        coming: forecast invoices.
        untold: items whose bill lines get no mark, such as VAT, or charges that have timeline entries.
    """

    title: str
    system: str
    start: datetime
    end: datetime
    currency: str
    bills: Sequence[Bill]
    subjects: Sequence[Subject]
    turns: Mapping[str, Sign]
    waiting: Sequence[Line] = ()
    counters: Sequence[Counter] = ()
    plans: Sequence[Span] = ()
    pauses: Sequence[Span] = ()
    untold: frozenset[str] = frozenset()
    coming: Sequence[Coming] = ()


def tell_bills(account: Account, entries: Iterable[Entry], now: datetime) -> Story:
    """Return the data of an account's picture at the time `now`."""
    return _Teller(account, tuple(entries), now).story()


@dataclass(slots=True)
class _Places:
    """A row that is being filled with periods. The periods in a row must not overlap."""

    subject: Subject
    periods: list[Period] = field(default_factory=list)

    def takes(self, line: Line, bill: Bill | Coming | None) -> bool:
        """Add a bill line to this row as a period, if the period fits. Returns whether it was added.

        `bill` is None if the line is not on a bill or a forecast yet.
        """
        start, end = line.start, line.end
        if start is None or end is None or start >= end:
            return False
        if any(period.start < end and start < period.end for period in reversed(self.periods)):
            return False
        number: int | None = None
        match bill:
            case Bill():
                billed, state, number = f"invoice #{bill.number}", "paid", bill.number
            case Coming():
                billed, state = "upcoming, if nothing changes", TO_COME
            case None:
                billed, state = "not billed yet", "current"
        time = f"{moment(start)} to {moment(end)}"
        title = f"{line.description}, {time}: {amount_text(line.amount)}, {billed}"
        self.periods.append(Period(start, end, number, line.amount, state, title))
        return True

    def row(self) -> Row:
        return Row(self.subject.name, self.subject.note, tuple(self.periods))


class _Teller:
    def __init__(self, account: Account, entries: Sequence[Entry], now: datetime) -> None:
        self.account, self.entries, self.now = account, entries, now
        end = max(account.end, now, account.start + timedelta(hours=1))
        self.coming = near(account.coming, account.start, end, now)
        self.end = max([end, *(each.at for each in self.coming)])
        self.places = [_Places(subject) for subject in account.subjects]
        self.loose = [
            (bill, line) for bill in account.bills for line in bill.lines if not self._put(line, bill)
        ]
        for line in account.waiting:
            self._put(line, None)
        for coming in self.coming:
            for line in coming.lines:
                self._put(line, coming)

    def story(self) -> Story:
        account = self.account
        turns = tuple(self._turns())
        lanes = (
            Lane("Changes", () if account.plans else turns),
            Lane("Invoices", tuple(_invoice(bill) for bill in account.bills)),
            to_come(self.coming),
            Lane("Charges", tuple(self._charges())),
            Lane("Faults", tuple(Mark(e.at, Sign.FAULT, dated(e.at, e.note)) for e in self._of(FAULT))),
        )
        return Story(
            title=account.title,
            summary=self._summary(),
            start=account.start,
            end=self.end,
            now=self.now,
            plans=tuple(account.plans),
            pauses=tuple(account.pauses),
            turns=turns if account.plans else (),
            rows=tuple(place.row() for place in self.places if place.periods),
            tallies=tuple(self._tallies()),
            lanes=tuple(lane for lane in lanes if lane.marks),
            reviews=(),
        )

    def _put(self, line: Line, bill: Bill | Coming | None) -> bool:
        return any(place.takes(line, bill) for place in self.places if line.item in place.subject.items)

    def _of(self, *kinds: str) -> Iterator[Entry]:
        return (entry for entry in self.entries if entry.kind in kinds)

    def _summary(self) -> str:
        bills, start = self.account.bills, self.account.start
        billed = amount_text(total(bill.total for bill in bills))
        invoices = "1 invoice" if len(bills) == 1 else f"{len(bills)} invoices"
        since = f"{start.day} {start:%B %Y}"
        return f"{self.account.system}, since {since}: {invoices}, {billed} {self.account.currency} billed"

    def _turns(self) -> Iterator[Mark]:
        for entry in self._of(*self.account.turns):
            yield Mark(entry.at, self.account.turns[entry.kind], dated(entry.at, entry_words(entry)))

    def _charges(self) -> Iterator[Mark]:
        for bill, line in self.loose:
            if line.item not in self.account.untold:
                words = f"{line.description}, invoice #{bill.number}"
                yield Mark(bill.at, Sign.CHARGE, dated(bill.at, words), signed(line.amount))
        for entry in self._of(_CHARGE_ADDED):
            amount = entry.amount or ZERO
            yield Mark(entry.at, Sign.CHARGE, dated(entry.at, f"charge added: {entry.note}"), signed(amount))

    def _tallies(self) -> Iterator[Tally]:
        """Yield a tally for each item whose quantity has changed."""
        for counter in self.account.counters:
            told = [entry for entry in self.entries if entry.item == counter.item and entry.kind != FAULT]
            updates = tuple(
                Count(entry.at, entry.quantity, dated(entry.at, entry_words(entry)))
                for entry in told
                if entry.quantity is not None
            )
            billed = tuple(self._billed(counter.item)) if counter.is_billed else ()
            if len({count.quantity for count in (*updates, *billed)}) > 1:
                yield Tally(counter.name, tuple(self._steps(told)), updates, billed, counter.measure)

    def _steps(self, told: Sequence[Entry]) -> Iterator[Step]:
        """Yield a step for the time from each entry to the next one. Unlimited quantities have no step."""
        ends = [after.at for _, after in pairwise(told)] + [self.now]
        for entry, end in zip(told, ends, strict=True):
            if entry.quantity is not None and entry.at < end:
                yield Step(entry.at, end, entry.quantity)

    def _billed(self, item: str) -> Iterator[Count]:
        for bill in self.account.bills:
            for line in bill.lines:
                if line.item == item:
                    words = f"invoice #{bill.number} bills {quantity_text(line.quantity)}: {line.description}"
                    yield Count(bill.at, line.quantity, dated(bill.at, words))


def _invoice(bill: Bill) -> Mark:
    lines = "; ".join(f"{line.description} {amount_text(line.amount)}" for line in bill.lines)
    words = f"invoice #{bill.number}: {amount_text(bill.total)} ({lines})"
    return Mark(bill.at, Sign.PAID, dated(bill.at, words), amount_text(bill.total))
