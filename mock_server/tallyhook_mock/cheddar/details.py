"""The fields of a customer: names, addresses, taxes, where they came from, and metadata."""

import json
from collections.abc import Callable
from datetime import tzinfo
from decimal import Decimal

from tallyhook_mock.cheddar import fields
from tallyhook_mock.cheddar.documents import moment_text
from tallyhook_mock.cheddar.parameters import Parameters
from tallyhook_mock.engine.cheddar.accounts import code_in_use
from tallyhook_mock.engine.record import Record

__all__ = ["Details", "read_details"]

_LONGEST = {
    "company": 60,
    "notes": 255,
    "referer": 2000,
    "campaignTerm": 255,
    "campaignName": 255,
    "campaignSource": 255,
    "campaignMedium": 255,
    "campaignContent": 255,
    "gatewayToken": 255,
}
_MOST_META_DATA = 100
_LONGEST_META_DATUM = 2000


class Details(Record, frozen=True):
    """What a call says of a customer; what it does not mention is not in `values`, or None."""

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
    """Read a customer's fields, the first wrong one refused.

    A new customer has names, a code and an email; an edit leaves out what stays, and can't empty these.
    A code for which `is_taken` is refused in its turn, before what comes after it.
    """
    values: dict[str, str] = {}
    for name in ("firstName", "lastName"):
        if is_new or name in parameters:
            values[name] = fields.required(parameters, name, 40 if is_new else 20)
    code = ""
    if is_new and takes_email_as_code and not parameters.text("code"):
        code = parameters.text("email")
    elif is_new or "code" in parameters:
        code = fields.required(parameters, "code")
    if code and is_taken(code):
        raise parameters.renamed(code_in_use(code))
    if is_new or "email" in parameters:
        fields.required(parameters, "email")
        values["email"] = fields.email(parameters, "email")
    for name, longest in _LONGEST.items():
        if name in parameters:
            values[name] = fields.text(parameters, name, longest)
    for name in ("vatNumber", "taxNumber"):  # one value; the older name counts less
        if name in parameters:
            values["taxNumber"] = fields.text(parameters, name, 32)
    if "firstContactDatetime" in parameters:
        values["firstContactDatetime"] = moment_text(fields.moment(parameters, "firstContactDatetime", zone))
    exempt = fields.flag(parameters, "isTaxExempt")
    if exempt is None:
        exempt = fields.flag(parameters, "isVatExempt")
    return Details(code, values, _meta_data(parameters), fields.rate(parameters, "taxRate"), exempt)


def _meta_data(parameters: Parameters) -> dict[str, str]:
    entries = parameters.level("metaData")
    if len(entries.values) > _MOST_META_DATA:
        message = f"There are more than {_MOST_META_DATA} entries"
        raise parameters.invalid("metaData", "tooMany", message)
    return {name: _meta_datum(entries, name) for name in entries.values}


def _meta_datum(entries: Parameters, name: str) -> str:
    """A value; a nested one is kept as JSON text (documented)."""
    value = entries.values[name]
    if not isinstance(value, Parameters):
        return fields.text(entries, name, _LONGEST_META_DATUM)
    written = json.dumps(value.plain(), ensure_ascii=False, separators=(",", ":"))
    if len(written) > _LONGEST_META_DATUM:
        raise entries.invalid(
            name, "stringLengthTooLong", f"It is more than {_LONGEST_META_DATUM} characters long"
        )
    return written
