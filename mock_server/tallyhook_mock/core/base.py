"""The building blocks of billing systems: values, entities, refusals, events, and a system's base class.

A mock can hold a million subscriptions because each takes little memory. Values are compact, all empty
collections share the empty tuple, and a growing list is a tuple that is replaced with a longer one.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

import msgspec

from tallyhook_mock.core.agenda import Agenda
from tallyhook_mock.core.money import NOTHING, total

if TYPE_CHECKING:
    from tallyhook_mock.core.bills import Coming

__all__ = ["Billed", "BillingSystem", "Entity", "Happening", "Refusal", "Value"]


class Value(msgspec.Struct, frozen=True, gc=False):
    """An immutable value.

    Values never form cycles, so the garbage collector can ignore them.
    """

    def __deepcopy__(self, _: object) -> Self:
        return self


class Entity(msgspec.Struct, eq=False):
    """A mutable object, compared by identity. Entities may form reference cycles."""

    def __reduce__(self) -> tuple[Any, ...]:
        # A restore makes an empty entity first and then sets its fields, so circular references are possible.
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return _blank, (type(self),), (None, fields)


def _blank(kind: type[Entity]) -> Entity:
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    return kind(*(None,) * required)


class Refusal(ValueError):
    """Raised when a call or a command is refused. A refusal has changed nothing.

    `status` is the HTTP status of the answer, and `headers` are extra headers for the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Happening(Value, frozen=True):
    """Something that happened to an `account`, for the timeline.

    `invoice` is an invoice number, `amount` the amount billed, `item` the item concerned, and `quantity` the
    item's new quantity. `subject` is the id of the object that a hook would be about. A field that doesn't
    apply is None, 0 or empty.
    """

    kind: str
    at: datetime
    actor: str
    account: str
    note: str = ""
    invoice: int | None = None
    amount: Decimal | None = None
    item: str = ""
    quantity: Decimal | None = None
    subject: int = 0


class Billed:
    """The number of bills that a system has sent, and their totals by currency.

    A bill is counted when it is sent, because its total doesn't change after that.
    """

    def __init__(self) -> None:
        self.count = 0
        self.totals: dict[str, Decimal] = {}

    def add(self, currency: str, amount: Decimal) -> None:
        self.count += 1
        self.totals[currency] = total((self.totals.get(currency, NOTHING), amount))


class BillingSystem(ABC):
    """The base class of every billing system but Cheddar. A system has accounts, an agenda, and events.

    Attributes:
        actor: the cause of the next events, as the timeline shows it.
        agenda: the planned actions.
        billed: the number and totals of all bills so far.
    """

    def __init__(self) -> None:
        self.actor = ""
        self.agenda = Agenda()
        self.billed = Billed()
        self._happenings: list[Happening] = []

    # -- each system implements

    @abstractmethod
    def accounts(self) -> Mapping[Any, Entity]:
        """Return the accounts by id, in order of creation."""

    def account(self, id: str) -> Entity:
        """Return the account with this id. Raises LookupError or ValueError if there is none."""
        found: Entity = self.accounts()[id]
        return found

    def is_used(self) -> bool:
        """Return whether the system has any data."""
        return bool(self.accounts())

    @abstractmethod
    def forecast(self, id: str, count: int) -> "list[Coming]":
        """Return an account's next `count` invoices if nothing changes.

        Raises LookupError or ValueError if there is no such account.
        """

    # -- the same in all systems

    def next_due(self) -> datetime | None:
        """Return the time of the next planned action, or None if nothing is planned."""
        return self.agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next action that is due by `at`. Returns False if no action is due.

        The action gets its planned time, not `at`. A running clock is always a little past the planned time,
        and far past it after the machine has slept.
        """
        self.actor = "system"
        due = self.agenda.next_due()
        planned = None if due is None else self.agenda.take(min(due, at))
        if due is None or planned is None:
            return False
        action, subject = planned
        action(self, subject, due)
        return True

    def catch_up(self, at: datetime) -> None:
        """Carry out everything due by `at`, each action at its planned time. Call this before a command."""
        actor = self.actor
        while (due := self.next_due()) is not None and due <= at:
            self.step(due)
        self.actor = actor

    def note(self, happening: Happening) -> None:
        """Add an event to those that `take_events` returns."""
        self._happenings.append(happening)

    def take_events(self) -> list[Happening]:
        """Return the events since this was last called, oldest first."""
        happenings, self._happenings = self._happenings, []
        return happenings
