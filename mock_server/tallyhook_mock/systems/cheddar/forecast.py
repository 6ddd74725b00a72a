"""Forecasts a customer's next invoices from the usage so far, as if every payment were accepted."""

from datetime import datetime

from tallyhook_mock.core.bills import Coming, Line, copied, play
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar import review
from tallyhook_mock.systems.cheddar.model import Customer, Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["forecast"]


def forecast(state: State, customer: Customer, count: int, at: datetime) -> list[Coming]:
    """Return a customer's next `count` invoices, outstanding ones first.

    Held invoices are treated as if their hooks were acknowledged now. Later periods have no usage of periodic
    items, since that usage isn't known yet.
    """
    alone = State(Ids(state.ids.last))
    copy = copied(customer, state.agenda, alone.agenda, [customer.product])
    copy.declines = 0
    alone.add_customer(copy)
    known = {invoice.id: invoice for invoice in copy.invoices}
    settled = {each.id for each in known.values() if _is_settled(each)}
    for invoice in known.values():
        if invoice.state is InvoiceState.HELD:
            review.release(alone, invoice, at)

    def found() -> list[Invoice]:
        return [each for each in copy.invoices if each.id not in settled and _is_settled(each)]

    play(alone, lambda: len(found()) >= count)
    coming = sorted(found(), key=lambda invoice: invoice.transactions[-1].at)
    return [_coming(invoice, invoice.id in known) for invoice in coming[:count]]


def _is_settled(invoice: Invoice) -> bool:
    return invoice.state in (InvoiceState.PAID, InvoiceState.VOID)


def _coming(invoice: Invoice, is_known: bool) -> Coming:
    lines = tuple(
        Line(line.code, line.description, line.quantity, line.each_amount, line.amount)
        for line in invoice.lines()
    )
    at, currency = invoice.transactions[-1].at, invoice.subscription.customer.product.currency
    return Coming(at, currency, lines, invoice.total, invoice.number if is_known else None)
