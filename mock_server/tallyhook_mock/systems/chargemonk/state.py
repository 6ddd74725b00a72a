"""Chargemonk's state: plans, add-ons, subscriptions and invoices."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.bills import Bill, Coming, Line, coming_bills, copied
from tallyhook_mock.core.system import BillingSystem
from tallyhook_mock.systems.chargemonk.model import (
    AddOn,
    Carried,
    Plan,
    Subscription,
    Unbilled,
    cycles_text,
)

__all__ = ["State"]


class State(BillingSystem):
    """Plans, add-ons, subscriptions and their invoices.

    The functions in `rules` are commands. Each takes the state and the current time, and either changes the
    state or raises Refusal. `take_events` returns the events that the commands have created.
    """

    def __init__(self) -> None:
        super().__init__()
        self.currency = "USD"
        self.plans: dict[str, Plan] = {}
        self.add_ons: dict[str, AddOn] = {}
        self.subscriptions: dict[str, Subscription] = {}  # by id, in order of creation
        self.bills: list[Bill] = []  # oldest first
        self.unbilled: list[Unbilled] = []  # oldest first
        self.api_tokens: Collection[str] = ()  # from the catalogue
        self.has_billing_cycles = True  # support has to enable this feature
        self.has_inferred_calls = False  # whether to answer calls that no page shows

    # -- reading

    def accounts(self) -> dict[str, Subscription]:
        return self.subscriptions

    def is_used(self) -> bool:
        return bool(self.plans or self.add_ons)

    def forecast(self, id: str, count: int) -> list[Coming]:
        alone = State()
        alone.currency, alone.plans, alone.add_ons = self.currency, self.plans, self.add_ons
        subscription = copied(self.subscriptions[id], self.agenda, alone.agenda)
        alone.subscriptions[id] = subscription
        alone.unbilled = deepcopy(self.collect(subscription))
        return coming_bills(alone, subscription.bills, count)

    # -- changing (for the commands)

    def add_unbilled(
        self, subscription: Subscription, description: str, amount: Decimal, quantity: Decimal, at: datetime
    ) -> Unbilled:
        """Add a charge to the next automatic invoice."""
        code = f"UC{len(self.unbilled) + 1}"
        charge = Unbilled(code, subscription.id, description, amount, quantity, at)
        self.unbilled.append(charge)
        self.emit("chargeAdded", at, subscription, description, amount=amount, item=code)
        return charge

    def collect(self, subscription: Subscription) -> list[Unbilled]:
        """Return the charges of a subscription that are waiting for the next automatic invoice.

        Standing: documented.
        """
        return [
            each for each in self.unbilled if each.subscription == subscription.id and each.invoice is None
        ]

    def bill(self, subscription: Subscription, lines: Sequence[Line], at: datetime) -> None:
        """Send an invoice for a subscription."""
        bill = Bill(len(self.bills) + 1, at, subscription.id, self.currency, tuple(lines))
        self.bills.append(bill)
        subscription.bills.append(bill)
        self.billed.add(bill.currency, bill.total)
        items = ", ".join(line.item for line in lines)
        self.emit("invoice", at, subscription, items, invoice=bill.number, amount=bill.total)

    def emit(
        self,
        kind: str,
        at: datetime,
        subscription: Subscription,
        note: str = "",
        *,
        invoice: int | None = None,
        amount: Decimal | None = None,
        item: str = "",
        quantity: Decimal | None = None,
    ) -> None:
        self.note(Happening(kind, at, self.actor, subscription.id, note, invoice, amount, item, quantity))

    def emit_cycles(self, kind: str, at: datetime, subscription: Subscription, carried: Carried) -> None:
        """Record an event about an add-on, with the cycles that it has left."""
        code, left = carried.add_on.code, carried.cycles_left
        note = f"{code}: {cycles_text(left)}"
        quantity = None if left is None else Decimal(left)
        self.emit(kind, at, subscription, note, item=code, quantity=quantity)
