"""Probes that examine quantities, and invoices that could not be paid."""

from datetime import timedelta
from itertools import pairwise

from tallyhook_mock.conform.account import Customer, Invoice
from tallyhook_mock.conform.plans import FREE, ITEM, MONTHLY
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, Wait, shown

__all__ = ["PROBES"]

# How often the probe of dunning looks at its customer, and for how long.
_LOOK = timedelta(hours=12)
_LONGEST = timedelta(days=40)


def removed_below_zero(visit: Visit) -> Finding:
    visit.new(FREE, pays=False)
    visit.on("customers/set-item-quantity", more={"itemCode": ITEM, "quantity": "2"})
    fields = {"code": visit.code(), "itemCode": ITEM, "quantity": "5"}
    answer = visit.attempt("customers/remove-item-quantity", fields)
    if answer.is_refusal_of("quantity"):
        return Finding("refused", shown(answer))
    if not answer.is_success or answer.customer.quantity(ITEM) != 0:
        raise NotFoundOut(
            f"removing 5 from 2 neither gave 0 nor was refused: {answer.error or shown(answer)}"
        )
    return Finding("zero", shown(answer))


def owe(visit: Visit) -> Wait:
    return Wait(visit.owe_soon(quantity=5) + timedelta(minutes=1))


def waived_by(visit: Visit) -> Finding | Wait:
    """Waive an invoice for 300.00 plus 5.00 of overage, and see which credits were added."""
    customer = visit.get()
    if not customer.is_canceled:
        return visit.again("cancellation of a customer who can't pay")
    number = _outstanding(customer).number
    visit.expect("invoices/waive", {"number": number})
    invoice = _outstanding(visit.get())
    amounts = sorted(credit.amount for credit in invoice.credits)
    values = {"each": [-300, -5], "one": [-305]}
    for value, waived in values.items():
        if amounts == waived:
            return Finding(value, shown(invoice))
    raise NotFoundOut(f"305.00 were waived by {', '.join(map(str, amounts)) or 'nothing'}")


def added_to_outstanding(visit: Visit) -> Finding | Wait:
    if not visit.get().is_canceled:
        return visit.again("cancellation of a customer who can't pay")
    added = {"itemCode": ITEM, "quantity": "3", "invoicePeriod": "outstanding"}
    customer = visit.on("customers/add-item-quantity", more=added).customer
    invoice = _outstanding(customer)
    counted = [charge.quantity for charge in invoice.charges if charge.code == ITEM]
    if counted == [8]:
        return Finding("obeyed", shown(invoice))
    if counted == [5] and customer.quantity(ITEM) == 3:
        return Finding("current", shown(customer))
    raise NotFoundOut(f"adding 3 to 5 gave {counted} on the outstanding invoice")


def decline(visit: Visit) -> Wait:
    customer = visit.new(MONTHLY)
    visit.edit(pays=True, more={"ccZip": visit.declining_zip})
    when = visit.bill_soon(customer)
    visit.memory["ends"] = (when + _LONGEST).isoformat()
    return Wait(when + _LOOK)


def dunning(visit: Visit) -> Finding | Wait:
    """Wait until the subscription is canceled, then return the pauses between the payment attempts."""
    customer, now = visit.get(), visit.server_time()
    if len(customer.paid) > 1:
        raise NotFoundOut(f"with the zip {visit.declining_zip} the charge was not declined")
    if not customer.is_canceled:
        if now.isoformat() > visit.memory["ends"]:
            raise NotFoundOut(f"the subscription was not canceled within {_LONGEST.days} days")
        return Wait(now + _LOOK, again=True)
    tried = [
        invoice for invoice in customer.invoices if any(not made.is_approved for made in invoice.payments)
    ]
    if not tried:
        raise NotFoundOut("the document shows no declined transaction")
    times = [made.at for made in tried[0].payments if not made.is_approved]
    pauses = [_hours(later - earlier) for earlier, later in pairwise(times)]
    return Finding(pauses, shown(tried[0]))


def _hours(pause: timedelta) -> str:
    """Return a pause as text, such as `2d` or `3h`. Hours are rounded, because billing may run hourly."""
    hours = round(pause / timedelta(hours=1))
    return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"


def _outstanding(customer: Customer) -> Invoice:
    """Return the customer's oldest invoice, which couldn't be paid."""
    return customer.invoices[-1]


_TIME = frozenset({Need.TIME})
PROBES = (
    Probe("removed_below_zero", (removed_below_zero,)),
    Probe("waived_by", (owe, waived_by), _TIME),
    Probe("added_to_outstanding", (owe, added_to_outstanding), _TIME),
    Probe("dunning", (decline, dunning), frozenset({Need.DECLINES, Need.TIME})),
)
