"""Validators for single fields of a call: lengths, formats, and the messages of refusals.

Most functions read one parameter from one level and raise a Refusal (412) if its value is invalid. If the
text of Cheddar's refusal is not known, the text of PHP form validators from the same years is used
(inferred).
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import four_places, quantity_text
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.request import Parameters
from tallyhook_mock.systems.cheddar.signup import code_in_use
from tallyhook_mock.systems.cheddar.xml_documents import moment_text

__all__ = [
    "Details",
    "amount",
    "choice",
    "count",
    "day",
    "email",
    "flag",
    "moment",
    "number",
    "positive",
    "price",
    "quantity",
    "quoted",
    "rate",
    "read_details",
    "required",
    "rounded_quantity",
    "text",
    "whole",
]

_EMAIL = re.compile(r"[^@\s<>\",;]+@[^@\s<>\",;.]+(\.[^@\s<>\",;.]+)+")
_NUMBER = re.compile(r"-?(\d+(\.\d*)?|\.\d+)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# Billing dates are calculated years ahead. Years outside this range are treated as typos.
_YEARS = range(1970, 2201)
_MOST_DIGITS = 10
_QUOTE_AT_MOST = 80


def quoted(value: str) -> str:
    """Return a value in quotes, as a message shows it. A very long value is cut."""
    return f"'{value}'" if len(value) <= _QUOTE_AT_MOST else f"'{value[:_QUOTE_AT_MOST]}…'"


def text(parameters: Parameters, name: str, longest: int = 255) -> str:
    """Read an optional string of at most `longest` characters."""
    value = parameters.text(name)
    if len(value) > longest:
        message = f"{quoted(value)} is more than {longest} characters long"
        raise parameters.invalid(name, "stringLengthTooLong", message)
    return value


def required(parameters: Parameters, name: str, longest: int = 255) -> str:
    """Read a string that must not be empty.

    Standing: client.
    """
    value = text(parameters, name, longest)
    if not value:
        raise parameters.invalid(name, "isEmpty", "A value is required")
    return value


def email(parameters: Parameters, name: str) -> str:
    """Read an optional email address."""
    value = text(parameters, name)
    if value and not _EMAIL.fullmatch(value):
        message = f"{quoted(value)} is not a valid email address in the basic format local-part@hostname"
        raise parameters.invalid(name, "emailAddressInvalid", message)
    return value


def choice(parameters: Parameters, name: str, choices: Iterable[str], default: str = "") -> str:
    """Read one of `choices`. Returns `default` if the parameter is absent or empty."""
    value = parameters.text(name)
    if value and value not in choices:
        raise parameters.invalid(name, "notInArray", f"{quoted(value)} was not found in the haystack")
    return value or default


def flag(parameters: Parameters, name: str) -> bool | None:
    """Read a boolean. Returns None if the parameter is absent or empty."""
    value = choice(parameters, name, ("1", "0", "true", "false"))
    return value in ("1", "true") if value else None


# -- numbers


def number(parameters: Parameters, name: str, places: int | None, default: Decimal | None = None) -> Decimal:
    """Read a decimal number with at most `places` decimals, not counting trailing zeros.

    If `places` is None, any number of decimals is allowed. If there is no `default`, the parameter is
    required.
    """
    if default is not None and not parameters.text(name):
        return default
    value = required(parameters, name)
    if not _NUMBER.fullmatch(value):
        raise parameters.invalid(name, "notNumber", f"{quoted(value)} does not appear to be a number")
    whole_part, _, decimals = value.partition(".")
    if len(whole_part.lstrip("-0")) > _MOST_DIGITS:
        raise parameters.invalid(name, "notBetween", f"{quoted(value)} is too large")
    decimals = decimals.rstrip("0")
    if places is not None and len(decimals) > places:
        message = f"{quoted(value)} has more than {places} decimal places"
        raise parameters.invalid(name, "tooPrecise", message)
    read = Decimal(f"{whole_part}.{decimals or 0}")
    return read if read else Decimal(0)  # never a negative zero


def quantity(parameters: Parameters, name: str, default: Decimal | None = None) -> Decimal:
    """Read an item's quantity: 0 or more, with up to four decimals (documented)."""
    return _not_negative(parameters, name, number(parameters, name, 4, default))


def rounded_quantity(parameters: Parameters, name: str, default: Decimal) -> Decimal:
    """Read a quantity with any number of decimals and round it to four decimals."""
    return four_places(_not_negative(parameters, name, number(parameters, name, None, default)))


def price(parameters: Parameters, name: str, default: Decimal) -> Decimal:
    """Read a price: an amount of money that is 0 or more, with up to two decimals."""
    return _not_negative(parameters, name, amount(parameters, name, default))


def amount(parameters: Parameters, name: str, default: Decimal | None = None) -> Decimal:
    """Read an amount of money, positive or negative, with up to two decimals."""
    return number(parameters, name, 2, default)


def count(parameters: Parameters, name: str) -> Decimal:
    """Read a charge's quantity. It is required and must be a positive whole number."""
    value = number(parameters, name, 4)
    if value != value.to_integral_value():
        raise parameters.invalid(name, "notInt", f"'{quantity_text(value)}' does not appear to be an integer")
    return positive(parameters, name, value).to_integral_value()


def positive(parameters: Parameters, name: str, value: Decimal) -> Decimal:
    """Return `value`. Raises a Refusal about the parameter `name` if the value is not above 0."""
    if value <= 0:
        message = f"'{quantity_text(value)}' is not greater than '0'"
        raise parameters.invalid(name, "notGreaterThan", message)
    return value


def _not_negative(parameters: Parameters, name: str, value: Decimal) -> Decimal:
    if value < 0:
        message = f"'{quantity_text(value)}' is not greater than or equal to '0'"
        raise parameters.invalid(name, "notGreaterThan", message)
    return value


def whole(parameters: Parameters, name: str, largest: int, default: int) -> int:
    """Read a whole number from 0 to `largest`. Returns `default` if the parameter is absent or empty."""
    value = number(parameters, name, 0, Decimal(default))
    if not 0 <= value <= largest:
        message = f"'{quantity_text(value)}' is not between '0' and '{largest}', inclusively"
        raise parameters.invalid(name, "notBetween", message)
    return int(value)


def rate(parameters: Parameters, name: str) -> Decimal | None:
    """Read a tax rate with up to six decimals, as a fraction: 0.055 is 5.5 %. Returns None if it is empty."""
    if not parameters.text(name):
        return None
    value = number(parameters, name, 6)
    if not 0 <= value <= 1:
        message = f"'{quantity_text(value)}' is not between '0' and '1', inclusively"
        raise parameters.invalid(name, "notBetween", message)
    return value


# -- dates


def moment(parameters: Parameters, name: str, zone: tzinfo) -> datetime | None:
    """Read an ISO 8601 date, or a date and time in whole seconds. Returns None if the parameter is empty.

    A value without an offset is read in the caller's time zone (documented).
    """
    value = parameters.text(name)
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise _not_a_date(parameters, name, value) from None
    if read.year not in _YEARS:
        raise _not_a_date(parameters, name, value)
    read = read.replace(microsecond=0)
    return (read.replace(tzinfo=zone) if read.tzinfo is None else read).astimezone(UTC)


def day(parameters: Parameters, name: str) -> date | None:
    """Read a date as YYYY-MM-DD. Returns None if the parameter is empty."""
    value = parameters.text(name)
    if not value:
        return None
    try:
        if _DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _not_a_date(parameters, name, value)


def _not_a_date(parameters: Parameters, name: str, value: str) -> Refusal:
    return parameters.invalid(name, "dateInvalid", f"{quoted(value)} does not appear to be a valid date")


_LONGEST = {
    "company": 60,
    "notes": 255,
    "referer": 255,
    "campaignTerm": 255,
    "campaignName": 255,
    "campaignSource": 255,
    "campaignMedium": 255,
    "campaignContent": 255,
    "gatewayToken": 255,
}
_MOST_META_DATA = 100
_LONGEST_META_DATUM = 2000


class Details(Value, frozen=True):
    """The customer fields of a call. A field that the call omits is None, empty, or missing from `values`."""

    code: str
    values: dict[str, str]
    meta_data: dict[str, str]
    tax_rate: Decimal | None
    is_tax_exempt: bool | None


def read_details(
    parameters: Parameters,
    is_taken: Callable[[str], bool],
    zone: tzinfo,
    *,
    is_new: bool,
    takes_email_as_code: bool = False,
) -> Details:
    """Read a customer's fields. Raises a Refusal for the first invalid field.

    A new customer needs a first name, a last name, a code and an email address. An edit may omit any field,
    but can't empty one of these four. If `is_taken` returns true for the code, the code is refused before
    later fields are checked.

    Standing: documented.
    """
    values: dict[str, str] = {}
    for name in ("firstName", "lastName"):
        if is_new or name in parameters:
            values[name] = required(parameters, name, 40 if is_new else 20)
    code = ""
    if is_new and takes_email_as_code and not parameters.text("code"):
        code = parameters.text("email")
    elif is_new or "code" in parameters:
        code = required(parameters, "code")
    if code and is_taken(code):
        raise parameters.renamed(code_in_use(code))
    if is_new or "email" in parameters:
        required(parameters, "email")
        values["email"] = email(parameters, "email")
    for name, longest in _LONGEST.items():
        if name in parameters:
            values[name] = text(parameters, name, longest)
    for name in ("vatNumber", "taxNumber"):  # two names for one value; the newer name wins
        if name in parameters:
            values["taxNumber"] = text(parameters, name, 32)
    if "firstContactDatetime" in parameters:
        values["firstContactDatetime"] = moment_text(moment(parameters, "firstContactDatetime", zone))
    exempt = flag(parameters, "isTaxExempt")
    if exempt is None:
        exempt = flag(parameters, "isVatExempt")
    return Details(code, values, _meta_data(parameters), rate(parameters, "taxRate"), exempt)


def _meta_data(parameters: Parameters) -> dict[str, str]:
    entries = parameters.level("metaData")
    if len(entries.values) > _MOST_META_DATA:
        message = f"There are more than {_MOST_META_DATA} entries"
        raise parameters.invalid("metaData", "tooMany", message)
    return {name: _meta_datum(entries, name) for name in entries.values}


def _meta_datum(entries: Parameters, name: str) -> str:
    """Return the value of a `metaData` entry. A nested value is kept as JSON text (documented)."""
    value = entries.values[name]
    if not isinstance(value, Parameters):
        return text(entries, name, _LONGEST_META_DATUM)
    written = json.dumps(value.plain(), ensure_ascii=False, separators=(",", ":"))
    if len(written) > _LONGEST_META_DATUM:
        message = f"It is more than {_LONGEST_META_DATUM} characters long"
        raise entries.invalid(name, "stringLengthTooLong", message)
    return written
