"""Probes that cancel a subscription, and then reactivate it, bill it or cancel it again."""

from datetime import timedelta

from tallyhook_mock.conform.account import Customer, Invoice
from tallyhook_mock.conform.plans import DAILY, FREE, ITEM, MONTHLY, SETUP, SETUP_CHARGE
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, Wait, is_billed, shown

__all__ = ["PROBES"]


def cancel_with_setup(visit: Visit) -> Wait:
    when = visit.bill_soon(visit.new(SETUP))
    visit.on("customers/cancel")
    return Wait(when + timedelta(minutes=5))


def long_cancel_setup(visit: Visit) -> Finding:
    customer = visit.edit(pays=True).customer
    if len(customer.paid) < 2:
        raise NotFoundOut("the reactivation billed nothing")
    is_charged = is_billed(_later(customer), SETUP_CHARGE, 50)
    return Finding("charged" if is_charged else "waived", shown(customer.paid[0]))


def cancel_with_usage(visit: Visit) -> Wait:
    customer = visit.new(DAILY)
    visit.on("customers/set-item-quantity", more={"itemCode": ITEM, "quantity": "5"})
    when = visit.bill_soon(customer)
    visit.on("customers/cancel")
    return Wait(when + timedelta(minutes=5))


def long_cancel_usage(visit: Visit) -> Finding:
    customer = visit.edit(pays=True).customer
    if len(customer.paid) < 2:
        raise NotFoundOut("the reactivation billed nothing")
    return Finding("billed" if is_billed(_later(customer), ITEM, 5) else "dropped", shown(customer))


def _later(customer: Customer) -> list[Invoice]:
    """Return the paid invoices after that of the sign-up."""
    return customer.paid[:-1]


def owe(visit: Visit) -> Wait:
    """Sign up a customer without a card. The unpaid first invoice will cancel the subscription."""
    tomorrow = visit.server_time() + timedelta(days=1)
    first = {"subscription[initialBillDate]": tomorrow.isoformat()}
    visit.new(DAILY, pays=False, more=first)
    # A listener may hold the invoice for over an hour. The next invoice is due a day later.
    return Wait(tomorrow + timedelta(days=1, hours=3))


def long_cancel_with_outstanding(visit: Visit) -> Finding | Wait:
    customer = visit.get()
    if not customer.is_canceled:
        return Wait(visit.server_time() + timedelta(hours=3), again=True)
    customer = visit.edit(pays=True).customer
    paid = [invoice for invoice in customer.paid if invoice.collected]
    values = {1: "one", 2: "both"}
    is_owed = any(
        not each.is_paid and each.billing_at <= paid[0].payments[-1].at for each in customer.invoices
    )
    if len(paid) not in values or is_owed:
        raise NotFoundOut("the reactivation did not pay the outstanding invoice")
    return Finding(values[len(paid)], shown(customer))


def canceled_again(visit: Visit) -> Finding:
    visit.new(FREE, pays=False)
    visit.on("customers/cancel")
    answer = visit.attempt("customers/cancel", {"code": visit.code()})
    if answer.is_success:
        return Finding("ignored", shown(answer))
    if answer.status != 412:
        raise NotFoundOut(f"the second cancellation was refused, but not with a 412: {answer.error}")
    return Finding("refused", shown(answer))


def canceled_bill_now(visit: Visit) -> Finding:
    visit.new(MONTHLY)
    visit.on("customers/cancel")
    customer = visit.edit(more={"changeBillDate": "now"}).customer
    if len(customer.paid) < 2:
        raise NotFoundOut("the pending invoice was not transacted")
    return Finding("stays-canceled" if customer.is_canceled else "reactivates", shown(customer))


_TIME = frozenset({Need.TIME})
PROBES = (
    Probe("canceled_again", (canceled_again,)),
    Probe("canceled_bill_now", (canceled_bill_now,)),
    Probe("long_cancel_setup", (cancel_with_setup, long_cancel_setup), _TIME),
    Probe("long_cancel_usage", (cancel_with_usage, long_cancel_usage), _TIME),
    Probe("long_cancel_with_outstanding", (owe, long_cancel_with_outstanding), _TIME),
)
