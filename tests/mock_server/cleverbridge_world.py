"""Cleverbridge's engine without any server: two items, one in advance and one in arrears."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tallyhook_mock.core.bills import Bill
from tallyhook_mock.systems.cleverbridge import updates
from tallyhook_mock.systems.cleverbridge.model import Coupon, Manner, Mode, Product, Subscription, Terms
from tallyhook_mock.systems.cleverbridge.rules import NewSubscription, subscribe
from tallyhook_mock.systems.cleverbridge.state import State
from tallyhook_mock.systems.cleverbridge.updates import NewPrice, Outcome, Target

START = datetime(2026, 3, 17, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
BASE, EXCESS = 1, 2  # running numbers
NOW, EXTENDED = Manner(is_aligned=True), Manner(is_aligned=True, is_extended=True)


class World:
    """50 an interval in advance, 1 a unit in arrears; a bigger base costs 80."""

    def __init__(self, **options: Any) -> None:
        self.state, self.now = State(), START
        for product in (
            Product(101, "Base", Decimal("50.00")),
            Product(102, "Excess", Decimal("1.00")),
            Product(103, "Big base", Decimal("80.00")),
        ):
            self.state.products[product.id] = product
        self.state.coupons["TEN"] = Coupon("TEN", Decimal(10))
        items = (
            (Mode.ADVANCE, Terms(101, "Base", 1, Decimal("50.00"))),
            (Mode.ARREARS, Terms(102, "Excess", 0, Decimal("1.00"))),
        )
        new = NewSubscription(**{"id": "S1001", "items": items, **options})
        self.subscription: Subscription = subscribe(self.state, new, START)

    def advance(self, to: datetime | timedelta) -> None:
        end = to if isinstance(to, datetime) else self.now + to
        while (due := self.state.next_due()) is not None and due <= end:
            self.now = due
            self.state.step(due)
        self.now = end

    def update(
        self,
        number: int,
        quantity: int,
        manner: Manner | None = None,
        product: int | None = None,
        **more: str,
    ) -> Outcome:
        target = Target("S1001", number, product, **more)
        return updates.update(self.state, target, quantity, manner or Manner(), self.now)

    def increase(self, number: int, quantity: int, manner: Manner | None = None) -> Outcome:
        target = Target("S1001", number)
        return updates.increase_quantity(self.state, target, quantity, manner or Manner(), self.now)

    def set_price(
        self, number: int, price: str, manner: Manner | None = None, *, is_gross: bool = False
    ) -> Outcome:
        target = Target("S1001", number, price=NewPrice("EUR", Decimal(price), is_gross))
        return updates.set_price(self.state, target, None, manner or Manner(), self.now)

    @property
    def bills(self) -> list[Bill]:
        return self.subscription.bills

    @property
    def totals(self) -> list[str]:
        return [str(bill.total) for bill in self.bills]

    def renew(self) -> str:
        """Go to the next renewal; what it billed, or nothing."""
        before = len(self.bills)
        self.advance(self.subscription.next_billing)
        return ", ".join(str(bill.total) for bill in self.bills[before:])


def dump(state: State) -> object:
    """Everything that a call could change."""
    return [
        (
            each.id,
            each.status,
            each.interval,
            each.items,
            list(each.bills),
            list(each.updates),
            list(each.mails),
            each.next_billing,
        )
        for each in state.subscriptions
    ]
