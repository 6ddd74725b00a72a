"""Converts plans and customers, as tests write them, to the tables of a catalogue."""

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias, TypedDict

from tallyhook_mock.catalog.table import CatalogError, check_names

__all__ = [
    "Amount",
    "CustomerFields",
    "ItemTerms",
    "PlanFields",
    "customer_table",
    "plan_table",
]

__tracebackhide__ = True  # pytest shows the line of the test

Amount: TypeAlias = str | int | Decimal


class ItemTerms(TypedDict, total=False):
    """A plan's terms for a tracked item.

    `overage` is the price of each unit above `included`. Both default to 0.

    If `periodic` is true, which is the default, the quantity starts at 0 in every period.
    """

    overage: Amount
    included: Amount
    periodic: bool
    name: str


class PlanFields(TypedDict, total=False):
    """Optional fields of a plan, with Cheddar's names in snake case."""

    name: str
    description: str
    is_active: bool
    is_free: bool
    payment_method_is_required: bool
    trial_days: int
    initial_bill_count: int
    initial_bill_count_unit: Literal["days", "weeks", "months", "years"]
    billing_frequency: Literal[
        "daily",
        "weekly",
        "biweekly",
        "monthly",
        "bimonthly",
        "quarterly",
        "semi-annually",
        "annually",
        "biennially",
        "none",
    ]
    setup_charge_code: str
    setup_charge_amount: Amount
    recurring_charge_code: str
    on_change_initial_bill_handler: Literal["now", "next", "no"]
    setup_charge_bill_handler: Literal["now", "no"]
    on_change_setup_charge_bill_handler: Literal["now", "no"]


class CustomerFields(TypedDict, total=False):
    """Optional fields of a customer, with Cheddar's names in snake case."""

    first_name: str
    last_name: str
    company: str
    email: str
    notes: str
    tax_number: str
    is_tax_exempt: bool
    tax_rate: Amount
    meta_data: Mapping[str, str]
    coupon_code: str
    initial_bill_date: datetime | str


def plan_table(
    code: str, price: Amount, items: Mapping[str, ItemTerms], fields: Mapping[str, object]
) -> dict[str, Any]:
    """Return the plan as a catalogue table.

    Raises CatalogError for an unknown name. The error shows the name as the test spelled it.
    """
    _check_names(fields, PlanFields.__annotations__)
    return {
        "code": code,
        "recurringChargeAmount": price,
        "items": [_item_table(item, terms) for item, terms in items.items()],
        **_wire(fields),
    }


def customer_table(
    code: str, plan: str, items: Mapping[str, Amount], fields: Mapping[str, object]
) -> dict[str, Any]:
    """Return the customer as a catalogue table. Raises CatalogError for an unknown name."""
    _check_names(fields, CustomerFields.__annotations__)
    return {"code": code, "planCode": plan, "items": dict(items), **_wire(fields)}


_ITEM = {
    "overage": "overageAmount",
    "included": "quantityIncluded",
    "periodic": "isPeriodic",
    "name": "name",
}


def _item_table(code: str, terms: ItemTerms) -> dict[str, object]:
    _check_names(terms, _ITEM, f"items.{code}")
    return {"code": code, "isPeriodic": True} | {_ITEM[name]: value for name, value in terms.items()}


def _check_names(values: object, names: Collection[str], place: str = "") -> None:
    try:
        check_names(values, names, place)
    except CatalogError as error:
        raise error.with_traceback(None) from None  # a failed test then shows its own line


def _wire(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields with their names in camel case: `billing_frequency` becomes `billingFrequency`."""
    return {_camel(name): value for name, value in fields.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
