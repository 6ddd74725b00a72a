"""`/console/cleverbridge`: pages for subscriptions, with a preview of what a new quantity costs."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self

from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Table, known, one_of, read
from tallyhook_mock.console.forms import Form, command, mock_of, required
from tallyhook_mock.console.listing import shown
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import account_values
from tallyhook_mock.console.words import money
from tallyhook_mock.control.requests import as_operator
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cleverbridge.charges import Price, price, renewal_lines
from tallyhook_mock.systems.cleverbridge.model import Manner, Subscription
from tallyhook_mock.systems.cleverbridge.rules import deactivate
from tallyhook_mock.systems.cleverbridge.state import State
from tallyhook_mock.systems.cleverbridge.updates import MOST, Outcome, Target, update

__all__ = ["KEY", "ROUTES"]

KEY = "b"  # pressed after `g`, it opens these pages

# When a new quantity is charged, in the page's words. The values are `is_aligned` and `is_extended`.
_MANNERS = {
    "at the renewal": (False, False),
    "now, for what is left": (True, False),
    "now, for a whole interval from today": (True, True),
}


class Wish(Table):
    """A request from the page's form: a new quantity for an item, and when it is charged."""

    item: Annotated[int, Meta(ge=0, le=MOST)]
    quantity: Annotated[int, Meta(ge=0, le=MOST)]
    when: Annotated[str, one_of(_MANNERS)]

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Read the request from a form's fields. Raises ValueError if a field can't be read."""
        return read(cls, {name: required(fields, name) for name in known(cls)})

    def carry_out(self, state: State, id: str, at: datetime, *, is_preview: bool) -> Outcome:
        """Update the item, or only preview the update. Raises Refusal if the update is not possible."""
        is_aligned, is_extended = _MANNERS[self.when]
        manner = Manner(is_aligned, is_extended, is_preview)
        return update(state, Target(id, self.item), self.quantity, manner, at)


async def index(request: Request) -> Response:
    """Show all subscriptions in order of creation. The parameter `q` filters them by id or customer."""
    state, wanted = mock_of(request).systems.of(State), request.query_params.get("q", "").strip()

    def fits(each: Subscription) -> bool:
        customer = each.customer
        texts = (each.id, str(customer.id), customer.reference, customer.email)
        return any(wanted.casefold() in text.casefold() for text in texts)

    part = shown(request, state.accounts(), read=str, write=str, fits=fits if wanted else None)
    return page(
        request,
        "cleverbridge/subscriptions.html",
        "Cleverbridge",
        shown=part,
        subscriptions=[(each, _next(each)) for each in part.items],
        wanted=wanted,
    )


async def show(request: Request) -> Response:
    """Show a subscription. If the query has `item`, `quantity` and `when`, also preview an update."""
    mock, fields = mock_of(request), request.query_params
    state = mock.systems.of(State)
    if not state.has_subscription(request.path_params["id"]):
        raise HTTPException(404, "There is no such subscription.")
    subscription = state.subscription(request.path_params["id"])
    wish, outcome, objection = None, None, ""
    if "quantity" in fields:
        try:
            wish = Wish.read(fields)
            outcome = wish.carry_out(state, subscription.id, mock.clock.now(), is_preview=True)
        except ValueError as error:
            objection = str(error)
    return page(
        request,
        "cleverbridge/subscription.html",
        subscription.id,
        subscription=subscription,
        next_price=_next(subscription),
        manners=list(_MANNERS),
        wish=wish,
        outcome=outcome,
        objection=objection,
        **account_values(request, "cleverbridge", subscription),
    )


async def set_quantity(mock: Mock, form: Form) -> str:
    subscription, wish = _named(mock, form), Wish.read(form)
    with as_operator(mock, State) as (state, at):
        outcome = wish.carry_out(state, subscription.id, at, is_preview=False)
    return (
        f"Item {wish.item} now has {wish.quantity} units. {_gross(outcome.now)} is charged now; the renewal "
        f"of {outcome.next_billing:%Y-%m-%d} bills {_gross(outcome.next)} as things stand."
    )


async def end(mock: Mock, form: Form) -> str:
    subscription = _named(mock, form)
    before = len(subscription.bills)
    with as_operator(mock, State) as (state, at):
        deactivate(state, subscription, at)
    billed = "".join(
        f" Invoice {bill.number} is over {money(bill.total, bill.currency)}."
        for bill in subscription.bills[before:]
    )
    return f"{subscription.id} is deactivated.{billed}"


def _named(mock: Mock, form: Form) -> Subscription:
    state, wanted = mock.systems.of(State), required(form, "id")
    if not state.has_subscription(wanted):
        raise ValueError("the subscription no longer exists")
    return state.subscription(wanted)


def _next(subscription: Subscription) -> Price | None:
    """Return the next renewal's price, as far as is known now. None if the subscription isn't active."""
    if not subscription.is_active:
        return None
    return price(subscription, renewal_lines(subscription, subscription.items))


def _gross(price: Price) -> str:
    return money(price.gross, price.currency)


ROUTES = [
    Route("/cleverbridge", index),
    Route("/cleverbridge/{id}", show),
    command("/cleverbridge/quantity", set_quantity),
    command("/cleverbridge/deactivate", end),
]
