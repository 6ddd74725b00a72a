"""Probes that examine hooks, and invoices that are held until a hook is acknowledged."""

from datetime import timedelta

from tallyhook_mock.conform.hooks import BILLABLE
from tallyhook_mock.conform.plans import FREE, MONTHLY
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, Wait, shown

__all__ = ["PROBES"]


def bill_soon(visit: Visit) -> Wait:
    """Have a new customer billed in five minutes.

    The listener refuses the `subscriptionBillable` hook, so the invoice stays held.
    """
    return Wait(visit.bill_soon(visit.new(MONTHLY)) + timedelta(minutes=1))


def new_card_while_held(visit: Visit) -> Finding | Wait:
    if visit.hook_about(BILLABLE, seconds=visit.settle) is None:
        return visit.again("subscriptionBillable hook")
    before = len(visit.get().paid)
    customer = visit.edit(pays=True).customer
    runs = len(customer.paid) > before
    return Finding("runs" if runs else "waits", shown(customer))


def owe_soon(visit: Visit) -> Wait:
    return Wait(visit.owe_soon() + timedelta(minutes=1))


def billable_hook_without_payment(visit: Visit) -> Finding | Wait:
    canceled = visit.hook_about("subscriptionCanceled", seconds=visit.settle)
    if canceled is None:
        return visit.again("subscriptionCanceled hook")
    billable = visit.hook_about(BILLABLE, seconds=visit.settle)
    return Finding("skipped", canceled.text) if billable is None else Finding("sent", billable.text)


def canceled_hook_invoice(visit: Visit) -> Finding:
    paid = visit.new(MONTHLY).paid[0]
    customer = visit.on("customers/cancel").customer
    hook = visit.hook_about("subscriptionCanceled")
    if hook is None:
        raise NotFoundOut("no subscriptionCanceled hook came")
    number = str(hook.invoice.get("invoiceNumber", ""))
    for value, invoice in (("paid", paid), ("pending", customer.pending)):
        if number == invoice.number:
            return Finding(value, hook.text)
    raise NotFoundOut(f"the hook is about invoice {number or 'none'}")


def deleted_customer_code(visit: Visit) -> Finding:
    visit.new(FREE, pays=False)
    visit.on("customers/delete")
    hook = visit.hook("customerDeleted", lambda hook: hook.customer in ("", visit.code()))
    if hook is None:
        raise NotFoundOut("no customerDeleted hook came")
    return Finding("kept" if hook.customer else "empty", hook.text)


_HOOK = frozenset({Need.LISTENER})
_HELD = frozenset({Need.LISTENER, Need.TIME})
PROBES = (
    Probe("new_card_while_held", (bill_soon, new_card_while_held), _HELD, refuses=True),
    Probe("billable_hook_without_payment", (owe_soon, billable_hook_without_payment), _HELD),
    Probe("canceled_hook_invoice", (canceled_hook_invoice,), _HOOK),
    Probe("deleted_customer_code", (deleted_customer_code,), _HOOK),
)
