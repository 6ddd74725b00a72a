"""Decide when to retry a call, and read a response as it arrives."""

import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from tallyhook._call import Call
from tallyhook.errors import DecodeError, NoAnswer

# The longest pause, in seconds. If the server asks for more, we give up.
_LONGEST = 60.0

_TRANSIENT = (502, 503)

# These errors occur before any byte is sent.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

# httpx can decode other encodings too, but a single chunk in one of them may expand without limit.
_ENCODINGS = ("", "identity", "gzip", "deflate")


@dataclass(frozen=True, slots=True)
class Retry:
    """A policy of at most `retries` retries. The pauses start at `backoff` seconds and double each time.

    Each pause is shortened at random by up to half, so that many clients don't retry at the same moment.
    """

    retries: int
    backoff: float

    def pause(self, attempt: int, retry_after: str | None = None) -> float | None:
        """Return the seconds to wait after a failed attempt, or None to give up.

        `attempt` is the number of the failed attempt; the first is 0. `retry_after` is the Retry-After
        header, in seconds or as a date. It can make the pause longer, but if it asks for more than a minute,
        the result is None.
        """
        if attempt >= self.retries:
            return None
        own = min(self.backoff * 2**attempt, _LONGEST) * random.uniform(0.5, 1.0)
        pause = max(own, _seconds(retry_after))
        return pause if pause <= _LONGEST else None


class Attempts:
    """Counts the attempts at one call and watches their common deadline."""

    def __init__(self, call: Call[object], retry: Retry, deadline: float | None) -> None:
        self._call = call
        self._retry = retry
        self._deadline = deadline
        self._end = None if deadline is None else time.monotonic() + deadline
        self._number = 0
        self._maybe_applied = False

    @property
    def left(self) -> float | None:
        """The seconds until the deadline, or None if there is no deadline."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raise TimeoutError if the deadline has passed."""
        if self.left == 0:
            raise TimeoutError

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Prepare an attempt in the `with` block.

        If the block raises NoAnswer, the exception's `maybe_applied` becomes True if an earlier attempt may
        have reached the server.
        """
        try:
            yield
        except NoAnswer as error:
            if self._maybe_applied:
                raise type(error)(error.message, True) from None
            raise

    def lost(self, error: Exception) -> NoAnswer:
        """Return the NoAnswer exception for an attempt that failed with `error`.

        The exception's `maybe_applied` is True if this attempt or an earlier one may have reached the server.
        """
        self._maybe_applied |= not isinstance(error, _NEVER_LEFT)
        if isinstance(error, TimeoutError):
            return NoAnswer(f"no answer within {self._deadline:g} seconds", self._maybe_applied)
        # Not chained, because httpx's error holds the request, which may contain card data.
        is_quotable = str(error) and not isinstance(error, httpx.HTTPStatusError)  # its text quotes the URL
        said = f" ({error})" if is_quotable else ""
        return NoAnswer(f"no answer: {type(error).__name__}{said}", self._maybe_applied)

    def pause(self, answer: "Answer | NoAnswer") -> float | None:
        """Return the seconds to wait before the next attempt, or None if `answer` is final."""
        if not self._call.repeatable:
            return None
        if isinstance(answer, NoAnswer):
            pause = self._retry.pause(self._number)
        elif answer.status in _TRANSIENT:
            pause = self._retry.pause(self._number, answer.retry_after)
            self._maybe_applied = True  # a proxy gives these answers too, to a call that it has passed on
        else:
            return None
        self._number += 1
        left = self.left
        return pause if pause is None or left is None or pause < left else None


def _seconds(retry_after: str | None) -> float:
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


class Answer:
    """A response whose body may have at most `most` bytes. `check` is called for each chunk that arrives."""

    def __init__(self, response: httpx.Response, most: int, check: Callable[[], None]) -> None:
        self.status = response.status_code
        self.retry_after = response.headers.get("Retry-After")
        self.body = bytearray()
        self._most = most
        if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
            raise DecodeError("the answer has a content encoding that we didn't ask for")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > most:
            raise self._too_large()
        response.stream = _Stream(response.stream, check)

    def add(self, piece: bytes) -> None:
        """Append a piece to the body. Raises DecodeError if the body becomes too large."""
        self.body += piece
        if len(self.body) > self._most:
            raise self._too_large()

    def _too_large(self) -> DecodeError:
        return DecodeError(f"the answer has more than {self._most:,} bytes")


class _Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The stream of a response's body. If more bytes follow the body, the connection is closed.

    Otherwise httpx would read those bytes as the answer to the next request on the same connection. `check`
    is called here and not for decompressed pieces, because a compressed chunk may contain nothing.
    """

    def __init__(self, stream: Any, check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            self._check()
            yield piece
        _give_up_with_leftover(self._stream)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._check()
            yield piece
        _give_up_with_leftover(self._stream)

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


def _give_up_with_leftover(stream: Any) -> None:
    """Make httpcore close the connection if more bytes have arrived after the body."""
    # httpcore's parser knows whether bytes are left over, but it is private. Other transports have no such
    # parser.
    while stream is not None and not hasattr(stream, "_connection"):
        stream = getattr(stream, "_httpcore_stream", None) or getattr(stream, "_stream", None)
    parser = getattr(getattr(stream, "_connection", None), "_h11_state", None)
    if parser is not None and parser.trailing_data[0]:
        parser.send_failed()


_is_ours = ContextVar("_is_ours", default=False)


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep httpx from logging URLs in the `with` block, because URLs contain customers' codes."""
    before = _is_ours.set(True)
    try:
        yield
    finally:
        _is_ours.reset(before)


logging.getLogger("httpx").addFilter(lambda record: not _is_ours.get())
