"""The calls about invoices, and the charges and credits that calls bring."""

from tallyhook_mock.systems.cheddar import billing, payments, validators
from tallyhook_mock.systems.cheddar.billing import NewCharge
from tallyhook_mock.systems.cheddar.products import CHARGE_CODE_LENGTH
from tallyhook_mock.systems.cheddar.refusal import invalid
from tallyhook_mock.systems.cheddar.request import Call, Parameters

__all__ = [
    "new",
    "read_charge",
    "read_charges",
    "refund",
    "send_email",
    "void",
    "void_or_refund",
]


def new(call: Call) -> str:
    """A one-time invoice, executed at once."""
    customer = call.customer()
    charges = read_charges(call.parameters)
    if not charges:
        raise invalid("charges[0][chargeCode]", "isEmpty", "A value is required")
    billing.one_time_invoice(call.state, customer, charges, call.at)
    return call.answer(customer)


def refund(call: Call) -> str:
    """Give back `amount`, or without one all that was paid."""
    invoice = call.invoice()
    amount = None
    if call.parameters.text("amount"):
        amount = validators.positive(call.parameters, "amount", validators.amount(call.parameters, "amount"))
    payments.refund(call.state, invoice, amount, call.at)
    return call.answer(invoice.subscription.customer)


def void(call: Call) -> str:
    invoice = call.invoice()
    payments.void(call.state, invoice, call.at)
    return call.answer(invoice.subscription.customer)


def void_or_refund(call: Call) -> str:
    invoice = call.invoice()
    payments.void_or_refund(call.state, invoice, call.at)
    return call.answer(invoice.subscription.customer)


def send_email(call: Call) -> str:
    """No mail leaves this server: the timeline notes to whom the invoice would have gone."""
    invoice = call.invoice()
    customer = invoice.subscription.customer
    call.state.emit("email", call.at, customer, invoice=invoice, note=customer.details.get("email", ""))
    return call.answer(customer)


def read_charge(parameters: Parameters) -> NewCharge:
    """One charge; a negative amount is a credit."""
    return NewCharge(
        validators.required(parameters, "chargeCode", CHARGE_CODE_LENGTH),
        validators.count(parameters, "quantity"),
        validators.amount(parameters, "eachAmount"),
        validators.text(parameters, "description"),
    )


def read_charges(parameters: Parameters) -> list[NewCharge]:
    """Every charge of `charges[k][…]`, in the order of the call."""
    return [read_charge(entry) for entry in parameters.levels("charges")]
