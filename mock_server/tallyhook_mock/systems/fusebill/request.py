"""A call of the API, with its JSON body and its query. Each field is checked when it is read."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tallyhook_mock.clock import parse_moment
from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.fusebill.model import Customer
from tallyhook_mock.systems.fusebill.refusal import Refusal, invalid
from tallyhook_mock.systems.fusebill.state import State

__all__ = [
    "DIGITS",
    "TERMS",
    "Call",
    "Fields",
    "Handler",
    "Query",
    "Route",
    "check_query",
    "moment",
    "read_back",
    "reads_query",
]

Choice = TypeVar("Choice", bound=StrEnum)
Default = TypeVar("Default", bound=int | None)
Flag = TypeVar("Flag", bound=bool | None)

DIGITS = 18  # the most digits of an id, in paths and bodies
_MOST = 10**DIGITS - 1
_MOST_PARAMETERS = 100
TERMS = (
    "",
    *(f"Net{days}" for days in (0, 5, 7, 10, 15, 21, 30, 45, 60, 75, 90)),
    "MFI1",
    *(f"DayOfMonth{day}" for day in range(1, 32)),
)
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def _once(pairs: Sequence[tuple[str, object]]) -> None:
    """Raise Refusal if an object has the same name twice. msgspec would silently use the last value."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid(twice[:100], "it is there twice")


class Fields:
    """The fields of a body. A field that is `null` is treated as missing.

    All methods raise Refusal, naming the field, if a field has the wrong type or value.
    """

    def __init__(self, body: bytes, known: Collection[str]) -> None:
        """Decode a body. Raises Refusal if it isn't a JSON object or has a name that is not in `known`.

        Unknown names are refused because a misspelled field would otherwise be ignored without notice.
        """
        try:
            values = _DECODER.decode(body)
            json.loads(body, object_pairs_hook=_once)
        except Refusal:
            raise
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
            raise invalid("body", f"not JSON: {error}") from None
        self._take(values, known, "body")

    @classmethod
    def of(cls, values: object, known: Collection[str], place: str) -> "Fields":
        """Return the fields of an object inside a body. `place` is the object's name in error messages."""
        fields = cls.__new__(cls)
        fields._take(values, known, place)
        return fields

    def _take(self, values: object, known: Collection[str], place: str) -> None:
        if not isinstance(values, dict):
            raise invalid(place, "a JSON object is required")
        for name in values:
            if name not in known:
                raise invalid(name[:100], f"unknown; known here: {', '.join(known)}")
        self._values: dict[str, Any] = values

    def __contains__(self, name: str) -> bool:
        """Return whether the body has a field with this name, even if it is `null`."""
        return name in self._values

    def whole(self, name: str, default: Default, *, least: int = 0, most: int = _MOST) -> int | Default:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise invalid(name, f"a whole number from {least} to {most} is required")
        return value

    def id(self, name: str) -> int:
        """Return the id in a required field."""
        value = self.whole(name, None)
        if value is None:
            raise invalid(name, "required")
        return value

    def number(self, name: str, *, places: int, least: Decimal | None = Decimal(0)) -> Decimal | None:
        """Return the number in a field. None if the field is missing.

        The number may have at most `places` decimals. It must be at least `least`, unless that is None.
        """
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise invalid(name, "a number is required")
        number = Decimal(value)
        is_fine = abs(number) < 10**12 and number == round(number, places)
        if not is_fine or (least is not None and number < least):
            raise invalid(name, f"a number below 10^12 with at most {places} decimals is required")
        return number or Decimal(0)

    def flag(self, name: str, default: Flag) -> bool | Flag:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(name, "true or false is required")
        return value

    def text(self, name: str, *, most: int = 255) -> str | None:
        value = self._values.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= most):
            raise invalid(name, f"a string of at most {most} characters is required")
        return value

    def choice(self, name: str, choices: type[Choice]) -> Choice | None:
        value = self._values.get(name)
        if value is None:
            return None
        if value not in tuple(choices):
            raise invalid(name, f"one of {', '.join(choices)} is required")
        return choices(value)

    def list(self, name: str) -> "list[object]":
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise invalid(name, "a list is required")
        return value or []

    def same(self, name: str, value: object) -> None:
        """Raise Refusal if the body changes a read-only field. `value` is the field's current value."""
        given = self._values.get(name)
        if given is not None and given != value:
            raise invalid(name, f"it can't be changed here; it is {value}")


class Query:
    """The parameters of a query. Their names are case-insensitive.

    All methods raise Refusal if a value is not valid. `nothing_else` raises Refusal if there is a parameter
    that hasn't been read.
    """

    def __init__(self, query: bytes) -> None:
        try:
            pairs = parse_qsl(
                query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_PARAMETERS
            )
        except ValueError:
            raise invalid("query", "too many parameters") from None
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name.lower(), []).append(value)
        self._asked: list[str] = []

    def text(self, name: str) -> str | None:
        self._asked.append(name)
        values = self._values.get(name.lower(), [])
        if len(values) > 1:
            raise invalid(name, "it is there twice")
        return values[0] if values else None

    def flag(self, name: str) -> bool:
        value = self.text(name)
        if value is not None and value.lower() not in ("true", "false"):
            raise invalid(name, "true or false is required")
        return value is not None and value.lower() == "true"

    def whole(self, name: str, default: int, *, least: int = 0, most: int = _MOST) -> int:
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= DIGITS and least <= int(value) <= most):
            raise invalid(name, f"a whole number from {least} to {most} is required")
        return int(value)

    def ids(self, name: str) -> tuple[int, ...]:
        """Return the ids in a parameter. They are separated by commas, or the parameter is repeated."""
        self._asked.append(name)
        written = [part.strip() for value in self._values.get(name.lower(), ()) for part in value.split(",")]
        if not all(part.isascii() and part.isdigit() and len(part) <= DIGITS for part in written):
            raise invalid(name, "ids are whole numbers")
        return tuple(map(int, written))

    def nothing_else(self) -> None:
        known = {name.lower() for name in self._asked}
        for name in self._values:
            if name not in known:
                raise invalid(name[:100], f"unknown; known here: {', '.join(self._asked) or 'none'}")


def moment(written: str, name: str) -> datetime:
    """Return the date and time in a parameter. If it has no time zone, it is read as UTC.

    Raises Refusal if the text isn't a date. `name` is the parameter's name in the error.
    """
    try:
        return parse_moment(written).astimezone(UTC)
    except ValueError:
        raise invalid(name, f"{written[:60]!r} is not a date") from None


class Call(Value, frozen=True):
    state: State
    id: int  # the id in the path, or 0
    body: bytes
    query: Query
    at: datetime

    def state_for(self, customer: Customer, *, is_preview: bool) -> State:
        """Return the state on which to carry out the call: for a preview, one with a copy of the customer.

        So a preview is refused if the call would be.
        """
        return self.state.apart(customer)[0] if is_preview else self.state


Handler: TypeAlias = Callable[[Call], Any]


_READING: set[Handler] = set()


def reads_query(handle: Handler) -> Handler:
    """Mark a handler as one that reads its query. The handler must call `nothing_else` itself."""
    _READING.add(handle)
    return handle


def check_query(handle: Handler, query: Query) -> None:
    """Raise Refusal if the query has a parameter, such as `preview`, but the handler doesn't read queries."""
    if handle not in _READING:
        query.nothing_else()


# The method, the path in lower case, the name that faults use for the action, and the handler.
Route: TypeAlias = tuple[str, str, str, Handler]


def read_back(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document as a caller would send it back, with enumeration members as plain strings."""
    return {name: _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
