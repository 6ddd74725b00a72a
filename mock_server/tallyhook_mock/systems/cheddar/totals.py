"""How many invoices there are in each state, and what they come to: kept, not counted."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from tallyhook_mock.core.money import ZERO, total
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.invoices import Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["Books", "Totals"]


class Books:
    """The invoices of one product. `waiting` are the outstanding ones by id, the oldest first."""

    def __init__(self) -> None:
        self.customers = 0
        self.counts = dict.fromkeys(InvoiceState, 0)
        self.totals: dict[InvoiceState, Decimal] = dict.fromkeys(InvoiceState, ZERO)
        self.waiting: dict[int, Invoice] = {}

    def oldest(self, count: int) -> Iterable[Invoice]:
        return islice(self.waiting.values(), count)


class Totals:
    """The books of all products. `refresh` looks only at the customers that something was done to since."""

    def __init__(self) -> None:
        self.products: dict[str, Books] = defaultdict(Books)
        self._known: dict[int, tuple[tuple[InvoiceState, Decimal], ...]] = {}

    def refresh(self, state: State) -> None:
        for customer in state.take_touched():
            books = self.products[customer.product.code]
            self._forget(books, customer)
            if not customer.is_deleted:
                self._enter(books, customer)

    def of(self, product: Product) -> Books:
        return self.products[product.code]

    def _forget(self, books: Books, customer: Customer) -> None:
        known = self._known.pop(customer.id, None)
        if known is None:
            return
        books.customers -= 1
        if customer.is_deleted:
            for invoice in customer.invoices:
                books.waiting.pop(invoice.id, None)
        for state, amount in known:
            books.counts[state] -= 1
            books.totals[state] = total((books.totals[state], -amount))

    def _enter(self, books: Books, customer: Customer) -> None:
        books.customers += 1
        known = []
        for invoice in customer.invoices:
            amount = invoice.total
            books.counts[invoice.state] += 1
            books.totals[invoice.state] = total((books.totals[invoice.state], amount))
            known.append((invoice.state, amount))
            if not invoice.is_outstanding:
                books.waiting.pop(invoice.id, None)
            elif invoice.id not in books.waiting:
                books.waiting[invoice.id] = invoice
        self._known[customer.id] = tuple(known)
