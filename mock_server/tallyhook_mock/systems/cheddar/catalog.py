"""Cheddar's tables in a catalogue: customers, plans, items and promotions. Fields have Cheddar's names."""

from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, TypeAlias

from msgspec import Meta, field

from tallyhook_mock.catalog.table import Amount, Quantity, Rate, Required, Table, Text, one_of
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.frequencies import FREQUENCIES
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar.model import PaymentMethod
from tallyhook_mock.systems.cheddar.products import (
    BILL_COUNT_UNITS,
    CHANGE_HANDLERS,
    CHARGE_CODE_LENGTH,
    CHARGE_TYPES,
    HANDLERS,
    Coupon,
    Item,
    Plan,
    PlanItem,
    Product,
    Promotion,
    recurring_code,
)
from tallyhook_mock.systems.cheddar.signup import new_customer
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "CustomerTable",
    "PlanTable",
    "PromotionTable",
    "Seed",
    "read_customer",
    "read_plan",
    "read_promotion",
]


class CustomerTable(Table):
    """A customer in a catalogue. The fields have the documented maximum lengths."""

    code: Required
    plan_code: Required
    first_name: Annotated[str, Meta(max_length=40)] | None = None
    last_name: Annotated[str, Meta(max_length=40)] = "Customer"
    company: Annotated[str, Meta(max_length=60)] = ""
    email: Text = "customer@example.com"
    notes: Text = ""
    tax_number: Annotated[str, Meta(max_length=32)] = ""
    is_tax_exempt: bool | None = None
    tax_rate: Rate | None = None
    meta_data: dict[str, Required] = field(default_factory=dict)
    coupon_code: Text = ""
    initial_bill_date: datetime | None = None
    items: dict[str, Quantity] = field(default_factory=dict)


class ItemTable(Table):
    """An item that a plan in a catalogue tracks."""

    code: Required
    name: Text | None = None
    quantity_included: Quantity = Decimal(0)
    is_periodic: bool = False
    overage_amount: Amount = Decimal(0)


_ChargeCode: TypeAlias = Annotated[str, Meta(max_length=CHARGE_CODE_LENGTH)]
_Handler: TypeAlias = Annotated[str, one_of(HANDLERS)]


class PlanTable(Table):
    code: Required
    name: Text | None = None
    description: Text = ""
    is_active: bool = True
    is_free: bool = False
    payment_method_is_required: bool | None = None
    trial_days: Annotated[int, Meta(ge=0, le=3650)] = 0
    initial_bill_count: Annotated[int, Meta(ge=0, le=1000)] = 0
    initial_bill_count_unit: Annotated[str, one_of(BILL_COUNT_UNITS)] = "days"
    billing_frequency: Annotated[str, one_of(FREQUENCIES)] = "monthly"
    setup_charge_code: _ChargeCode = ""
    setup_charge_amount: Amount = Decimal(0)
    recurring_charge_code: _ChargeCode | None = None
    recurring_charge_amount: Amount = Decimal(0)
    on_change_initial_bill_handler: Annotated[str, one_of(CHANGE_HANDLERS)] = "no"
    setup_charge_bill_handler: _Handler = "now"
    on_change_setup_charge_bill_handler: _Handler = "no"
    items: tuple[ItemTable, ...] = ()


class CouponTable(Table):
    code: Required
    max_redemptions: Annotated[int, Meta(ge=0, le=10**9)] | None = None
    expiration_datetime: datetime | None = None


class PromotionTable(Table):
    name: Required
    percentage: Amount
    description: Text = ""
    months: Annotated[int, Meta(ge=0, le=1200)] | None = None
    expiration_datetime: datetime | None = None
    plans: tuple[Required, ...] = ()
    charge_types: tuple[Annotated[str, one_of(CHARGE_TYPES)], ...] = ()
    coupons: tuple[CouponTable, ...] = ()


class Seed(Value, frozen=True):
    """A customer to create from a catalogue. `place` says where the catalogue defines the customer."""

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
        """Create the customer.

        If the plan requires a payment method, the customer gets a simulated Visa card.
        """
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
        # The mock's clock never reaches this expiration date.
        return PaymentMethod(
            state.ids.next(), "cc", at, names, "visa", "411111", "1111", date(min(at.year + 50, 9999), 12, 31)
        )


def read_customer(table: CustomerTable, plans: Mapping[str, Plan]) -> Seed:
    """Return the customer that a table defines. The customer's plan must be one of `plans`."""
    plan = plans.get(table.plan_code)
    if plan is None:
        meant = _meant(table.plan_code, plans)
        raise table.wrong("planCode", f"there is no plan {table.plan_code!r}{meant}")
    for item in table.items:
        if plan.item(item) is None:
            raise table.wrong(f"items.{item}", f"the plan {plan.code!r} does not track it")
    first_name = table.code if table.first_name is None else table.first_name
    kept = {
        "firstName": first_name,
        "lastName": table.last_name,
        "company": table.company,
        "email": table.email,
        "notes": table.notes,
        "taxNumber": table.tax_number,
    }
    return Seed(
        table.place,
        table.code,
        {name: value for name, value in kept.items() if value},
        table.meta_data,
        plan,
        table.coupon_code,
        table.items,
        table.tax_rate,
        table.is_tax_exempt,
        table.initial_bill_date,
    )


def read_plan(
    table: PlanTable, items: MutableMapping[str, Item], known: Mapping[str, Plan], ids: Ids, at: datetime
) -> Plan:
    """Return the plan that a table defines. Tracked items that are new to the product are added to `items`.

    If `known` has a plan with the same code, the new plan keeps that plan's id and creation date.
    """
    code, edited, is_paid = table.code, known.get(table.code), table.payment_method_is_required
    tracked: dict[str, PlanItem] = {}
    for given in table.items:
        if given.code in tracked:
            raise given.wrong("code", f"{given.code!r} is listed twice")
        tracked[given.code] = _read_item(given, items, ids, at)
    if table.is_free and (table.recurring_charge_amount or table.setup_charge_amount):
        raise table.wrong("isFree", "a free plan has no recurring and no setup charge")
    if table.setup_charge_amount and not table.setup_charge_code:
        raise table.wrong("setupChargeCode", "a value is required with setupChargeAmount")
    return Plan(
        id=edited.id if edited else ids.next(),
        code=code,
        name=code if table.name is None else table.name,
        description=table.description,
        frequency=FREQUENCIES[table.billing_frequency],
        recurring_charge_code=recurring_code(code)
        if table.recurring_charge_code is None
        else table.recurring_charge_code,
        recurring_charge_amount=table.recurring_charge_amount,
        created=edited.created if edited else at,
        items=tuple(tracked.values()),
        setup_charge_code=table.setup_charge_code,
        setup_charge_amount=table.setup_charge_amount,
        is_active=table.is_active,
        is_free=table.is_free,
        payment_method_is_required=not table.is_free if is_paid is None else is_paid,
        trial_days=table.trial_days,
        initial_bill_count=table.initial_bill_count,
        initial_bill_count_unit=table.initial_bill_count_unit,
        on_change_initial_bill_handler=table.on_change_initial_bill_handler,
        setup_charge_bill_handler=table.setup_charge_bill_handler,
        on_change_setup_charge_bill_handler=table.on_change_setup_charge_bill_handler,
    )


def _read_item(table: ItemTable, items: MutableMapping[str, Item], ids: Ids, at: datetime) -> PlanItem:
    code = table.code
    item = items.get(code)
    if item is None:
        item = items[code] = Item(ids.next(), code, code if table.name is None else table.name, at)
    elif table.name not in (None, item.name):
        raise table.wrong("name", f"the item {code!r} already has the name {item.name!r}")
    return PlanItem(item, table.quantity_included, table.overage_amount, table.is_periodic, at)


def read_promotion(table: PromotionTable, plans: Mapping[str, Plan], ids: Ids, at: datetime) -> Promotion:
    """Return the promotion that a table defines. The plans that it names must be among `plans`."""
    for code in table.plans:
        if code not in plans:
            raise table.wrong("plans", f"there is no plan {code!r}")
    if not Decimal(0) < table.percentage <= 100:
        raise table.wrong("percentage", f"{table.percentage} is not above 0 and at most 100")
    coupons = tuple(
        Coupon(ids.next(), coupon.code, at, coupon.max_redemptions, coupon.expiration_datetime)
        for coupon in table.coupons
    )
    return Promotion(
        ids.next(),
        ids.next(),
        table.name,
        table.description,
        table.percentage,
        at,
        table.months,
        tuple(table.plans),
        coupons,
        table.expiration_datetime,
        tuple(table.charge_types),
    )


def _meant(written: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: the most similar known name, or else all known names."""
    there = list(known)
    near = get_close_matches(written, there, 1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(there) or 'none'}"
