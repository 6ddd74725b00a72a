"""Probes that find out which values the API's calls accept, and which they refuse."""

from datetime import datetime, timedelta

from tallyhook_mock.conform.plans import FREE, ITEM, MONTHLY, PLANS
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, shown
from tallyhook_mock.core.frequencies import add_months, run_over

__all__ = ["PROBES"]


def past_initial_bill_date(visit: Visit) -> Finding:
    now = visit.server_time()
    past = {"subscription[initialBillDate]": f"{now - timedelta(days=3):%Y-%m-%d}"}
    answer = visit.attempt("customers/new", visit.fields(MONTHLY) | past)
    if answer.is_refusal_of("initialBillDate"):
        return Finding("refused", shown(answer))
    if not answer.is_success or not answer.customer.paid:
        raise NotFoundOut(
            f"the sign-up was neither refused for its date nor billed: {answer.error or 'no paid invoice'}"
        )
    return Finding("billed", shown(answer.customer.paid[0]))


def missing_customer_code(visit: Visit) -> Finding:
    fields = visit.fields(FREE, pays=False)
    del fields["code"]
    answer = visit.attempt("customers/new", fields)
    if answer.is_refusal_of("code"):
        return Finding("refused", shown(answer))
    if not answer.is_success or answer.customer.code != fields["email"]:
        raise NotFoundOut(
            f"the code is not required, and is not the email address: {answer.error or answer.text}"
        )
    return Finding("email", shown(answer))


def fifth_decimal_at_sign_up(visit: Visit) -> Finding:
    begun = {"items[0][itemCode]": ITEM, "items[0][quantity]": "1.23456"}
    answer = visit.attempt("customers/new", visit.fields(FREE, pays=False) | begun)
    if answer.is_refusal_of("quantity"):
        return Finding("refused", shown(answer))
    if not answer.is_success:
        raise NotFoundOut(f"customers/new was refused, but not for the quantity: {answer.error}")
    quantity = answer.customer.quantity(ITEM)
    if str(quantity.normalize()) != "1.2346":
        raise NotFoundOut(f"1.23456 became {quantity}")
    return Finding("rounded", shown(answer))


def delete_all_confirm(visit: Visit) -> Finding:
    """Delete all the product's customers. Raises NotFoundOut if the run didn't create all of them."""
    visit.new(FREE, pays=False)
    others = [each.code for each in visit.account.customers() if not each.code.startswith(visit.prefix)]
    if others:
        raise NotFoundOut(f"delete-all was not tried: the product has other customers ({others[0]})")
    answer = visit.attempt("customers/delete-all/confirm/1", {})
    if answer.is_success and not visit.account.customers():
        return Finding("any", answer.text)
    if answer.is_refusal_of("confirm"):
        return Finding("time", shown(answer))
    raise NotFoundOut(f"delete-all neither deleted the customers nor refused the time: {answer.error}")


def empty_meta_data(visit: Visit) -> Finding:
    visit.new(FREE, pays=False, more={"metaData[colour]": "red"})
    customer = visit.on("customers/edit-customer", more={"metaData[colour]": ""}).customer
    entries = customer.meta_data()
    if entries.get("colour"):
        raise NotFoundOut(f"the entry is still {entries['colour']!r}")
    return Finding("kept" if "colour" in entries else "removed", shown(customer))


def month_end(visit: Visit) -> Finding:
    """Create a plan whose first bill date is the 31st of a month, and see when the second bill is due.

    The plan's document shows both dates for a customer who signs up now.
    """
    now = visit.server_time()
    days = next(
        count
        for count in range(400)
        if (now + timedelta(days=count)).day == 31
        and (now + timedelta(days=count + 1)).month in (2, 4, 6, 9, 11)
    )
    terms = {**PLANS[MONTHLY], "initialBillCount": str(days), "initialBillCountUnit": "days"}
    code = visit.plan("month-end", terms)
    plan = visit.expect("plans/get", {"code": code}).root
    plan = plan if plan.tag == "plan" else plan[0]
    first, second = (
        (plan.findtext(f"{name}InvoiceBillingDatetime") or "")[:10] for name in ("initial", "next")
    )
    shows = f"initialInvoiceBillingDatetime: {first}\nnextInvoiceBillingDatetime: {second}"
    if first[8:] != "31" or not second:
        raise NotFoundOut(f"the plan does not show the two bill dates: {shows}")
    for value, add in (("run-over", run_over), ("last-day", add_months)):
        if f"{add(datetime.fromisoformat(first), 1):%Y-%m-%d}" == second:
            return Finding(value, shows)
    raise NotFoundOut(f"the second bill is due on neither day: {shows}")


PROBES = (
    Probe("past_initial_bill_date", (past_initial_bill_date,)),
    Probe("missing_customer_code", (missing_customer_code,)),
    Probe("fifth_decimal_at_sign_up", (fifth_decimal_at_sign_up,)),
    Probe("delete_all_confirm", (delete_all_confirm,), frozenset({Need.ALONE})),
    Probe("empty_meta_data", (empty_meta_data,)),
    Probe("month_end", (month_end,)),
)
