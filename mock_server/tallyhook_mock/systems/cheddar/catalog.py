"""Cheddar's part of a catalogue: customers, plans, items and promotions, in the words of its documents."""

from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches

from tallyhook_mock.catalog.table import Table
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.frequencies import FREQUENCIES
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar.customers import PaymentMethod
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
    "CUSTOMER",
    "PLAN",
    "PROMOTION",
    "Seed",
    "read_customer",
    "read_plan",
    "read_promotion",
]

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


class Seed(Value, frozen=True):
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
        raise table.wrong(
            "planCode", f"there is no plan {table.text('planCode')!r}{_meant(table.text('planCode'), plans)}"
        )
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


PLAN = (
    "code",
    "name",
    "description",
    "isActive",
    "isFree",
    "paymentMethodIsRequired",
    "trialDays",
    "initialBillCount",
    "initialBillCountUnit",
    "billingFrequency",
    "setupChargeCode",
    "setupChargeAmount",
    "recurringChargeCode",
    "recurringChargeAmount",
    "onChangeInitialBillHandler",
    "setupChargeBillHandler",
    "onChangeSetupChargeBillHandler",
    "items",
)
ITEM = ("code", "name", "quantityIncluded", "isPeriodic", "overageAmount")
PROMOTION = (
    "name",
    "description",
    "percentage",
    "months",
    "expirationDatetime",
    "plans",
    "chargeTypes",
    "coupons",
)
COUPON = ("code", "maxRedemptions", "expirationDatetime")


def read_plan(
    table: Table, items: MutableMapping[str, Item], known: Mapping[str, Plan], ids: Ids, at: datetime
) -> Plan:
    """A plan; tracked items that are new to the product are added to `items`.

    One whose code is among the `known` ones is that plan, edited.
    """
    code = table.text("code")
    edited = known.get(code)
    is_free = table.flag("isFree", False)
    tracked: dict[str, PlanItem] = {}
    for item_table in table.tables("items", ITEM):
        planned = _read_item(item_table, items, ids, at)
        if planned.item.code in tracked:
            raise item_table.wrong("code", f"{planned.item.code!r} stands here twice")
        tracked[planned.item.code] = planned
    plan = Plan(
        id=edited.id if edited else ids.next(),
        code=code,
        name=table.text("name", code),
        description=table.text("description", ""),
        frequency=FREQUENCIES[table.choice("billingFrequency", FREQUENCIES, "monthly")],
        recurring_charge_code=table.text(
            "recurringChargeCode", recurring_code(code), most=CHARGE_CODE_LENGTH
        ),
        recurring_charge_amount=table.amount("recurringChargeAmount", "0"),
        created=edited.created if edited else at,
        items=tuple(tracked.values()),
        setup_charge_code=table.text("setupChargeCode", "", most=CHARGE_CODE_LENGTH),
        setup_charge_amount=table.amount("setupChargeAmount", "0"),
        is_active=table.flag("isActive", True),
        is_free=is_free,
        payment_method_is_required=table.flag("paymentMethodIsRequired", not is_free),
        trial_days=table.whole("trialDays", 0, most=3650) or 0,
        initial_bill_count=table.whole("initialBillCount", 0, most=1000) or 0,
        initial_bill_count_unit=table.choice("initialBillCountUnit", BILL_COUNT_UNITS, "days"),
        on_change_initial_bill_handler=table.choice("onChangeInitialBillHandler", CHANGE_HANDLERS, "no"),
        setup_charge_bill_handler=table.choice("setupChargeBillHandler", HANDLERS, "now"),
        on_change_setup_charge_bill_handler=table.choice("onChangeSetupChargeBillHandler", HANDLERS, "no"),
    )
    if is_free and (plan.recurring_charge_amount or plan.setup_charge_amount):
        raise table.wrong("isFree", "a free plan has no recurring and no setup charge")
    if plan.setup_charge_amount and not plan.setup_charge_code:
        raise table.wrong("setupChargeCode", "a value is required beside setupChargeAmount")
    return plan


def _read_item(table: Table, items: MutableMapping[str, Item], ids: Ids, at: datetime) -> PlanItem:
    code = table.text("code")
    item = items.get(code)
    if item is None:
        item = items[code] = Item(ids.next(), code, table.text("name", code), at)
    elif table.text("name", item.name) != item.name:
        raise table.wrong("name", f"the item {code!r} is called {item.name!r} already")
    return PlanItem(
        item,
        table.amount("quantityIncluded", "0", places=4),
        table.amount("overageAmount", "0"),
        table.flag("isPeriodic", False),
        at,
    )


def read_promotion(table: Table, plans: Mapping[str, Plan], ids: Ids, at: datetime) -> Promotion:
    """A promotion; the plans that it names must be among `plans`."""
    codes = table.texts("plans")
    for code in codes:
        if code not in plans:
            raise table.wrong("plans", f"there is no plan {code!r}")
    percentage = table.amount("percentage")
    if not Decimal(0) < percentage <= 100:
        raise table.wrong("percentage", f"{percentage} is not above 0 and up to 100")
    coupons = tuple(
        Coupon(
            ids.next(),
            coupon.text("code"),
            at,
            coupon.whole("maxRedemptions", None, most=10**9),
            coupon.moment("expirationDatetime"),
        )
        for coupon in table.tables("coupons", COUPON)
    )
    return Promotion(
        ids.next(),
        ids.next(),
        table.text("name"),
        table.text("description", ""),
        percentage,
        at,
        table.whole("months", None, most=1200),
        codes,
        coupons,
        table.moment("expirationDatetime"),
        tuple(
            Table({"chargeTypes": name}, table.place, ("chargeTypes",)).choice(
                "chargeTypes", CHARGE_TYPES, name
            )
            for name in table.texts("chargeTypes")
        ),
    )


def _meant(written: str, known: Iterable[str]) -> str:
    """What was meant, or all there is."""
    there = list(known)
    near = get_close_matches(written, there, 1)
    return f"; did you mean {near[0]}?" if near else f"; there is {', '.join(there) or 'none'}"
