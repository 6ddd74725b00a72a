"""Cheddar's central rule: an invoice is held until its hook is acknowledged.

1. At the bill date, the invoice's period ends (`billing.bill`, documented).
2. If a listener wants `subscriptionBillable`, the invoice is held and no transaction is made (documented).
   If there is no way to pay the invoice, the subscription is canceled at once (documented), and the setting
   `billable_hook_without_payment` decides whether the hook is sent. Without a listener the invoice is
   executed (documented).
3. The hook is sent. `announce` records which hook holds which invoice.
4. The invoice stays held until every listener has answered with a 2xx, however long that takes (documented).
5. The acknowledgement releases the invoice (documented). If an operator cancels the hook, the invoice
   no longer waits for it (inferred).
6. One hour later the invoice is run (documented: at least an hour). If it was run by hand before that, it is
   not run again (documented). If the subscription was canceled in the meantime, the invoice is not run
   (staff 2017).
"""

from datetime import datetime, timedelta

from tallyhook_mock.core.hooks import Hook
from tallyhook_mock.core.money import amount_text
from tallyhook_mock.systems.cheddar import payments
from tallyhook_mock.systems.cheddar.model import Invoice, InvoiceState
from tallyhook_mock.systems.cheddar.state import Event, State

__all__ = ["RUN_AFTER", "announce", "begin", "release", "settled"]

# A held invoice runs this long after the last of its hooks was acknowledged (documented: at least).
RUN_AFTER = timedelta(hours=1)


def begin(state: State, invoice: Invoice, at: datetime) -> None:
    """Hold an invoice until its hook is acknowledged, or execute it at once if no hook is to be sent.

    Call this at the bill date, after closing the period.
    """
    customer = invoice.subscription.customer
    payment = invoice.subscription.payment
    cannot_be_paid = (payment is None or payment.has_expired(at)) and invoice.total > 0
    is_announced = not cannot_be_paid or customer.product.rules.billable_hook_without_payment == "sent"
    if not is_announced or not state.hooks.wanted(customer.product.code, "subscriptionBillable"):
        payments.execute(state, invoice, at)
        return
    invoice.state = InvoiceState.HELD
    note = f"{amount_text(invoice.total)} held"
    state.emit("subscriptionBillable", at, customer, invoice=invoice, note=note)
    if cannot_be_paid:
        payments.fail_without_payment(state, invoice.subscription, at)


def announce(state: State, event: Event, body: bytes) -> Hook | None:
    """Send an event's hook to every listener that wants it. Returns None if there is no such listener.

    If it is a `subscriptionBillable` hook, its invoice is held until every listener has acknowledged the
    hook, or an operator has canceled it.
    """
    customer, invoice = event.customer, event.invoice
    subject = invoice.id if invoice else 0
    hook = state.hooks.send(event.kind, customer.product.code, customer.code, subject, body, event.at)
    if hook is not None and invoice is not None and event.kind == "subscriptionBillable":
        state.held[hook.id] = invoice
    return hook


def settled(state: State, hook: Hook, at: datetime) -> None:
    """Release the invoice that `hook` held, because the hook was acknowledged or canceled.

    The invoice runs an hour later.

    Standing: documented.
    """
    invoice = state.held.pop(hook.id, None)
    if invoice is not None and invoice.state is InvoiceState.HELD:
        release(state, invoice, at)


def release(state: State, invoice: Invoice, at: datetime) -> None:
    """Release a held invoice: schedule it to run in an hour."""
    invoice.state = InvoiceState.RELEASED
    invoice.run_at = at + RUN_AFTER
    # The order in which listeners acknowledge several hooks must not affect any id.
    state.schedule(invoice.run_at, payments.run, invoice, rank=invoice.id)
    state.emit("released", at, invoice.subscription.customer, invoice=invoice)
