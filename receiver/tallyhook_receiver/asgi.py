"""The ASGI application, which reads requests, sends responses, and handles lifespan events."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tallyhook_receiver.health import Health
from tallyhook_receiver.intake import Intake
from tallyhook_receiver.responses import HEADERS_TOO_LARGE, TOO_LARGE, TOO_SLOW, Response

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# These limits are far above what a hook needs, even if several proxies add headers. They are needed because
# some servers have no limits of their own.
MAX_HEADERS = 100
MAX_HEADER_BYTES = 16_384


class ASGIApp:
    """The ASGI application. Serve it alone, or mount it in another application, at any path.

    If you serve it alone, the server's lifespan events open and close the receiver. A mounted application
    gets no lifespan events. So the first request opens the receiver, and your application must call
    `Receiver.aclose` before it ends.
    """

    def __init__(
        self,
        intake: Intake,
        health: Health,
        body_within: float,
        open: Callable[[], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._intake = intake
        self._health = health
        self._body_within = body_within
        self._open = open
        self._close = close

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                response = await self._respond(scope, receive)
                if response is not None:
                    await send_response(response, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _respond(self, scope: Message, receive: Receive) -> Response | None:
        headers = headers_of(scope)
        if headers is None:
            return self._intake.refused(HEADERS_TOO_LARGE)
        method, peer = scope["method"], scope["client"][0] if scope.get("client") else None
        if self._health.is_asked(method, scope["path"]):
            response = await self._health.answer()
            return response._replace(body=b"") if method == "HEAD" else response
        if (refusal := self._intake.precheck(method, headers, peer)) is not None:
            return refusal
        limit = asyncio.timeout(self._body_within)
        try:
            async with limit:
                body = await _read(receive, self._intake.max_body)
        except ConnectionAbortedError:
            return None
        except TimeoutError:
            if not limit.expired():
                raise
            return self._intake.refused(TOO_SLOW)
        if body is None:
            return self._intake.refused(TOO_LARGE)
        return await self._intake.receive(headers, body, peer)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._open()
        except Exception as error:  # report any error to the server
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})


def headers_of(scope: Message) -> dict[str, str] | None:
    """Return a request's headers, with lower-case names. Repeated headers are joined by commas.

    Returns None if there are too many headers, or if they are too large.
    """
    fields = scope["headers"]
    if len(fields) > MAX_HEADERS:
        return None
    headers: dict[str, str] = {}
    size = 0
    for name, value in fields:
        size += len(name) + len(value)
        if size > MAX_HEADER_BYTES:
            return None
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Return a request's body, or None if it is longer than `limit` bytes.

    Raises ConnectionAbortedError if the sender disconnects.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def send_response(response: Response, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
