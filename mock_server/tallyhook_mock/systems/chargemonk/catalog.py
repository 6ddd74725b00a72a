"""The section `[chargemonk]` of a catalogue: plans, add-ons and subscriptions."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from msgspec import Meta

from tallyhook_mock.catalog.table import MASK, Amount, Password, Required, Table, Text
from tallyhook_mock.core.money import amount_text, currency_problem
from tallyhook_mock.systems.chargemonk.model import AddOn, Plan, Refusal, check_code
from tallyhook_mock.systems.chargemonk.rules import MOST, NewSubscription, create
from tallyhook_mock.systems.chargemonk.state import State

__all__ = [
    "AddOnTable",
    "CarriedTable",
    "PlanTable",
    "Section",
    "SubscriptionTable",
    "dump",
    "find_add_on",
    "find_plan",
    "read",
    "read_add_ons",
    "read_offered",
    "read_plan",
    "read_subscription",
]

_LONGEST = 120  # months
Cycles: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
_Months: TypeAlias = Annotated[int, Meta(ge=0, le=_LONGEST)]


class CarriedTable(Table):
    """An add-on of a subscription. If `billingCycles` is missing, it is charged forever."""

    code: Required
    billing_cycles: Cycles | None = None

    @property
    def cycles(self) -> int | None:
        """The number of billing cycles, or None if the add-on is charged forever.

        Raises CatalogError if the number is 0.
        """
        return _not_zero(self, "billingCycles", self.billing_cycles, "it is forever")


class SubscriptionTable(Table):
    plan_code: Required
    id: Required
    add_ons: tuple[CarriedTable, ...] = ()


class SeedTable(SubscriptionTable):
    start_date: datetime | None = None


class PlanTable(Table):
    code: Required
    price: Amount
    name: Text | None = None
    term_months: _Months = 1
    billing_cycles: Cycles | None = None
    setup_fee: Amount = Decimal("0.00")
    description: Text = ""


class AddOnTable(Table):
    """An add-on. If `periodMonths` is missing, it is charged once."""

    code: Required
    price: Amount
    name: Text | None = None
    period_months: _Months | None = None
    invoice_name: Text = ""
    description: Text = ""


class Section(Table):
    currency: Required | None = None
    api_tokens: tuple[Password, ...] = ()
    add_on_billing_cycles: bool | None = None
    inferred_calls: bool | None = None
    plans: tuple[PlanTable, ...] = ()
    add_ons: tuple[AddOnTable, ...] = ()
    subscriptions: tuple[SeedTable, ...] = ()


def read(table: Section, state: State, at: datetime) -> Callable[[], None]:
    """Check a section against what `state` already has. Returns a function that installs the section.

    A plan or add-on that already exists is replaced, but existing subscriptions keep the old one. A
    subscription whose start date is in the past is billed for the time since then. Raises CatalogError for
    the first mistake. The error says where the mistake is.
    """
    currency = table.currency or state.currency
    if (problem := currency_problem(currency)) is not None:
        raise table.wrong("currency", problem)
    plans, add_ons = dict(state.plans), dict(state.add_ons)
    for given in table.plans:
        if given.code in add_ons:
            raise given.wrong("code", f"an add-on has the code {given.code!r}")
        plans[given.code] = read_plan(given)
    for offered in table.add_ons:
        if offered.code in plans:
            raise offered.wrong("code", f"a plan has the code {offered.code!r}")
        add_ons[offered.code] = read_offered(offered)
    seeds: dict[str, tuple[datetime, NewSubscription]] = {}
    for seed in table.subscriptions:
        start = seed.start_date or at
        if start > at:
            raise seed.wrong("startDate", f"not later than now, which is {at.isoformat()}")
        new = read_subscription(seed, plans, add_ons)
        if new.id in seeds or new.id in state.subscriptions:
            raise seed.wrong("id", f"another subscription has the id {new.id!r}")
        seeds[new.id] = start, new

    def install() -> None:
        state.currency = currency
        state.plans, state.add_ons = plans, add_ons
        state.api_tokens = table.api_tokens or state.api_tokens
        if table.add_on_billing_cycles is not None:
            state.has_billing_cycles = table.add_on_billing_cycles
        if table.inferred_calls is not None:
            state.has_inferred_calls = table.inferred_calls
        for start, new in sorted(seeds.values(), key=lambda seed: seed[0]):
            state.actor = "operator"
            create(state, new, start)
        state.catch_up(at)

    return install


def dump(state: State) -> dict[str, Any]:
    """Return the current state as a section of a catalogue, without subscriptions."""
    return {
        "currency": state.currency,
        **({"apiTokens": [MASK for _ in state.api_tokens]} if state.api_tokens else {}),
        "addOnBillingCycles": state.has_billing_cycles,
        "inferredCalls": state.has_inferred_calls,
        "plans": [
            {
                "code": plan.code,
                "name": plan.name,
                "price": amount_text(plan.price),
                "termMonths": plan.term_months,
                **({} if plan.billing_cycles is None else {"billingCycles": plan.billing_cycles}),
                **({"setupFee": amount_text(plan.setup_fee)} if plan.setup_fee else {}),
                **({"description": plan.description} if plan.description else {}),
            }
            for plan in state.plans.values()
        ],
        "addOns": [
            {
                "code": add_on.code,
                "name": add_on.name,
                "price": amount_text(add_on.price),
                **({} if add_on.period_months is None else {"periodMonths": add_on.period_months}),
                **({"invoiceName": add_on.invoice_name} if add_on.invoice_name else {}),
                **({"description": add_on.description} if add_on.description else {}),
            }
            for add_on in state.add_ons.values()
        ],
    }


def read_subscription(
    table: SubscriptionTable, plans: Mapping[str, Plan], add_ons: Mapping[str, AddOn]
) -> NewSubscription:
    """Read a subscription to one of `plans` with some of `add_ons`."""
    plan, chosen = find_plan(table, table.plan_code, plans), read_add_ons(table.add_ons, add_ons)
    _check(table, "id", table.id)
    try:
        return NewSubscription(table.id, plan, tuple(chosen.items()))
    except Refusal as refusal:
        raise table.wrong("addOns", str(refusal)) from None


def find_plan(table: Table, code: str, plans: Mapping[str, Plan]) -> Plan:
    """Return the plan with this code. If there is none, raises CatalogError, which names `planCode`."""
    if code not in plans:
        raise table.wrong("planCode", f"there is no plan {code!r}")
    return plans[code]


def read_add_ons(tables: Iterable[CarriedTable], add_ons: Mapping[str, AddOn]) -> dict[AddOn, int | None]:
    """Return each add-on in `tables` and its number of billing cycles, or None if it is charged forever."""
    chosen: dict[AddOn, int | None] = {}
    for table in tables:
        add_on = find_add_on(table, add_ons)
        if add_on in chosen:
            raise table.wrong("code", f"{add_on.code!r} is listed twice")
        chosen[add_on] = table.cycles
    return chosen


def find_add_on(table: CarriedTable, add_ons: Mapping[str, AddOn]) -> AddOn:
    if table.code not in add_ons:
        raise table.wrong("code", f"there is no add-on {table.code!r}")
    return add_ons[table.code]


def read_plan(table: PlanTable) -> Plan:
    _check(table, "code", table.code)
    if not table.term_months:
        raise table.wrong("termMonths", "at least 1")
    cycles = _not_zero(table, "billingCycles", table.billing_cycles, "it is forever")
    name = table.code if table.name is None else table.name
    return Plan(table.code, name, table.price, table.term_months, cycles, table.setup_fee, table.description)


def read_offered(table: AddOnTable) -> AddOn:
    _check(table, "code", table.code)
    months = _not_zero(table, "periodMonths", table.period_months, "the add-on is charged once")
    name = table.code if table.name is None else table.name
    return AddOn(table.code, name, table.price, months, table.invoice_name, table.description)


def _not_zero(table: Table, name: str, number: int | None, otherwise: str) -> int | None:
    if number == 0:
        raise table.wrong(name, f"at least 1; left out, {otherwise}")
    return number


def _check(table: Table, name: str, code: str) -> None:
    try:
        check_code(code)
    except Refusal as refusal:
        raise table.wrong(name, str(refusal)) from None
