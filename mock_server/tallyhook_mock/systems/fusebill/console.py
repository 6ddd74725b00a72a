"""`/console/fusebill`: pages that show customers, and create, modify, move and delete billing periods."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Table, Text, known, one_of, read
from tallyhook_mock.console.forms import Form, Notice, answer, command, mock_of, read_form
from tallyhook_mock.console.listing import number, shown
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import account_values
from tallyhook_mock.control.requests import as_operator
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.fusebill.catalog import Day, Id, Month
from tallyhook_mock.systems.fusebill.control import DEFINITION, MoveTable, read_move
from tallyhook_mock.systems.fusebill.dates import MOST_INTERVALS, Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.dryrun import Forecast, forecast
from tallyhook_mock.systems.fusebill.model import Customer
from tallyhook_mock.systems.fusebill.request import TERMS
from tallyhook_mock.systems.fusebill.rules import (
    create_definition,
    definition_of,
    delete_definition,
    edit_definition,
)
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["KEY", "ROUTES"]

KEY = "u"  # pressed after `g`, it opens these pages

_SWITCH = {"customer": None, "yes": True, "no": False}


class CreateTable(Table):
    """The form for a new billing period. Its fields say when the period recharges."""

    invoice_day: Day
    interval: Cycle = Cycle.MONTHLY
    number_of_intervals: Annotated[int, Meta(ge=1, le=MOST_INTERVALS)] = 1
    invoice_month: Month | None = None


class ModifyTable(Table):
    """The form that changes a billing period.

    If a setting is left empty, the customer's setting applies. If the date is left empty, it isn't changed.
    """

    billing_period_definition_id: Id
    invoice_day: Day | None = None
    invoice_month: Month | None = None
    invoice_in_advance: Annotated[int, Meta(ge=0, le=27)] = 0
    auto_collect: Annotated[str, one_of(_SWITCH)] = "customer"
    auto_post: Annotated[str, one_of(_SWITCH)] = "customer"
    term: Annotated[str, one_of(TERMS)] = ""
    po_number: Text = ""


class NamedTable(Table):
    """The customer and the billing period that a form names."""

    customer_id: Id = 0
    billing_period_definition_id: Id = 0


_MOVE = ("subscriptionId", DEFINITION, "invoiceDay", "invoiceMonth")


@dataclass(frozen=True, slots=True)
class DryRun:
    """The preview of a move: the form's fields, and the next invoices without and with the move."""

    wish: Mapping[str, str]
    before: list[Forecast]
    after: list[Forecast]


async def index(request: Request) -> Response:
    """Show all customers in order of creation. The parameter `q` filters them by id or name."""
    state, wanted = mock_of(request).systems.of(State), request.query_params.get("q", "").strip()

    def fits(customer: Customer) -> bool:
        return wanted == str(customer.id) or wanted.casefold() in customer.name.casefold()

    part = shown(request, state.accounts(), read=number, write=str, fits=fits if wanted else None)
    return page(
        request,
        "fusebill/customers.html",
        "Fusebill",
        shown=part,
        customers=[(each, _next(state, each)) for each in part.items],
        wanted=wanted,
    )


async def show(request: Request) -> Response:
    """Show a customer. If the query has the fields of a move, also preview the move."""
    mock = mock_of(request)
    state = mock.systems.of(State)
    customer, wish = _customer(request), _given(request.query_params, _MOVE)
    dry_run, objection = None, ""
    if wish:
        try:
            move = read_move(read(MoveTable, wish), state, mock.clock.now())
            if move.customer is not customer:
                raise ValueError(f"it belongs to another customer, {move.customer.name}")
            dry_run = DryRun(wish, move.without(state), move.outcome(state))
        except ValueError as error:
            objection = str(error)
    return page(
        request,
        "fusebill/customer.html",
        customer.name,
        customer=customer,
        dry_run=dry_run,
        objection=objection,
        **account_values(request, "fusebill", customer),
    )


async def new_period(request: Request) -> Response:
    """Show the form for a new billing period. If the query has its fields, also preview the next recharge."""
    mock = mock_of(request)
    customer, wish = _customer(request), _given(request.query_params, known(CreateTable))
    preview, objection = None, ""
    if wish:
        try:
            preview = definition_of(customer, _date(wish), at=mock.clock.now(), manually_created=True)
        except ValueError as error:
            objection = str(error)
    return page(
        request,
        "fusebill/new_period.html",
        "Create billing period",
        customer=customer,
        wish={name: wish.get(name, "") for name in known(CreateTable)},
        preview=preview,
        objection=objection,
        cycles=list(Cycle),
    )


async def period(request: Request) -> Response:
    """Show the details of a billing period, and the forms that change it."""
    customer, number = _customer(request), request.path_params["period"]
    found = next((each for each in customer.definitions if each.id == number), None)
    if found is None:
        raise HTTPException(404, "There is no such billing period.")
    return page(
        request,
        "fusebill/period.html",
        f"Billing period {found.id}",
        customer=customer,
        definition=found,
        terms=TERMS,
    )


async def subscription(request: Request) -> Response:
    """Show a subscription and its billing period."""
    customer, number = _customer(request), request.path_params["subscription"]
    found = next((each for each in customer.subscriptions if each.id == number), None)
    if found is None:
        raise HTTPException(404, "There is no such subscription.")
    return page(
        request,
        "fusebill/subscription.html",
        f"{found.plan_name} · {found.id}",
        customer=customer,
        subscription=found,
    )


async def create_period(mock: Mock, form: Form) -> str:
    with as_operator(mock, State) as (state, at):
        customer, date = state.customer(_named(form).customer_id), _date(_given(form, known(CreateTable)))
        made = definition_of(customer, date, at=at, manually_created=True)
        create_definition(state, made, at)
    return f"Billing period {made.id} is created. Its next recharge is on {made.end:%Y-%m-%d}."


async def modify_period(mock: Mock, form: Form) -> str:
    """Change a billing period's settings, and the date on which the current period ends."""
    table = read(ModifyTable, _given(form, known(ModifyTable)))
    definition = mock.systems.of(State).definition(table.billing_period_definition_id)
    date = InvoiceDate(
        definition.cycle,
        definition.date.day if table.invoice_day is None else table.invoice_day,
        definition.date.month if table.invoice_month is None else table.invoice_month,
        definition.date.intervals,
    )
    settings = replace(
        definition.settings,
        invoice_in_advance=table.invoice_in_advance,
        auto_collect=_SWITCH[table.auto_collect],
        auto_post=_SWITCH[table.auto_post],
        term=table.term,
        po_number=table.po_number or None,
    )
    with as_operator(mock, State) as (state, at):
        edit_definition(state, definition, at=at, date=date, settings=settings)
    return f"Modified. The current period ends on {definition.end:%Y-%m-%d}, at the same price."


async def delete_period(request: Request) -> Response:
    """Delete a billing period, and go to the customer's page."""
    form, mock = await read_form(request), mock_of(request)
    try:
        with as_operator(mock, State) as (state, at):
            definition = state.definition(_named(form).billing_period_definition_id)
            if "sure" not in form:
                raise ValueError("tick the box to confirm: a deleted billing period cannot be restored")
            delete_definition(state, definition, at)
    except ValueError as error:
        return answer(form, Notice(str(error), is_bad=True))
    home = {**form, "back": f"/console/fusebill/{definition.customer.id}"}
    return answer(home, Notice(f"Billing period {definition.id} is deleted. It cannot be restored."))


def _customer(request: Request) -> Customer:
    state, wanted = mock_of(request).systems.of(State), request.path_params["id"]
    if not state.has_customer(wanted):
        raise HTTPException(404, "There is no such customer.")
    return state.customer(wanted)


def _date(wish: Mapping[str, str]) -> InvoiceDate:
    table = read(CreateTable, wish)
    return InvoiceDate(table.interval, table.invoice_day, table.invoice_month, table.number_of_intervals)


def _named(form: Form) -> NamedTable:
    return read(NamedTable, _given(form, known(NamedTable)))


async def move(mock: Mock, form: Form) -> str:
    """Carry out the move that a form describes."""
    with as_operator(mock, State) as (state, at):
        move = read_move(read(MoveTable, _given(form, _MOVE)), state, at)
        move.change(state)
    return f"Moved. The current period ends on {move.find(state).end:%Y-%m-%d}, at the same price."


def _given(fields: Mapping[str, str], names: Collection[str]) -> dict[str, Any]:
    """Return the fields of a form that are not empty."""
    return {name: fields[name].strip() for name in names if fields.get(name, "").strip()}


def _next(state: State, customer: Customer) -> Forecast | None:
    """Return a customer's next invoice, assuming that nothing changes. None if there won't be one."""
    used = (definition for definition in customer.definitions if definition.subscriptions)
    soonest = min(used, key=lambda definition: definition.end, default=None)
    if soonest is None:
        return None
    coming = forecast(state, customer, lambda alone: alone.definition(soonest.id))
    return coming[0] if coming else None


ROUTES = [
    Route("/fusebill", index),
    Route("/fusebill/{id:int}", show),
    Route("/fusebill/{id:int}/periods/new", new_period),
    Route("/fusebill/{id:int}/periods/{period:int}", period),
    Route("/fusebill/{id:int}/subscriptions/{subscription:int}", subscription),
    command("/fusebill/move", move),
    command("/fusebill/create-period", create_period),
    command("/fusebill/modify-period", modify_period),
    Route("/fusebill/delete-period", delete_period, methods=["POST"]),
]
