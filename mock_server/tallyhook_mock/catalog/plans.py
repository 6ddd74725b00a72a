"""Plans, their items and promotions, as a catalogue writes them: in the words of Cheddar's plan documents."""

from collections.abc import Mapping, MutableMapping
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.catalog.table import Table
from tallyhook_mock.engine.calendar import FREQUENCIES
from tallyhook_mock.engine.cheddar.product import (
    BILL_COUNT_UNITS,
    CHANGE_HANDLERS,
    CHARGE_CODE_LENGTH,
    CHARGE_TYPES,
    HANDLERS,
    Coupon,
    Item,
    Plan,
    PlanItem,
    Promotion,
    recurring_code,
)
from tallyhook_mock.engine.ids import Ids

__all__ = ["PLAN", "PROMOTION", "read_plan", "read_promotion"]

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
