"""HTTP connections that an application can drop at any point, to simulate a failing network."""

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tallyhook_mock.systems.cheddar.xml_documents import error_document, error_element

__all__ = ["HOP_BY_HOP", "Connection", "closing", "drop", "droppable"]

# Headers that belong to one connection (RFC 9110), or that the next sender computes itself, in lower case.
HOP_BY_HOP = frozenset(
    ("connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade")
)
_EXTENSION = "tallyhook.drop"
_CLOSING = "tallyhook.closing"
_UNREADABLE = 70_400  # the error id in the answer to any request that is not valid HTTP


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, extended so that an application can call `drop`.

    Pass this class to uvicorn as `uvicorn.Config(http=Connection)`. ASGI itself can't drop a connection: if
    an application returns without answering, the server sends a 500 and logs an error.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # narrowed by uvicorn
        super().connection_made(transport)
        app: ASGIApp = self.app
        self._closing = asyncio.Event()

        async def connected(scope: Scope, receive: Receive, send: Send) -> None:
            extensions = {**scope.get("extensions", {}), _CLOSING: {"event": self._closing}}
            await app(droppable({**scope, "extensions": extensions}, transport.close), receive, send)

        self.app = connected

    def send_400_response(self, msg: str) -> None:
        """Answer invalid HTTP, such as unencoded bytes in a path, with an XML error document."""
        document = error_document(error_element(_UNREADABLE, 400, msg, "")).encode()
        head = (
            "HTTP/1.1 400 Bad Request\r\n"
            "Content-Type: text/xml; charset=utf-8\r\n"
            f"Content-Length: {len(document)}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + document)
        self.transport.close()

    def shutdown(self) -> None:
        """Tell applications that the server is about to stop.

        uvicorn calls this method, then waits a little for unfinished responses.
        """
        self._closing.set()
        super().shutdown()


def droppable(scope: Scope, close: Callable[[], object]) -> Scope:
    """Return the scope of a call, extended so that `drop` closes the connection by calling `close`."""
    return {**scope, "extensions": {**scope.get("extensions", {}), _EXTENSION: {"close": close}}}


async def drop(scope: Scope, receive: Receive) -> None:
    """Send what was written so far, then close the TCP connection. Returns once it is closed.

    Raises RuntimeError if the server can't drop connections.
    """
    extension = scope.get("extensions", {}).get(_EXTENSION)
    if extension is None:
        raise RuntimeError("this server can't drop connections: run uvicorn with http=Connection")
    extension["close"]()
    # If this returned before the server noticed the disconnect, the server would report a broken application.
    while (await receive())["type"] != "http.disconnect":
        pass


async def closing(scope: Scope) -> None:
    """Wait until the server is about to stop, so that an endless response can end.

    Waits forever if the server doesn't announce that it is about to stop.
    """
    extension = scope.get("extensions", {}).get(_CLOSING)
    await (asyncio.Event() if extension is None else extension["event"]).wait()
