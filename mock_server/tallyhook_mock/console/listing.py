"""Long lists on pages: which part is shown, and the links to the parts before and after it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request

from tallyhook_mock.core.pages import page_of
from tallyhook_mock.timeline import Entry

__all__ = ["Shown", "events", "number", "shown"]

_ROWS = 100

K = TypeVar("K", int, str)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of a list, from entry number `first` to `last` of `count`, and the addresses of other parts."""

    items: tuple[Any, ...]
    first: int
    last: int
    count: int
    is_filtered: bool
    start: str | None
    previous: str | None
    next: str | None

    @property
    def is_part(self) -> bool:
        """Whether there is anything else to be seen."""
        return any((self.start, self.previous, self.next))


def shown(
    request: Request,
    whole: dict[K, V],
    *,
    read: Callable[[str], K | None],
    write: Callable[[K], str],
    fits: Callable[[V], bool] | None = None,
    newest_first: bool = False,
) -> Shown:
    """The part that `after` or `before` in the address asks for; 404 if that is no place in the list.

    `read` and `write` turn a key into what stands in the address, and back.
    """
    keys: dict[str, K] = {}
    for name in ("after", "before"):
        if name in request.query_params:
            key = read(request.query_params[name])
            if key is None:
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
    )


def events(request: Request, entries: Mapping[int, Entry]) -> Shown:
    """A part of a timeline, by the numbers of its entries, the latest first."""
    return shown(request, dict(entries), read=number, write=str, newest_first=True)


def number(written: str) -> int | None:
    """A key that is a number; None for anything else."""
    return int(written) if written.isascii() and written.isdigit() and len(written) < 20 else None


def _address(request: Request, **place: str) -> str:
    """This page with another part of the list."""
    kept = [
        (name, value) for name, value in request.query_params.multi_items() if name not in ("after", "before")
    ]
    query = urlencode([*kept, *place.items()])
    return f"{request.url.path}?{query}" if query else request.url.path
