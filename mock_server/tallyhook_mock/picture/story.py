"""What a picture tells of a customer's life, before anything is drawn."""

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
    """What a mark says; each sign has a shape of its own, so that colour is never alone. Worst last."""

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
    """One event. `label` is written beside it where there is room, `title` says all of it."""

    at: datetime
    sign: Sign
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    """Marks of one kind of thing."""

    name: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A time on a plan, or without one."""

    start: datetime
    end: datetime
    label: str
    title: str


@dataclass(frozen=True, slots=True)
class Period:
    """A time and the invoice that is for it, whose state it is in; `number` is None while there is none."""

    start: datetime
    end: datetime
    number: int | None
    total: Decimal
    state: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """Periods that follow one another, and whose they are."""

    name: str
    note: str
    periods: tuple[Period, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """A quantity that stayed."""

    start: datetime
    end: datetime
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Count:
    """What a counter was set to."""

    at: datetime
    quantity: Decimal
    title: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The quantities of an item: as they were counted, and what each invoice billed in the end.

    `measure` says what the largest of them is.
    """

    item: str
    steps: tuple[Step, ...]
    updates: tuple[Count, ...]
    billed: tuple[Count, ...]
    measure: str = "up to"


@dataclass(frozen=True, slots=True)
class Review:
    """An invoice from its bill date on: held until `released`, executed at `runs` if nothing came before.

    `tried_until` is the last or next try after a decline. None is what has not come to pass.
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
        """How long it was not released."""
        return timedelta(0) if self.released is None else self.released - self.at

    @property
    def moments(self) -> list[datetime]:
        """Everything about it that has a place in time."""
        bounds = (self.released, self.runs, self.tried_until)
        return [mark.at for mark in self.marks] + [at for at in bounds if at is not None]

    @property
    def went_wrong(self) -> bool:
        return any(mark.sign in (Sign.FAILED, Sign.DECLINED) for mark in self.marks)


@dataclass(frozen=True, slots=True)
class Story:
    """A life, from `start` to `end`; what lies behind `now` is expected only."""

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


# How much of the time to come is shown, where little has been as yet.
AHEAD = timedelta(days=31)

_CAPITAL = re.compile("(?<=[a-z])(?=[A-Z])")


def words(name: str) -> str:
    """`subscriptionBillable` as people say it: subscription billable."""
    return _CAPITAL.sub(" ", name).lower()


def entry_words(entry: Entry) -> str:
    """What happened, to which item, and what is noted of it."""
    item = "" if not entry.item or entry.note.startswith(entry.item) else f", {entry.item}"
    return f"{words(entry.kind)}{item}{': ' if entry.note else ''}{entry.note}"


def signed(amount: Decimal) -> str:
    """What it adds, with a real minus."""
    return f"{'−' if amount < 0 else '+'}{amount_text(abs(amount))}"


def day(at: datetime) -> str:
    return f"{at.day} {at:%b}"


def moment(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b %Y %H:%M}"


def dated(at: datetime, words: str) -> str:
    """An event as a title has it."""
    return f"{moment(at)} · {words}"


def pause(start: datetime, end: datetime) -> Span:
    """The time after a cancellation."""
    return Span(start, end, "canceled", f"Canceled from {moment(start)}")


def near(coming: Sequence[Coming], start: datetime, end: datetime, now: datetime) -> list[Coming]:
    """The invoices to come that have a place in a picture which is to end at `end`, or little later."""
    latest = max(end, now + max((now - start) / 12, AHEAD))
    return [each for each in coming if each.at <= latest]


def to_come(coming: Sequence[Coming]) -> Lane:
    """Invoices as a forecast has them."""
    return Lane("To come", tuple(_coming(each) for each in coming))


def _coming(invoice: Coming) -> Mark:
    lines = "; ".join(f"{line.description or line.item} {amount_text(line.amount)}" for line in invoice.lines)
    words = f"to come, as things stand: {amount_text(invoice.total)} ({lines})"
    return Mark(invoice.at, Sign.COMING, dated(invoice.at, words), amount_text(invoice.total))
