"""The connections of one client to its server."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator

import httpcore
import httpx

from tallyhook.network import Backend

__all__ = ["Pool", "Transport"]

# As many as httpx has by default, and for as many seconds.
_MOST = 100
_MOST_IDLE = 20
_EXPIRY = 5.0

_UNTOUCHED = httpcore.AsyncConnectionPool.handle_async_request


class Transport(httpx.AsyncHTTPTransport):
    """httpx's own with a pool of ours, on a way that is the same for all calls."""

    def __init__(self, verify: ssl.SSLContext, proxy: str | None = None) -> None:
        super().__init__(verify=verify, proxy=proxy)  # which refuses proxies that it can't use
        # httpx lets nobody choose the pool. A transport of our own would do without this line, but those who
        # watch calls or answer them in tests (OpenTelemetry, pytest-httpx) do so in httpx's.
        self._pool = Pool(verify, None if proxy is None else _understood(httpx.Proxy(proxy)))


class Pool(httpcore.AsyncConnectionPool):
    """Connections to one server, of which the one that was used last is taken first.

    httpcore's pool asks every idle connection, before and after each call, whether its other end has left.
    This one asks the one that it takes, and the one that has been idle for longest.
    """

    def __init__(self, verify: ssl.SSLContext, proxy: httpcore.Proxy | None = None) -> None:
        # httpcore's part is `create_connection`, which knows all the ways through proxies.
        super().__init__(verify, proxy, keepalive_expiry=_EXPIRY, network_backend=Backend())
        self._room = asyncio.Semaphore(_MOST)
        self._idle: deque[httpcore.AsyncConnectionInterface] = deque()
        self._busy: set[httpcore.AsyncConnectionInterface] = set()

    @property
    def connections(self) -> list[httpcore.AsyncConnectionInterface]:
        """Those that are open or being opened."""
        return [*self._busy, *self._idle]

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """As httpcore says. PoolTimeout where no connection becomes free in time; UnsupportedProtocol."""
        if httpcore.AsyncConnectionPool.handle_async_request is not _UNTOUCHED:
            # Somebody stands in for httpcore's pools, as respx does, and expects to be asked.
            return await super().handle_async_request(request)
        if request.url.scheme not in (b"http", b"https"):
            raise httpcore.UnsupportedProtocol("The URL has to begin with http:// or https://")
        room = self._room
        await _enter(room, request.extensions.get("timeout", {}).get("pool"))
        connection = None
        try:
            while True:
                connection = await self._next(request.url.origin)
                self._busy.add(connection)
                try:
                    response = await connection.handle_async_request(request)
                    break
                except httpcore.ConnectionNotAvailable:  # closed a moment ago: nothing was sent
                    self._busy.discard(connection)
        except BaseException:
            await self._leave(room, connection)
            raise
        assert isinstance(response.stream, AsyncIterable)
        response.stream = _Body(response.stream, self, room, connection)
        return response

    async def aclose(self) -> None:
        """Close the connections, those at work as well. The next call may be in another event loop."""
        connections = self.connections
        self._room = asyncio.Semaphore(_MOST)
        self._idle.clear()
        self._busy.clear()
        for connection in connections:
            await connection.aclose()
        await super().aclose()
        await asyncio.sleep(0)  # in which the loop closes the sockets

    async def _next(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed() and not connection.has_expired():
                return connection
            await connection.aclose()
        return self.create_connection(origin)

    async def _leave(
        self, room: asyncio.Semaphore, connection: httpcore.AsyncConnectionInterface | None
    ) -> None:
        """After a call, whatever became of it. A stream of ours closes at once, so this can't be canceled."""
        try:
            if connection is None:
                return
            if connection in self._busy and connection.is_idle() and not connection.is_closed():
                self._idle.append(connection)
            else:
                await connection.aclose()
            self._busy.discard(connection)
            while len(self._idle) > 1 and (len(self._idle) > _MOST_IDLE or self._idle[0].has_expired()):
                await self._idle.popleft().aclose()
        finally:
            room.release()


class _Body:
    """An answer's body. Its connection goes back to the pool when this is closed."""

    def __init__(
        self,
        stream: AsyncIterable[bytes],
        pool: Pool,
        room: asyncio.Semaphore,
        connection: httpcore.AsyncConnectionInterface,
    ) -> None:
        self._stream = stream
        self._pool = pool
        self._room = room
        self._connection = connection
        self._is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if hasattr(self._stream, "aclose"):
                await self._stream.aclose()
        finally:
            await self._pool._leave(self._room, self._connection)


async def _enter(room: asyncio.Semaphore, timeout: float | None) -> None:
    if not room.locked():
        await room.acquire()
        return
    try:
        async with asyncio.timeout(timeout):
            await room.acquire()
    except TimeoutError as error:
        raise httpcore.PoolTimeout(str(error)) from error


def _understood(proxy: httpx.Proxy) -> httpcore.Proxy:
    url = proxy.url
    address = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return httpcore.Proxy(address, auth=proxy.raw_auth)
