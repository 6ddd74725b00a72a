"""The interface of all signature schemes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tallyhook.errors import BadSignature


class Scheme(Protocol):
    """A way to sign hooks: which headers are sent, what they sign, and the format of the keys.

    Schemes have no state and read no clock. They get the current time as `at`, which is always
    timezone-aware.
    """

    @property
    def name(self) -> str:
        """The scheme's name in configuration files."""

    def check_key(self, key: str | bytes) -> None:
        """Raise ValueError for a key that can't verify anything. The message doesn't quote the key."""

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """Return the headers that sign a body with the sender's key.

        `id` identifies the hook and is the same for every delivery; `at` is the time of this delivery. A
        scheme may ignore both. Raises ValueError for an invalid key or id.
        """

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Return whether the headers sign this body with one of the listener's keys.

        Every key is tried. Header names are case-insensitive. Malformed headers and bodies never raise an
        exception.
        """


def check(
    scheme: Scheme, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
) -> None:
    """Raise BadSignature if `scheme.verify` returns False for these arguments."""
    if not scheme.verify(headers, body, keys, at=at):
        raise BadSignature("no key matches the signature of this body")


def header(headers: Mapping[str, str], name: str) -> str:
    """Return a header's value; empty if it is missing. The name is case-insensitive."""
    wanted = name.lower()
    value = headers.get(wanted)  # most frameworks use lower-case names
    if value is None:
        value = next((value for key, value in headers.items() if key.lower() == wanted), "")
    # No other white space: a letter in UTF-8 that was decoded as Latin-1 may end in it.
    return value.strip(" \t\r\n")


def as_bytes(text: str | bytes) -> bytes:
    """Return the bytes of a header or key, for signing and comparing."""
    # A header may contain anything, even lone surrogates from a lenient decoder.
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
