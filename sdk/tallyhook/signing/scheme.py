"""The interface of all ways to sign hooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tallyhook.errors import BadSignature


class Scheme(Protocol):
    """A way to sign a request: its headers, what they cover, and what its keys look like.

    Schemes are values without state. They read no clock: `at` is always an aware time.
    """

    @property
    def name(self) -> str:
        """The name in configuration files."""

    def check_key(self, key: str | bytes) -> None:
        """Raises ValueError for a key that can't verify anything. The message doesn't quote the key."""

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """The headers that sign a body with the sender's key.

        `id` identifies the hook and is the same in every attempt; `at` is the time of this attempt. A scheme
        may ignore both. Raises ValueError for a key or an id that can't sign.
        """

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Whether the headers sign this body with one of the listener's keys. Header names may be in any
        case.

        It tries every key. Nothing in headers or body raises, however strange.
        """


def check(
    scheme: Scheme, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
) -> None:
    """Like `scheme.verify`, but raises BadSignature."""
    if not scheme.verify(headers, body, keys, at=at):
        raise BadSignature("no key fits the signature of this body")


def header(headers: Mapping[str, str], name: str) -> str:
    """The value of a header, whose name may be in any case; empty if there is none."""
    wanted = name.lower()
    value = headers.get(wanted)  # where doors put it
    if value is None:
        value = next((value for key, value in headers.items() if key.lower() == wanted), "")
    return value.strip()


def as_bytes(text: str | bytes) -> bytes:
    """The bytes of a header or key, as they are signed and compared."""
    # A header may hold anything, lone surrogates of a lenient decoder included.
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
