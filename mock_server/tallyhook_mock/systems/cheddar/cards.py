"""Reads payment methods from calls: a card, a gateway token or PayPal, checked in the documented order."""

import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime

from tallyhook_mock.core.ids import Ids
from tallyhook_mock.systems.cheddar import validators
from tallyhook_mock.systems.cheddar.model import SIMULATED, Customer, PaymentMethod
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.request import Parameters
from tallyhook_mock.systems.cheddar.xml_documents import CARD_DETAILS

__all__ = ["card_type", "is_given", "is_renewed", "read_card_details", "read_payment"]

# Cheddar's names for the card types, with number prefixes and lengths.
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
_GIVEN_BY = ("ccNumber", "ccExpiration", "ccExpMonth", "ccExpYear", "ccCardCode", "gatewayToken")
# The maximum lengths of names and addresses for a new customer and for an edit (documented).
_LONGEST = {
    "ccFirstName": (40, 20),
    "ccLastName": (40, 20),
    "ccCompany": (60, 50),
    "ccCountry": (60, 60),
    "ccAddress": (60, 60),
    "ccCity": (40, 40),
    "ccState": (40, 40),
    "ccZip": (20, 20),
    "ccEmail": (255, 255),
}


def is_renewed(parameters: Parameters) -> bool:
    """Return whether a call has a new payment method: a card's number or expiration, a token, or PayPal."""
    return parameters.text("method") == "paypal" or any(parameters.text(name) for name in _GIVEN_BY)


def is_given(parameters: Parameters, known: PaymentMethod | None = None) -> bool:
    """Return whether a call has a new payment method, or a new name or address for the `known` card."""
    if is_renewed(parameters):
        return True
    return known is not None and known.method == "cc" and any(map(parameters.text, CARD_DETAILS))


def read_card_details(parameters: Parameters, *, is_new: bool) -> dict[str, str]:
    """Read the payer's name and address from a call. They are kept even if the call has no card (client)."""
    return {name: _detail(parameters, name, {}, is_new=is_new) for name in _LONGEST if name in parameters}


def read_payment(
    parameters: Parameters,
    product: Product,
    ids: Ids,
    at: datetime,
    *,
    token: str = "",
    customer: Customer | None = None,
    is_required: bool = False,
) -> PaymentMethod:
    """Read the payment method from a call. Raises a Refusal for the first invalid field.

    If the customer already has a valid card, the call may send any subset of the fields (documented). Fields
    that the call omits, including the card number, keep their values. If the card has expired, a new card
    needs all required fields (documented), but a name or an address can be changed alone (client).

    Args:
        parameters: the level with the subscription's fields.
        token: the gateway token among the customer's fields, or an empty string.
        customer: the existing customer, or None for a new one.
        is_required: whether an expired card must be replaced, even if only a name or an address is given.
    """
    known = customer.subscription.payment if customer else None
    details_known = known.details if known else customer.subscription.card_details if customer else {}
    is_new = customer is None
    method = validators.choice(parameters, "method", ("cc", "paypal"), "cc")
    token = validators.text(parameters, "gatewayToken") or token
    is_expired = known is not None and known.has_expired(at)
    replaces = is_expired and method == "cc" and not token and (is_required or is_renewed(parameters))
    names = ["ccFirstName", "ccLastName"]
    if product.requires_zip and method == "cc":
        names.append("ccZip")
    details = {
        name: _detail(parameters, name, {} if replaces else details_known, is_new=is_new)
        or validators.required(parameters, name)
        for name in names
    }
    expires: date | None = None
    institute, first_six, last_four = "", "", ""
    if method == "paypal":
        if not token:  # the token names a billing agreement, to which the customer has agreed already
            details |= {
                name: validators.required(parameters, name, 2000) for name in ("returnUrl", "cancelUrl")
            }
    elif token:
        # The gateway has the card. These fields are only for display.
        institute = validators.choice(parameters, "ccType", (*_INSTITUTES, "unk"))
        last_four = validators.text(parameters, "ccLastFour", 4)
        expires = _expiration(parameters, None, is_required=False)
    elif known is not None and known.method == "cc" and not replaces and not parameters.text("ccNumber"):
        institute, first_six, last_four = known.card_type, known.first_six, known.last_four
        token = known.gateway_token
        expires = _expiration(parameters, known.expires, is_required=False)
    else:
        number = _number(parameters)
        institute, first_six, last_four = card_type(number), number[:6], number[-4:]
        on_file = known.expires if known is not None and not is_expired else None
        expires = _expiration(parameters, on_file, is_required=on_file is None)
        code = validators.text(parameters, "ccCardCode", 4)
        if product.requires_card_code or code:
            validators.required(parameters, "ccCardCode")
            if not _CODE.fullmatch(code):
                raise parameters.invalid("ccCardCode", "invalid", "The card code has three or four digits")
    if expires is not None and expires < at.date() and is_renewed(parameters):
        message = f"'{expires:%m/%Y}' is not in the future"  # inferred text
        raise parameters.invalid("ccExpiration", "not_future", message)
    details |= {
        name: _detail(parameters, name, details_known, is_new=is_new)
        for name in CARD_DETAILS
        if name not in details
    }
    details["ccEmail"] = validators.email(parameters, "ccEmail") or details_known.get("ccEmail", "")
    return PaymentMethod(
        ids.next(), method, at, details, institute, first_six, last_four, expires, token or SIMULATED
    )


def _detail(parameters: Parameters, name: str, known: Mapping[str, str], *, is_new: bool) -> str:
    """Return one field of the payer's name or address from the call, or else the value in `known`."""
    if name in parameters:
        return validators.text(parameters, name, _LONGEST[name][0 if is_new else 1])
    return known.get(name, "")


def card_type(number: str) -> str:
    """Return a card number's type: `visa`, `mc`, `amex`, `disc`, `diners` or `jcb`.

    Returns an empty string if the number fits none of them.
    """
    return next((name for name, (prefix, _) in _INSTITUTES.items() if prefix.match(number)), "")


def _number(parameters: Parameters) -> str:
    """Read a card number. Raises a Refusal if its type, its length or its check digit is wrong.

    Spaces and dashes are ignored.
    """
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
    """Return a card number for an error message.

    If it has twelve characters or more, only the last four are shown.
    """
    return validators.quoted(number if len(number) < 12 else "*" * min(len(number) - 4, 15) + number[-4:])


def _passes_luhn(number: str) -> bool:
    # `_DOUBLED` maps each digit to the digit sum of its double: 7 becomes 14, whose digit sum is 5.
    doubled = number[-2::-2].translate(_DOUBLED)
    return sum(map(int, number[-1::-2] + doubled)) % 10 == 0


def _expiration(parameters: Parameters, known: date | None, *, is_required: bool) -> date | None:
    """Return the last day of the month in which a card expires, or `known` if the call has no expiration.

    The month is read from `ccExpiration` (MM/YYYY), or from `ccExpMonth` and `ccExpYear` (client). If
    `is_required` is true, a call without an expiration is refused.
    """
    value = parameters.text("ccExpiration")
    month, year = parameters.text("ccExpMonth"), parameters.text("ccExpYear")
    if not value and month and year:
        value = f"{month.zfill(2)}/{year if len(year) > 2 else f'20{year}'}"
    if not value and not is_required:
        return known
    value = value or validators.required(parameters, "ccExpiration")
    match = _EXPIRATION.fullmatch(value)
    if match is None or not date.min.year <= int(match[2]):
        message = f"{validators.quoted(value)} is not a valid date in format MM/YYYY"
        raise parameters.invalid("ccExpiration", "dateInvalid", message)
    number, full_year = int(match[1]), int(match[2])
    return date(full_year, number, monthrange(full_year, number)[1])
