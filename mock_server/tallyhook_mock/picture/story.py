"""What a picture shows of a customer's history, as data, and the words that all pictures share."""

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
    """What a mark means, worst last. Each sign has its own shape, so that colour is never needed alone."""

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
    """One event. `label` is written next to it if there is room; `title` says everything."""

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
    """A time on a plan, or a pause."""

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
    """Periods that follow one another, and what they belong to."""

    name: str
    note: str
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A time during which a quantity stayed the same."""

    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Count:
    """A quantity that a counter was set to."""

    at: datetime
    quantity: Decimal
    title: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The quantities of an item: as counted, and as billed by each invoice.

    `measure` describes the largest of them.
    """

    item: str
    steps: tuple[Step, ...]
    updates: tuple[Count, ...]
    billed: tuple[Count, ...]
    measure: str = "up to"


@dataclass(frozen=True, slots=True)
class Review:
    """An invoice from its bill date on: held until `released`, then executed at `runs`.

    `tried_until` is the last or next attempt after a decline. None is what has not happened.
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
    """A customer's history from `start` to `end`. What comes after `now` is only expected."""

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


# How much of the future is shown, at least.
AHEAD = timedelta(days=31)

_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")


def words(name: str) -> str:
    """`subscriptionBillable` in plain words: subscription billable."""
    return _CAPITAL.sub(" ", name).lower()


def entry_words(entry: Entry) -> str:
    """What happened, to which item, and the note about it."""
    item = "" if not entry.item or entry.note.startswith(entry.item) else f", {entry.item}"
    return f"{words(entry.kind)}{item}{': ' if entry.note else ''}{entry.note}"


def signed(amount: Decimal) -> str:
    """An amount with its sign, as a plus or a real minus."""
    return f"{'−' if amount < 0 else '+'}{amount_text(abs(amount))}"


def day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def dated(at: datetime, words: str) -> str:
    """The title of an event: its moment, and words."""
    return f"{moment(at)} · {words}"


def pause(start: datetime, end: datetime) -> Span:
    """The time after a cancellation, as a span."""
    return Span(start, end, "canceled", f"Canceled from {moment(start)}")


def near(coming: Sequence[Coming], start: datetime, end: datetime, now: datetime) -> list[Coming]:
    """The forecast invoices that fit into a picture that ends at `end` or a little later."""
    latest = max(end, now + max((now - start) / 12, AHEAD))
    return [each for each in coming if each.at <= latest]


def to_come(coming: Sequence[Coming]) -> Lane:
    """A lane of forecast invoices."""
    return Lane("To come", tuple(_coming(each) for each in coming))


def _coming(invoice: Coming) -> Mark:
    lines = "; ".join(f"{line.description or line.item} {amount_text(line.amount)}" for line in invoice.lines)
    words = f"to come, as things stand: {amount_text(invoice.total)} ({lines})"
    return Mark(invoice.at, Sign.COMING, dated(invoice.at, words), amount_text(invoice.total))
