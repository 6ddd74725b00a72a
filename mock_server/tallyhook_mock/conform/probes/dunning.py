"""The probe that finds out the pauses between attempts to collect a declined invoice."""

from datetime import timedelta
from itertools import pairwise

from tallyhook_mock.conform.plans import MONTHLY
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, Wait, shown

__all__ = ["PROBES"]

_LOOK = timedelta(hours=12)
_LONGEST = timedelta(days=40)


def begin(visit: Visit) -> Wait:
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


PROBES = (Probe("dunning", (begin, dunning), frozenset({Need.DECLINES, Need.TIME})),)
