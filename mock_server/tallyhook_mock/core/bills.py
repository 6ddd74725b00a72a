"""Bills of systems whose invoices are final once they are sent, and forecasts of the next bills.

A forecast copies an account with everything planned for it, and carries out the planned actions on the copy.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from datetime import datetime
from decimal import Decimal
from typing import Protocol, TypeVar

from tallyhook_mock.core.agenda import Agenda
from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.money import total

__all__ = ["Bill", "Coming", "Line", "coming_bills", "copied", "play"]

AnEntity = TypeVar("AnEntity", bound=Entity)
# A forecast stops after this many steps. An account without a bill by then will never be billed.
_MOST_STEPS = 1000
_LAST_YEAR = 7999  # the last year that a clock can reach


class Line(Value, frozen=True):
    """One charge on a bill. `item` is what is charged, in the system's terms.

    The charge covers the time from `start` up to, but not including, `end`. Both are None for a charge
    without a period.
    """

    item: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    start: datetime | None = None
    end: datetime | None = None


class Bill(Value, frozen=True):
    """A bill sent to an account. Each system numbers its bills from 1."""

    number: int
    at: datetime
    account: str
    currency: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> Decimal:
        return total(line.amount for line in self.lines)


class Coming(Value, frozen=True):
    """A forecast invoice. `number` is None if it isn't known yet. `total` includes taxes."""

    at: datetime
    currency: str
    lines: tuple[Line, ...]
    total: Decimal
    number: int | None = None


class _Steps(Protocol):
    def next_due(self) -> datetime | None: ...
    def step(self, at: datetime) -> bool: ...


def copied(account: AnEntity, agenda: Agenda, into: Agenda, shared: Iterable[object] = ()) -> AnEntity:
    """Return a copy of an account with everything that belongs to it.

    If `agenda` has planned actions for the account, the same actions are planned for the copy, in the agenda
    `into`. `shared` objects, such as a product, are not copied.
    """
    memo: dict[int, object] = {id(each): each for each in shared}
    copy = deepcopy(account, memo)
    for when, action, subject in agenda.about(memo):
        into.schedule(when, action, memo[id(subject)])
    return copy


def play(alone: _Steps, is_enough: Callable[[], bool]) -> None:
    """Carry out planned actions until `is_enough()` is true or nothing is planned."""
    for _ in range(_MOST_STEPS):
        due = alone.next_due()
        if due is None or due.year > _LAST_YEAR or is_enough():
            return
        alone.step(due)


def coming_bills(alone: _Steps, bills: Sequence[Bill], count: int) -> list[Coming]:
    """Return the next `count` bills of an account.

    `alone` is a system that contains only a copy of the account. The system adds its bills to `bills`.
    """
    known = len(bills)
    play(alone, lambda: len(bills) - known >= count)
    return [Coming(bill.at, bill.currency, bill.lines, bill.total) for bill in bills[known:][:count]]
