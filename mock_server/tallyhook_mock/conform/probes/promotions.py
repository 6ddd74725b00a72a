"""Probes that examine promotions. They redeem one of the product's coupons."""

from datetime import timedelta

from tallyhook_mock.conform.account import Charge, Customer
from tallyhook_mock.conform.plans import MONTHLY, SETUP
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, shown

__all__ = ["PROBES"]


def _redeemed(visit: Visit, plan: str, suffix: str = "", **more: str) -> Customer:
    coupon = {"subscription[couponCode]": visit.coupon().code}
    return visit.new(plan, suffix, more=coupon | more)


def _part(visit: Visit, charge: Charge, whole: int) -> bool:
    """Return whether the credit `charge` is the promotion's percentage of `whole`."""
    return -charge.amount == whole * visit.coupon().percentage / 100


def promotion_scope(visit: Visit) -> Finding:
    """Sign up for a plan that bills 300.00 for a month and 50.00 for setup, and see what is discounted."""
    customer = _redeemed(visit, SETUP)
    off = [credit for invoice in customer.paid for credit in invoice.credits]
    if not any(_part(visit, credit, 300) for credit in off):
        raise NotFoundOut("the recurring charge was not discounted")
    found = any(_part(visit, credit, 50) for credit in off)
    if len(off) != 1 + found:
        raise NotFoundOut("the setup charge was discounted by another percentage")
    return Finding("all" if found else "recurring", shown(customer.paid[0]))


def promotion_credit_code(visit: Visit) -> Finding:
    invoice = _redeemed(visit, MONTHLY).paid[0]
    credit = next((each for each in invoice.credits if _part(visit, each, 300)), None)
    if credit is None:
        raise NotFoundOut("the recurring charge was not discounted")
    for code, value in ((visit.coupon().code, "coupon"), (_recurring(invoice.charges), "charge")):
        if credit.code == code:
            return Finding(value, shown(invoice))
    raise NotFoundOut(f"the credit has the code {credit.code!r}")


def promotion_base(visit: Visit) -> Finding:
    """Bill a charge of 200.00 and a credit of 100.00 with the same code, and see what is discounted."""
    code = {f"charges[{number}][chargeCode]": "conform-base" for number in range(2)}
    quantity = {f"charges[{number}][quantity]": "1" for number in range(2)}
    amount = {"charges[0][eachAmount]": "200.00", "charges[1][eachAmount]": "-100.00"}
    invoice = _redeemed(visit, MONTHLY, **code, **quantity, **amount).paid[0]
    for whole, value in ((100, "left"), (200, "charges")):
        if any(_part(visit, each, whole) for each in invoice.credits if each.amount != -100):
            return Finding(value, shown(invoice))
    raise NotFoundOut("it makes no difference: charges that are not recurring are not discounted")


def promotion_months_from(visit: Visit) -> Finding:
    """Set a first bill date that is more than the promotion's number of months after the sign-up.

    The invoice has the promotion's credit only if the months are counted from the first bill.
    """
    months = visit.coupon().months
    if months is None:
        raise NotFoundOut(f"the promotion of {visit.coupon().code} has no end: create one for one month")
    control = _redeemed(visit, MONTHLY, "control", **_first_bill(visit, timedelta(days=2))).pending
    if not any(_part(visit, each, 300) for each in control.credits):
        raise NotFoundOut("a pending invoice does not show its promotion")
    late = _first_bill(visit, timedelta(days=31 * months + 10))
    pending = _redeemed(visit, MONTHLY, **late).pending
    found = any(_part(visit, each, 300) for each in pending.credits)
    if len(pending.credits) != found:
        raise NotFoundOut("the recurring charge was discounted by another percentage")
    return Finding("first-bill" if found else "redemption", shown(pending))


def _first_bill(visit: Visit, after: timedelta) -> dict[str, str]:
    return {"subscription[initialBillDate]": f"{visit.server_time() + after:%Y-%m-%d}"}


def _recurring(charges: list[Charge]) -> str:
    return next((charge.code for charge in charges if charge.type == "recurring"), "")


_COUPON = frozenset({Need.COUPON})
PROBES = (
    Probe("promotion_scope", (promotion_scope,), _COUPON),
    Probe("promotion_base", (promotion_base,), _COUPON),
    Probe("promotion_credit_code", (promotion_credit_code,), _COUPON),
    Probe("promotion_months_from", (promotion_months_from,), _COUPON),
)
