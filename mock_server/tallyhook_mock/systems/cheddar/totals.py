"""The number and the total of the invoices in each state, updated as invoices change."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from itertools import islice

from tallyhook_mock.core.money import ZERO, total
from tallyhook_mock.systems.cheddar.model import Customer, Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["Books", "Totals"]

# The states in which an invoice's amount no longer changes.
_SETTLED = (InvoiceState.PAID, InvoiceState.VOID)


class Books:
    """The totals of one product.

    `waiting` has the outstanding invoices by id, in the order of their bill dates.
    """

    def __init__(self) -> None:
        self.customers = 0
        self.counts = dict.fromkeys(InvoiceState, 0)
        self.totals: dict[InvoiceState, Decimal] = dict.fromkeys(InvoiceState, ZERO)
        self.waiting: dict[int, Invoice] = {}

    def oldest(self, count: int) -> Iterable[Invoice]:
        return islice(self.waiting.values(), count)

    def add(self, state: InvoiceState, amount: Decimal) -> None:
        self.counts[state] += 1
        self.totals[state] = total((self.totals[state], amount))

    def take_off(self, state: InvoiceState, amount: Decimal) -> None:
        self.counts[state] -= 1
        self.totals[state] = total((self.totals[state], amount.copy_negate()))


class Totals:
    """The totals of all products. `refresh` updates them from the customers that may have changed.

    The first refresh after a restore counts all customers.
    """

    def __init__(self) -> None:
        self.products: dict[str, Books] = defaultdict(Books)
        # What was counted: invoices that may still change, by customer id, and other invoices' states, by id.
        self._changing: dict[int, tuple[tuple[Invoice, InvoiceState, Decimal], ...]] = {}
        self._settled: dict[int, InvoiceState] = {}

    def refresh(self, state: State) -> None:
        is_first = not self._changing
        for customer in state.take_touched():
            books = self.products[customer.product.code]
            before = self._changing.pop(customer.id, None)
            for _, known, amount in before or ():
                books.take_off(known, amount)
            if customer.is_deleted:
                books.customers -= before is not None
                self._forget(books, customer)
            else:
                books.customers += before is None
                self._count(books, customer)
            for invoice, *_ in before or ():
                if not self._is_waiting(invoice):
                    books.waiting.pop(invoice.id, None)

        if is_first:  # the first refresh counts all customers, but not in billing order
            for books in self.products.values():
                oldest_first = sorted(books.waiting.values(), key=_billed)
                books.waiting = {invoice.id: invoice for invoice in oldest_first}

    def of(self, product: Product) -> Books:
        return self.products[product.code]

    def _count(self, books: Books, customer: Customer) -> None:
        changing = []
        for invoice in customer.invoices:
            state = invoice.state
            if state not in _SETTLED:
                changing.append((invoice, state, invoice.total))
            elif (known := self._settled.get(invoice.id)) is not state:
                amount = invoice.total
                if known is not None:
                    books.take_off(known, amount)
                books.add(state, amount)
                self._settled[invoice.id] = state
        for _, state, amount in changing:
            books.add(state, amount)
        for invoice in sorted((made for made, *_ in changing if made.is_outstanding), key=_billed):
            books.waiting.setdefault(invoice.id, invoice)
        self._changing[customer.id] = tuple(changing)

    def _forget(self, books: Books, customer: Customer) -> None:
        for invoice in customer.invoices:
            if (known := self._settled.pop(invoice.id, None)) is not None:
                books.take_off(known, invoice.total)

    @staticmethod
    def _is_waiting(invoice: Invoice) -> bool:
        return invoice.is_outstanding and not invoice.subscription.customer.is_deleted


def _billed(invoice: Invoice) -> tuple[object, int]:
    return invoice.billing_at, invoice.number
