"""The data of a picture of a customer's history, and wording shared by all pictures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from tallyhook_mock.core.bills import Coming
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.timeline import Entry

__all__ = [
    "AHEAD",
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
    "pause",
    "signed",
    "to_come",
    "words",
]


class Sign(StrEnum):
    """The meaning of a mark, worst last. Each sign has its own shape, so nothing depends on colour alone."""

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
    """One event. `label` is written next to it if there is room. `title` is the full text."""

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
    """The time on a plan, or a pause."""

    start: datetime
    end: datetime
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Period:
    """A period and the state of its invoice. `number` is None while there is no invoice."""

    start: datetime
    end: datetime
    number: int | None
    total: Decimal
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row of consecutive periods, with its name."""

    name: str
    note: str
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A time with a constant quantity."""

    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Count:
    """A quantity to which a counter was set."""

    at: datetime
    quantity: Decimal
    title: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The quantities of an item, as counted and as billed by each invoice.

    `measure` is a label for the largest quantity.
    """

    item: str
    steps: tuple[Step, ...]
    updates: tuple[Count, ...]
    billed: tuple[Count, ...]
    measure: str = "up to"


@dataclass(frozen=True, slots=True)
class Review:
    """An invoice from its bill date on: held until `released`, then executed at `runs`.

    `tried_until` is the last or next attempt after a decline. A field is None if it has not happened.
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
        """How long it was held."""
        return timedelta(0) if self.released is None else self.released - self.at

    @property
    def moments(self) -> list[datetime]:
        """All moments of the review."""
        bounds = (self.released, self.runs, self.tried_until)
        return [mark.at for mark in self.marks] + [at for at in bounds if at is not None]

    @property
    def went_wrong(self) -> bool:
        return any(mark.sign in (Sign.FAILED, Sign.DECLINED) for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Story:
    """A customer's history from `start` to `end`. Everything after `now` is a forecast."""

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


# The minimum time that a picture shows after now.
AHEAD = timedelta(days=31)

_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")


def words(name: str) -> str:
    """Split camel case: `subscriptionBillable` becomes `subscription billable`."""
    return _CAPITAL.sub(" ", name).lower()


def entry_words(entry: Entry) -> str:
    """A timeline entry as text: its kind, item and note."""
    item = "" if not entry.item or entry.note.startswith(entry.item) else f", {entry.item}"
    return f"{words(entry.kind)}{item}{': ' if entry.note else ''}{entry.note}"


def signed(amount: Decimal) -> str:
    """An amount with a plus or a real minus."""
    return f"{'−' if amount < 0 else '+'}{amount_text(abs(amount))}"


def day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def dated(at: datetime, words: str) -> str:
    """The title of an event: its moment and a text."""
    return f"{moment(at)} · {words}"


def pause(start: datetime, end: datetime) -> Span:
    """The time after a cancellation, as a span."""
    return Span(start, end, "canceled", f"Canceled from {moment(start)}")


def near(coming: Sequence[Coming], start: datetime, end: datetime, now: datetime) -> list[Coming]:
    """The forecast invoices until `end` or a little later."""
    latest = max(end, now + max((now - start) / 12, AHEAD))
    return [each for each in coming if each.at <= latest]


def to_come(coming: Sequence[Coming]) -> Lane:
    """A lane of forecast invoices."""
    return Lane("Upcoming", tuple(_coming(each) for each in coming))


def _coming(invoice: Coming) -> Mark:
    lines = "; ".join(f"{line.description or line.item} {amount_text(line.amount)}" for line in invoice.lines)
    words = f"upcoming, if nothing changes: {amount_text(invoice.total)} ({lines})"
    return Mark(invoice.at, Sign.COMING, dated(invoice.at, words), amount_text(invoice.total))
