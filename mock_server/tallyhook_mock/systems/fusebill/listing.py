"""Filters and sorts lists, and splits them into pages. Headers describe the page (documented)."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeAlias

from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.fusebill.refusal import invalid
from tallyhook_mock.systems.fusebill.request import Query, moment

__all__ = ["Fields", "Page", "page"]

# The fields to filter and sort by, with functions that return their values.
Fields: TypeAlias = Mapping[str, Callable[[Any], object]]

_SIZE, _LARGEST = 100, 1000  # the limit is at least 1,000 (documented); the default is inferred
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
_ORDERS = ("Ascending", "Descending")


class Page(Value, frozen=True):
    """A page of a list, and its headers."""

    entries: Sequence[Any]
    headers: Mapping[str, str]


def page(query: Query, found: Sequence[Any], fields: Fields, show: Callable[[Any], Any]) -> Page:
    """Return the page of `found` that a query asks for. Raises Refusal for a bad filter, order or page."""
    written = query.text("query") or ""
    order, expression = query.text("sortOrder"), query.text("sortExpression")
    size = query.whole("pageSize", _SIZE, least=1, most=_LARGEST)
    number = query.whole("pageNumber", 0)
    query.nothing_else()
    spelled = {name.lower(): name for name in fields}
    for part in filter(None, written.split(";")):
        name, colon, wanted = part.partition(":")
        if not colon or name.strip().lower() not in spelled:
            raise invalid("query", f"{part[:60]!r}: name:value with one of {', '.join(fields)} is expected")
        value = fields[spelled[name.strip().lower()]]
        found = [each for each in found if _fits(value(each), wanted.strip(), name)]
    if (order is None) is not (expression is None):
        raise invalid("sortOrder", "it requires sortExpression, and the reverse")
    if order is not None and expression is not None:
        if order not in _ORDERS:
            raise invalid("sortOrder", f"one of {', '.join(_ORDERS)} is required")
        if expression.lower() not in spelled:
            raise invalid("sortExpression", f"one of {', '.join(fields)} is required")
        value = fields[spelled[expression.lower()]]
        found = sorted(found, key=lambda each: _key(value(each)), reverse=order == "Descending")
    last = max(0, (len(found) - 1) // size)
    shown = found[number * size : (number + 1) * size]
    headers = {
        "X-NextPage": str(number + 1 if number < last else -1),
        "X-Count": str(len(shown)),
        "X-MaxCount": str(len(found)),
        "X-CurrentPage": str(number),
        "X-PreviousPage": str(number - 1),
        "X-PageSize": str(size),
        "X-MaxPageIndex": str(last),
        "X-SortOrder": order or _ORDERS[0],
        "X-SortExpression": expression or "id",
    }
    return Page([show(each) for each in shown], headers)


def _fits(value: object, wanted: str, name: str) -> bool:
    """Return whether a value equals `wanted`, or is within the range that `wanted` gives.

    A range is written `from|to`, and includes both ends (documented).
    """
    first, bar, last = wanted.partition("|")
    if not bar:
        return bool(_as(value, wanted, name) == _key(value))
    low = not first or _as(value, first, name) <= _key(value)
    return bool(low and (not last or _key(value) <= _as(value, last, name)))


def _as(value: object, written: str, name: str) -> Any:
    """Convert a string from a query to the type of `value`, and return its sort key."""
    if isinstance(value, datetime):
        return _key(moment(written, name))
    if isinstance(value, bool):
        return _key(written.lower() == "true")
    if isinstance(value, int | Decimal):
        if not _NUMBER.fullmatch(written):
            raise invalid("query", f"{name}: {written[:60]!r} is not a number")
        return _key(Decimal(written))
    return _key(written)


def _key(value: object) -> Any:
    """Return the sort key of a value. None comes first; strings are compared case-insensitively."""
    if value is None:
        return (0, "")
    if isinstance(value, bool):
        return (1, Decimal(value))
    if isinstance(value, int | Decimal):
        return (1, Decimal(value))
    return (2, value) if isinstance(value, datetime) else (3, str(value).lower())
