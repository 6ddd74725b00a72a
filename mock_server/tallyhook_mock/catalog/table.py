"""One table of a catalogue: its values taken by name and checked, each complaint with its place."""

import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Self

from tallyhook_mock.clock import parse_moment

__all__ = ["MASK", "CatalogError", "Table"]

# What stands for a password or a key where a catalogue is shown.
MASK = "********"

# What XML documents can't carry.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_FLAGS = {"1": True, "0": False, 1: True, 0: False}


class CatalogError(ValueError):
    """A catalogue that can't be used; the message says where it is wrong."""


class Table:
    """The values under one heading. `names` are all that may stand here: another one is a slip of the pen."""

    def __init__(self, values: object, place: str, names: Collection[str]) -> None:
        if not isinstance(values, Mapping):
            raise CatalogError(f"{place or 'the catalogue'}: a table is expected")
        for name in values:
            if name not in names:
                raise CatalogError(f"{_join(place, str(name))}: unknown{_suggestion(str(name), names)}")
        self.place = place
        self._values: Mapping[str, object] = values
        self._names = names

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def wrong(self, name: str, why: str) -> CatalogError:
        """The complaint about a value, to be raised."""
        return CatalogError(f"{_join(self.place, name)}: {why}")

    def text(self, name: str, default: str | None = None, *, most: int = 255) -> str:
        """Required if there is no default, and then not empty."""
        value = self._values.get(name, default)
        if value is None or (value == "" and default is None):
            raise self.wrong(name, "a value is required")
        if not isinstance(value, str):
            raise self.wrong(name, f"{_shown(value)} is not a text")
        if _FORBIDDEN.search(value):
            raise self.wrong(name, "a text can't hold control characters")
        if len(value) > most:
            raise self.wrong(name, f"longer than {most} characters")
        return value

    def password(self, name: str) -> str:
        """A required text; not what stands for one where a catalogue is shown."""
        return self._unmasked(name, self.text(name))

    def passwords(self, name: str) -> tuple[str, ...]:
        """The same of a list."""
        return tuple(self._unmasked(name, value) for value in self.texts(name))

    def _unmasked(self, name: str, value: str) -> str:
        if value == MASK:
            raise self.wrong(name, "this is what stands for a password when a catalogue is shown")
        return value

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        value = self.text(name, default)
        if value not in choices:
            listed = ", ".join(choices)
            raise self.wrong(name, f"{value!r} is not one of {listed}{_suggestion(value, choices)}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """A boolean, or Cheddar's `1` and `0`."""
        value = self._values.get(name, default)
        if not isinstance(value, (str, int)) or value not in _FLAGS:
            raise self.wrong(name, f"{_shown(value)} is neither true nor false")
        return _FLAGS[value]

    def whole(self, name: str, default: int | None, *, most: int) -> int | None:
        """A whole number from 0 up."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value) if len(value) <= len(str(most)) else most + 1
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise self.wrong(name, f"{_shown(value)} is not a whole number from 0 to {most}")
        return value

    def amount(self, name: str, default: str | None = None, *, places: int = 2) -> Decimal:
        """A decimal from 0 up, as text or as a number of the file; a binary fraction would not be exact."""
        value = self._values.get(name, default)
        if value is None:
            raise self.wrong(name, "a value is required")
        if isinstance(value, float):
            raise self.wrong(name, f"{value} is a binary fraction: write it as a text or a Decimal")
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise self.wrong(name, f"{_shown(value)} is not a number")
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise self.wrong(name, f"{value!r} is not a number") from None
        if not number.is_finite() or not 0 <= number < 10**10 or number != round(number, places):
            raise self.wrong(name, f"{value} is not a number from 0 up with {places} decimals at most")
        return number or Decimal(0)  # there is a -0, and one of a billion decimals

    def moment(self, name: str) -> datetime | None:
        """An ISO 8601 text or a date-time of the file, in UTC; None if absent."""
        value = self._values.get(name)
        if value is None:
            return None
        written = value.isoformat() if isinstance(value, datetime) else value
        if not isinstance(written, str):
            raise self.wrong(name, f"{_shown(value)} is not a moment")
        try:
            return parse_moment(written)
        except ValueError as error:
            raise self.wrong(name, str(error)) from None

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(Table({name: value}, self.place, (name,)).text(name) for value in self._sequence(name))

    def wholes(self, name: str, *, most: int) -> tuple[int, ...]:
        taken = (
            Table({name: value}, self.place, (name,)).whole(name, None, most=most)
            for value in self._sequence(name)
        )
        return tuple(number for number in taken if number is not None)

    def tables(self, name: str, names: Collection[str]) -> Iterable[Self]:
        """The tables of an array, in order."""
        for number, values in enumerate(self._sequence(name)):
            yield type(self)(values, f"{_join(self.place, name)}[{number}]", names)

    def table(self, name: str, names: Collection[str] | None = None) -> Self:
        """A table under this one; empty if absent. Without `names` any may stand in it, as in metadata."""
        values = self._values.get(name, {})
        if names is None:
            names = [str(key) for key in values] if isinstance(values, Mapping) else []
        return type(self)(values, _join(self.place, name), names)

    def names(self) -> Collection[str]:
        return self._values.keys()

    def _sequence(self, name: str) -> Iterable[object]:
        value = self._values.get(name, ())
        if not isinstance(value, (list, tuple)):
            raise self.wrong(name, "a list is expected")
        return value


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _suggestion(written: str, names: Collection[str]) -> str:
    from difflib import get_close_matches  # for mistakes only

    nearest = get_close_matches(written, names, 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
