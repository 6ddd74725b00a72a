"""When to try again, and after how long."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A caller that is told to wait longer than this is better served with the error.
_LONGEST = 60.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Up to `retries` further attempts, with pauses that double from `backoff` seconds on.

    Each pause is shortened at random by up to half, so that many clients do not come back all at once.
    """

    retries: int
    backoff: float

    def pause(self, attempt: int, retry_after: str | None = None) -> float | None:
        """Seconds to wait after the given attempt (0 = the first) has failed; None to give up.

        A server's Retry-After, in seconds or as a date, counts if it asks for more; beyond a minute we
        give up.
        """
        if attempt >= self.retries:
            return None
        own = min(self.backoff * 2**attempt, _LONGEST) * random.uniform(0.5, 1.0)
        pause = max(own, _seconds(retry_after))
        return pause if pause <= _LONGEST else None


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
