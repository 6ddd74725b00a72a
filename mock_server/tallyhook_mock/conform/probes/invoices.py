"""Probes that examine taxes, credits, voids, and invoices whose payment is declined."""

from decimal import Decimal

from tallyhook_mock.conform.account import Customer, Invoice
from tallyhook_mock.conform.plans import FREE, MONTHLY
from tallyhook_mock.conform.probe import Finding, Need, NotFoundOut, Probe, Visit, shown

__all__ = ["PROBES"]


def charges(*amounts: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for number, amount in enumerate(amounts):
        fields |= {
            f"charges[{number}][chargeCode]": f"conform-{number}",
            f"charges[{number}][quantity]": "1",
            f"charges[{number}][eachAmount]": amount,
        }
    return fields


def tax_rounding(visit: Visit) -> Finding:
    """Bill three charges of 0.06 with ten percent tax.

    Before rounding, the tax is 0.018 if it is calculated for the whole invoice, or 0.006 for each line.
    """
    visit.new(FREE, more={"taxRate": "0.1", "isTaxExempt": "0"})
    customer = visit.on("invoices/new", more=charges("0.06", "0.06", "0.06")).customer
    billed = _one_time(customer)
    values = {Decimal("0.20"): "invoice", Decimal("0.21"): "line"}
    if billed.collected not in values:
        raise NotFoundOut(f"3 × 0.06 with ten percent tax came to {billed.collected}")
    return Finding(values[billed.collected], shown(billed))


def one_time_excess(visit: Visit) -> Finding:
    visit.new(FREE)
    customer = visit.on("invoices/new", more=charges("4.00", "-10.00")).customer
    amounts = [charge.amount for charge in customer.pending.credits]
    if amounts not in ([], [-6]):
        raise NotFoundOut(f"of an excess of 6.00, {', '.join(map(str, amounts))} was carried forward")
    return Finding("carried" if amounts else "lost", shown(customer.pending))


def void_with_amount(visit: Visit) -> Finding:
    customer = visit.new(MONTHLY)
    number = customer.paid[0].number
    answer = visit.attempt("invoices/void", {"number": number, "amount": "5.00"})
    if answer.is_refusal_of("amount"):
        return Finding("refused", shown(answer))
    if not answer.is_success:
        raise NotFoundOut(f"the void was refused for another reason: {answer.error}")
    invoice = next(each for each in answer.customer.invoices if each.number == number)
    values = {Decimal(295): "refund", Decimal(0): "ignored"}
    if invoice.collected not in values:
        raise NotFoundOut(f"{invoice.collected} of 300.00 is left")
    return Finding(values[invoice.collected], shown(invoice))


def declined_one_time(visit: Visit) -> Finding:
    """Find out whether a declined one-time invoice remains outstanding or is dropped."""
    _decline(visit, "4.00")
    run = visit.attempt("customers/run-outstanding", {"code": visit.code()})
    values = {404: "dropped", 422: "outstanding"}
    if run.status not in values:
        raise NotFoundOut(f"running the invoice was neither declined nor a 404: {run.error or run.text}")
    return Finding(values[run.status], shown(run))


def several_outstanding(visit: Visit) -> Finding:
    """Find out which of two outstanding invoices is run when the customer gets a valid card."""
    _decline(visit, "4.00", "5.00")
    customer = visit.edit(pays=True).customer
    paid = [invoice for invoice in customer.invoices if invoice.collected]
    values = {Decimal(4): "oldest", Decimal(5): "newest"}
    if len(paid) != 1 or paid[0].collected not in values:
        raise NotFoundOut(_dropped(visit, customer) or "the new card did not run one of the two invoices")
    return Finding(values[paid[0].collected], shown(customer))


def new_address_while_declined(visit: Visit) -> Finding:
    """After a decline, change only the zip code to one that the gateway simulator accepts."""
    _decline(visit, "4.00")
    customer = visit.edit(more={"ccZip": "90210"}).customer
    if paid := [invoice for invoice in customer.paid if invoice.collected]:
        return Finding("runs", shown(paid[0]))
    if reason := _dropped(visit, customer):
        raise NotFoundOut(reason)
    return Finding("nothing", shown(customer))


def _decline(visit: Visit, *amounts: str) -> None:
    """Create a one-time invoice for each amount. Raises NotFoundOut unless every charge is declined."""
    visit.new(FREE)
    visit.edit(pays=True, more={"ccZip": visit.declining_zip})
    for amount in amounts:
        answer = visit.attempt("invoices/new", {"code": visit.code(), **charges(amount)})
        if answer.is_success:
            raise NotFoundOut(f"with the zip {visit.declining_zip} the charge was not declined")


def _dropped(visit: Visit, customer: Customer) -> str:
    """Try to run the outstanding invoice.

    Returns an empty string. If there is no outstanding invoice, returns the reason why the probe is
    inconclusive instead.
    """
    run = visit.attempt("customers/run-outstanding", {"code": customer.code})
    return (
        "it makes no difference: a one-time invoice that is declined is dropped" if run.status == 404 else ""
    )


def _one_time(customer: Customer) -> Invoice:
    for invoice in customer.invoices:
        if invoice.type == "one-time":
            return invoice
    raise NotFoundOut("there is no one-time invoice")


_DECLINES = frozenset({Need.DECLINES})
PROBES = (
    Probe("tax_rounding", (tax_rounding,)),
    Probe("one_time_excess", (one_time_excess,)),
    Probe("void_with_amount", (void_with_amount,)),
    Probe("declined_one_time", (declined_one_time,), _DECLINES),
    Probe("several_outstanding", (several_outstanding,), _DECLINES),
    Probe("new_address_while_declined", (new_address_while_declined,), _DECLINES),
)
