"""A town of subscribers: one product, one plan with a metered item, and one bill per customer in January."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.frequencies import FREQUENCIES
from tallyhook_mock.systems.cheddar import signup
from tallyhook_mock.systems.cheddar.model import Customer, PaymentMethod
from tallyhook_mock.systems.cheddar.products import Item, Plan, PlanItem, Product
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["END", "ITEM", "START", "Town"]

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 2, 1, tzinfo=UTC)
ITEM = "GB"
_INCLUDED = Decimal(2)
_PRICE = Decimal("20.00")
_OVERAGE = Decimal("2.50")
_FIRST_BILL = START + timedelta(hours=2)


class Town:
    """A number of customers with names, email addresses and cards. Their bill dates fill the month evenly."""

    def __init__(self, subscriptions: int, state: State | None = None) -> None:
        self.state = state or State()
        ids = self.state.ids
        item = Item(ids.next(), ITEM, "Gigabytes", START)
        plan = Plan(
            ids.next(),
            "METERED",
            "Metered",
            "",
            FREQUENCIES["monthly"],
            "METERED_RECURRING",
            _PRICE,
            START,
            (PlanItem(item, _INCLUDED, _OVERAGE, True, START),),
        )
        self.product = Product(ids.next(), "TOWN", "Town", "town", "town-secret")
        self.product.items[ITEM] = item
        self.product.plans[plan.code] = plan
        self.state.products[self.product.code] = self.product
        for number in range(subscriptions):
            # The last bill is at the end of the month. No customer's second bill is in the hour after it.
            self._settle(number, plan, _FIRST_BILL + (END - _FIRST_BILL) * (number + 1) / subscriptions)

    def _settle(self, number: int, plan: Plan, bill_at: datetime) -> None:
        names = {"firstName": "Ida", "lastName": f"Lamp {number}", "email": f"ida{number}@town.example"}
        card = {"ccFirstName": names["firstName"], "ccLastName": names["lastName"]}
        signup.new_customer(
            self.state,
            self.product,
            code=f"HOUSE-{number}",
            details=names,
            meta_data={},
            plan=plan,
            payment=PaymentMethod(
                self.state.ids.next(), "cc", START, card, "visa", "411111", "1111", date(2040, 12, 31)
            ),
            at=START,
            initial_bill_at=bill_at,
        )
        self.state.take_events()

    @property
    def customers(self) -> Iterator[Customer]:
        return iter(self.state.customers(self.product))

    @staticmethod
    def used(number: int) -> Decimal:
        """Return the usage of the customer with this number in the month, from 0 to 49.99."""
        return Decimal(number * 7919 % 5000).scaleb(-2)

    @staticmethod
    def owed(number: int) -> Decimal:
        """Return what the customer with this number owes for the month, calculated without the engine."""
        cents = 2000 + max(0, number * 7919 % 5000 - 200) * 5 // 2
        odd = max(0, number * 7919 % 5000 - 200) * 5 % 2  # half a cent is rounded up
        return Decimal(cents + odd).scaleb(-2)
