"""The latest calls of the billing APIs: who asked for what, what was answered, and how long that took.

Of what a caller sends only the action, the product and the customer are kept: no card, no password.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from html import unescape

from starlette.types import Message, Send

from tallyhook_mock.core.base import Value

__all__ = ["CallLog", "CallMade", "Watched"]

KEPT = 10_000
_REASON = re.compile(rb"<error[^>]*>([^<]+)</error>")
_MOST_OF_REASON = 500  # characters
_MOST_OF_ANSWER = 64_000  # bytes of a refusal that are searched for its reason


class CallMade(Value, frozen=True):
    """One call.

    `at` is the mock's time, `seconds` are real ones. `status` is None if the connection was dropped. `reason`
    is what a refusal says, `fault` what was made to go wrong. In a system that knows no customers `customer`
    is the account.
    """

    number: int
    at: datetime
    system: str
    method: str
    action: str
    product: str
    customer: str
    status: int | None
    seconds: float
    reason: str = ""
    fault: str = ""

    @property
    def failed(self) -> bool:
        return self.status is None or self.status >= 400


class CallLog:
    """The latest calls, numbered from 1. `told` are called with each new one."""

    def __init__(self, kept: int = KEPT) -> None:
        self.told: list[Callable[[CallMade], None]] = []
        self.by_number: dict[int, CallMade] = {}
        self._kept = kept
        self._count = 0

    def __iter__(self) -> Iterator[CallMade]:
        """Oldest first."""
        return iter(tuple(self.by_number.values()))

    def clear(self) -> None:
        """Forget all; the numbers go on."""
        self.by_number.clear()

    def add(self, made: CallMade) -> None:
        self.by_number[made.number] = made
        if len(self.by_number) > self._kept:
            del self.by_number[next(iter(self.by_number))]
        for told in self.told:
            told(made)

    def next_number(self) -> int:
        self._count += 1
        return self._count


class Watched:
    """An answer on its way: its status, and what it says if it is a refusal."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status: int | None = None
        self._is_whole = False
        self._answer = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            self._is_whole = not message.get("more_body", False)
            if self._status is not None and self._status >= 400 and len(self._answer) < _MOST_OF_ANSWER:
                self._answer += message.get("body", b"")
        await self._send(message)

    @property
    def status(self) -> int | None:
        """None if the answer did not get to its end."""
        return self._status if self._is_whole else None

    @property
    def reason(self) -> str:
        """What a refusal says, in one line."""
        found = _REASON.search(self._answer)
        text = bytes(found[1] if found else self._answer).decode("utf-8", "replace")
        return " ".join((unescape(text) if found else text).split())[:_MOST_OF_REASON]
