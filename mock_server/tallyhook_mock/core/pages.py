"""Divides long lists into pages."""

from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from typing import Generic, TypeVar

from tallyhook_mock.core.base import Value

__all__ = ["Page", "page_of"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


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
        return sum((other > key if newest_first else other < key) for other in keys)  # type: ignore[operator]  # all are numbers


def _is_any(places: Iterator[int]) -> bool:
    return next(places, None) is not None
