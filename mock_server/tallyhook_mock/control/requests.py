"""Helpers for control calls: JSON bodies, queries, pages of lists, and lookups."""

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
from tallyhook_mock.core.base import BillingSystem
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
# Exact numbers. Unlike the standard library's, this decoder refuses lone surrogates, which JSON can't return.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def mock_of(request: Request) -> Mock:
    return cast(Mock, request.app.state.mock)


def bad(why: str) -> HTTPException:
    return HTTPException(400, why)


def missing(what: str) -> HTTPException:
    return HTTPException(404, what)


@contextmanager
def as_operator(mock: Mock, kind: type[S]) -> Iterator[tuple[S, datetime]]:
    """The state of a system other than Cheddar, and the current time, for an operator's command.

    Everything due is done first. What the command did is logged at the end.
    """
    state, at = mock.systems.of(kind), mock.clock.now()
    state.catch_up(at)
    state.actor = "operator"
    try:
        yield state, at
    finally:
        mock.changed()


async def json_object(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Answers 400 if it is not one, 413 if it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
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
    """Decorate a call: its body is read as this table. Answers 400, with the reason, for an invalid body."""

    def decorated(handler: Callable[[Request, ATable], Awaitable[Response]]) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            return await handler(request, read(kind, await json_object(request)))

        call.__dict__["takes"] = kind
        return call

    return decorated


def holds(kind: Callable[[], type[Table]]) -> Callable[[Handler], Handler]:
    """Decorate a call that reads its body itself. This table only documents the body."""

    def decorated(handler: Handler) -> Handler:
        handler.__dict__["holds"] = kind
        return handler

    return decorated


def asks(*names: str) -> Callable[[Handler], Handler]:
    """Decorate a call that takes these query parameters. Answers 400 for any other parameter."""

    def decorated(handler: Handler) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            only(request.query_params, names)
            return await handler(request)

        call.__dict__["asks"] = names
        return call

    return decorated


def only(values: Mapping[str, Any], names: Collection[str]) -> None:
    """Answer 400 for an unknown name, so that a typo is noticed."""
    for name in values:
        if name not in names:
            raise bad(f"{name}: unknown; known here: {', '.join(names)}")


def page(
    items: Iterable[T], given: Mapping[str, str], name: Callable[[T], str]
) -> tuple[list[T], dict[str, str]]:
    """At most `limit` items after the one named `after`, and the `next` to pass as `after` for more.

    `next` is the name of the last item. It is missing when there are no more items. Answers 400 for an
    invalid `limit` or an unknown `after`.
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
    """The product with this code, which may be left out if there is only one product."""
    if code == "":
        raise bad("product: a string is required")
    try:
        return mock_of(request).product(code)
    except LookupError as error:
        raise HTTPException(400 if code is None else 404, f"product: {error}") from None


def path_id(request: Request) -> int:
    """The id in the path. If it is not an id of this server, 0, which is never used."""
    return ids.parse(request.path_params["id"]) or 0
