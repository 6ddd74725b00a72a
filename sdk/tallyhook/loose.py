"""Values of a loosely typed source, read into exact ones and written again.

Cheddar's documents and hooks come from code that does not care for types: a number may be a string, a
boolean may be `1`, `"0"` or `true`, and anything that is empty, even an object or a list, may be `""`
(recorded). Each reader here takes any of these. What is present and still makes no sense raises DecodeError,
which never quotes it.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tallyhook.errors import DecodeError

# Longer numbers don't occur in bills; arithmetic in `money` stays exact up to here.
_LONGEST = 64
_TRUE = {"1", "true"}
_FALSE = {"0", "false"}


def is_blank(node: Any) -> bool:
    """Whether a source says "nothing" by this: null, white space, an empty object or an empty list."""
    if isinstance(node, str):
        return not node or node.isspace()
    return node is None or (isinstance(node, dict | list) and not node)


def text(node: Any) -> str:
    """Text as it stands; a number or a boolean as Cheddar's XML would write it."""
    if type(node) is str:
        return node
    if isinstance(node, bool):
        return "1" if node else "0"
    if isinstance(node, int):
        return str(node)
    if isinstance(node, Decimal):
        return f"{_bounded(node):f}"
    if is_blank(node):
        return ""
    raise DecodeError("text was expected")


def boolean(node: Any) -> bool:
    """`1`, `0`, `true`, `false` as text or as themselves; nothing is False."""
    if is_blank(node):
        return False
    word = str(node).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise DecodeError("a boolean was expected")


def decimal(node: Any) -> Decimal:
    """An exact number; nothing is zero."""
    return Decimal(0) if is_blank(node) else _number(node)


def optional_decimal(node: Any) -> Decimal | None:
    """An exact number, or None for nothing."""
    return None if is_blank(node) else _number(node)


def optional_integer(node: Any) -> int | None:
    """A whole number, or None for nothing. `"3.0000"` is 3."""
    if is_blank(node):
        return None
    number = _number(node)
    whole = int(number)
    if whole != number:
        raise DecodeError("a whole number was expected")
    return whole


def optional_datetime(node: Any) -> datetime | None:
    """A moment in UTC; one without an offset is taken as UTC. Nothing, or a date of zeros, is None."""
    if type(node) is not str or is_blank(node):
        if is_blank(node):
            return None
        raise DecodeError("a date was expected")
    if node.startswith("0000-00-00"):
        return None
    try:
        moment = datetime.fromisoformat(node.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise DecodeError("a date was expected") from None


def optional_date(node: Any) -> date | None:
    """A calendar day as it is written, whatever time and offset follow it. Nothing is None."""
    # The offset must not move a card's last day, so the moment only proves that the text is a date.
    return None if optional_datetime(node) is None else date.fromisoformat(node.strip()[:10])


def written(value: object) -> str:
    """A typed value as Cheddar's XML writes it."""
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case Decimal():
            return f"{value:f}"
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)


READERS: dict[Any, Callable[[Any], Any]] = {
    str: text,
    bool: boolean,
    Decimal: decimal,
    Decimal | None: optional_decimal,
    int | None: optional_integer,
    datetime | None: optional_datetime,
    date | None: optional_date,
}
"""The reader of each type that a field of a model may have, other models apart."""


def _number(node: Any) -> Decimal:
    if type(node) is str:
        # Decimal would also take digits of other scripts and underscores.
        if len(node) > _LONGEST or not node.isascii() or "_" in node:
            raise DecodeError("a number was expected")
        try:
            return _bounded(Decimal(node))
        except InvalidOperation:
            raise DecodeError("a number was expected") from None
    if isinstance(node, Decimal):
        return _bounded(node)
    if isinstance(node, int) and not isinstance(node, bool):
        return _bounded(Decimal(node))
    raise DecodeError("a number was expected")


def _bounded(number: Decimal) -> Decimal:
    # `1e999999999` is short to write and would fill the memory as soon as it is expanded.
    if (
        not number.is_finite()
        or abs(number.adjusted()) > _LONGEST
        or len(number.as_tuple().digits) > _LONGEST
    ):
        raise DecodeError("a number was expected")
    return number
