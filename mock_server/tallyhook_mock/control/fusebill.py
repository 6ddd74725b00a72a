"""`/_mock/fusebill/…`: what Fusebill's API has no calls for: customers, charges, bills, dry runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.catalog.fusebill import CUSTOMER, SUBSCRIPTION, read_customer, read_subscription
from tallyhook_mock.catalog.table import Table
from tallyhook_mock.control.requests import json_object, mock_of, only
from tallyhook_mock.control.shown import bill_shown, entry_shown, moment_shown
from tallyhook_mock.engine.fusebill.customer import BillingPeriodDefinition, Charge, Customer, Subscription
from tallyhook_mock.engine.fusebill.definitions import edit_definition
from tallyhook_mock.engine.fusebill.dryrun import Change, Find, Forecast, forecast
from tallyhook_mock.engine.fusebill.invoice_date import Cycle, InvoiceDate
from tallyhook_mock.engine.fusebill.refusal import Refusal
from tallyhook_mock.engine.fusebill.state import State
from tallyhook_mock.engine.fusebill.subscriptions import (
    activate,
    add_charge,
    check_target,
    move,
    new_customer,
)
from tallyhook_mock.engine.money import amount_text, cents

__all__ = ["ROUTES"]

_DEFINITION = "billingPeriodDefinitionId"
_CHARGE = ("name", "amount", "prorate", "when")
_DRYRUN = ("subscriptionId", _DEFINITION, "invoiceDay", "invoiceMonth")
_WHEN = ("now", "periodEnd")
_MOST = 2**31 - 1  # of an id


async def index(request: Request) -> JSONResponse:
    """Everybody, in the order of creation."""
    only(request.query_params, ())
    return JSONResponse({"customers": [_customer(customer) for customer in _state(request).accounts()]})


async def create_customer(request: Request) -> JSONResponse:
    """In the words of the catalogue."""
    new = read_customer(Table(await json_object(request), "", CUSTOMER))
    with _command(request) as (state, at):
        customer = new_customer(state, new, at)
    return JSONResponse(_customer(customer), 201)


async def subscribe(request: Request) -> JSONResponse:
    """In the words of the catalogue, for a `customerId`; in one of its definitions, if that is named."""
    table = Table(await json_object(request), "", ("customerId", _DEFINITION, *SUBSCRIPTION))
    new = read_subscription(table)
    customer_id, definition_id = _id(table, "customerId"), table.whole(_DEFINITION, None, most=_MOST)
    if definition_id is not None and new.date is not None:
        raise table.wrong("invoiceDay", f"does not go with {_DEFINITION}")
    with _command(request) as (state, at):
        into = None if definition_id is None else state.definition(definition_id)
        subscription = activate(state, state.customer(customer_id), new, at, into)
    return JSONResponse({**_subscription(subscription), _DEFINITION: subscription.definition.id}, 201)


async def charge(request: Request) -> JSONResponse:
    """Charge a subscription once, `now` or at the `periodEnd`, all of the amount or its part for the rest."""
    table = Table(await json_object(request), "", _CHARGE)
    name, amount = table.text("name"), cents(table.amount("amount"))
    prorate, when = table.flag("prorate", True), table.choice("when", _WHEN, "periodEnd")
    with _command(request) as (state, at):
        subscription = state.subscription(request.path_params["id"])
        added = add_charge(
            state,
            subscription,
            name=name,
            amount=amount,
            prorate=prorate,
            at_period_end=when == "periodEnd",
            at=at,
        )
    return JSONResponse(_charge(added), 201)


async def bills(request: Request) -> JSONResponse:
    """All bills of a customer, newest first."""
    only(request.query_params, ())
    customer = _named(request)
    return JSONResponse(
        {"customer": customer.id, "bills": [bill_shown(bill) for bill in reversed(customer.bills)]}
    )


async def timeline(request: Request) -> JSONResponse:
    """What happened to a customer, oldest first."""
    only(request.query_params, ())
    customer = _named(request)
    entries = mock_of(request).timeline.entries_of("fusebill", str(customer.id))
    return JSONResponse({"customer": customer.id, "timeline": [entry_shown(entry) for entry in entries]})


async def dryrun(request: Request) -> JSONResponse:
    """The next three invoices before and after a move: of a definition's date, or of a `subscriptionId`."""
    table = Table(await json_object(request), "", _DRYRUN)
    with _refusals():
        state, at = _state(request), mock_of(request).clock.now()
        move_of = _subscription_move if "subscriptionId" in table else _date_move
        customer, find, change = move_of(table, state, at)
        before, after = forecast(state, customer, find), forecast(state, customer, find, change)
    return JSONResponse(
        {"before": [_forecast(each) for each in before], "after": [_forecast(each) for each in after]}
    )


def _date_move(table: Table, state: State, at: datetime) -> tuple[Customer, Find, Change]:
    definition = state.definition(_id(table, _DEFINITION))
    date = _date(table, definition.cycle)

    def find(state: State) -> BillingPeriodDefinition:
        return state.definition(definition.id)

    return definition.customer, find, lambda state: edit_definition(state, find(state), at=at, date=date)


def _subscription_move(table: Table, state: State, at: datetime) -> tuple[Customer, Find, Change]:
    subscription = state.subscription(_id(table, "subscriptionId"))
    if _DEFINITION not in table:
        date = _date(table, subscription.interval)

        def into(state: State) -> BillingPeriodDefinition | InvoiceDate:
            return date
    elif "invoiceDay" in table or "invoiceMonth" in table:
        raise table.wrong("invoiceDay", f"does not go with {_DEFINITION}")
    else:
        target = state.definition(_id(table, _DEFINITION))
        check_target(target, subscription.customer, subscription.interval)

        def into(state: State) -> BillingPeriodDefinition | InvoiceDate:
            return state.definition(target.id)

    def find(state: State) -> Subscription:
        return state.subscription(subscription.id)

    return subscription.customer, find, lambda state: move(state, find(state), into(state), at)


def _date(table: Table, cycle: Cycle) -> InvoiceDate:
    day = table.whole("invoiceDay", None, most=31)
    if day is None:
        raise table.wrong("invoiceDay", "a value is required")
    return InvoiceDate(cycle, day, table.whole("invoiceMonth", None, most=12))


@contextmanager
def _command(request: Request) -> Iterator[tuple[State, datetime]]:
    """The state and the moment for a command of an operator, whose happenings are noted."""
    mock, state = mock_of(request), _state(request)
    state.actor = "operator"
    with _refusals():
        yield state, mock.clock.now()
    mock.changed()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        raise HTTPException(refusal.status, str(refusal)) from None


def _state(request: Request) -> State:
    return mock_of(request).systems.fusebill


def _named(request: Request) -> Customer:
    with _refusals():
        return _state(request).customer(request.path_params["id"])


def _id(table: Table, name: str) -> int:
    given = table.whole(name, None, most=_MOST)
    if given is None:
        raise table.wrong(name, "a value is required")
    return given


def _customer(customer: Customer) -> dict[str, Any]:
    return {
        "id": customer.id,
        "name": customer.name,
        "currency": customer.currency,
        "billingPeriodDefinitions": [_definition(definition) for definition in customer.definitions],
    }


def _definition(definition: BillingPeriodDefinition) -> dict[str, Any]:
    return {
        "id": definition.id,
        "cycle": definition.cycle,
        "invoiceDay": definition.date.day,
        "invoiceMonth": definition.date.month,
        "start": definition.start.isoformat(),
        "end": definition.end.isoformat(),
        "days": definition.days,
        "daysCounted": definition.days_counted,
        "subscriptions": [_subscription(subscription) for subscription in definition.subscriptions],
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": subscription.id,
        "planCode": subscription.plan_code,
        "planName": subscription.plan_name,
        "interval": subscription.interval,
        "amount": amount_text(subscription.amount),
        "start": subscription.start.isoformat(),
        "end": subscription.end.isoformat(),
        "pendingCharges": [_charge(charge) for charge in subscription.charges],
    }


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "name": charge.name,
        "amount": amount_text(charge.amount),
        "start": moment_shown(charge.start),
        "end": moment_shown(charge.end),
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    """An invoice to come, and how long the period is that ends with it."""
    return {
        "periodStart": forecast.start.isoformat(),
        "days": forecast.days,
        "daysCounted": forecast.days_counted,
        **bill_shown(forecast.bill),
    }


ROUTES = [
    Route("/fusebill/customers", index, methods=["GET"]),
    Route("/fusebill/customers", create_customer, methods=["POST"]),
    Route("/fusebill/customers/{id:int}/bills", bills, methods=["GET"]),
    Route("/fusebill/customers/{id:int}/timeline", timeline, methods=["GET"]),
    Route("/fusebill/subscriptions", subscribe, methods=["POST"]),
    Route("/fusebill/subscriptions/{id:int}/charges", charge, methods=["POST"]),
    Route("/fusebill/dryrun", dryrun, methods=["POST"]),
]
