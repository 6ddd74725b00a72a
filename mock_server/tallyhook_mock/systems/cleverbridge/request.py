"""The parameters of a call: read liberally, complained about exactly.

Names are read in any case, numbers and booleans also as texts, null as left out, and what is unknown is
skipped. Which of that Cleverbridge does is not documented (inferred).
"""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from tallyhook_mock.systems.cleverbridge.model import Refusal

__all__ = ["Fields", "read_body", "read_query"]

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MOST_PARAMETERS = 100
_LONGEST = 255
_LIMIT = 10**10  # of all numbers

E = TypeVar("E", bound=StrEnum)


class Fields:
    """The values under one heading, `place`; every reading method raises a `Refusal`."""

    def __init__(self, values: Mapping[str, object], place: str = "") -> None:
        self._values = {name.lower(): value for name, value in values.items() if value is not None}
        self._place = place

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """Required, and not empty, if there is no default."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a text is expected")
        if not value and default is None:
            raise self._missing(name)
        if len(value) > _LONGEST or not value.isprintable():
            raise self._wrong(name, f"a text of up to {_LONGEST} printable characters is expected")
        return value

    def whole(self, name: str) -> int:
        number = self._number(name)
        if number is None or number != number.to_integral_value():
            raise self._wrong(name, "a whole number is expected")
        return int(number)

    def amount(self, name: str) -> Decimal:
        """Of money, from 0 up, with two decimals at most."""
        number = self._number(name)
        if number is None or number < 0 or number != round(number, 2):
            raise self._wrong(name, "an amount from 0 up with two decimals at most is expected")
        return number or Decimal(0)  # there is a -0, and one of a billion decimals

    def flag(self, name: str, default: bool) -> bool:
        value = self._value(name, default)
        flag = _FLAGS.get(str(value).strip().lower()) if isinstance(value, (bool, int, str)) else None
        if flag is None:
            raise self._wrong(name, "true or false is expected")
        return flag

    def choice(self, name: str, choices: type[E], default: E) -> E:
        """One of an enumeration, by its name in any case or by its number from 0."""
        value = self._value(name, default)
        listed = list(choices)
        if isinstance(value, (int, str)) and not isinstance(value, bool):
            written = str(value).strip().lower()
            for number, choice in enumerate(listed):
                if written in (choice.value, str(number)):
                    return choice
        known = ", ".join(f"{choice.value} ({number})" for number, choice in enumerate(listed))
        raise self._wrong(name, f"one of {known} is expected")

    def below(self, name: str) -> "Fields":
        """The fields under a heading; none of them if it is left out."""
        value = self._value(name, {})
        if not isinstance(value, Mapping):
            raise self._wrong(name, "an object is expected")
        return Fields(value, self._full(name))

    def _number(self, name: str) -> Decimal | None:
        """None for what is no number, or far out."""
        value = self._value(name, None)
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            return None
        if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
            return None
        number = Decimal(value)
        return number if -_LIMIT < number < _LIMIT else None

    def _value(self, name: str, default: object) -> object:
        value = self._values.get(name.lower(), default)
        if value is None:
            raise self._missing(name)
        return value

    def _missing(self, name: str) -> Refusal:
        return Refusal(400, "ParameterMissing", f"{self._full(name)} is required")

    def _wrong(self, name: str, why: str) -> Refusal:
        shown = repr(self._values.get(name.lower()))
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
        return Refusal(400, "ParameterInvalid", f"{self._full(name)}: {why}, not {shown}")

    def _full(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name


def read_query(query: bytes) -> Fields:
    """The parameters in an address."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise Refusal(400, "RequestInvalid", "The query string has too many parameters") from None
    return Fields(dict(pairs))


def read_body(body: bytes) -> Fields:
    """The parameters in a body."""
    try:
        values = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):  # the last for a number beyond all bounds
        raise Refusal(400, "RequestInvalid", "The body is not JSON") from None
    if not isinstance(values, dict):
        raise Refusal(400, "RequestInvalid", "The body is not a JSON object")
    return Fields(values)
