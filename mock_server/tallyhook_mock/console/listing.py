"""Pagination: selects the page of a list to show, and links to the previous and next pages."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tallyhook_mock.core.base import Value
from tallyhook_mock.timeline import Entry

__all__ = ["Page", "Shown", "events", "number", "page_of", "shown"]

_ROWS = 100

K = TypeVar("K", int, str)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Shown:
    """One page of a list: its entries `first` to `last` of `count`, and the URLs of other pages.

    `sort` is the name of the requested order, with a `-` before it if the order is descending. `orders` maps
    the name of each possible order to the URL of the list in that order.
    """

    items: tuple[Any, ...]
    first: int
    last: int
    count: int
    is_filtered: bool
    start: str | None
    previous: str | None
    next: str | None
    sort: str
    orders: Mapping[str, str]

    @property
    def is_part(self) -> bool:
        """Whether the list has other pages."""
        return any((self.start, self.previous, self.next))


def shown(
    request: Request,
    whole: dict[K, V],
    *,
    read: Callable[[str], K | None],
    write: Callable[[K], str],
    fits: Callable[[V], bool] | None = None,
    newest_first: bool = False,
    orders: Mapping[str, Callable[[V], Any]] | None = None,
) -> Shown:
    """Return the page of a list that the query asks for. Answers 404 if there is no such page.

    The page begins after the entry whose key is `after` in the query, or ends before the entry whose key is
    `before`. `read` converts a key from the query, and `write` converts it back. `fits` selects entries. Each
    possible value of `sort` in the query has a sort key in `orders`. Sorting reads the whole list.
    """
    sort = request.query_params.get("sort", "")
    if sort:
        order = (orders or {}).get(sort.removeprefix("-"))
        if order is None:
            raise HTTPException(404, "This list can't be sorted that way.")
        fitting = [pair for pair in whole.items() if fits is None or fits(pair[1])]
        fitting.sort(key=lambda pair: order(pair[1]), reverse=sort.startswith("-"))
        whole, newest_first = dict(fitting), False
    keys: dict[str, K] = {}
    for name in ("after", "before"):
        if name in request.query_params:
            key = read(request.query_params[name])
            if key is None or (sort and key not in whole):
                raise HTTPException(404, "There is no such page of this list.")
            keys[name] = key
    try:
        found = page_of(
            whole,
            _ROWS,
            after=keys.get("after"),
            before=keys.get("before"),
            fits=fits,
            newest_first=newest_first,
        )
    except LookupError:
        raise HTTPException(404, "There is no such page of this list.") from None
    return Shown(
        found.items,
        found.start + 1,
        found.start + len(found.items),
        len(whole),
        fits is not None,
        _address(request) if keys else None,
        None if found.previous is None else _address(request, before=write(found.previous)),
        None if found.next is None else _address(request, after=write(found.next)),
        sort,
        {name: _address(request, sort=f"-{name}" if sort == name else name) for name in orders or ()},
    )


def events(request: Request, entries: Mapping[int, Entry]) -> Shown:
    """Return one page of a timeline, latest entry first. `entries` maps numbers to entries."""
    return shown(request, dict(entries), read=number, write=str, newest_first=True)


def number(written: str) -> int | None:
    """Return a key from the query as a number, or None if it isn't a number."""
    return int(written) if written.isascii() and written.isdigit() and len(written) < 20 else None


def _address(request: Request, **place: str) -> str:
    """Return the current URL, changed so that it shows another page of the list, or sorts it differently."""
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in ("after", "before", *place) and value
    ]
    query = urlencode([*kept, *place.items()])
    return f"{request.url.path}?{query}" if query else request.url.path


class Page(Value, Generic[K, V], frozen=True):
    """A page of a list.

    Attributes:
        items: the entries on this page.
        start: how many entries of the whole list come before this page, matching or not.
        previous: the key of the page's first entry if there are matching entries before it, or else None.
        next: the key of the page's last entry if there are matching entries after it, or else None.
    """

    items: tuple[V, ...]
    start: int
    previous: K | None
    next: K | None


def page_of(
    whole: dict[K, V],
    limit: int | None = None,
    *,
    after: K | None = None,
    before: K | None = None,
    fits: Callable[[V], bool] | None = None,
    newest_first: bool = False,
) -> Page[K, V]:
    """Return the first `limit` matching entries after a key, or the last ones before a key.

    If neither `after` nor `before` is given, start at the beginning of the list. A key that is a number has a
    position even if it is no longer in the list, because numbers are in order. Raises LookupError for any
    other missing key.
    """
    one_more = None if limit is None else limit + 1
    in_order = reversed(whole) if newest_first else iter(whole)
    if after is None and before is None:
        chosen = list(islice((key for key in in_order if fits is None or fits(whole[key])), one_more))
        firsts = chosen[:limit]
        following = firsts[-1] if firsts and len(chosen) > len(firsts) else None
        return Page(tuple(whole[key] for key in firsts), 0, None, following)
    keys = list(in_order)

    def fitting(places: Iterable[int]) -> Iterator[int]:
        return (place for place in places if fits is None or fits(whole[keys[place]]))

    if after is not None:
        start = _place(keys, after, newest_first) + (after in whole)
        found = list(islice(fitting(range(start, len(keys))), one_more))
        places = found[:limit]
        has_next, has_previous = len(found) > len(places), _is_any(fitting(range(start - 1, -1, -1)))
    else:
        assert before is not None
        end = _place(keys, before, newest_first)
        found = list(islice(fitting(range(end - 1, -1, -1)), one_more))
        places = found[:limit][::-1]
        has_next, has_previous = _is_any(fitting(range(end, len(keys)))), len(found) > len(places)
    return Page(
        tuple(whole[keys[place]] for place in places),
        places[0] if places else 0,
        keys[places[0]] if places and has_previous else None,
        keys[places[-1]] if places and has_next else None,
    )


def _place(keys: list[K], key: K, newest_first: bool) -> int:
    """Return the position of a key, or the position where it would be."""
    try:
        return keys.index(key)
    except ValueError:
        if not isinstance(key, int):
            raise LookupError(f"there is no {key!r}") from None
        return sum((other > key if newest_first else other < key) for other in keys)


def _is_any(places: Iterator[int]) -> bool:
    return next(places, None) is not None
