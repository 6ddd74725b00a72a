"""What control calls have in common: their JSON bodies, and finding what they name."""

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any, TypeVar, cast

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request

from tallyhook_mock.core import ids
from tallyhook_mock.core.pages import page_of
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.products import Product

__all__ = [
    "PART",
    "bad",
    "json_object",
    "listed",
    "missing",
    "mock_of",
    "named_product",
    "only",
    "path_id",
    "text",
    "whole_number",
]

# The names of the query that choose a part of a list.
PART = ("limit", "after")

K = TypeVar("K", int, str)
V = TypeVar("V")

_MOST = 4_000_000  # bytes of a body
# Exact. Unlike the standard library's it takes no half of a surrogate pair, which no answer can say.
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


def mock_of(request: Request) -> Mock:
    return cast(Mock, request.app.state.mock)


def bad(why: str) -> HTTPException:
    return HTTPException(400, why)


def missing(what: str) -> HTTPException:
    return HTTPException(404, what)


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


def only(values: Mapping[str, Any], names: Collection[str]) -> None:
    """400 for a name that means nothing here: a slip of the pen must not pass for a wish fulfilled."""
    for name in values:
        if name not in names:
            raise bad(f"{name}: unknown; known here: {', '.join(names)}")


def text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not value:
        raise bad(f"{name}: a text is required")
    return value


def named_product(request: Request, values: Mapping[str, Any]) -> Product:
    """The product that is named; where there is only one it need not be."""
    code = text(values, "product") if "product" in values else None
    try:
        return mock_of(request).product(code)
    except LookupError as error:
        raise HTTPException(400 if code is None else 404, f"product: {error}") from None


def listed(
    request: Request,
    whole: Mapping[K, V],
    *,
    read: Callable[[str], K | None],
    write: Callable[[K], str],
    fits: Callable[[V], bool] | None = None,
    newest_first: bool = False,
) -> tuple[tuple[V, ...], str | None]:
    """What `limit` and `after` choose of a list, and what to give as `after` for more; None if that is all.

    `read` and `write` turn a key into what stands in the query, and back.
    """
    wanted = request.query_params
    limit, after = whole_number(wanted["limit"]) if "limit" in wanted else None, None
    if limit == 0:
        raise bad("limit: a whole number above 0 is required")
    if "after" in wanted:
        after = read(wanted["after"])
        if after is None:
            raise bad(f"after: {wanted['after']!r} was not given by this list as `next`")
    try:
        page = page_of(whole, limit, after=after, fits=fits, newest_first=newest_first)
    except LookupError as error:
        raise bad(f"after: {error}") from None
    return page.items, None if page.next is None else write(page.next)


def whole_number(written: str) -> int:
    """Of up to nine digits; 400 for anything else."""
    if not (written.isascii() and written.isdigit() and len(written) < 10):
        raise bad(f"{written!r} is not a whole number")
    return int(written)


def path_id(request: Request) -> int:
    """The id in the path; 0, which nothing has, if this server never wrote such an id."""
    return ids.parse(request.path_params["id"]) or 0
