"""The base class of billing systems, and the count of their bills."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tallyhook_mock.core.agenda import Agenda
from tallyhook_mock.core.base import Entity, Happening
from tallyhook_mock.core.bills import Coming
from tallyhook_mock.core.money import NOTHING, total

__all__ = ["Billed", "BillingSystem"]


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
    """The base class of every billing system except Cheddar. A system has accounts, an agenda, and events.

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
    def forecast(self, id: str, count: int) -> list[Coming]:
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
