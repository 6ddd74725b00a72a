"""`/`: the clock, the invoices by state, what waits, the products, the latest hooks, the other systems."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice

from starlette.requests import Request
from starlette.responses import Response

from tallyhook_mock.console.forms import mock_of
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import books_of
from tallyhook_mock.core.money import ZERO
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.invoices import Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import Product

__all__ = ["show"]

_LATEST = 8
_WAITING = 12


@dataclass(slots=True)
class Books:
    """One product's invoices: how many and how much in each state, and those that wait to be settled."""

    product: Product
    customers: int = 0
    counts: dict[InvoiceState, int] = field(default_factory=lambda: dict.fromkeys(InvoiceState, 0))
    totals: dict[InvoiceState, Decimal] = field(default_factory=lambda: dict.fromkeys(InvoiceState, ZERO))
    waiting: list[Invoice] = field(default_factory=list)

    def enter(self, invoice: Invoice) -> None:
        self.counts[invoice.state] += 1
        self.totals[invoice.state] += invoice.total
        if invoice.is_outstanding:
            self.waiting.append(invoice)


async def show(request: Request) -> Response:
    mock = mock_of(request)
    books = [_books(mock, product) for product in mock.state.products.values()]
    waiting = sorted((invoice for each in books for invoice in each.waiting), key=_billed)
    return page(
        request,
        "overview.html",
        "Overview",
        books=books,
        others=books_of(mock.systems),
        states=list(InvoiceState),
        waiting=waiting[:_WAITING],
        waiting_beyond=max(len(waiting) - _WAITING, 0),
        latest=list(islice(reversed(mock.state.hooks.log.values()), _LATEST)),
        next_due=mock.next_due(),
    )


def _books(mock: Mock, product: Product) -> Books:
    books = Books(product)
    for customer in mock.state.customers(product):
        books.customers += 1
        _enter_all(books, customer.invoices)
    return books


def _enter_all(books: Books, invoices: Iterable[Invoice]) -> None:
    for invoice in invoices:
        books.enter(invoice)


def _billed(invoice: Invoice) -> tuple[str, int]:
    return invoice.billing_at.isoformat(), invoice.number
