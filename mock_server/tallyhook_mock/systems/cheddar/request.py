"""A call and its parameters. The path, the query string and the form are parsed as PHP parses them.

Parameters from all three are merged, so a caller may use any of them. If a parameter is in more than one, the
form wins over the query string, and the query string over the path (inferred: no source says which of two
contradicting values is used).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.cheddar.model import Customer, Invoice
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid, not_found
from tallyhook_mock.systems.cheddar.state import State
from tallyhook_mock.systems.cheddar.xml_documents import customers_document

__all__ = ["Call", "Handler", "Parameters", "decode", "read"]

MAX_PARAMETERS = 10_000  # an import of a hundred customers with every field has about four thousand
MAX_DEPTH = 6
MAX_NAME = 256

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")
# Characters that XML 1.0 can't contain. If accepted, they would break every document that shows them.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Parameters:
    """One level of nested parameters. Each value is a string or another level.

    Standing: inferred.
    """

    __slots__ = ("_address", "_next_index", "path", "values")

    def __init__(self, path: str = "") -> None:
        self.path = path
        self.values: dict[str, str | Parameters] = {}
        self._next_index = 0
        self._address: dict[str, str | Parameters] = {}  # the parameters of the path and the query string

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def full_name(self, name: str) -> str:
        """Return a parameter's full name as used in requests and errors, such as `subscription[ccNumber]`."""
        return f"{self.path}[{name}]" if self.path else name

    def invalid(self, name: str, reason: str, message: str) -> Refusal:
        """Return a Refusal (412) about a parameter at this level."""
        return invalid(self.full_name(name), reason, message)

    def renamed(self, refusal: Refusal) -> Refusal:
        """Return the refusal with the field's full name in place of its name at this level."""
        field, colon, reason = refusal.aux_code.partition(":")
        return self.invalid(field, reason, refusal.message) if colon else refusal

    def text(self, name: str) -> str:
        """Return a parameter's value without surrounding spaces, or an empty string if it is absent.

        Raises a Refusal (412) if the value is a list.
        """
        value = self.values.get(name, "")
        if isinstance(value, Parameters):
            raise self.invalid(name, "invalid", "A single value is expected")
        return value.strip()

    def whom(self, name: str) -> str:
        """Return the `code` or `id` of the customer that a call is about.

        A value in the path or the query string wins over one in the form, because the form may contain the
        customer's new code (inferred).
        """
        return self.addressed(name) if isinstance(self._address.get(name), str) else self.text(name)

    def addressed(self, name: str) -> str:
        """Return a parameter's value from the path or the query string, or an empty string if absent."""
        value = self._address.get(name)
        return value.strip() if isinstance(value, str) else ""

    def level(self, name: str) -> "Parameters":
        """Return the parameters below a name, such as `planCode` in `subscription[planCode]`.

        Returns an empty level if there are none.
        """
        value = self.values.get(name)
        if isinstance(value, Parameters):
            return value
        if value:
            raise self.invalid(name, "invalid", "A list of values is expected")
        return Parameters(self.full_name(name))

    def texts(self, name: str) -> list[str]:
        """Return every value of a parameter that may be repeated.

        A single value may be sent as `planCode`, several as `planCode[]`.
        """
        value = self.values.get(name)
        if isinstance(value, Parameters):
            return [value.text(key) for key in value.values]
        return [value.strip()] if value is not None else []

    def levels(self, name: str) -> "list[Parameters]":
        """Return the groups of parameters in a list, such as `charges[0][…]` and `charges[extra][…]`."""
        group = self.level(name)
        return [group.level(key) for key in group.values]

    def over(self, other: "Parameters") -> "Parameters":
        """Return this level's parameters, plus those that only `other` has."""
        merged = Parameters(self.path)
        merged.values = {**other.values, **self.values}
        return merged

    def plain(self) -> dict[str, Any]:
        """Return the parameters as nested mappings of strings."""
        return {
            name: value.plain() if isinstance(value, Parameters) else value
            for name, value in self.values.items()
        }

    def set(self, name: str, value: str) -> None:
        """Store a value under a name such as `charges[0][chargeCode]` or `planCode[]`.

        Raises:
            Refusal: 400 for a name that can't be read, 412 for a value that XML can't contain.
        """
        *above, last = keys = _keys(name)
        if not value.isprintable() and _FORBIDDEN.search(value):
            raise invalid(name, "invalidCharacters", "The value contains characters that are not allowed")
        if len(keys) > MAX_DEPTH:
            raise Refusal(400, "A parameter is nested too deeply")
        level = self
        for key in above:
            level = level._descend(key)
        level._store(last, value)

    def _descend(self, key: str) -> "Parameters":
        below = self.values.get(key)
        if below is None:
            key = self._index(key)
            below = self.values[key] = Parameters(self.full_name(key))
        elif not isinstance(below, Parameters):
            raise Refusal(400, f"The parameter '{key}' is both a value and a list")
        return below

    def _store(self, key: str, value: str) -> None:
        key = self._index(key)
        if isinstance(self.values.get(key), Parameters):
            raise Refusal(400, f"The parameter '{key}' is both a value and a list")
        self.values[key] = value

    def _index(self, key: str) -> str:
        """Return `key`, or the next index if `key` is empty, as in `[]`.

        By PHP's rule, the next index is one more than the largest number among the keys.
        """
        if not key:
            key = str(self._next_index)
        if key.isdigit() and key.isascii() and len(key) < 10:
            self._next_index = max(self._next_index, int(key) + 1)
        return key


def read(path: list[bytes], query: bytes, form: bytes) -> Parameters:
    """Return the merged parameters of the path, the query string and the form.

    Args:
        path: the segments after the action, still percent-encoded: name, value, name, value, …
        query: the query string, still percent-encoded.
        form: the form body, still percent-encoded.

    Raises:
        Refusal: 400 or 412 for a parameter that can't be read.

    Standing: client.
    """
    if query.count(b"&") + form.count(b"&") + len(path) > MAX_PARAMETERS:
        raise Refusal(400, "There are too many parameters")
    parameters = Parameters()
    # If the last name in the path has no value, it gets an empty one, as in PHP frameworks.
    for index in range(0, len(path), 2):
        parameters.set(_decode_name(path[index]), decode(path[index + 1]) if index + 1 < len(path) else "")
    _lay(parameters, query)
    parameters._address = parameters.values.copy()
    _lay(parameters, form)
    return parameters


def _lay(parameters: Parameters, encoded: bytes) -> None:
    for pair in encoded.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            parameters.set(_decode_name(name), decode(value))


@lru_cache(1024)  # calls use the same few names
def _keys(name: str) -> tuple[str, ...]:
    """Split a name into its keys. For example, `charges[0][code]` has the keys `charges`, `0` and `code`."""
    match = _NAME.fullmatch(name) if len(name) <= MAX_NAME else None
    if match is None or _FORBIDDEN.search(name):
        raise Refusal(400, "A parameter's name is malformed")
    return (match[1], *_KEY.findall(match[2]))


def _decode_name(encoded: bytes) -> str:
    return _decode_known(encoded) if len(encoded) <= 3 * MAX_NAME else decode(encoded)


def decode(encoded: bytes) -> str:
    """Decode percent-encoded bytes once.

    A `+` becomes a space, even in the path, because PHP clients write spaces like that.

    Raises:
        Refusal: 400 for a broken escape or bytes that aren't UTF-8.
    """
    plain = encoded.replace(b"+", b" ")
    if b"%" in plain:
        if _BROKEN_ESCAPE.search(plain):
            raise Refusal(400, "The request has a broken percent-encoding")
        plain = unquote_to_bytes(plain)
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal(400, "The request is not valid UTF-8") from None


_decode_known = lru_cache(1024)(decode)


class Call(Value, frozen=True):
    """A call of the API, with its product, its parameters and its time.

    Standing: documented.
    """

    state: State
    product: Product
    parameters: Parameters
    at: datetime
    origin: str  # the URL at which the caller reaches this server: `http://HOST:PORT`
    zone: tzinfo = UTC  # the time zone of the caller's dates

    def customer(self) -> Customer:
        """Return the customer that the call names by id, or else by code.

        If the call has an id, a code in the path or query string must be the same customer's.
        """
        if written := self.parameters.whom("id"):
            customer = self.state.customer_by_id(self.product, ids.parse(written))
            if self.parameters.addressed("code") not in ("", customer.code):
                raise not_found("Customer not found")
            return customer
        return self.state.customer(self.product, self.parameters.whom("code"))

    def invoice(self) -> Invoice:
        """Return the invoice that the call names by id, by number or by both.

        If both are given, they must name the same invoice.
        """
        number = self.parameters.text("number")
        if written := self.parameters.text("id"):
            invoice = self.state.invoice_by_id(self.product, ids.parse(written))
            if number and self.invoice_numbered(number) is not invoice:
                raise not_found("Invoice not found")  # inferred text
            return invoice
        if number:
            return self.invoice_numbered(number)
        raise self.parameters.invalid("number", "isEmpty", "A value is required")

    def invoice_numbered(self, number: str) -> Invoice:
        if not (number.isascii() and number.isdigit() and len(number) < 10):
            raise not_found("Invoice not found")  # inferred text
        return self.state.invoice_by_number(self.product, int(number))

    @property
    def is_outstanding(self) -> bool:
        """Whether the call is about the outstanding invoice.

        If not, it is about the current one (documented).
        """
        return self.parameters.text("invoicePeriod") == "outstanding"

    def answer(self, customer: Customer) -> str:
        """Return the customer's document, which answers every call about a customer or an invoice."""
        return customers_document((customer,), self.at)


Handler: TypeAlias = Callable[[Call], str]
