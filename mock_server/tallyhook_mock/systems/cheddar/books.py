"""How many invoices there are in each state, how much they come to, and which are outstanding.

This is derived from customers, and kept as they change: a look at it costs the same however many there are.
"""

from collections.abc import Iterable
from decimal import Decimal

from tallyhook_mock.core.money import ZERO, total
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.invoices import Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.products import Product

__all__ = ["Books", "Totals"]

# An invoice in one of these keeps its amount.
_SETTLED = (InvoiceState.PAID, InvoiceState.VOID)


class Totals:
    """The invoices of one product.

    Attributes:
        counts: how many are in each state.
        totals: how much those in each state come to.
        outstanding: those that are due and not paid, by id, in the order in which they became so.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(InvoiceState, 0)
        self.totals: dict[InvoiceState, Decimal] = dict.fromkeys(InvoiceState, ZERO)
        self.outstanding: dict[int, Invoice] = {}

    def add(self, state: InvoiceState, amount: Decimal, count: int = 1) -> None:
        """With a count of -1, take it off."""
        self.counts[state] += count
        self.totals[state] = total((self.totals[state], amount if count > 0 else -amount))


class Books:
    """The totals of every product. Commands `touch` customers, and `settle` counts those again."""

    def __init__(self, customers: Iterable[Customer] = ()) -> None:
        """Count everything from the beginning."""
        self._products: dict[str, Totals] = {}
        # What was counted: of each customer the invoices that still change, and the states of all others.
        self._changing: dict[int, tuple[tuple[Invoice, InvoiceState, Decimal], ...]] = {}
        self._settled: dict[int, InvoiceState] = {}
        self._touched = {customer.id: customer for customer in customers}
        self.settle()
        for each in self._products.values():
            by_date = sorted(each.outstanding.values(), key=lambda made: (made.billing_at, made.number))
            each.outstanding = {invoice.id: invoice for invoice in by_date}

    def of(self, product: Product) -> Totals:
        """A product's totals, up to date."""
        self.settle()
        return self._of(product)

    def touch(self, customer: Customer) -> None:
        """Note that something about a customer changes."""
        self._touched[customer.id] = customer

    def settle(self) -> None:
        """Count the customers again that were touched. To be called when a command is done."""
        if self._touched:
            touched, self._touched = self._touched, {}
            for customer in touched.values():
                self._count(customer)

    def _of(self, product: Product) -> Totals:
        return self._products.setdefault(product.code, Totals())

    def _count(self, customer: Customer) -> None:
        totals = self._of(customer.product)
        before = self._changing.pop(customer.id, ())
        for _, state, amount in before:
            totals.add(state, amount, -1)
        changing = []
        for invoice in () if customer.is_deleted else customer.invoices:
            if invoice.state in _SETTLED:
                self._count_settled(totals, invoice)
            else:
                changing.append((invoice, invoice.state, invoice.total))
        for invoice, state, amount in changing:
            totals.add(state, amount)
            if invoice.is_outstanding:
                totals.outstanding.setdefault(invoice.id, invoice)
        if changing:
            self._changing[customer.id] = tuple(changing)
        outstanding = {invoice.id for invoice, *_ in changing if invoice.is_outstanding}
        for invoice, *_ in before:
            if invoice.id not in outstanding:
                totals.outstanding.pop(invoice.id, None)
        if customer.is_deleted:
            for invoice in customer.invoices:
                if (known := self._settled.pop(invoice.id, None)) is not None:
                    totals.add(known, invoice.total, -1)

    def _count_settled(self, totals: Totals, invoice: Invoice) -> None:
        known = self._settled.get(invoice.id)
        if known is invoice.state:
            return
        amount = invoice.total
        if known is not None:
            totals.add(known, amount, -1)
        totals.add(invoice.state, amount)
        self._settled[invoice.id] = invoice.state
