"""What the systems are made of: values, entities, events, and the agenda of a system.

A mock holds a million subscriptions as easily as ten only if each weighs little: values are compact, what is
empty is the one empty tuple, and a list that grows is a tuple that is replaced by a longer one.
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
    """A value that never changes once it is made.

    Nothing that it holds leads back to it: it is a part of no cycle, and the garbage collector, which is
    there for cycles, need not look at it.
    """

    def __deepcopy__(self, _: object) -> Self:
        return self


class Entity(msgspec.Struct, eq=False):
    """A mutable object, compared by identity. Entities may refer to each other in circles."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An empty one first and its fields after that, so that a circle comes to an end.
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
    """A line for the timeline of an `account`.

    `invoice` is a number, `amount` what was billed, `item` what it is about, and `quantity` what that stands
    at. `subject` is the id of what a hook would tell of. None, or empty: there is none.
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
    """How many bills a system has sent, and how much they come to by currency.

    It is added up as they are sent, for the total of a bill doesn't change after that.
    """

    def __init__(self) -> None:
        self.count = 0
        self.totals: dict[str, Decimal] = {}

    def add(self, currency: str, amount: Decimal) -> None:
        self.count += 1
        self.totals[currency] = total((self.totals.get(currency, NOTHING), amount))


class BillingSystem(ABC):
    """What a system beside Cheddar is for the others: accounts, what is to come, and what has happened.

    Attributes:
        actor: whom the happenings are laid to.
        agenda: what is to come.
        billed: what was billed so far.
    """

    def __init__(self) -> None:
        self.actor = ""
        self.agenda = Agenda()
        self.billed = Billed()
        self._happenings: list[Happening] = []

    # -- for each system to say

    @abstractmethod
    def accounts(self) -> Mapping[Any, Entity]:
        """Those who are billed, by id, in the order of creation."""

    def account(self, id: str) -> Entity:
        """LookupError or ValueError if there is none."""
        found: Entity = self.accounts()[id]
        return found

    def is_used(self) -> bool:
        """Whether a catalogue or somebody has put something there."""
        return bool(self.accounts())

    @abstractmethod
    def forecast(self, id: str, count: int) -> "list[Coming]":
        """The next invoices of an account, as things stand. LookupError or ValueError if there is none."""

    # -- for all of them

    def next_due(self) -> datetime | None:
        """The next moment at which there is something to do; None if nothing is planned."""
        return self.agenda.next_due()

    def step(self, at: datetime) -> bool:
        """Carry out the next thing that is due by `at`, at its own moment; False if nothing is.

        A clock that runs by itself is always a little later than what is due, and much later if the machine
        has slept.
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
        """Carry out all that is due by `at`, each at its moment: it comes before a command of that moment."""
        actor = self.actor
        while (due := self.next_due()) is not None and due <= at:
            self.step(due)
        self.actor = actor

    def note(self, happening: Happening) -> None:
        """Leave it for `take_events`."""
        self._happenings.append(happening)

    def take_events(self) -> list[Happening]:
        """All that happened since the last call, oldest first."""
        happenings, self._happenings = self._happenings, []
        return happenings
