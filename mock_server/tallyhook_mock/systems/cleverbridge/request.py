"""Reads the parameters of a call, and raises an exact error if one is wrong.

Names are case-insensitive, numbers and booleans may be sent as text, and null is treated as missing
(inferred). Unknown parameters are refused, because a misspelled one would otherwise be ignored silently.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar
from urllib.parse import parse_qsl

from tallyhook_mock.clock import parse_moment
from tallyhook_mock.core.base import Refusal
from tallyhook_mock.systems.cleverbridge.model import malformed

__all__ = ["Fields", "read_body", "read_query"]

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MOST_PARAMETERS = 100
_LONGEST = 255
_LIMIT = 2**63  # every number must be smaller
_INT32 = 2**31 - 1
_INT64 = 2**63 - 1

E = TypeVar("E", bound=StrEnum)


class Fields:
    """The fields of an object in a call. `place` is the object's name in error messages.

    All methods raise Refusal if a required field is missing, or if a value is wrong.
    """

    def __init__(self, values: Mapping[str, object], place: str = "") -> None:
        self._names = {name.lower(): name for name in values}
        self._values = {name.lower(): value for name, value in values.items() if value is not None}
        self._place = place
        self._asked: dict[str, str] = {}  # the parameters that this call takes, in their documented spelling
        self._below: list[Fields] = []

    def __contains__(self, name: str) -> bool:
        self._asked[name.lower()] = name
        return name.lower() in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """Return the text of a field. If `default` is None, the field is required and must not be empty."""
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, "a string is expected")
        if not value and default is None:
            raise self._missing(name)
        if len(value) > _LONGEST or not value.isprintable():
            raise self._wrong(name, f"a string of up to {_LONGEST} printable characters is expected")
        return value

    def whole(self, name: str, *, most: int = _INT32) -> int:
        """Return the whole number in a field, up to `most`. By default it must be an int32 (documented)."""
        number = self._number(name)
        if number is None or number != number.to_integral_value() or not -most - 1 <= number <= most:
            raise self._wrong(name, f"a whole number of up to {most} is expected")
        return int(number)

    def id(self, name: str) -> int:
        """Return the id in a field. It must be an int64 (documented)."""
        return self.whole(name, most=_INT64)

    def wholes(self, name: str) -> tuple[int, ...]:
        """Return the whole numbers in a field. The list must not be empty or contain a number twice."""
        values = self._value(name, None)
        if not isinstance(values, list) or not values:
            raise self._wrong(name, "a list of whole numbers is expected")
        numbers = tuple(Fields({name: value}, self._place).whole(name) for value in values)
        if len(set(numbers)) < len(numbers):
            raise self._wrong(name, "a number is listed twice")
        return numbers

    def moment(self, name: str) -> datetime:
        """Return the date-time in a field. If it has no time zone, it is read as UTC."""
        written = self.text(name)
        try:
            return parse_moment(written)
        except ValueError:
            raise self._wrong(name, "a date-time such as 2026-04-17T00:00:00Z is expected") from None

    def amount(self, name: str) -> Decimal:
        """Return the amount of money in a field. It must be at least 0 and have at most two decimals."""
        number = self._number(name)
        if number is None or number < 0 or number != round(number, 2):
            raise self._wrong(name, "an amount from 0 up with at most two decimals is expected")
        return number or Decimal(0)  # a plain 0, even for -0 or a 0 with a billion decimals

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Return the boolean in a field. If `default` is None, the field is required."""
        value = self._value(name, default)
        flag = _FLAGS.get(str(value).strip().lower()) if isinstance(value, (bool, int, str)) else None
        if flag is None:
            raise self._wrong(name, "true or false is expected")
        return flag

    def choice(self, name: str, choices: type[E], default: E) -> E:
        """Return the member of `choices` in a field: its name in any case, or its number, counted from 0."""
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
        """Return the fields of the nested object `name`. There are none if the object is missing."""
        value = self._value(name, {})
        if not isinstance(value, Mapping):
            raise self._wrong(name, "an object is expected")
        fields = Fields(value, self._full(name))
        self._below.append(fields)
        return fields

    def nothing_else(self) -> None:
        """Raise Refusal if there is a field that hasn't been read by now."""
        for name, written in self._names.items():
            if name not in self._asked:
                known = ", ".join(self._asked.values())
                raise malformed(f"{self._full(written[:60])} is not known here; this call takes {known}")
        for fields in self._below:
            fields.nothing_else()

    def _number(self, name: str) -> Decimal | None:
        """Return the number in a field. None if it isn't a number, or is far too large."""
        value = self._value(name, None)
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            return None
        if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
            return None
        number = Decimal(value)
        return number if -_LIMIT < number < _LIMIT else None

    def _value(self, name: str, default: object) -> object:
        self._asked[name.lower()] = name
        value = self._values.get(name.lower(), default)
        if value is None:
            raise self._missing(name)
        return value

    def _missing(self, name: str) -> Refusal:
        return malformed(f"{self._full(name)} is required")

    def _wrong(self, name: str, why: str) -> Refusal:
        shown = repr(self._values.get(name.lower()))
        shown = shown if len(shown) <= 60 else f"{shown[:60]}…"
        return malformed(f"{self._full(name)}: {why}, not {shown}")

    def _full(self, name: str) -> str:
        return f"{self._place}.{name}" if self._place else name


def _once(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Return the pairs as a mapping. Raises Refusal if a name is given twice, even in different case."""
    found: dict[str, object] = {}
    for name, value in pairs:
        if name.lower() in found:
            raise malformed(f"{name[:60]} is there twice")
        found[name.lower()] = value
    return dict(pairs)


def read_query(query: bytes) -> Fields:
    """Return the parameters in a query string. Raises Refusal if there are too many or one is repeated."""
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise malformed("The query string has too many parameters") from None
    return Fields(_once(pairs))


def read_body(body: bytes) -> Fields:
    """Return the parameters in a body. Raises Refusal if the body is not a JSON object."""
    try:
        values = json.loads(body, parse_float=Decimal, object_pairs_hook=_once)
    except Refusal:
        raise
    except (ValueError, RecursionError, ArithmeticError):  # ArithmeticError: a number is far too large
        raise malformed("The body is not JSON") from None
    if not isinstance(values, dict):
        raise malformed("The body is not a JSON object")
    return Fields(values)
