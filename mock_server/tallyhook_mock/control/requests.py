"""What control calls have in common: their JSON bodies, and finding what they name."""

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
# Exact. Unlike the standard library's it takes no half of a surrogate pair, which no answer can say.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def mock_of(request: Request) -> Mock:
    return cast(Mock, request.app.state.mock)


def bad(why: str) -> HTTPException:
    return HTTPException(400, why)


def missing(what: str) -> HTTPException:
    return HTTPException(404, what)


@contextmanager
def as_operator(mock: Mock, kind: type[S]) -> Iterator[tuple[S, datetime]]:
    """The state of a system beside Cheddar, and the present, for a command that an operator gives.

    What is due by now is done first, and what the command does is noted at the end.
    """
    state, at = mock.systems.of(kind), mock.clock.now()
    state.catch_up(at)
    state.actor = "operator"
    try:
        yield state, at
    finally:
        mock.changed()


async def json_object(request: Request) -> dict[str, Any]:
    """The body, a JSON object; 400 if it is none, 413 if it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST:
            raise HTTPException(413, f"the body is longer than {_MOST} bytes")
    try:
        value = _DECODER.decode(body)
    except ArithmeticError:
        raise bad("the body is not JSON that can be read: a number is beyond all bounds") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad("the body is not a JSON object")
    return value


def takes(kind: type[ATable]) -> Callable[[Callable[[Request, ATable], Awaitable[Response]]], Handler]:
    """A call whose body is such a table; 400 if it is none, with what is wrong."""

    def decorated(handler: Callable[[Request, ATable], Awaitable[Response]]) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            return await handler(request, read(kind, await json_object(request)))

        call.__dict__["takes"] = kind
        return call

    return decorated


def holds(kind: Callable[[], type[Table]]) -> Callable[[Handler], Handler]:
    """A call whose body is such a table, which it reads itself."""

    def decorated(handler: Handler) -> Handler:
        handler.__dict__["holds"] = kind
        return handler

    return decorated


def asks(*names: str) -> Callable[[Handler], Handler]:
    """A call that knows these parameters of a query; 400 for any other."""

    def decorated(handler: Handler) -> Handler:
        @wraps(handler)
        async def call(request: Request) -> Response:
            only(request.query_params, names)
            return await handler(request)

        call.__dict__["asks"] = names
        return call

    return decorated


def only(values: Mapping[str, Any], names: Collection[str]) -> None:
    """400 for a name that means nothing here: a slip of the pen must not pass for a wish fulfilled."""
    for name in values:
        if name not in names:
            raise bad(f"{name}: unknown; known here: {', '.join(names)}")


def page(
    items: Iterable[T], given: Mapping[str, str], name: Callable[[T], str]
) -> tuple[list[T], dict[str, str]]:
    """The items after the one that `after` names, `limit` of them at the most, and how to go on.

    What is to go on with is the name of the last one, as `next`; there is none after the last item. 400 for a
    limit that is none, and for an `after` that is not there.
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
        raise bad(f"{name}: a text is required")
    return value


def named_product(request: Request, code: str | None) -> Product:
    """The product with the code; where there is only one it need not be named."""
    if code == "":
        raise bad("product: a text is required")
    try:
        return mock_of(request).product(code)
    except LookupError as error:
        raise HTTPException(400 if code is None else 404, f"product: {error}") from None


def path_id(request: Request) -> int:
    """The id in the path; 0, which nothing has, if this server never wrote such an id."""
    return ids.parse(request.path_params["id"]) or 0
