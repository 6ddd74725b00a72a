"""The handlers of the calls under `/invoices`, and functions that read charges and credits from a call."""

from tallyhook_mock.systems.cheddar import billing, payments, validators
from tallyhook_mock.systems.cheddar.charges import NewCharge, one_time_invoice
from tallyhook_mock.systems.cheddar.products import CHARGE_CODE_LENGTH
from tallyhook_mock.systems.cheddar.refusal import invalid
from tallyhook_mock.systems.cheddar.request import Call, Parameters

__all__ = ["new", "refund", "run", "send_email", "void", "void_or_refund", "waive"]


def new(call: Call) -> str:
    """Create a one-time invoice with the charges in the call, and execute it at once."""
    customer = call.customer()
    charges = read_charges(call.parameters)
    if not charges:
        raise invalid("charges[0][chargeCode]", "isEmpty", "A value is required")
    one_time_invoice(call.state, customer, charges, call.at)
    return call.answer(customer)


def refund(call: Call) -> str:
    """Refund the `amount` in the call. If the call has no amount, refund everything that was paid."""
    invoice = call.invoice()
    amount = None
    if call.parameters.text("amount"):
        amount = validators.positive(call.parameters, "amount", validators.amount(call.parameters, "amount"))
    payments.refund(call.state, invoice, amount, call.at)
    return call.answer(invoice.subscription.customer)


def void(call: Call) -> str:
    """Undo the payment of an invoice.

    The PHP client sends an `amount` with this call. It is not known how Cheddar handles the amount, so the
    setting `void_with_amount` decides.
    """
    invoice = call.invoice()
    if call.parameters.text("amount"):
        rule = call.product.rules.void_with_amount
        if rule == "refused":
            message = "A void is for the whole amount"
            raise call.parameters.invalid("amount", "notAllowed", message)
        if rule == "refund":
            return refund(call)
    payments.void(call.state, invoice, call.at)
    return call.answer(invoice.subscription.customer)


def void_or_refund(call: Call) -> str:
    invoice = call.invoice()
    payments.void_or_refund(call.state, invoice, call.at)
    return call.answer(invoice.subscription.customer)


def waive(call: Call) -> str:
    """Offset all charges of an outstanding invoice with credits, so that its total is 0.00 (staff 2014)."""
    invoice = call.invoice()
    billing.waive(call.state, invoice, call.at)
    return call.answer(invoice.subscription.customer)


def run(call: Call) -> str:
    """Run the outstanding invoice that the call names by number (staff 2014)."""
    invoice = call.invoice()
    billing.run_invoice(call.state, invoice, call.at)
    return call.answer(invoice.subscription.customer)


def send_email(call: Call) -> str:
    """Put the customer's email address on the timeline. The mock doesn't email the invoice."""
    invoice = call.invoice()
    customer = invoice.subscription.customer
    call.state.emit("email", call.at, customer, invoice=invoice, note=customer.details.get("email", ""))
    return call.answer(customer)


def read_charge(parameters: Parameters) -> NewCharge:
    """Read one charge. If its amount is negative, it is a credit."""
    return NewCharge(
        validators.required(parameters, "chargeCode", CHARGE_CODE_LENGTH),
        validators.count(parameters, "quantity"),
        validators.amount(parameters, "eachAmount"),
        validators.text(parameters, "description"),
    )


def read_charges(parameters: Parameters) -> list[NewCharge]:
    """Read all charges from `charges[k][…]`, in the order in which they were sent."""
    return [read_charge(entry) for entry in parameters.levels("charges")]
