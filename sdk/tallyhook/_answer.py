"""The answer to a call while its body comes in: bounded in size, and never mixed up with the next one."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpx

from tallyhook.errors import DecodeError

# httpx can unpack others too, but one piece of them may grow without bounds.
_ENCODINGS = ("", "identity", "gzip", "deflate")


class Answer:
    """A response whose body may not grow beyond `most` bytes."""

    def __init__(self, response: httpx.Response, most: int) -> None:
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")
        self.body = bytearray()
        self._most = most
        if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise DecodeError("the answer comes in an encoding that was not asked for")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > most:
            raise self._too_large()
        response.stream = _Stream(response.stream)

    def add(self, piece: bytes) -> None:
        """Add a piece of the body. Raises DecodeError if the body becomes too large."""
        self.body += piece
        if len(self.body) > self._most:
            raise self._too_large()

    def _too_large(self) -> DecodeError:
        return DecodeError(f"the answer has more than {self._most:,} bytes")


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that closes its connection if more bytes arrive than belong to it.

    httpx would take them for the answer to the next request on that connection.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream
        _give_up_with_leftover(self._stream)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
        _give_up_with_leftover(self._stream)

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _give_up_with_leftover(stream: Any) -> None:
    """Make httpcore close the connection of a body if its parser holds bytes that follow the body."""
    # httpcore has no public way to this parser. Other transports don't have one.
    while stream is not None and not hasattr(stream, "_connection"):
        stream = getattr(stream, "_httpcore_stream", None) or getattr(stream, "_stream", None)
    parser = getattr(getattr(stream, "_connection", None), "_h11_state", None)
    if parser is not None and parser.trailing_data[0]:
        parser.send_failed()


_is_ours = ContextVar("_is_ours", default=False)


@contextmanager
def unlogged() -> Iterator[None]:
    """Keeps httpx from logging URLs, which hold customers' codes."""
    before = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(before)


logging.getLogger("httpx").addFilter(lambda record: not _is_ours.get())
