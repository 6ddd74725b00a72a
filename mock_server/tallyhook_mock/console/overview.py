"""The overview page at `/`: the clock, invoices, latest hooks, products, and other systems."""

from datetime import datetime
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import books_of
from tallyhook_mock.systems.cheddar.model import Invoice, InvoiceState

__all__ = ["show"]

_LATEST = 8
_WAITING = 12


async def show(request: Request) -> Response:
    mock = mock_of(request)
    mock.totals.refresh(mock.state)
    books = [(product, mock.totals.of(product)) for product in mock.state.products.values()]
    waiting = [invoice for _, each in books for invoice in each.oldest(_WAITING)]
    return page(
        request,
        "overview.html",
        "Overview",
        books=books,
        others=books_of(mock.systems),
        states=list(InvoiceState),
        waiting=sorted(waiting, key=_billed)[:_WAITING],
        waiting_beyond=max(sum(len(each.waiting) for _, each in books) - _WAITING, 0),
        latest=list(islice(reversed(mock.state.hooks.log.values()), _LATEST)),
        next_due=mock.next_due(),
    )


def _billed(invoice: Invoice) -> tuple[datetime, int]:
    return invoice.billing_at, invoice.number
