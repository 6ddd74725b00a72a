"""What billing systems are made of: values, entities, refusals, events, and the base of a system.

A mock can hold a million subscriptions because each takes little memory: values are compact, everything empty
shares the one empty tuple, and a growing list is a tuple that is replaced with a longer one.
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

    It never refers back to itself, so the garbage collector, which only finds cycles, can ignore it.
    """

    def __deepcopy__(self, _: object) -> Self:
        return self


class Entity(msgspec.Struct, eq=False):
    """A mutable object, compared by identity. Entities may refer to each other in circles."""

    def __reduce__(self) -> tuple[Any, ...]:
        # First an empty entity, then its fields, so that circular references can be restored.
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return _blank, (type(self),), (None, fields)


def _blank(kind: type[Entity]) -> Entity:
    required = len(kind.__struct_fields__) - len(kind.__struct_defaults__)
    return kind(*(None,) * required)


class Refusal(ValueError):
    """A call or a command that was not carried out; nothing has changed.

    `status` is the HTTP status of the answer, `headers` what the answer carries besides.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class Happening(Value, frozen=True):
    """Something that happened to an `account`, for its timeline.

    `invoice` is a number, `amount` what was billed, `item` what it is about, and `quantity` the item's new
    quantity. `subject` is the id of what a hook would be about. None, 0 or empty if there is none.
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
    """How many bills a system has sent, and their totals by currency.

    Counted when a bill is sent: its total doesn't change after that.
    """

    def __init__(self) -> None:
        self.count = 0
        self.totals: dict[str, Decimal] = {}

    def add(self, currency: str, amount: Decimal) -> None:
        self.count += 1
        self.totals[currency] = total((self.totals.get(currency, NOTHING), amount))


class BillingSystem(ABC):
    """The interface of a billing system other than Cheddar: accounts, an agenda, and what happened.

    Attributes:
        actor: who causes what happens next; it goes into the timeline.
        agenda: what is planned.
        billed: the totals of all bills so far.
    """

    def __init__(self) -> None:
        self.actor = ""
        self.agenda = Agenda()
        self.billed = Billed()
        self._happenings: list[Happening] = []

    # -- for each system to say

    @abstractmethod
    def accounts(self) -> Mapping[Any, Entity]:
        """The billed accounts by id, in order of creation."""

    def account(self, id: str) -> Entity:
        """The account with this id. LookupError or ValueError if there is none."""
        found: Entity = self.accounts()[id]
        return found

    def is_used(self) -> bool:
        """Whether the system holds anything yet."""
        return bool(self.accounts())

    @abstractmethod
    def forecast(self, id: str, count: int) -> "list[Coming]":
        """The next invoices of an account as things are now. LookupError or ValueError if there is none."""

    # -- for all of them

    def next_due(self) -> datetime | None:
        """The next moment at which something is due. None if nothing is planned."""
        return self.agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next action that is due by `at`, at its own moment. False if there is none.

        A running clock is always a little later than the moment of the action, and much later if the machine
        slept.
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
        """Carry out everything due by `at`, each at its moment, before a command at that moment."""
        actor = self.actor
        while (due := self.next_due()) is not None and due <= at:
            self.step(due)
        self.actor = actor

    def note(self, happening: Happening) -> None:
        """Leave it for `take_events`."""
        self._happenings.append(happening)

    def take_events(self) -> list[Happening]:
        """Everything that happened since the last call, oldest first."""
        happenings, self._happenings = self._happenings, []
        return happenings
