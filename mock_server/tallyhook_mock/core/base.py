"""The building blocks of billing systems: values, entities, refusals, events, and the base class of a system.

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
        # First an empty entity, then its fields, so that circular references can be restored.
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return _blank, (type(self),), (None, fields)


def _blank(kind: type[Entity]) -> Entity:
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    return kind(*(None,) * required)


class Refusal(ValueError):
    """A call or a command was refused. Nothing has changed.

    `status` is the HTTP status of the answer. `headers` are extra headers for it.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Happening(Value, frozen=True):
    """Something that happened to an `account`, for its timeline.

    `invoice` is an invoice number, `amount` the amount billed, `item` the item concerned, and `quantity` its
    new quantity. `subject` is the id of the object that a hook would be about. A field that doesn't apply is
    None, 0 or empty.
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

    A bill is counted when it is sent. Its total doesn't change after that.
    """

    def __init__(self) -> None:
        self.count = 0
        self.totals: dict[str, Decimal] = {}

    def add(self, currency: str, amount: Decimal) -> None:
        self.count += 1
        self.totals[currency] = total((self.totals.get(currency, NOTHING), amount))


class BillingSystem(ABC):
    """The interface of a billing system other than Cheddar: accounts, an agenda, and events.

    Attributes:
        actor: the cause of the next events, for the timeline.
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
        """The accounts by id, in order of creation."""

    def account(self, id: str) -> Entity:
        """The account with this id. LookupError or ValueError if there is none."""
        found: Entity = self.accounts()[id]
        return found

    def is_used(self) -> bool:
        """Whether the system holds anything."""
        return bool(self.accounts())

    @abstractmethod
    def forecast(self, id: str, count: int) -> "list[Coming]":
        """The next invoices of an account if nothing changes. LookupError or ValueError if there is none."""

    # -- the same in all systems

    def next_due(self) -> datetime | None:
        """The time of the next planned action. None if nothing is planned."""
        return self.agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next action that is due by `at`, at its planned time.

        Returns False if no action is due.

        A running clock is always a little past the planned time, and far past it if the machine slept.
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
        """Carry out everything due by `at`, each action at its planned time. Called before a command."""
        actor = self.actor
        while (due := self.next_due()) is not None and due <= at:
            self.step(due)
        self.actor = actor

    def note(self, happening: Happening) -> None:
        """Keep an event for `take_events`."""
        self._happenings.append(happening)

    def take_events(self) -> list[Happening]:
        """Return the events since the last call, oldest first."""
        happenings, self._happenings = self._happenings, []
        return happenings
