"""When to try a call again, after how long, and for how long at most."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from tallyhook._answer import Answer
from tallyhook._call import Call
from tallyhook.errors import NoAnswer

# Seconds. A caller that is asked to wait longer gets the error instead.
_LONGEST = 60.0

_TRANSIENT = (502, 503)

# These errors come before a byte of the request has left.
_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Retry:
    """Up to `retries` further attempts, with pauses that start at `backoff` seconds and double.

    Each pause is shortened at random by up to half, so that many clients don't come back all at once.
    """

    retries: int
    backoff: float

    def pause(self, attempt: int, retry_after: str | None = None) -> float | None:
        """Seconds to wait after an attempt has failed (0 is the first); None to give up.

        A server's Retry-After, in seconds or as a date, counts if it asks for a longer pause. If it asks for
        more than a minute, we give up.
        """
        if attempt >= self.retries:
            return None
        own = min(self.backoff * 2**attempt, _LONGEST) * random.uniform(0.5, 1.0)
        pause = max(own, _seconds(retry_after))
        return pause if pause <= _LONGEST else None


class Attempts:
    """The attempts at one call, and the time that is left for them."""

    def __init__(self, call: Call[object], retry: Retry, deadline: float | None) -> None:
        self._call = call
        self._retry = retry
        self._deadline = deadline
        self._end = None if deadline is None else time.monotonic() + deadline
        self._number = 0
        self._maybe_applied = False

    @property
    def left(self) -> float | None:
        """Seconds until the deadline; None if there is none."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def check(self) -> None:
        """Raises TimeoutError after the deadline."""
        if self.left == 0:
            raise TimeoutError

    def lost(self, error: Exception) -> NoAnswer:
        """The error that stands for a failed attempt. An earlier attempt may have arrived all the same."""
        self._maybe_applied |= not isinstance(error, _NEVER_LEFT)
        if isinstance(error, TimeoutError):
            return NoAnswer(f"no answer within {self._deadline:g} seconds", self._maybe_applied)
        # Not chained: the error of httpx holds the request, and that may hold a card.
        is_quotable = str(error) and not isinstance(error, httpx.HTTPStatusError)  # that one quotes the URL
        said = f" ({error})" if is_quotable else ""
        return NoAnswer(f"no answer: {type(error).__name__}{said}", self._maybe_applied)

    def pause(self, answer: Answer | NoAnswer) -> float | None:
        """Seconds until the next attempt; None to take this answer."""
        if not self._call.repeatable:
            return None
        if isinstance(answer, NoAnswer):
            pause = self._retry.pause(self._number)
        elif answer.status in _TRANSIENT:
            pause = self._retry.pause(self._number, answer.retry_after)
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
