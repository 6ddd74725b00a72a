"""Connections on asyncio itself, as httpcore wants them.

httpcore's own are anyio's, with a cancel scope around each read and each write. On a connection that is open
already those take longer than the system does.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from itertools import zip_longest
from typing import Any, TypeVar, cast

import httpcore

__all__ = ["Backend"]

T = TypeVar("T")

# A head and a small body leave together: one call of the system, and the server wakes once.
_TOGETHER = 16 * 1024
# What the other end may send ahead of whoever reads.
_AHEAD = 256 * 1024
# What TLS takes at a time. None of its records is longer than 16 KiB.
_PIECE = 64 * 1024
# RFC 8305: the pause before another of a server's addresses is tried as well.
_NEXT_ADDRESS = 0.25


class Backend(httpcore.AsyncNetworkBackend):
    """Connects in the event loop that runs."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """To the address of the host's that answers first. ConnectTimeout, ConnectError."""
        try:
            async with asyncio.timeout(timeout):
                stream = await _connect(host, port, None if local_address is None else (local_address, 0))
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: the DNS can't have such a name
            raise httpcore.ConnectError(str(error)) from error
        try:
            for option in socket_options or ():
                stream.get_extra_info("socket").setsockopt(*option)
        except OSError as error:
            await stream.aclose()
            raise httpcore.ConnectError(str(error)) from error
        return stream

    async def sleep(self, seconds: float) -> None:
        """As asyncio does."""
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream, ABC):
    """What TCP and TLS have in common. `until` is a time by the loop's clock; None is for ever."""

    @abstractmethod
    async def receive(self, most: int, until: float | None) -> bytes:
        """The next bytes, and none at their end. ReadTimeout, ReadError."""

    @abstractmethod
    async def send(self, data: bytes, until: float | None) -> None:
        """Take bytes to send. A few are kept until more come, or `push`. WriteTimeout, WriteError."""

    @abstractmethod
    def push(self) -> None:
        """Send what was kept."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """As httpcore says."""
        return await self.receive(max_bytes, _until(timeout))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """As httpcore says, but that a little only leaves with the next read, with more, or at the close."""
        if buffer:
            await self.send(buffer, _until(timeout))

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """TLS through this stream, which is closed where that fails. ConnectTimeout, ConnectError."""
        # Not the loop's own: it waits up to half a minute for the other end's part in closing, and in
        # Python 3.11 it never returns when TLS within TLS is refused.
        try:
            secure = _TLS(self, ssl_context, server_hostname)
            await secure.shake_hands(_until(timeout))
        except BaseException as error:
            await self.aclose()
            if isinstance(error, httpcore.TimeoutException):
                raise httpcore.ConnectTimeout(str(error)) from error
            if isinstance(error, httpcore.NetworkError | ssl.SSLError):
                raise httpcore.ConnectError(str(error)) from error
            raise
        return secure


class _TCP(_Stream, asyncio.Protocol):
    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._kept = b""
        self._received = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._is_paused = False  # too much came ahead: the loop reads no further
        self._is_full = False  # too much is to be sent
        self._has_ended = False  # the other end has sent all that it will
        self._is_closed = False
        self._error: Exception | None = None  # what it broke of

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) >= _AHEAD and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        _wake(self._reader)

    def eof_received(self) -> bool:
        self._has_ended = True
        _wake(self._reader)
        return True  # what is on its way to the other end may be wanted there nevertheless

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        _wake(self._writer)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed = True
        self._error = error
        _wake(self._reader)
        _wake(self._writer)

    # What httpcore asks for.

    async def receive(self, most: int, until: float | None) -> bytes:
        self.push()
        if not (self._received or self._has_ended or self._is_closed):
            self._reader = self._loop.create_future()
            await self._woken(self._reader, until, httpcore.ReadTimeout)
        if self._received:
            data = bytes(self._received[:most])
            del self._received[:most]
            if self._is_paused and len(self._received) < _AHEAD and not self._is_closed:
                self._is_paused = False
                self._transport.resume_reading()
            return data
        if self._is_closed:
            raise httpcore.ReadError(self._reason()) from self._error
        return b""

    async def send(self, data: bytes, until: float | None) -> None:
        if self._is_closed or self._transport.is_closing():
            raise httpcore.WriteError(self._reason()) from self._error
        self._kept += data
        if len(self._kept) < _TOGETHER:
            return
        self.push()
        if self._is_full:
            self._writer = self._loop.create_future()
            await self._woken(self._writer, until, httpcore.WriteTimeout)
            if self._is_closed:
                raise httpcore.WriteError(self._reason()) from self._error

    def push(self) -> None:
        kept, self._kept = self._kept, b""
        if kept and not self._transport.is_closing():
            self._transport.write(kept)

    async def aclose(self) -> None:
        self.push()
        self._is_closed = True
        # What the system doesn't take at once nobody waits for: an open socket would be left behind.
        self._transport.abort()
        _wake(self._reader)
        _wake(self._writer)

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return bool(self._received) or self._has_ended or self._is_closed or self._has_more()
        names = {"socket": "socket", "client_addr": "sockname", "server_addr": "peername"}
        return self._transport.get_extra_info(names[info]) if info in names else None

    def _has_more(self) -> bool:
        """Whether the system holds something, a farewell for example, that the loop has not come to yet."""
        number = self._transport.get_extra_info("socket").fileno()
        if not hasattr(select, "poll"):  # Windows
            return bool(select.select([number], [], [], 0)[0])
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    async def _woken(
        self, waiter: asyncio.Future[None], until: float | None, late: type[httpcore.TimeoutException]
    ) -> None:
        timer = None if until is None else self._loop.call_at(until, _expire, waiter, late)
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()

    def _reason(self) -> str:
        return "The connection is closed" if self._error is None else str(self._error)


async def _connect(host: str, port: int, local: tuple[str, int] | None) -> _TCP:
    """To the address that answers first. The next one is tried once another has failed, or takes long."""
    # Not by the loop's own race: uvloop has none, and asyncio's leaves a socket open when it is canceled
    # after there is a winner.
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    like_the_first = [address for family, *_, address in found if family == found[0][0]]
    others = [address for family, *_, address in found if family != found[0][0]]
    pairs = zip_longest(like_the_first, others)
    left: list[Any] = [address for pair in pairs for address in pair if address]
    trying: set[asyncio.Task[tuple[asyncio.Transport, _TCP]]] = set()
    errors: list[BaseException] = []
    try:
        while left or trying:
            if left:
                address, *left = left
                attempt = loop.create_connection(_TCP, address[0], address[1], local_addr=local)
                trying.add(loop.create_task(attempt))
            pause = _NEXT_ADDRESS if left else None
            done, _ = await asyncio.wait(trying, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                trying.remove(task)
                error = task.exception()
                if error is None:
                    return task.result()[1]
                errors.append(error)
    finally:
        for task in trying:
            task.cancel()
            task.add_done_callback(_abandon)
    raise errors[0] if len(errors) == 1 else OSError("; ".join(map(str, errors)))


def _abandon(attempt: asyncio.Task[tuple[asyncio.Transport, _TCP]]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result()[0].abort()


class _TLS(_Stream):
    """TLS through another stream."""

    def __init__(self, below: _Stream, context: ssl.SSLContext, hostname: str | None) -> None:
        self._below = below
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)
        self._has_ended = False

    async def shake_hands(self, until: float | None) -> None:
        """Before anything else. Errors as those of `receive` and `send`, and SSLError."""
        await self._done(self._tls.do_handshake, until)

    async def receive(self, most: int, until: float | None) -> bytes:
        self.push()
        try:
            data = await self._done(partial(self._tls.read, most), until)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):  # many servers leave without a word
            data = b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(str(error)) from error
        self._has_ended = not data
        return data

    async def send(self, data: bytes, until: float | None) -> None:
        left = memoryview(data)
        try:
            while left:
                written = await self._done(partial(self._tls.write, left[:_PIECE]), until)
                left = left[written:]
        except ssl.SSLError as error:
            raise httpcore.WriteError(str(error)) from error

    def push(self) -> None:
        self._below.push()

    async def aclose(self) -> None:
        await self._below.aclose()

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._tls
        if info == "is_readable" and (self._has_ended or self._incoming.pending):
            return True
        return self._below.get_extra_info(info)

    async def _done(self, step: Callable[[], T], until: float | None) -> T:
        """A step of TLS's, with all that has to be sent and received for it."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush(until)
                if data := await self._below.receive(_PIECE, until):
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush(until)
                return result

    async def _flush(self, until: float | None) -> None:
        if data := self._outgoing.read():
            await self._below.send(data, until)


def _until(timeout: float | None) -> float | None:
    return None if timeout is None else asyncio.get_running_loop().time() + timeout


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def _expire(waiter: asyncio.Future[None], late: type[httpcore.TimeoutException]) -> None:
    if not waiter.done():
        waiter.set_exception(late())
