"""How a customer pays: a card, a token of the gateway, or PayPal, checked in the documented order."""

import re
from calendar import monthrange
from datetime import date, datetime

from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar import validators
from tallyhook_mock.systems.cheddar.customers import Customer, PaymentMethod
from tallyhook_mock.systems.cheddar.gateway import failure
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.request import Parameters
from tallyhook_mock.systems.cheddar.xml_documents import CARD_DETAILS

__all__ = ["card_type", "is_given", "read_payment"]

# Cheddar's names of the card types, with the numbers that each issues.
_INSTITUTES = {
    "visa": (re.compile(r"4"), (13, 16, 19)),
    "mc": (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    "amex": (re.compile(r"3[47]"), (15,)),
    "disc": (re.compile(r"6011|65|64[4-9]"), (16, 19)),
    "diners": (re.compile(r"30[0-5]|3[689]"), (14,)),
    "jcb": (re.compile(r"35"), (16,)),
}
_EXPIRATION = re.compile(r"(0[1-9]|1[0-2])/(\d{4})", re.ASCII)
_CODE = re.compile(r"\d{3,4}", re.ASCII)
_DOUBLED = str.maketrans("0123456789", "0246813579")
_GIVEN_BY = ("ccNumber", "ccExpiration", "ccCardCode", "gatewayToken")


def is_given(parameters: Parameters, known: PaymentMethod | None = None) -> bool:
    """Whether a call brings a payment method at all, or says anything of the card that is known."""
    names = (*_GIVEN_BY, *CARD_DETAILS) if known is not None and known.method == "cc" else _GIVEN_BY
    return parameters.text("method") == "paypal" or any(parameters.text(name) for name in names)


def read_payment(
    parameters: Parameters,
    product: Product,
    ids: Ids,
    at: datetime,
    *,
    token: str = "",
    customer: Customer | None = None,
) -> PaymentMethod:
    """The payment method of a call, with the first wrong field refused.

    What an edit does not mention stays as it was, the card itself too (inferred: of the known clients one
    sends only what it changed, and another no names when PayPal is to be asked again).

    Args:
        parameters: the level of the subscription's fields.
        token: a gateway token that stands among the customer's fields.
        customer: the existing customer, in whose document a refusal by the gateway is embedded.
    """
    known = customer.subscription.payment if customer else None
    method = validators.choice(parameters, "method", ("cc", "paypal"), "cc")
    names = ["ccFirstName", "ccLastName"]
    if product.requires_zip and method == "cc":
        names.append("ccZip")
    details = {
        name: _detail(parameters, name, known) or validators.required(parameters, name) for name in names
    }
    expires: date | None = None
    institute, first_six, last_four = "", "", ""
    token = validators.text(parameters, "gatewayToken") or token
    if method == "paypal":
        details |= {name: validators.required(parameters, name, 2000) for name in ("returnUrl", "cancelUrl")}
    elif token:
        # The card stands at the gateway; what is said of it here is for display.
        institute = validators.choice(parameters, "ccType", _INSTITUTES)
        last_four = validators.text(parameters, "ccLastFour", 4)
        expires = _expiration(parameters) if parameters.text("ccExpiration") else None
    elif known is not None and known.method == "cc" and not parameters.text("ccNumber"):
        institute, first_six, last_four = known.card_type, known.first_six, known.last_four
        token = known.gateway_token
        expires = _expiration(parameters) if parameters.text("ccExpiration") else known.expires
    else:
        number = _number(parameters)
        institute, first_six, last_four = card_type(number), number[:6], number[-4:]
        expires = _expiration(parameters)
        code = validators.text(parameters, "ccCardCode", 4)
        if product.requires_card_code or code:
            validators.required(parameters, "ccCardCode")
            if not _CODE.fullmatch(code):
                raise parameters.invalid("ccCardCode", "invalid", "The card code has three or four digits")
    details |= {name: _detail(parameters, name, known) for name in CARD_DETAILS if name not in details}
    details["ccEmail"] = validators.email(parameters, "ccEmail") or _detail(parameters, "ccEmail", known)
    if expires is not None and expires < at.date():
        raise failure("5002", customer)
    return PaymentMethod(
        ids.next(), method, at, details, institute, first_six, last_four, expires, token or "SIMULATED"
    )


def _detail(parameters: Parameters, name: str, known: PaymentMethod | None) -> str:
    """A name or a part of the address: what the call says, or else what is known."""
    if name in parameters:
        return validators.text(parameters, name)
    return known.details.get(name, "") if known else ""


def card_type(number: str) -> str:
    """`visa`, `mc`, `amex`, `disc`, `diners` or `jcb`; empty for a number that nobody issues."""
    return next((name for name, (prefix, _) in _INSTITUTES.items() if prefix.match(number)), "")


def _number(parameters: Parameters) -> str:
    """A card number that its institute could have issued; spaces and dashes in it are ignored."""
    number = re.sub(r"[ -]", "", validators.required(parameters, "ccNumber"))
    shown = _masked(number)
    if not (number.isascii() and number.isdigit()):
        raise parameters.invalid("ccNumber", "content", f"{shown} must contain only digits")
    institute = card_type(number)
    if not institute:
        raise parameters.invalid("ccNumber", "prefix", f"{shown} is not from an allowed institute")
    if len(number) not in _INSTITUTES[institute][1]:
        raise parameters.invalid("ccNumber", "length", f"{shown} contains an invalid amount of digits")
    if not _passes_luhn(number):
        raise parameters.invalid("ccNumber", "checksum", f"{shown} seems to contain an invalid checksum")
    return number


def _masked(number: str) -> str:
    """What can be a whole card number is shown by its last four digits only."""
    return validators.quoted(number if len(number) < 12 else "*" * min(len(number) - 4, 15) + number[-4:])


def _passes_luhn(number: str) -> bool:
    # Twice a digit, and the sum of that number's digits: 7, 14, 5.
    doubled = number[-2::-2].translate(_DOUBLED)
    return sum(map(int, number[-1::-2] + doubled)) % 10 == 0


def _expiration(parameters: Parameters) -> date:
    """The last day of the month that `MM/YYYY` names."""
    value = validators.required(parameters, "ccExpiration")
    match = _EXPIRATION.fullmatch(value)
    if match is None or not date.min.year <= int(match[2]):
        message = f"{validators.quoted(value)} is not a valid date in format MM/YYYY"
        raise parameters.invalid("ccExpiration", "dateInvalid", message)
    month, year = int(match[1]), int(match[2])
    return date(year, month, monthrange(year, month)[1])
