"""Probes that find out how the service bills a plan change."""

from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook_mock.conform.account import Customer, Invoice
from tallyhook_mock.conform.plans import FREE, ITEM, MONTHLY, PRORATED, TRIAL
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, Wait, is_billed, shown

__all__ = ["PROBES"]

_CENTS = Decimal("0.05")  # how far an amount may be from the calculated one


def free_to_paid(visit: Visit) -> Finding:
    """Change from a free plan to a paid plan, and see when the first bill is due.

    The free plan's first bill is due a month after the sign-up, and the paid plan's after ten days.
    """
    begun = visit.new(FREE, pays=False).created
    customer = visit.edit(pays=True, more={"planCode": visit.plan(TRIAL)}).customer
    after = customer.pending.billing_at - begun
    for value, earliest, latest in (("sign-up", 9, 11), ("on-change", 27, 32)):
        if timedelta(days=earliest) < after < timedelta(days=latest):
            return Finding(value, shown(customer.pending))
    raise NotFoundOut(f"the next bill is due {after.days} days after the sign-up")


def prorated_change_in_trial(visit: Visit) -> Finding:
    due = visit.new(TRIAL).pending.billing_at
    customer = visit.edit(more={"planCode": visit.plan(PRORATED)}).customer
    if customer.paid:
        return Finding("bills-now", shown(customer.paid[0]))
    if customer.pending.billing_at != due:
        raise NotFoundOut(f"the first bill was moved from {due} to {customer.pending.billing_at}")
    return Finding("keeps-date", shown(customer.pending))


def proration_base(visit: Visit) -> Finding:
    """Change the plan right after a sign-up that cost 300.00 for the month, less a credit of 100.00."""
    credit = {
        "charges[0][chargeCode]": "conform-credit",
        "charges[0][quantity]": "1",
        "charges[0][eachAmount]": "-100.00",
    }
    visit.new(MONTHLY, more=credit)
    billed, unused = _adjusted(visit.edit(more={"planCode": visit.plan(PRORATED)}).customer)
    # A credit that is calculated by the day may lack one day.
    for value, whole in (("list", 300), ("paid", 200)):
        if whole * 27 / 28 - 1 < unused <= whole:
            return Finding(value, shown(billed))
    raise NotFoundOut(f"the credit for a month of 300.00, of which 200.00 were paid, is {unused}")


def prorated_overage(visit: Visit) -> Finding:
    visit.new(MONTHLY)
    visit.on("customers/set-item-quantity", more={"itemCode": ITEM, "quantity": "5"})
    billed, _ = _adjusted(visit.edit(more={"planCode": visit.plan(PRORATED)}).customer)
    return Finding("billed" if is_billed([billed], ITEM, 5) else "dropped", shown(billed))


def begin_period(visit: Visit) -> Wait:
    customer = visit.new(MONTHLY)
    visit.memory["begun"] = customer.created.isoformat()
    visit.memory["ends"] = customer.pending.billing_at.isoformat()
    return Wait(customer.created + timedelta(hours=12))


def proration_unit(visit: Visit) -> Finding:
    """Change the plan half a day into the period.

    At that time, a credit calculated by the second and one calculated by the day differ by several dollars.
    """
    begun = datetime.fromisoformat(visit.memory["begun"])
    ends = datetime.fromisoformat(visit.memory["ends"])
    customer = visit.edit(more={"planCode": visit.plan(PRORATED)}).customer
    billed, unused = _adjusted(customer)
    left, whole = ends - billed.payments[-1].at, ends - begun
    by_second = 300 * Decimal(left.total_seconds()) / Decimal(whole.total_seconds())
    by_day = Decimal(300 * left.days) / whole.days
    told = f"{unused} for {left} of {whole}; {by_second:.2f} by the second, {by_day:.2f} by the day"
    if abs(by_second - by_day) < 4 * _CENTS:
        raise NotFoundOut(f"the alternatives are too close at this time of day: {told}")
    for value, sum_ in (("second", by_second), ("day", by_day)):
        if abs(unused - sum_) <= _CENTS:
            return Finding(value, shown(billed))
    raise NotFoundOut(f"the credit matches neither alternative: {told}")


def _adjusted(customer: Customer) -> tuple[Invoice, Decimal]:
    """Return the invoice for a prorated plan change, and the amount of the credit for unused time."""
    for invoice in customer.paid:
        credit = -sum(charge.amount for charge in invoice.credits)
        if any(charge.each_amount == 600 for charge in invoice.charges):
            return invoice, Decimal(credit)
    raise NotFoundOut("the change did not bill the new plan")


PROBES = (
    Probe("free_to_paid", (free_to_paid,)),
    Probe("prorated_change_in_trial", (prorated_change_in_trial,)),
    Probe("proration_base", (proration_base,)),
    Probe("prorated_overage", (prorated_overage,)),
    Probe("proration_unit", (begin_period, proration_unit), frozenset({Need.TIME})),
)
