"""The simulated payment gateway, which validates and charges cards."""

from tallyhook_mock.systems.cheddar.model import Customer, PaymentMethod
from tallyhook_mock.systems.cheddar.refusal import Refusal

__all__ = ["APPROVED", "DECLINED", "FAILURES", "accepts", "always_declines", "failure", "validate"]

APPROVED = "SIMULATED approved payment"  # recorded
DECLINED = "SIMULATED declined payment"  # inferred

_UNEXPECTED = (500, "An unexpected error occured.  Please try again later.")

# auxCode -> (status, message), misspellings included: clients match on them.
FAILURES = {
    "1000": _UNEXPECTED,
    "1001": (400, "The record already exists"),
    "1002": _UNEXPECTED,
    "1003": _UNEXPECTED,
    "2000": (401, "The local gateway configuration is incompatible"),
    "2001": (401, "The configuration at the gateway is incompatible"),
    "2002": (401, "Authentication to the gateway failed"),
    "2003": (401, "The gateway has denied access"),
    "3000": (502, "The response from the gateway was not recognized"),
    "4000": (502, "The connection to the gateway failed.  Please try again later."),
    "5000": (422, "There was an error processing the transaction"),
    "5001": (422, "Credit card number is invalid"),
    "5002": (422, "Expiration date is invalid"),
    "5003": (422, "Credit card type is not accepted"),
    "6000": (422, "The transaction was declined"),
    "6001": (422, "The transaction was declined due to AVS mismatch"),
    "6002": (422, "The transaction was declined due to card code verification failure"),
    "7000": (422, "The transaction failed for an unknown reason"),
}


def failure(aux_code: str, customer: Customer | None = None) -> Refusal:
    """Return the refusal for an `aux_code`.

    If `customer` is given, the answer is that customer's document with the error in it.

    Standing: documented.
    """
    status, message = FAILURES[aux_code]
    return Refusal(status, message, aux_code, customer=customer)


def validate(payment: PaymentMethod | None, customer: Customer | None = None) -> None:
    """Check a payment method that is about to be stored. Raises a Refusal if the gateway rejects it.

    A `ccZip` that consists of `0` and an auxCode, such as `05001`, simulates the failure with that code. If
    `customer` is given, the answer is that customer's document with the error in it, and the edit is not
    applied (inferred).
    """
    zip_code = payment.details.get("ccZip", "") if payment else ""
    if zip_code[:1] == "0" and zip_code[1:] in FAILURES:
        raise failure(zip_code[1:], customer)


def accepts(customer: Customer) -> bool:
    """Return whether the gateway accepts a customer's next charge. This uses up a planned decline, if any."""
    if always_declines(customer):
        return False
    if customer.declines > 0:
        customer.declines -= 1
        return False
    return True


def always_declines(customer: Customer) -> bool:
    """Return whether the gateway declines every charge of a customer's payment method.

    Cheddar's simulator can fail when an invoice is run (documented). It is not known how to trigger this
    failure, so in the mock a `ccZip` that the catalogue chooses triggers it.
    """
    zip_code, payment = customer.product.declining_zip, customer.subscription.payment
    return bool(zip_code) and payment is not None and payment.details.get("ccZip") == zip_code
