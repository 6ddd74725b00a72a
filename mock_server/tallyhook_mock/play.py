"""Playing a customer's period to its end: the bill date, the hooks, the hour after them, the run."""

from tallyhook_mock.duration import Duration
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.invoices import Invoice, InvoiceState

__all__ = ["bill_period"]


async def bill_period(mock: Mock, customer: Customer, within: Duration) -> Invoice:
    """The invoice, paid or as far as it got; what is still held `within` so much virtual time stays held.

    The clock moves to the bill date, hooks are delivered, tried again on their schedule while they are not
    acknowledged, and once they are, the invoice runs an hour later. One that is held or released already is
    played to its end, and no other. LookupError if there is nothing to be billed, ClockBusy while the clock
    is being moved.
    """
    await mock.advance(mock.clock.now())  # what is on its way arrives first
    invoice = next((each for each in customer.invoices if _is_under_way(each)), None)
    if invoice is None:
        invoice = customer.subscription.current
        if invoice is None or customer.subscription.is_canceled:
            raise LookupError(
                f"{customer.code} has no period that could be billed: the subscription is canceled"
            )
        await mock.advance(max(invoice.billing_at, mock.clock.now()))
    last = within.after(mock.clock.now())
    while _is_under_way(invoice) and (due := mock.next_due()) is not None and due <= last:
        await mock.advance(max(due, mock.clock.now()))
    return invoice


def _is_under_way(invoice: Invoice) -> bool:
    """Held, or released and not run yet. One that was declined has had its run."""
    return invoice.state in (InvoiceState.HELD, InvoiceState.RELEASED)
