"""Read exact values from loosely typed documents.

Cheddar's documents and hooks are careless about types: a number may be a string, a boolean may be `1`, `"0"`
or `true`, and any empty value, even an empty object or list, may be `""` (recorded). The readers in this
module accept all of these. An invalid number, boolean or text raises DecodeError, which never quotes the
value. An invalid date is read as None, so that one bad date doesn't make a list of a thousand customers
unreadable.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tallyhook.errors import DecodeError

# The maximum length of a number, in characters. Bills don't contain longer numbers, and `money` computes
# exactly up to this length.
_LONGEST = 64
_BEYOND = 10**_LONGEST
_ZERO = Decimal(0)
_TRUE = {"1", "true"}
_FALSE = {"0", "false"}


def is_blank(node: Any) -> bool:
    """Return whether a value is null, white space, an empty string, an empty object or an empty list."""
    if isinstance(node, str):
        return not node or node.isspace()
    return node is None or node == {} or node == []


def text(node: Any) -> str:
    """Return a string unchanged, and a number or boolean as Cheddar's XML writes it.

    For None, an empty object or an empty list, return an empty string.
    """
    if type(node) is str:
        return node
    if isinstance(node, bool):
        return "1" if node else "0"
    if isinstance(node, int):
        return str(node)
    if isinstance(node, Decimal):
        return f"{_ordinary(node):f}"
    if is_blank(node):
        return ""
    raise DecodeError("text was expected")


def boolean(node: Any) -> bool:
    """Return the boolean for `1`, `0`, `true` or `false`, quoted or not. A blank value is False."""
    if is_blank(node):
        return False
    word = str(node).strip().lower()
    if word not in _TRUE | _FALSE:
        raise DecodeError("a boolean was expected")
    return word in _TRUE


def optional_boolean(node: Any) -> bool | None:
    """Return the same as `boolean`, but None for a blank value."""
    return None if is_blank(node) else boolean(node)


def decimal(node: Any) -> Decimal:
    """Return an exact number. A blank value is zero."""
    number = optional_decimal(node)
    return _ZERO if number is None else number


def optional_decimal(node: Any) -> Decimal | None:
    """Return an exact number, or None for a blank value."""
    if isinstance(node, Decimal) and len(str(node)) <= _LONGEST:
        return _ordinary(node)
    if isinstance(node, int) and not isinstance(node, bool) and abs(node) < _BEYOND:
        return Decimal(node)
    if is_blank(node):
        return None
    # Decimal would also accept underscores and non-ASCII digits.
    if isinstance(node, str) and len(node) <= _LONGEST and node.isascii() and "_" not in node:
        try:
            return _ordinary(Decimal(node))
        except InvalidOperation:
            raise DecodeError("a number was expected") from None
    raise DecodeError("a number was expected")


def optional_integer(node: Any) -> int | None:
    """Return a whole number, or None for a blank value. `"3.0000"` is 3."""
    number = optional_decimal(node)
    if number is None:
        return None
    whole = int(number)
    if whole != number:
        raise DecodeError("a whole number was expected")
    return whole


def optional_datetime(node: Any) -> datetime | None:
    """Return a time in UTC. A time without an offset is assumed to be in UTC.

    If the value isn't a valid time, return None. The model's `raw` still contains the value.
    """
    moment = _moment(node)
    try:
        return moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
    except OverflowError:
        return None


def optional_date(node: Any) -> date | None:
    """Return a calendar day. If a time and an offset follow the day, they are ignored.

    If the value isn't a valid date, return None.
    """
    # An offset must not shift the day on which a card expires.
    moment = _moment(node)
    return moment and moment.date()


def is_odd_date(node: Any) -> bool:
    """Return whether a value is neither blank nor a valid date, and doesn't start with `0000-00-00`."""
    return not is_blank(node) and optional_datetime(node) is None and not str(node).startswith("0000-00-00")


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
"""The reader for each type of field that isn't a model."""


def _moment(node: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(node.strip())
    except (AttributeError, ValueError):
        return None


def _ordinary(number: Decimal) -> Decimal:
    # `1e999999999` is short, but would fill the memory when written out.
    if not number.is_finite() or abs(number.adjusted()) > _LONGEST:
        raise DecodeError("a number was expected")
    return number
