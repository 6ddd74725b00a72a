"""The ASGI door: bytes in within limits, the answer out, and the receiver's life with the server's."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from tallyhook_receiver.answers import TOO_LARGE, TOO_SLOW, WRONG_METHOD, Answer

if TYPE_CHECKING:
    from tallyhook_receiver.receiver import Receiver

__all__ = ["Door"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Door:
    """An ASGI application: serve it by itself, or mount it anywhere in another one, on any path.

    Mounted, it gets no lifespan events: the inbox opens with the first request, and `Receiver.aclose` is the
    host's to call.
    """

    def __init__(self, receiver: "Receiver") -> None:
        self._receiver = receiver

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                answer = await self._answer(scope, receive)
                if answer is not None:
                    await _send(answer, send)
            case "lifespan":
                await self._lifespan(receive, send)
            case "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1000})

    async def _answer(self, scope: Message, receive: Receive) -> Answer | None:
        if scope["method"] != "POST":
            return WRONG_METHOD
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            text = value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._receiver.max_body:
            return TOO_LARGE
        try:
            async with asyncio.timeout(self._receiver.body_within):
                body = await _read(receive, self._receiver.max_body)
        except TimeoutError:
            return TOO_SLOW
        except ConnectionAbortedError:
            return None
        if body is None:
            return TOO_LARGE
        return await self._receiver.handle("POST", headers, body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._receiver.open()
        except Exception as error:  # whatever it is, the server has to be told
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._receiver.aclose()
        await send({"type": "lifespan.shutdown.complete"})


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


async def _send(answer: Answer, send: Send) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
