"""The data of a picture of a customer's history, and the wording that all pictures share."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tallyhook_mock.core.bills import Coming
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.timeline import Entry

__all__ = [
    "AHEAD",
    "CANCELED",
    "REACTIVATED",
    "Count",
    "Lane",
    "Mark",
    "Period",
    "Review",
    "Row",
    "Sign",
    "Span",
    "Step",
    "Story",
    "Tally",
    "dated",
    "day",
    "entry_words",
    "moment",
    "near",
    "pauses",
    "signed",
    "to_come",
    "words",
]


class Sign(StrEnum):
    """The meanings of marks, worst last. Each has its own shape, so no mark depends on colour alone."""

    COMING = "coming"
    USED = "used"
    BEGAN = "began"
    REACTIVATED = "reactivated"
    CHANGED = "changed"
    CHARGE = "charge"
    CREDIT = "credit"
    ACKNOWLEDGED = "acknowledged"
    PAID = "paid"
    GIVEN_BACK = "givenBack"
    FAULT = "fault"
    CANCELED = "canceled"
    FAILED = "failed"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark for an event. `label` is written next to the mark if there is room. `title` is the full text."""

    at: datetime
    sign: Sign
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of marks of one kind."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The time from the start to the end of a plan or a pause."""

    start: datetime
    end: datetime
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period and the state of its invoice. `number` is None while there is no invoice."""

    start: datetime
    end: datetime
    number: int | None
    total: Decimal
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of billing periods, with the row's name."""

    name: str
    note: str
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A time during which a quantity doesn't change."""

    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Count:
    """An item's quantity at one moment, after a change or on an invoice."""

    at: datetime
    quantity: Decimal
    title: str


@dataclass(frozen=True, slots=True)
class Tally:
    """An item's quantity over time, and the quantities that invoices have billed.

    `measure` is the label in front of the largest quantity.
    """

    item: str
    steps: tuple[Step, ...]
    updates: tuple[Count, ...]
    billed: tuple[Count, ...]
    measure: str = "up to"


@dataclass(frozen=True, slots=True)
class Review:
    """What happens to an invoice after its bill date `at`: held until `released`, then executed at `runs`.

    If a payment was declined, `tried_until` is the time of the next attempt, or of the last attempt if no
    other is planned. Each of these times is None if there is no such event.
    """

    number: int
    at: datetime
    released: datetime | None
    runs: datetime | None
    tried_until: datetime | None
    attempts: tuple[Mark, ...]
    adjustments: tuple[Mark, ...]
    payments: tuple[Mark, ...]
    outcome: str

    @property
    def marks(self) -> tuple[Mark, ...]:
        return self.attempts + self.adjustments + self.payments

    @property
    def held(self) -> timedelta:
        """How long the invoice was held."""
        return timedelta(0) if self.released is None else self.released - self.at

    @property
    def moments(self) -> list[datetime]:
        """The times of all events after the bill date."""
        bounds = (self.released, self.runs, self.tried_until)
        return [mark.at for mark in self.marks] + [at for at in bounds if at is not None]

    @property
    def went_wrong(self) -> bool:
        return any(mark.sign in (Sign.FAILED, Sign.DECLINED) for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Story:
    """The data of a picture of a customer's history. Everything after `now` is a forecast."""

    title: str
    summary: str
    start: datetime
    end: datetime
    now: datetime
    plans: tuple[Span, ...]
    pauses: tuple[Span, ...]
    turns: tuple[Mark, ...]
    rows: tuple[Row, ...]
    tallies: tuple[Tally, ...]
    lanes: tuple[Lane, ...]
    reviews: tuple[Review, ...]


# A picture shows at least this much time after now.
AHEAD = timedelta(days=31)
# The kinds of the entries with which an account pauses and goes on.
CANCELED, REACTIVATED = ("subscriptionCanceled", "subscriptionEnded"), "subscriptionReactivated"

_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")


def words(name: str) -> str:
    """Split camel case: `subscriptionBillable` becomes `subscription billable`."""
    return _CAPITAL.sub(" ", name).lower()


def entry_words(entry: Entry) -> str:
    """Return a timeline entry as text: its kind, item and note."""
    item = "" if not entry.item or entry.note.startswith(entry.item) else f", {entry.item}"
    return f"{words(entry.kind)}{item}{': ' if entry.note else ''}{entry.note}"


def signed(amount: Decimal) -> str:
    """Return an amount with a plus sign or a real minus sign."""
    return f"{'−' if amount < 0 else '+'}{amount_text(abs(amount))}"


def day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def dated(at: datetime, words: str) -> str:
    """Return the title of an event: the time `at`, followed by `words`."""
    return f"{moment(at)} · {words}"


def pauses(entries: Iterable[Entry], canceled_at: datetime | None, end: datetime) -> Iterator[Span]:
    """Yield a span for each time after a cancellation, until the reactivation or `end`.

    `canceled_at` is the time of the current cancellation, or None. It is needed because a timeline keeps only
    the latest entries, so the entry for this cancellation may be missing.
    """
    since: datetime | None = None
    for entry in entries:
        if entry.kind in CANCELED:
            since = since or entry.at
        elif entry.kind == REACTIVATED and since is not None:
            yield _pause(since, entry.at)
            since = None
    since = since or canceled_at
    if since is not None:
        yield _pause(since, end)


def _pause(start: datetime, end: datetime) -> Span:
    return Span(start, end, "canceled", f"Canceled from {moment(start)}")


def near(coming: Sequence[Coming], start: datetime, end: datetime, now: datetime) -> list[Coming]:
    """Return the forecast invoices until `end`, or until a little after `now` if that is later."""
    latest = max(end, now + max((now - start) / 12, AHEAD))
    return [each for each in coming if each.at <= latest]


def to_come(coming: Sequence[Coming]) -> Lane:
    """Return a lane with the forecast invoices."""
    return Lane("Upcoming", tuple(_coming(each) for each in coming))


def _coming(invoice: Coming) -> Mark:
    lines = "; ".join(f"{line.description or line.item} {amount_text(line.amount)}" for line in invoice.lines)
    words = f"upcoming, if nothing changes: {amount_text(invoice.total)} ({lines})"
    return Mark(invoice.at, Sign.COMING, dated(invoice.at, words), amount_text(invoice.total))
