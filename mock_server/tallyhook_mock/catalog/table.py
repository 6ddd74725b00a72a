"""Typed structs for the tables in a catalogue, and for the bodies of requests to the control API.

A `Table` has a field for each key. The key is the field's name in camel case. `read` makes a table from the
content of a file or body, or raises an error that says where the first mistake is and what is expected.
`msgspec.json.schema` makes a schema for editors from the same types.
"""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Annotated, Any, TypeAlias, TypeVar

from msgspec import Meta, Struct, inspect

from tallyhook_mock.clock import parse_moment

__all__ = [
    "MASK",
    "Amount",
    "CatalogError",
    "KeyedListener",
    "Listener",
    "Password",
    "Places6",
    "Quantity",
    "Rate",
    "Required",
    "Table",
    "Text",
    "check_names",
    "choice",
    "known",
    "one_of",
    "read",
    "wrong",
]

T = TypeVar("T", bound="Table")

# Shown in place of a password or a key.
MASK = "********"

# Characters that XML can't contain.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_FLAGS = {"1": True, "0": False, 1: True, 0: False}
_MOST = 10**10  # the limit for an amount


def _decimal(places: int) -> Meta:
    """Return the constraint for a decimal from 0 up, written as a string or a number.

    The decimal may have up to `places` decimal places.
    """
    pattern = rf"^\d{{1,10}}(\.\d{{1,{places}}}0*)?$"
    plain = {"anyOf": [{"type": "string", "pattern": pattern}, {"type": "number", "minimum": 0}]}
    return Meta(extra={"places": places}, extra_json_schema={"type": ["string", "number"], **plain})


def one_of(choices: Collection[str]) -> Meta:
    """Return the constraint for a string that must be one of `choices`."""
    return Meta(extra={"choices": tuple(choices)}, extra_json_schema={"enum": list(choices)})


Text: TypeAlias = Annotated[str, Meta(max_length=255)]
Required: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255)]
Password: TypeAlias = Annotated[str, Meta(min_length=1, max_length=255, extra={"isSecret": True})]
Amount: TypeAlias = Annotated[Decimal, _decimal(2)]
Quantity: TypeAlias = Annotated[Decimal, _decimal(4)]
Places6: TypeAlias = Annotated[Decimal, _decimal(6)]
Rate: TypeAlias = Annotated[Decimal, _decimal(8)]


class CatalogError(ValueError):
    """A catalogue that can't be used. The message says where it is wrong."""


class Table(Struct, kw_only=True, rename="camel", forbid_unknown_fields=True, dict=True):
    """The keys and values of one table. `place` is the table's path, such as `products[0].plans[1]`."""

    def wrong(self, name: str, why: str) -> CatalogError:
        """Return an error about the value of the key `name`."""
        return wrong(self.place, name, why)

    @property
    def place(self) -> str:
        return str(self.__dict__.get("place", ""))


class Listener(Table):
    """A URL that gets the hooks in `events`, or all hooks if `events` is empty."""

    url: Required
    events: tuple[str, ...] = ()

    def check(self, check_url: Callable[[str], None]) -> None:
        """Raise CatalogError if `check_url` raises ValueError for the URL."""
        try:
            check_url(self.url)
        except ValueError as error:
            raise self.wrong("url", str(error)) from None


class KeyedListener(Listener):
    """A listener whose hooks carry a key in a header."""

    header: Text | None = None
    key: Text = ""


def read(kind: type[T], values: object, place: str = "") -> T:
    """Return a table of type `kind` with these values. Raises CatalogError for the first mistake."""
    made: T = _table(_type_of(kind), values, place)
    return made


def wrong(place: str, name: str, why: str) -> CatalogError:
    return CatalogError(f"{_join(place, name)}: {why}")


def check_names(values: object, names: Collection[str], place: str = "") -> None:
    """Raise CatalogError if `values` is not a table, or has a key that is not in `names`."""
    if not isinstance(values, Mapping):
        raise CatalogError(f"{place or 'the catalogue'}: expected a table")
    for name in values:
        if name not in names:
            raise wrong(place, str(name), f"unknown{_suggestion(str(name), names) or _list_of(names)}")


def choice(value: str, choices: Collection[str], place: str, name: str) -> str:
    """Return the value if it is one of the choices. Raises CatalogError otherwise."""
    if value not in choices:
        listed = ", ".join(choices)
        raise wrong(place, name, f"{value!r} is not one of {listed}{_suggestion(value, choices)}")
    return value


def known(kind: type[Table]) -> list[str]:
    """Return the keys that a table of this type may have, in order."""
    return [field.encode_name for field in _type_of(kind).fields]


@cache
def _type_of(kind: type[Table]) -> inspect.StructType:
    found = inspect.type_info(kind)
    assert isinstance(found, inspect.StructType)
    return found


def _table(kind: inspect.StructType, values: object, place: str) -> Any:
    check_names(values, [field.encode_name for field in kind.fields], place)
    assert isinstance(values, Mapping)
    read: dict[str, Any] = {}
    for field in kind.fields:
        value, name = values.get(field.encode_name), _join(place, field.encode_name)
        if value is not None:
            read[field.name] = _value(field.type, value, name)
        elif field.encode_name in values and _may_be_none(field.type):
            read[field.name] = None
        elif field.required:
            raise CatalogError(f"{name}: a value is required")
    made = kind.cls(**read)
    made.__dict__["place"] = place
    return made


def _may_be_none(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.UnionType) and kind.includes_none


def _value(kind: inspect.Type, value: object, place: str, extra: Mapping[str, Any] | None = None) -> Any:
    match kind:
        case inspect.AnyType():
            return value
        case inspect.Metadata():
            return _value(kind.type, value, place, kind.extra)
        case inspect.UnionType():
            *others, last = (each for each in kind.types if not isinstance(each, inspect.NoneType))
            for each in others:
                with suppress(CatalogError):
                    return _value(each, value, place, extra)
            return _value(last, value, place, extra)
        case inspect.StructType():
            return _table(kind, value, place)
        case inspect.ListType() | inspect.VarTupleType():
            return _list(kind, value, place)
        case inspect.DictType():
            if not isinstance(value, Mapping):
                raise CatalogError(f"{place}: expected a table")
            return {
                str(name): _value(kind.value_type, v, _join(place, str(name))) for name, v in value.items()
            }
        case inspect.EnumType():
            return kind.cls(_choice(value, tuple(kind.cls), place))
        case inspect.LiteralType():
            return _choice(value, [str(each) for each in kind.values], place)
        case inspect.BoolType():
            return _flag(value, place)
        case inspect.IntType():
            return _whole(value, kind.ge or 0, kind.le or 2**31 - 1, place)
        case inspect.DecimalType():
            return _amount(value, (extra or {}).get("places", 2), place)
        case inspect.DateTimeType():
            return _moment(value, place)
        case inspect.StrType():
            if extra and "choices" in extra:
                return _choice(value, extra["choices"], place)
            return _text(kind, value, place, is_secret="isSecret" in (extra or {}))
    raise TypeError(f"{place}: {kind} is not a type that a catalogue can have")


def _list(kind: inspect.ListType | inspect.VarTupleType, value: object, place: str) -> Any:
    if not isinstance(value, list | tuple):
        raise CatalogError(f"{place}: expected a list")
    of = kind.item_type
    if isinstance(of, inspect.StructType):
        made = [_table(of, each, f"{place}[{number}]") for number, each in enumerate(value)]
    else:
        made = [_value(of, each, place) for each in value]
    return made if isinstance(kind, inspect.ListType) else tuple(made)


def _text(kind: inspect.StrType, value: object, place: str, *, is_secret: bool) -> str:
    if value == "" and kind.min_length:
        raise CatalogError(f"{place}: a value is required")
    if not isinstance(value, str):
        raise CatalogError(f"{place}: {_shown(value)} is not a string")
    if _FORBIDDEN.search(value):
        raise CatalogError(f"{place}: control characters are not allowed")
    if kind.max_length is not None and len(value) > kind.max_length:
        raise CatalogError(f"{place}: longer than {kind.max_length} characters")
    if is_secret and value == MASK:
        raise CatalogError(f"{place}: this is the mask that a catalogue shows instead of a password")
    return value


def _choice(value: object, choices: Collection[str], place: str) -> str:
    if not isinstance(value, str):
        raise CatalogError(f"{place}: {_shown(value)} is not a string")
    return choice(value, choices, "", place)


def _flag(value: object, place: str) -> bool:
    """Return a boolean. The value may also be Cheddar's `1` or `0`."""
    if not isinstance(value, str | int) or value not in _FLAGS:
        raise CatalogError(f"{place}: {_shown(value)} is neither true nor false")
    return _FLAGS[value]


def _whole(value: object, least: int, most: int, place: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) <= len(str(most)) else most + 1
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise CatalogError(f"{place}: {_shown(value)} is not a whole number from {least} to {most}")
    return value


def _amount(value: object, places: int, place: str) -> Decimal:
    """Return a decimal from 0 up, with at most `places` decimal places.

    Raises CatalogError for a binary float, because it would not be exact.
    """
    if isinstance(value, float):
        raise CatalogError(f"{place}: {value} is a binary fraction: write it as a string or a Decimal")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise CatalogError(f"{place}: {_shown(value)} is not a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise CatalogError(f"{place}: {value!r} is not a number") from None
    if not number.is_finite() or not 0 <= number < _MOST or number != round(number, places):
        raise CatalogError(f"{place}: {value} is not a number from 0 up with at most {places} decimals")
    return number or Decimal(0)  # no -0, and no 0 with a billion decimals


def _moment(value: object, place: str) -> datetime:
    """Return an ISO 8601 string or a datetime as a datetime in UTC."""
    written = value.isoformat() if isinstance(value, datetime) else value
    if not isinstance(written, str):
        raise CatalogError(f"{place}: {_shown(value)} is not an ISO 8601 date and time")
    try:
        return parse_moment(written)
    except ValueError as error:
        raise CatalogError(f"{place}: {error}") from None


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place and name else place or name


def _suggestion(written: str, names: Collection[str]) -> str:
    from difflib import get_close_matches  # only needed for mistakes

    nearest = get_close_matches(written, names, 1)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def _list_of(names: Collection[str]) -> str:
    return f"; known here: {', '.join(names)}" if names else ""


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
