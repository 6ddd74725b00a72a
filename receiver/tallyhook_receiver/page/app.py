"""The page as an ASGI application that checks access and sets security headers."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import quote

from tallyhook_receiver.asgi import Message, Receive, Send, headers_of, send_response
from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import Inbox
from tallyhook_receiver.page.overview import document, read
from tallyhook_receiver.responses import HEADERS_TOO_LARGE, Response

log = logging.getLogger("tallyhook.receiver")

# Gets the request's headers, with names in lower case. The request is refused unless the result is True.
Check = Callable[[Mapping[str, str]], bool | Awaitable[bool]]

_STYLE = "/page.css"
_CSS = files(__package__).joinpath("page.css").read_bytes()

_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def _response(status: int, kind: str, body: bytes, *headers: tuple[str, str]) -> Response:
    content = (("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(body))))
    return Response(status, (*content, *_HEADERS, *headers), body)


_STYLED = _response(200, "text/css", _CSS)
_FORBIDDEN = _response(403, "text/plain", b"access denied\n")
_NOT_FOUND = _response(404, "text/plain", b"not found\n")
_READ_ONLY = _response(405, "text/plain", b"GET only\n", ("Allow", "GET, HEAD"))
_UNAVAILABLE = _response(503, "text/plain", b"the inbox is unavailable\n")


class Page:
    """The read-only page: an ASGI application to mount in another application. The page has no scripts.

    `opened` returns the open inbox, and may raise InboxUnavailable. `check` decides who may see the page.
    """

    def __init__(self, opened: Callable[[], Awaitable[Inbox]], check: Check) -> None:
        self._opened = opened
        self._check = check

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                response = await self._respond(scope)
                if scope["method"] == "HEAD":
                    response = response._replace(body=b"")
                await send_response(response, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})
            case kind:  # the error tells the server that the page handles no lifespan events
                raise RuntimeError(f"the page does not support {kind}")

    async def _respond(self, scope: Message) -> Response:
        headers = headers_of(scope)
        if headers is None:
            return HEADERS_TOO_LARGE
        if not await self._may(headers):
            log.warning("a request for the page was refused")
            return _FORBIDDEN
        if scope["method"] not in ("GET", "HEAD"):
            return _READ_ONLY
        root = scope.get("root_path", "")
        match scope["path"].removeprefix(root):
            case "" | "/":
                return await self._overview(quote(root) + _STYLE)
            case path if path == _STYLE:
                return _STYLED
        return _NOT_FOUND

    async def _may(self, headers: Mapping[str, str]) -> bool:
        allowed = self._check(headers)
        if inspect.isawaitable(allowed):
            allowed = await allowed
        return allowed is True

    async def _overview(self, style: str) -> Response:
        try:
            overview = await read(await self._opened())
        except InboxUnavailable as error:
            log.error("the page: the inbox is unavailable: %s", error)
            return _UNAVAILABLE
        return _response(200, "text/html", document(overview, style, datetime.now(UTC)).encode())
