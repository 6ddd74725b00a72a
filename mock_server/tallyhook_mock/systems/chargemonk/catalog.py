"""The section `[chargemonk]` of a catalogue: what is on offer there, and who has subscribed."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from tallyhook_mock.catalog.table import Table
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.systems.chargemonk.model import AddOn, Plan, Refusal, State, check_code
from tallyhook_mock.systems.chargemonk.rules import MOST, NewSubscription, create

__all__ = [
    "ADD_ON",
    "NAMES",
    "SUBSCRIPTION",
    "read",
    "read_add_on",
    "read_add_ons",
    "read_cycles",
    "read_plan_code",
    "read_subscription",
]

NAMES = ("currency", "apiTokens", "addOnBillingCycles", "inferredCalls", "plans", "addOns", "subscriptions")
SUBSCRIPTION = ("id", "planCode", "addOns")
ADD_ON = ("code", "billingCycles")
_PLAN = ("code", "name", "price", "termMonths", "billingCycles", "setupFee")
_OFFERED_ADD_ON = ("code", "name", "price", "periodMonths")
_LONGEST = 120  # months
_CURRENCY = re.compile("[A-Z]{3}")


def read(table: Table, state: State, at: datetime) -> Callable[[], None]:
    """Check a section against what `state` has already; what is returned puts it in place.

    A plan or an add-on that is there already is replaced for what comes; its subscriptions keep theirs. Who
    has subscribed some time ago is billed for it. CatalogError, with the place, for the first thing that is
    wrong.
    """
    currency = table.text("currency", state.currency)
    if not _CURRENCY.fullmatch(currency):
        raise table.wrong("currency", f"{currency!r} is not the code of a currency, such as USD")
    tokens = table.passwords("apiTokens") or state.api_tokens
    has_cycles = table.flag("addOnBillingCycles", state.has_billing_cycles)
    has_inferred = table.flag("inferredCalls", state.has_inferred_calls)
    plans, add_ons = dict(state.plans), dict(state.add_ons)
    for given in table.tables("plans", _PLAN):
        plan = _read_plan(given)
        if plan.code in add_ons:
            raise given.wrong("code", f"an add-on has the code {plan.code!r}")
        plans[plan.code] = plan
    for given in table.tables("addOns", _OFFERED_ADD_ON):
        add_on = _read_offered_add_on(given)
        if add_on.code in plans:
            raise given.wrong("code", f"a plan has the code {add_on.code!r}")
        add_ons[add_on.code] = add_on
    seeds: dict[str, tuple[datetime, NewSubscription]] = {}
    for given in table.tables("subscriptions", (*SUBSCRIPTION, "startDate")):
        start = given.moment("startDate") or at
        if start > at:
            raise given.wrong("startDate", f"not later than now, which is {at.isoformat()}")
        new = read_subscription(given, plans, add_ons)
        if new.id in seeds or new.id in state.subscriptions:
            raise given.wrong("id", f"another subscription has the id {new.id!r}")
        seeds[new.id] = start, new

    def install() -> None:
        state.currency = currency
        state.plans, state.add_ons = plans, add_ons
        state.api_tokens, state.has_billing_cycles = tokens, has_cycles
        state.has_inferred_calls = has_inferred
        for start, new in sorted(seeds.values(), key=lambda seed: seed[0]):
            state.actor = "operator"
            create(state, new, start)
        state.catch_up(at)

    return install


def dump(state: State) -> dict[str, Any]:
    """Who may call, what is on offer, and what holds for accounts to come, in the same words; no accounts."""
    return {
        "currency": state.currency,
        "plans": [
            {
                "code": plan.code,
                "name": plan.name,
                "price": amount_text(plan.price),
                "termMonths": plan.term_months,
                **({} if plan.billing_cycles is None else {"billingCycles": plan.billing_cycles}),
            }
            for plan in state.plans.values()
        ],
        "addOns": [
            {
                "code": add_on.code,
                "name": add_on.name,
                "price": amount_text(add_on.price),
                **({} if add_on.period_months is None else {"periodMonths": add_on.period_months}),
            }
            for add_on in state.add_ons.values()
        ],
    }


def read_subscription(
    table: Table, plans: Mapping[str, Plan], add_ons: Mapping[str, AddOn]
) -> NewSubscription:
    """A subscription to one of `plans` with some of `add_ons`."""
    plan, chosen = read_plan_code(table, plans), read_add_ons(table, add_ons)
    try:
        return NewSubscription(_read_code(table, "id"), plan, tuple(chosen.items()))
    except Refusal as refusal:
        raise table.wrong("addOns", str(refusal)) from None


def read_plan_code(table: Table, plans: Mapping[str, Plan]) -> Plan:
    code = table.text("planCode")
    if code not in plans:
        raise table.wrong("planCode", f"there is no plan {code!r}")
    return plans[code]


def read_add_ons(table: Table, add_ons: Mapping[str, AddOn]) -> dict[AddOn, int | None]:
    """Which ones, and for how many billing cycles; None is forever."""
    chosen: dict[AddOn, int | None] = {}
    for given in table.tables("addOns", ADD_ON):
        add_on = read_add_on(given, add_ons)
        if add_on in chosen:
            raise given.wrong("code", f"{add_on.code!r} stands here twice")
        chosen[add_on] = read_cycles(given)
    return chosen


def read_add_on(table: Table, add_ons: Mapping[str, AddOn]) -> AddOn:
    code = table.text("code")
    if code not in add_ons:
        raise table.wrong("code", f"there is no add-on {code!r}")
    return add_ons[code]


def read_cycles(table: Table) -> int | None:
    """A number of billing cycles; None, which is forever, if there is none."""
    cycles = table.whole("billingCycles", None, most=MOST)
    if cycles == 0:
        raise table.wrong("billingCycles", "at least 1; left out, it is forever")
    return cycles


def _read_plan(table: Table) -> Plan:
    code = _read_code(table)
    months = table.whole("termMonths", 1, most=_LONGEST)
    if not months:
        raise table.wrong("termMonths", "at least 1")
    fee = table.amount("setupFee", "0.00")
    return Plan(code, table.text("name", code), table.amount("price"), months, read_cycles(table), fee)


def _read_offered_add_on(table: Table) -> AddOn:
    code = _read_code(table)
    months = table.whole("periodMonths", None, most=_LONGEST)
    if months == 0:
        raise table.wrong("periodMonths", "at least 1; left out, the add-on is charged once")
    return AddOn(code, table.text("name", code), table.amount("price"), months)


def _read_code(table: Table, name: str = "code") -> str:
    try:
        return check_code(table.text(name))
    except Refusal as refusal:
        raise table.wrong(name, str(refusal)) from None
