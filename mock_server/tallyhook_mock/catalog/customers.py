"""Customers that a catalogue brings along."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from tallyhook_mock.catalog.table import Table
from tallyhook_mock.engine.cheddar.accounts import new_customer
from tallyhook_mock.engine.cheddar.customer import PaymentMethod
from tallyhook_mock.engine.cheddar.product import Plan, Product
from tallyhook_mock.engine.cheddar.state import State
from tallyhook_mock.engine.record import Record

__all__ = ["CUSTOMER", "Seed", "read_customer"]

# The fields that a customer keeps as they are, with their documented lengths.
_DETAILS = {"firstName": 40, "lastName": 40, "company": 60, "email": 255, "notes": 255, "taxNumber": 32}
CUSTOMER = (
    "code",
    *_DETAILS,
    "isTaxExempt",
    "taxRate",
    "metaData",
    "planCode",
    "couponCode",
    "initialBillDate",
    "items",
)


class Seed(Record, frozen=True):
    """A customer to be created, and where the catalogue speaks of it."""

    place: str
    code: str
    details: dict[str, str]
    meta_data: dict[str, str]
    plan: Plan
    coupon: str
    items: dict[str, Decimal]
    tax_rate: Decimal | None
    is_tax_exempt: bool | None
    initial_bill_at: datetime | None

    def create(self, state: State, product: Product, at: datetime) -> None:
        """Subscribe it, with a simulated Visa card if its plan asks for a payment method."""
        new_customer(
            state,
            product,
            code=self.code,
            details=dict(self.details),
            meta_data=self.meta_data,
            plan=self.plan,
            payment=self._card(state, at) if self.plan.payment_method_is_required else None,
            at=at,
            initial_bill_at=self.initial_bill_at,
            coupon=self.coupon,
            items=self.items,
            tax_rate=self.tax_rate,
            is_tax_exempt=self.is_tax_exempt,
        )

    def _card(self, state: State, at: datetime) -> PaymentMethod:
        names = {"ccFirstName": self.details["firstName"], "ccLastName": self.details["lastName"]}
        # Good for longer than anybody lets a clock run.
        return PaymentMethod(
            state.ids.next(), "cc", at, names, "visa", "411111", "1111", date(min(at.year + 50, 9999), 12, 31)
        )


def read_customer(table: Table, plans: Mapping[str, Plan]) -> Seed:
    """A customer on one of `plans`."""
    code = table.text("code")
    required = {"firstName": code, "lastName": "Customer", "email": "customer@example.com"}
    details = {name: table.text(name, required.get(name, ""), most=most) for name, most in _DETAILS.items()}
    plan = plans.get(table.text("planCode"))
    if plan is None:
        raise table.wrong("planCode", f"there is no plan {table.text('planCode')!r}")
    quantities = table.table("items")
    for item in quantities.names():
        if plan.item(item) is None:
            raise quantities.wrong(item, f"the plan {plan.code!r} does not track it")
    meta_data = table.table("metaData")
    return Seed(
        table.place,
        code,
        {name: value for name, value in details.items() if value},
        {name: meta_data.text(name) for name in meta_data.names()},
        plan,
        table.text("couponCode", ""),
        {item: quantities.amount(item, places=4) for item in quantities.names()},
        table.amount("taxRate", places=8) if "taxRate" in table else None,
        table.flag("isTaxExempt", False) if "isTaxExempt" in table else None,
        table.moment("initialBillDate"),
    )
