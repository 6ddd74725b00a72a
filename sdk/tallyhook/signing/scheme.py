"""What a way to sign hooks has to be able to do."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tallyhook.errors import BadSignature


class Scheme(Protocol):
    """One way to sign a request: which headers carry it, what they cover, what its keys look like.

    Schemes are values without state. `at` is an aware moment everywhere: no scheme reads a clock.
    """

    @property
    def name(self) -> str:
        """What configuration files call it."""

    def check_key(self, key: str | bytes) -> None:
        """Raises ValueError, without quoting it, for a key that could never verify anything."""

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """The headers that sign a body under the sender's key.

        `id` names the hook, the same in every attempt, and `at` is the moment of this one; a scheme may not
        need them. Raises ValueError for a key or an id that can't sign.
        """

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Whether the headers, named in any case, sign this body under one of the listener's keys.

        Every key is tried whatever the others gave. Nothing in headers or body raises, however strange.
        """


def check(
    scheme: Scheme, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
) -> None:
    """`scheme.verify` that raises BadSignature instead of telling."""
    if not scheme.verify(headers, body, keys, at=at):
        raise BadSignature("no key fits the signature of this body")


def header(headers: Mapping[str, str], name: str) -> str:
    """A header's value by its name in any case; empty if there is none."""
    wanted = name.lower()
    value = headers.get(wanted)  # where doors put it
    if value is None:
        value = next((value for key, value in headers.items() if key.lower() == wanted), "")
    return value.strip()


def as_bytes(text: str | bytes) -> bytes:
    """Text of a header or a key as it is signed and compared."""
    # A header may hold anything, lone surrogates of a lenient decoder included.
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
