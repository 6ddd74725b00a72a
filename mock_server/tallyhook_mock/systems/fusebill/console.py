"""`/console/fusebill`: customers and their billing periods, whose date is moved after a dry run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.console.forms import Form, command, mock_of
from tallyhook_mock.console.listing import events, number, shown
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import COMING, SHOWN
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.systems.fusebill.control import DEFINITION, read_move
from tallyhook_mock.systems.fusebill.dryrun import Forecast, forecast
from tallyhook_mock.systems.fusebill.model import Customer, State
from tallyhook_mock.systems.fusebill.picture import tell

__all__ = ["KEY", "ROUTES"]

KEY = "u"  # after `g`, on every page

_MOVE = ("subscriptionId", DEFINITION, "invoiceDay", "invoiceMonth")


@dataclass(frozen=True, slots=True)
class DryRun:
    """A move that is looked at, in the words it was wished for, and the invoices without and with it."""

    wish: Mapping[str, str]
    before: list[Forecast]
    after: list[Forecast]


async def index(request: Request) -> Response:
    """All customers in order of creation; `q` narrows them by id and name."""
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
    """The page of a customer; with the names of a dry run it says what that move would do."""
    mock = mock_of(request)
    state, wanted = mock.systems.of(State), request.path_params["id"]
    if not state.has_customer(wanted):
        raise HTTPException(404, "There is no such customer.")
    customer, wish = state.customer(wanted), _wish(request.query_params)
    dry_run, objection = None, ""
    if wish:
        try:
            move = read_move(wish, state, mock.clock.now())
            if move.customer is not customer:
                raise ValueError(f"that is of another customer, {move.customer.name}")
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
        # Drawn by this program, with every word of others escaped.
        picture=Markup(paint(tell(mock, customer), styled=False)),
        coming=state.forecast(str(customer.id), COMING),
        bills=customer.bills[::-1][:SHOWN],
        entries=events(request, mock.timeline.numbered(str(customer.id), system="fusebill")),
    )


async def move(mock: Mock, form: Form) -> str:
    """In the words of the dry run."""
    state = mock.systems.of(State)
    move = read_move(_wish(form), state, mock.clock.now())
    state.actor = "operator"
    move.change(state)
    mock.changed()
    return f"Moved. The period that runs now ends on {move.find(state).end:%Y-%m-%d}, and costs what it did."


def _wish(fields: Mapping[str, str]) -> dict[str, Any]:
    """What is left empty is not wished for."""
    return {name: fields[name].strip() for name in _MOVE if fields.get(name, "").strip()}


def _next(state: State, customer: Customer) -> Forecast | None:
    """The next invoice, as things stand."""
    used = (definition for definition in customer.definitions if definition.subscriptions)
    soonest = min(used, key=lambda definition: definition.end, default=None)
    if soonest is None:
        return None
    coming = forecast(state, customer, lambda alone: alone.definition(soonest.id))
    return coming[0] if coming else None


ROUTES = [
    Route("/fusebill", index),
    Route("/fusebill/{id:int}", show),
    command("/fusebill/move", move),
]
