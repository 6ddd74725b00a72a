"""Helpers for calls of the control API: JSON bodies, queries, pages of lists, and lookups."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from functools import wraps
from itertools import islice
from typing import Any, TypeAlias, TypeVar, cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tallyhook_mock.catalog.table import Table, read
from tallyhook_mock.core import ids
from tallyhook_mock.core.system import BillingSystem
from tallyhook_mock.middleware import receive_body
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.products import Product

__all__ = [
    "PAGE",
    "as_operator",
    "asks",
    "bad",
    "holds",
    "json_object",
    "missing",
    "mock_of",
    "named_product",
    "only",
    "page",
    "path_id",
    "takes",
    "text",
]

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")
S = TypeVar("S", bound=BillingSystem)
ATable = TypeVar("ATable", bound=Table)
PAGE = ("limit", "after")
_LARGEST = 10_000
_MOST = 4_000_000  # bytes of a body
# Reads exact numbers. Unlike the standard library, it refuses lone surrogates, which no answer can contain.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def mock_of(request: Request) -> Mock:
    return cast(Mock, request.app.state.mock)


def bad(why: str) -> HTTPException:
    return HTTPException(400, why)


def missing(what: str) -> HTTPException:
    return HTTPException(404, what)


@contextmanager
def as_operator(mock: Mock, kind: type[S]) -> Iterator[tuple[S, datetime]]:
    """A context for an operator's command on a system other than Cheddar.

    Yields the system's state and the current time. Everything that is due is done first. At the end, what
    the command did is logged.
    """
    state, at = mock.systems.of(kind), mock.clock.now()
    state.catch_up(at)
    state.actor = "operator"
    try:
        yield state, at
    finally:
        mock.changed()


async def json_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object. Answers 400 if it is not one, and 413 if it is too long."""
    body = await receive_body(request, _MOST)
    if body is None:
        raise HTTPException(413, f"the body is longer than {_MOST} bytes")
    try:
        value = _DECODER.decode(body)
    except ArithmeticError:
        raise bad("the body can't be read: a number is too large") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad("the body is not a JSON object")
    return value


def takes(kind: type[ATable]) -> Callable[[Callable[[Request, ATable], Awaitable[Response]]], Handler]:
    """Decorate a handler so that it gets the request's JSON body as an instance of `kind`.

    An invalid body is answered with 400 and the reason.
    """

    def decorated(handler: Callable[[Request, ATable], Awaitable[Response]]) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            return await handler(request, read(kind, await json_object(request)))

        call.__dict__["takes"] = kind
        return call

    return decorated


def holds(kind: Callable[[], type[Table]]) -> Callable[[Handler], Handler]:
    """Decorate a handler that reads the request's body itself.

    `kind` returns the class that documents the body.
    """

    def decorated(handler: Handler) -> Handler:
        handler.__dict__["holds"] = kind
        return handler

    return decorated


def asks(*names: str) -> Callable[[Handler], Handler]:
    """Decorate a handler that takes these query parameters. Answers 400 for any other parameter."""

    def decorated(handler: Handler) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            only(request.query_params, names)
            return await handler(request)

        call.__dict__["asks"] = names
        return call

    return decorated


def only(values: Mapping[str, Any], names: Collection[str]) -> None:
    """Answer 400 if `values` has a name that is not in `names`, so that a typo is noticed."""
    for name in values:
        if name not in names:
            raise bad(f"{name}: unknown; known here: {', '.join(names)}")


def page(
    items: Iterable[T], given: Mapping[str, str], name: Callable[[T], str]
) -> tuple[list[T], dict[str, str]]:
    """Return one page of a list: at most `limit` items that follow the item named `after`.

    The query `given` contains `limit` and `after`; both are optional. Also returns a mapping with `next`, the
    name of the page's last item, to be sent as `after` for the next page. The mapping is empty if there are
    no more items. Answers 400 for an invalid `limit` or an unknown `after`.
    """
    limit, after = given.get("limit"), given.get("after")
    if limit is not None and not (limit.isascii() and limit.isdigit() and 1 <= int(limit[:9]) <= _LARGEST):
        raise bad(f"limit: a whole number from 1 to {_LARGEST} is required")
    left = iter(items)
    if after is not None and not any(name(item) == after for item in left):
        raise bad(f"after: there is no {after!r}")
    if limit is None:
        return list(left), {}
    found = list(islice(left, int(limit)))
    return found, {"next": name(found[-1])} if found and next(left, None) is not None else {}


def text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise bad(f"{name}: a string is required")
    return value


def named_product(request: Request, code: str | None) -> Product:
    """Return the product with this code, or the only product if `code` is None.

    Answers 404 for an unknown code and 400 for an empty code. Also answers 400 if `code` is None and there
    isn't exactly one product.
    """
    if code == "":
        raise bad("product: a string is required")
    try:
        return mock_of(request).product(code)
    except LookupError as error:
        raise HTTPException(400 if code is None else 404, f"product: {error}") from None


def path_id(request: Request) -> int:
    """Return the id in the path. If it is invalid, return 0, which no object has as its id."""
    return ids.parse(request.path_params["id"]) or 0
