"""Everything Chargemonk knows, and the agenda of what is to come."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.chargemonk.plan import AddOn, Plan
from tallyhook_mock.engine.chargemonk.refusal import Refusal
from tallyhook_mock.engine.chargemonk.subscription import Carried, Subscription, cycles_text
from tallyhook_mock.engine.happening import Happening
from tallyhook_mock.engine.system import System

__all__ = ["State"]


class State(System):
    """Plans, add-ons, subscriptions and their invoices.

    Commands are the functions of `subscriptions`: each takes the state and the moment, changes the state or
    raises a `Refusal`, and leaves what happened for `take_events`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.currency = "USD"
        self.plans: dict[str, Plan] = {}
        self.add_ons: dict[str, AddOn] = {}
        self.subscriptions: dict[str, Subscription] = {}  # by id, in order of creation
        self.bills: list[Bill] = []  # number 1 first

    # -- what is there

    def plan(self, code: str) -> Plan:
        try:
            return self.plans[code]
        except KeyError:
            raise Refusal(f"there is no plan {code!r}") from None

    def add_on(self, code: str) -> AddOn:
        try:
            return self.add_ons[code]
        except KeyError:
            raise Refusal(f"there is no add-on {code!r}") from None

    # -- what changes (for the commands)

    def bill(self, subscription: Subscription, lines: Sequence[Line], at: datetime) -> None:
        """Send an invoice."""
        bill = Bill(len(self.bills) + 1, at, subscription.id, self.currency, tuple(lines))
        self.bills.append(bill)
        subscription.bills.append(bill)
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
        """Something about an add-on, and how many cycles it has left."""
        code, left = carried.add_on.code, carried.cycles_left
        note = f"{code}: {cycles_text(left)}"
        quantity = None if left is None else Decimal(left)
        self.emit(kind, at, subscription, note, item=code, quantity=quantity)
