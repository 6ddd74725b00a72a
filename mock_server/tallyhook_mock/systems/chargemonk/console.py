"""`/console/chargemonk`: pages for the product catalog, and for subscriptions with add-ons."""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Table, known, read
from tallyhook_mock.console.forms import Form, command, mock_of, required
from tallyhook_mock.console.listing import shown
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import account_values
from tallyhook_mock.console.words import money
from tallyhook_mock.control.requests import as_operator
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.chargemonk.catalog import (
    AddOnTable,
    PlanTable,
    SubscriptionTable,
    read_offered,
    read_plan,
)
from tallyhook_mock.systems.chargemonk.control import carry_out, subscribe
from tallyhook_mock.systems.chargemonk.model import AddOn, Plan, Subscription, cycles_text
from tallyhook_mock.systems.chargemonk.rules import expected, offer
from tallyhook_mock.systems.chargemonk.state import State

__all__ = ["KEY", "ROUTES"]

KEY = "m"  # pressed after `g`, it opens these pages


async def index(request: Request) -> Response:
    """Show all subscriptions in order of creation. The parameter `q` filters them by id."""
    state, wanted = mock_of(request).systems.of(State), request.query_params.get("q", "").strip()

    def fits(each: Subscription) -> bool:
        return wanted.casefold() in each.id.casefold()

    part = shown(request, state.subscriptions, read=str, write=str, fits=fits if wanted else None)
    return page(
        request,
        "chargemonk/subscriptions.html",
        "Chargemonk",
        state=state,
        cycles_text=cycles_text,
        shown=part,
        subscriptions=[(each, expected(state, each)) for each in part.items],
        wanted=wanted,
    )


async def show(request: Request) -> Response:
    state = mock_of(request).systems.of(State)
    subscription = state.subscriptions.get(request.path_params["id"])
    if subscription is None:
        raise HTTPException(404, "There is no such subscription.")
    return page(
        request,
        "chargemonk/subscription.html",
        subscription.id,
        state=state,
        cycles_text=cycles_text,
        subscription=subscription,
        expected=expected(state, subscription),
        plans=[plan for plan in state.plans.values() if plan != subscription.next_plan],
        add_ons=[add_on for add_on in state.add_ons.values() if not subscription.carries(add_on)],
        **account_values(request, "chargemonk", subscription),
    )


async def catalog(request: Request) -> Response:
    """Show the product catalog: all add-ons and plans, and the forms that create them."""
    return page(
        request, "chargemonk/catalog.html", "Product Catalog", state=mock_of(request).systems.of(State)
    )


async def add_on(request: Request) -> Response:
    found = mock_of(request).systems.of(State).add_ons.get(request.path_params["code"])
    if found is None:
        raise HTTPException(404, "There is no such add-on.")
    return page(request, "chargemonk/add_on.html", found.name, add_on=found)


async def plan(request: Request) -> Response:
    found = mock_of(request).systems.of(State).plans.get(request.path_params["code"])
    if found is None:
        raise HTTPException(404, "There is no such plan.")
    return page(request, "chargemonk/plan.html", found.name, plan=found)


async def create_add_on(mock: Mock, form: Form) -> str:
    return _offer(mock, _read_add_on(form), is_new=True)


async def amend_add_on(mock: Mock, form: Form) -> str:
    return _offer(mock, _read_add_on(form), is_new=False)


async def create_plan(mock: Mock, form: Form) -> str:
    return _offer(mock, _read_plan(form), is_new=True)


async def amend_plan(mock: Mock, form: Form) -> str:
    return _offer(mock, _read_plan(form), is_new=False)


def _read_add_on(form: Form) -> AddOn:
    wish = _wish(form, AddOnTable)
    if form.get("type") == "once":
        if "periodMonths" in wish:
            raise ValueError("periodMonths: only a recurring add-on has a period")
    else:
        wish.setdefault("periodMonths", "1")
    return read_offered(read(AddOnTable, wish))


def _read_plan(form: Form) -> Plan:
    return read_plan(read(PlanTable, _wish(form, PlanTable)))


def _wish(form: Form, kind: type[Table]) -> dict[str, Any]:
    """Return the fields of a form that are not empty."""
    return {name: form[name].strip() for name in known(kind) if form.get(name, "").strip()}


def _offer(mock: Mock, offered: Plan | AddOn, *, is_new: bool) -> str:
    state = mock.systems.of(State)
    is_there = offered.code in (state.plans if isinstance(offered, Plan) else state.add_ons)
    if is_there and is_new:
        raise ValueError(f"code: {offered.code!r} already exists; amend it instead")
    if not is_there and not is_new:
        raise ValueError("it no longer exists")
    with as_operator(mock, State):
        offer(state, offered)
    if is_new:
        return f"{offered.name} is in the catalogue."
    return f"{offered.name} is amended. Existing subscriptions keep the old version."


async def create(mock: Mock, form: Form) -> str:
    """Create a subscription with the add-ons that are ticked.

    Each add-on may be limited to a number of billing cycles.
    """
    chosen = []
    for code in mock.systems.of(State).add_ons:
        if f"addOn-{code}" in form:
            chosen.append({"code": code, "billingCycles": _given(form, f"cycles-{code}")})
        elif _given(form, f"cycles-{code}") is not None:
            raise ValueError(f"{code} has billing cycles but is not ticked")
    wish = {"id": required(form, "id"), "planCode": required(form, "planCode"), "addOns": chosen}
    subscription = subscribe(mock, read(SubscriptionTable, wish))
    return f"{subscription.id} is created. {_billed(subscription, 0)}"


async def add(mock: Mock, form: Form) -> str:
    code = required(form, "code")
    wish = {"code": code, "billingCycles": _given(form, "billingCycles")}
    return _change(mock, form, "add-ons", wish, f"now has {code}")


async def set_cycles(mock: Mock, form: Form) -> str:
    code, cycles = required(form, "code"), _given(form, "billingCycles")
    wish = {"code": code, "billingCycles": cycles}
    done = f"is charged for {code} forever" if cycles is None else f"is charged for {code} {cycles} × more"
    return _change(mock, form, "cycles", wish, done)


async def change_term(mock: Mock, form: Form) -> str:
    """Change a subscription's plan.

    The page sends the billing cycles of every add-on that it shows, because the change could reset billing
    cycles that are not sent.
    """
    code = required(form, "planCode")
    cycles = [
        {"code": name.removeprefix("cycles-"), "billingCycles": _given(form, name)}
        for name in form
        if name.startswith("cycles-")
    ]
    wish = {"planCode": code, "addOns": cycles}
    return _change(mock, form, "term", wish, f"changes to {code} at the next renewal")


async def advance_invoice(mock: Mock, form: Form) -> str:
    terms = required(form, "terms")
    return _change(mock, form, "advance-invoice", {"terms": terms}, "is billed in advance")


async def cancel(mock: Mock, form: Form) -> str:
    return _change(mock, form, "cancel", {}, "is canceled, and its add-ons are disabled")


async def reactivate(mock: Mock, form: Form) -> str:
    return _change(mock, form, "reactivate", {}, "is active again")


def _change(mock: Mock, form: Form, name: str, wish: dict[str, Any], done: str) -> str:
    subscription = mock.systems.of(State).subscriptions.get(required(form, "id"))
    if subscription is None:
        raise ValueError("the subscription no longer exists")
    before = len(subscription.bills)
    carry_out(mock, name, subscription, wish)
    return f"{subscription.id} {done}. {_billed(subscription, before)}"


def _given(form: Form, name: str) -> str | None:
    return form.get(name, "").strip() or None


def _billed(subscription: Subscription, before: int) -> str:
    """Describe a subscription's bills in words, without the first `before` bills."""
    bills = subscription.bills[before:]
    said = (f"Invoice {bill.number} is over {money(bill.total, bill.currency)}." for bill in bills)
    return " ".join(said) or "Nothing is charged."


ROUTES = [
    Route("/chargemonk", index),
    Route("/chargemonk/catalog/products", catalog),
    Route("/chargemonk/catalog/add-ons/{code}", add_on),
    Route("/chargemonk/catalog/plans/{code}", plan),
    Route("/chargemonk/{id}", show),
    command("/chargemonk/catalog/create-add-on", create_add_on),
    command("/chargemonk/catalog/amend-add-on", amend_add_on),
    command("/chargemonk/catalog/create-plan", create_plan),
    command("/chargemonk/catalog/amend-plan", amend_plan),
    command("/chargemonk/create", create),
    command("/chargemonk/add", add),
    command("/chargemonk/cycles", set_cycles),
    command("/chargemonk/term", change_term),
    command("/chargemonk/advance", advance_invoice),
    command("/chargemonk/cancel", cancel),
    command("/chargemonk/reactivate", reactivate),
]
