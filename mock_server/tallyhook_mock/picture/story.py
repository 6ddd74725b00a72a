"""What a picture tells of a customer's life, before anything is drawn."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

__all__ = [
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
