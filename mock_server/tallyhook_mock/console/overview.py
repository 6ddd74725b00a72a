"""`/`: the clock, the invoices by state, what waits, the products, the latest hooks, the other systems."""

from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import books_of
from tallyhook_mock.systems.cheddar.books import Totals
from tallyhook_mock.systems.cheddar.invoices import Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import Product

__all__ = ["show"]

_LATEST = 8
_WAITING = 12


@dataclass(frozen=True, slots=True)
class Books:
    """A product, how many customers it has, and its invoices."""

    product: Product
    customers: int
    totals: Totals


async def show(request: Request) -> Response:
    mock = mock_of(request)
    state = mock.state
    books = [
        Books(product, len(state.customers(product)), mock.books.of(product))
        for product in state.products.values()
    ]
    waiting = sorted(
        (made for each in books for made in islice(each.totals.outstanding.values(), _WAITING)), key=_billed
    )
    return page(
        request,
        "overview.html",
        "Overview",
        books=books,
        others=books_of(mock.systems),
        states=list(InvoiceState),
        waiting=waiting[:_WAITING],
        waiting_beyond=max(sum(len(each.totals.outstanding) for each in books) - _WAITING, 0),
        latest=list(islice(reversed(state.hooks.log.values()), _LATEST)),
        next_due=mock.next_due(),
    )


def _billed(invoice: Invoice) -> tuple[datetime, int]:
    return invoice.billing_at, invoice.number
