"""The ASGI door: bytes in within limits, the answer out, and the receiver's life with the server's."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tallyhook_receiver.answers import HEADERS_TOO_LARGE, TOO_LARGE, TOO_SLOW, Answer
from tallyhook_receiver.deadlines import Deadlines
from tallyhook_receiver.here import running_loop

if TYPE_CHECKING:
    from tallyhook_receiver.receiver import Receiver

__all__ = ["Door", "Message", "Receive", "Send", "headers_of", "send_answer"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# A hook with a row of proxies behind it stays far below; servers' own limits differ, and some have none.
MAX_HEADERS = 100
MAX_HEADER_BYTES = 16_384


class Door:
    """An ASGI application: serve it by itself, or give it a route in another one, on any path.

    With a server's lifespan it opens and ends the receiver, and disconnects the products' clients.

    Mounted, it gets no lifespan events: the inbox opens with the first request, and `Receiver.aclose` is the
    host's to call.
    """

    def __init__(self, receiver: "Receiver") -> None:
        self._receiver = receiver
        self._readings = Deadlines()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                answer = await self._answer(scope, receive)
                if answer is not None:
                    await send_answer(answer, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Message, receive: Receive) -> Answer | None:
        headers = headers_of(scope)
        if headers is None:
            return self._receiver.refused(HEADERS_TOO_LARGE)
        method, peer = scope["method"], scope["client"][0] if scope.get("client") else None
        if self._receiver.health.is_asked(method, scope["path"]):
            answer = await self._receiver.health.answer()
            return answer._replace(body=b"") if method == "HEAD" else answer
        if (refusal := self._receiver.greet(method, headers, peer)) is not None:
            return refusal
        reading = asyncio.current_task(running_loop())
        assert reading is not None
        due = self._readings.set(self._receiver.body_within, reading.cancel)
        try:
            body = await _read(receive, self._receiver.max_body)
        except asyncio.CancelledError:
            if not due.is_reached or reading.uncancel():
                raise
            return self._receiver.refused(TOO_SLOW)
        except ConnectionAbortedError:
            return None
        finally:
            due.cancel()
        if body is None:
            return self._receiver.refused(TOO_LARGE)
        return await self._receiver.accept(headers, body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._receiver.open()
        except Exception as error:  # whatever it is, the server has to be told
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        # What is there by now is most of the memory, and stays: while the garbage collector searches all of
        # it again and again, hooks wait. Mounted in an application, its memory is none of our business.
        gc.freeze()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        gc.unfreeze()
        await self._receiver.end()
        await send({"type": "lifespan.shutdown.complete"})


def headers_of(scope: Message) -> dict[str, str] | None:
    """A request's headers, names in lower case and repeated ones joined; None if they are too large."""
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
    """The body, or None once it is longer than the limit. ConnectionAbortedError if the sender has left."""
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


async def send_answer(answer: Answer, send: Send) -> None:
    headers = list(_encoded(answer.headers))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


@lru_cache(maxsize=64)
def _encoded(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers)
