"""`/_mock/chargemonk/subscriptions`: control routes for what Chargemonk offers on pages, but not in its API.

The forms of the console use the same tables and commands.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import UNSET, UnsetType
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Amount, Quantity, Required, Table
from tallyhook_mock.catalog.table import read as from_values
from tallyhook_mock.control.requests import (
    PAGE,
    as_operator,
    asks,
    holds,
    json_object,
    missing,
    mock_of,
    page,
    takes,
)
from tallyhook_mock.control.shown import bill_shown, moment_shown
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.chargemonk import rules
from tallyhook_mock.systems.chargemonk.catalog import (
    CarriedTable,
    Cycles,
    SubscriptionTable,
    find_add_on,
    find_plan,
    read_add_ons,
    read_subscription,
)
from tallyhook_mock.systems.chargemonk.model import Carried, Subscription
from tallyhook_mock.systems.chargemonk.rules import expected
from tallyhook_mock.systems.chargemonk.state import State

__all__ = ["COMMANDS", "ROUTES", "carry_out", "subscribe"]


class CyclesTable(Table):
    """An add-on's new number of billing cycles, or null to charge it forever."""

    code: Required
    billing_cycles: Cycles | UnsetType | None = UNSET


class TermTable(Table):
    plan_code: Required
    add_ons: tuple[CarriedTable, ...] = ()


class ChargeTable(Table):
    description: Required
    amount: Amount
    quantity: Quantity = Decimal(1)


class AdvanceTable(Table):
    terms: Cycles = 1


class NothingTable(Table):
    """The body of a command that has no parameters."""


def _add(state: State, subscription: Subscription, wish: CarriedTable, at: datetime) -> None:
    """Add an add-on to a subscription."""
    rules.add(state, subscription, find_add_on(wish, state.add_ons), wish.cycles, at)


def _set_cycles(state: State, subscription: Subscription, wish: CyclesTable, at: datetime) -> None:
    """Set how many more times an add-on is charged."""
    if wish.billing_cycles is UNSET:
        raise wish.wrong("billingCycles", "a number is required, or null for forever")
    if wish.billing_cycles == 0:
        raise wish.wrong("billingCycles", "at least 1; null is forever")
    rules.set_cycles(state, subscription, wish.code, wish.billing_cycles, at)


def _change_term(state: State, subscription: Subscription, wish: TermTable, at: datetime) -> None:
    """Change a subscription's plan.

    If the length of the term changes, add-ons whose billing cycles are not sent again are charged forever.
    """
    plan, told = find_plan(wish, wish.plan_code, state.plans), read_add_ons(wish.add_ons, state.add_ons)
    cycles = {add_on.code: number for add_on, number in told.items()}
    rules.change_term(state, subscription, plan, cycles, at)


def _cancel(state: State, subscription: Subscription, _: Table, at: datetime) -> None:
    """Cancel a subscription. Its add-ons are disabled."""
    rules.cancel(state, subscription, at)


def _reactivate(state: State, subscription: Subscription, _: Table, at: datetime) -> None:
    """Undo a subscription's cancellation."""
    rules.reactivate(state, subscription, at)


def _advance_invoice(state: State, subscription: Subscription, wish: AdvanceTable, at: datetime) -> None:
    """Bill the next terms in advance. `terms` is their number."""
    rules.advance_invoice(state, subscription, wish.terms, at)


def _charge(state: State, subscription: Subscription, wish: ChargeTable, at: datetime) -> None:
    """Add a charge to the next automatic invoice."""
    if not wish.quantity:
        raise wish.wrong("quantity", "more than 0")
    rules.charge_later(state, subscription, wish.description, wish.amount, wish.quantity, at)


# The commands, by the last part of their paths. Each has a table for its body, and a function.
COMMANDS: dict[str, tuple[type[Table], Callable[[State, Subscription, Any, datetime], None]]] = {
    "add-ons": (CarriedTable, _add),
    "cycles": (CyclesTable, _set_cycles),
    "term": (TermTable, _change_term),
    "cancel": (NothingTable, _cancel),
    "reactivate": (NothingTable, _reactivate),
    "charges": (ChargeTable, _charge),
    "advance-invoice": (AdvanceTable, _advance_invoice),
}


def subscribe(mock: Mock, wish: SubscriptionTable) -> Subscription:
    """Create a subscription.

    Raises CatalogError for an unknown plan or add-on, and Refusal if the subscription can't be created.
    """
    with as_operator(mock, State) as (state, at):
        return rules.create(state, read_subscription(wish, state.plans, state.add_ons), at)


def carry_out(mock: Mock, name: str, subscription: Subscription, wish: Mapping[str, Any]) -> None:
    """Carry out the command `name` on a subscription. `wish` is the command's body.

    Raises CatalogError if the body is not valid, and Refusal if the command is not possible.
    """
    kind, do = COMMANDS[name]
    with as_operator(mock, State) as (state, at):
        do(state, subscription, from_values(kind, wish), at)


@asks(*PAGE)
async def index(request: Request) -> JSONResponse:
    """List all subscriptions in order of creation."""
    state = _state(request)
    found, more = page(state.subscriptions.values(), request.query_params, lambda each: each.id)
    return JSONResponse({"subscriptions": [_summary(each, state) for each in found], **more})


@takes(SubscriptionTable)
async def create(request: Request, wish: SubscriptionTable) -> JSONResponse:
    """Create a subscription from the same keys as in a catalogue."""
    subscription = subscribe(mock_of(request), wish)
    return JSONResponse(_shown(subscription, _state(request)), 201)


@asks()
async def read(request: Request) -> JSONResponse:
    """Return a subscription with its invoices, newest first."""
    return JSONResponse(_shown(_named(request), _state(request)))


def _command(name: str) -> Route:
    """Return the route that carries out the command `name`."""
    kind, do = COMMANDS[name]

    async def call(request: Request) -> Response:
        subscription = _named(request)
        wish = {} if kind is NothingTable else await json_object(request)
        carry_out(mock_of(request), name, subscription, wish)
        return JSONResponse(_shown(subscription, _state(request)))

    call.__doc__ = do.__doc__
    handler = call if kind is NothingTable else holds(lambda: kind)(call)
    return Route(f"/chargemonk/subscriptions/{{id}}/{name}", handler, methods=["POST"])


async def unknown(request: Request) -> JSONResponse:
    """Refuse a command that doesn't exist."""
    _named(request)
    raise missing(f"one of {', '.join(COMMANDS)} is expected")


def _state(request: Request) -> State:
    return mock_of(request).systems.of(State)


def _named(request: Request) -> Subscription:
    try:
        return _state(request).subscriptions[request.path_params["id"]]
    except KeyError as error:
        raise missing(f"there is no subscription {error}") from None


def _summary(subscription: Subscription, state: State) -> dict[str, Any]:
    term, bill = subscription.current, expected(state, subscription)
    return {
        "id": subscription.id,
        "status": "canceled" if subscription.is_canceled else "active",
        "state": subscription.status,
        "monthlyRevenue": amount_text(subscription.monthly_revenue),
        "plan": subscription.plan.code,
        "termStart": moment_shown(term.start if term else None),
        "termEnd": moment_shown(term.end if term else None),
        "paidUntil": moment_shown(subscription.paid_until),
        "nextPlan": subscription.next_plan.code,
        "termsLeft": subscription.terms_left,
        "canceledDatetime": moment_shown(subscription.canceled_at),
        "nextBill": None if bill is None else {"at": moment_shown(bill.at), "total": amount_text(bill.total)},
        "addOns": [_add_on(carried, subscription) for carried in subscription.add_ons],
    }


def _shown(subscription: Subscription, state: State) -> dict[str, Any]:
    return {
        **_summary(subscription, state),
        "unbilledCharges": [
            {"code": each.code, "description": each.description, "amount": amount_text(each.amount)}
            for each in state.collect(subscription)
        ],
        "bills": [bill_shown(bill) for bill in reversed(subscription.bills)],
    }


def _add_on(carried: Carried, subscription: Subscription) -> dict[str, Any]:
    return {
        "code": carried.add_on.code,
        "price": amount_text(carried.add_on.price),
        "periodMonths": carried.add_on.period_months,
        "cyclesLeft": carried.cycles_left,
        "paidUntil": moment_shown(carried.paid_until),
        "isDisabled": subscription.is_canceled,
    }


ROUTES = [
    Route("/chargemonk/subscriptions", index, methods=["GET"]),
    Route("/chargemonk/subscriptions", create, methods=["POST"]),
    Route("/chargemonk/subscriptions/{id}", read, methods=["GET"]),
    *map(_command, COMMANDS),
    Route("/chargemonk/subscriptions/{id}/{command}", unknown, methods=["POST"]),
]
