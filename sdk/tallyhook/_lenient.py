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
_BEYOND = 10**_LONGEST
_REMEMBERED = 1024
_ZERO = Decimal(0)
_moment = datetime.fromisoformat
_day = date.fromisoformat
_TRUE = {"1", "true"}
_FALSE = {"0", "false"}


def is_blank(node: Any) -> bool:
    """Whether a source says "nothing" by this: null, white space, an empty object or an empty list."""
    if isinstance(node, str):
        return not node or node.isspace()
    return node is None or node == {} or node == []


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
    if node == "1":
        return True
    if node == "0" or node is False or is_blank(node):
        return False
    word = str(node).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise DecodeError("a boolean was expected")


def optional_boolean(node: Any) -> bool | None:
    """The same, where nothing is None."""
    return None if is_blank(node) else boolean(node)


def decimal(node: Any) -> Decimal:
    """An exact number; nothing is zero."""
    if type(node) is str and node and not node.isspace():
        return _spelled(node)
    number = _number(node)
    return _ZERO if number is None else number


def optional_decimal(node: Any) -> Decimal | None:
    """An exact number, or None for nothing."""
    if type(node) is str and node and not node.isspace():
        return _spelled(node)
    return _number(node)


def optional_integer(node: Any) -> int | None:
    """A whole number, or None for nothing. `"3.0000"` is 3."""
    if type(node) is str and len(node) <= _LONGEST and node.isascii() and node.isdecimal():
        return int(node)
    number = optional_decimal(node)
    if number is None:
        return None
    whole = int(number)
    if whole != number:
        raise DecodeError("a whole number was expected")
    return whole


def optional_datetime(node: Any) -> datetime | None:
    """A moment in UTC; one without an offset is taken as UTC. Nothing, or a date of zeros, is None."""
    if not node and is_blank(node):
        return None
    try:
        moment = _moment(node)
    except (TypeError, ValueError):
        return _unusual_moment(node)
    return moment if moment.tzinfo is UTC else _in_utc(moment)


def optional_date(node: Any) -> date | None:
    """A calendar day as it is written, whatever time and offset follow it. Nothing is None."""
    if not node and is_blank(node):
        return None
    try:
        return _day(node)
    except (TypeError, ValueError):
        # The offset must not move a card's last day, so the moment in UTC only proves that this is a date.
        return None if optional_datetime(node) is None else _moment(node.strip()).date()


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
    bool | None: optional_boolean,
    Decimal: decimal,
    Decimal | None: optional_decimal,
    int | None: optional_integer,
    datetime | None: optional_datetime,
    date | None: optional_date,
}
"""The reader of each type that a field of a model may have, other models apart."""


class Remembered(dict[str, Any]):
    """What a reader makes of texts: moments, prices and quantities repeat from line to line."""

    def __init__(self, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> Any:
        value = self._read(text)
        if len(text) <= _LONGEST:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[text] = value
        return value


TEXTS: dict[Callable[[Any], Any], Remembered] = {
    read: Remembered(read) for read in READERS.values() if read is not text
}
"""For each reader but that of text the values of texts."""


def _unusual_moment(node: Any) -> datetime | None:
    if is_blank(node) or (type(node) is str and node.startswith("0000-00-00")):
        return None
    try:
        return _in_utc(_moment(node.strip()))
    except (AttributeError, ValueError):
        raise DecodeError("a date was expected") from None


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise DecodeError("a date was expected") from None


def _number(node: Any) -> Decimal | None:
    """What is no text as a number, or None for nothing."""
    if type(node) is int and abs(node) < _BEYOND:
        return Decimal(node)
    if isinstance(node, Decimal):
        return _bounded(node)
    if is_blank(node):
        return None
    raise DecodeError("a number was expected")


def _spelled(number: str) -> Decimal:
    # Decimal would also take digits of other scripts and underscores.
    if len(number) > _LONGEST or not number.isascii() or "_" in number:
        raise DecodeError("a number was expected")
    try:
        return _bounded(Decimal(number))
    except InvalidOperation:
        raise DecodeError("a number was expected") from None


def _bounded(number: Decimal) -> Decimal:
    # `1e999999999` is short to write and would fill the memory as soon as it is expanded.
    if (
        not number.is_finite()
        or abs(number.adjusted()) > _LONGEST
        or len(number.as_tuple().digits) > _LONGEST
    ):
        raise DecodeError("a number was expected")
    return number
