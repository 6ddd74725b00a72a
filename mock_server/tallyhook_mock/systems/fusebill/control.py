"""`/_mock/fusebill`: control routes for customers, subscriptions, charges, and previews of moved dates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.catalog.table import Amount, Required, Table
from tallyhook_mock.control.requests import PAGE, as_operator, asks, mock_of, page, takes
from tallyhook_mock.control.shown import (
    bill_shown,
    moment_shown,
)
from tallyhook_mock.core.money import amount_text, cents, quantity_text
from tallyhook_mock.systems.fusebill.catalog import (
    MOST,
    CustomerTable,
    Day,
    Id,
    Month,
    SubscriptionTable,
    read_customer,
    read_subscription,
)
from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.dryrun import (
    Change,
    Find,
    Forecast,
    forecast,
)
from tallyhook_mock.systems.fusebill.model import BillingPeriodDefinition, Charge, Customer, Subscription
from tallyhook_mock.systems.fusebill.rules import (
    activate,
    add_charge,
    check_target,
    edit_definition,
    move,
    new_customer,
)
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["DEFINITION", "ROUTES", "Move", "MoveTable", "read_move"]


class ActivationTable(SubscriptionTable, kw_only=True):
    """A subscription to create for a customer, optionally in an existing billing period definition."""

    customer_id: Id
    billing_period_definition_id: Id | None = None


class ChargeTable(Table):
    name: Required
    amount: Amount
    prorate: bool = True
    when: Literal["now", "periodEnd"] = "periodEnd"


class MoveTable(Table):
    subscription_id: Id | None = None
    billing_period_definition_id: Id | None = None
    invoice_day: Day | None = None
    invoice_month: Month | None = None


@asks(*PAGE)
async def index(request: Request) -> JSONResponse:
    """List all customers in order of creation."""
    everybody = _state(request).accounts().values()
    customers, more = page(everybody, request.query_params, lambda each: str(each.id))
    return JSONResponse({"customers": [_customer(each) for each in customers], **more})


@takes(CustomerTable)
async def create_customer(request: Request, table: CustomerTable) -> JSONResponse:
    """Create a customer from the same keys as in a catalogue."""
    new = read_customer(table)
    with as_operator(mock_of(request), State) as (state, at):
        customer = new_customer(state, new, at)
    return JSONResponse(_customer(customer), 201)


@takes(ActivationTable)
async def subscribe(request: Request, table: ActivationTable) -> JSONResponse:
    """Create a subscription for the customer `customerId`, from the same keys as in a catalogue.

    If `billingPeriodDefinitionId` is given, the subscription begins in that billing period definition.
    """
    new = read_subscription(table, _state(request).frequencies)
    customer_id, definition_id = table.customer_id, table.billing_period_definition_id
    if definition_id is not None and new.date is not None:
        raise table.wrong("invoiceDay", f"does not go with {DEFINITION}")
    with as_operator(mock_of(request), State) as (state, at):
        into = None if definition_id is None else state.definition(definition_id)
        subscription = activate(state, state.customer(customer_id), new, at, into)
    return JSONResponse({**_subscription(subscription), DEFINITION: subscription.definition.id}, 201)


@takes(ChargeTable)
async def charge(request: Request, table: ChargeTable) -> JSONResponse:
    """Charge a subscription once, either `now` or at the `periodEnd`, in full or prorated."""
    with as_operator(mock_of(request), State) as (state, at):
        subscription = state.subscription(_number(request))
        added = add_charge(
            state,
            subscription,
            name=table.name,
            amount=cents(table.amount),
            prorate=table.prorate,
            at_period_end=table.when == "periodEnd",
            at=at,
        )
    return JSONResponse(_charge(added), 201)


@asks(*PAGE)
async def bills(request: Request) -> JSONResponse:
    """List all bills of a customer, newest first."""
    customer = _named(request)
    newest_first = reversed(customer.bills)
    bills, more = page(newest_first, request.query_params, lambda bill: str(bill.number))
    return JSONResponse({"customer": customer.id, "bills": [bill_shown(bill) for bill in bills], **more})


@takes(MoveTable)
async def dryrun(request: Request, wish: MoveTable) -> JSONResponse:
    """Preview a move: return the next three invoices without it and with it.

    The move gives a billing period definition a new date, or a subscription a new date or definition.
    """
    with as_operator(mock_of(request), State) as (state, at):
        move = read_move(wish, state, at)
        before, after = move.without(state), move.outcome(state)
    return JSONResponse(
        {"before": [_forecast(each) for each in before], "after": [_forecast(each) for each in after]}
    )


def _state(request: Request) -> State:
    return mock_of(request).systems.of(State)


def _named(request: Request) -> Customer:
    return _state(request).customer(_number(request))


def _number(request: Request) -> int:
    """Return the id in the path. If it can't be an id, return 0, which is never an id."""
    written = request.path_params["id"]
    return int(written) if written.isascii() and written.isdigit() and len(written) <= len(str(MOST)) else 0


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
        "numberOfIntervals": definition.date.intervals,
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
        "start": moment_shown(subscription.start),
        "end": moment_shown(subscription.end),
        "products": [
            {"id": each.id, "productCode": each.plan.code, "quantity": quantity_text(each.quantity)}
            for each in subscription.products
        ],
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
    """Return a forecast invoice, with the length of the period that ends with it."""
    return {
        "periodStart": forecast.start.isoformat(),
        "days": forecast.days,
        "daysCounted": forecast.days_counted,
        **bill_shown(forecast.bill),
    }


ROUTES = [
    Route("/fusebill/customers", index, methods=["GET"]),
    Route("/fusebill/customers", create_customer, methods=["POST"]),
    Route("/fusebill/customers/{id}/bills", bills, methods=["GET"]),
    Route("/fusebill/subscriptions", subscribe, methods=["POST"]),
    Route("/fusebill/subscriptions/{id}/charges", charge, methods=["POST"]),
    Route("/fusebill/dryrun", dryrun, methods=["POST"]),
]


DEFINITION = "billingPeriodDefinitionId"


@dataclass(frozen=True, slots=True)
class Move:
    """A move that gives a billing period definition a new date, or a subscription a new date or definition.

    `find` returns the definition or subscription that is moved. `change` carries out the move on a state; if
    that is not possible, it raises Refusal and changes nothing.
    """

    customer: Customer
    find: Find
    change: Change

    def without(self, state: State) -> list[Forecast]:
        """Return the next invoices without the move."""
        return forecast(state, self.customer, self.find)

    def outcome(self, state: State) -> list[Forecast]:
        """Return the next invoices after the move. Raises Refusal if the move is not possible."""
        return forecast(state, self.customer, self.find, self.change)


def read_move(table: MoveTable, state: State, at: datetime) -> Move:
    """Read a move from a table, after carrying out everything due by now.

    The move gives a billing period definition a new date, or a subscription a new date or definition. Raises
    CatalogError if a field is not valid, and Refusal if something doesn't exist or doesn't fit.
    """
    state.catch_up(at)
    if table.subscription_id is not None:
        return _subscription_move(table, table.subscription_id, state, at)
    return _date_move(table, state, at)


def _date_move(table: MoveTable, state: State, at: datetime) -> Move:
    if table.billing_period_definition_id is None:
        raise table.wrong(DEFINITION, "a value is required")
    definition = state.definition(table.billing_period_definition_id)
    date = _date(table, definition.cycle, definition.date.intervals, definition.date.month)

    def find(state: State) -> BillingPeriodDefinition:
        return state.definition(definition.id)

    return Move(
        definition.customer, find, lambda state: edit_definition(state, find(state), at=at, date=date)
    )


def _subscription_move(table: MoveTable, number: int, state: State, at: datetime) -> Move:
    subscription = state.subscription(number)
    if table.billing_period_definition_id is None:
        date = _date(table, subscription.interval, subscription.frequency.intervals)

        def into(state: State) -> BillingPeriodDefinition | InvoiceDate:
            return date
    elif table.invoice_day is not None or table.invoice_month is not None:
        raise table.wrong("invoiceDay", f"does not go with {DEFINITION}")
    else:
        target = state.definition(table.billing_period_definition_id)
        check_target(target, subscription.customer, subscription.frequency)

        def into(state: State) -> BillingPeriodDefinition | InvoiceDate:
            return state.definition(target.id)

    def find(state: State) -> Subscription:
        return state.subscription(subscription.id)

    return Move(subscription.customer, find, lambda state: move(state, find(state), into(state), at))


def _date(table: MoveTable, cycle: Cycle, intervals: int, month: int | None = None) -> InvoiceDate:
    """Read the invoice date from a table. If the table has no month, `month` is used."""
    if table.invoice_day is None:
        raise table.wrong("invoiceDay", "a value is required")
    given = month if table.invoice_month is None else table.invoice_month
    return InvoiceDate(cycle, table.invoice_day, given, intervals)
