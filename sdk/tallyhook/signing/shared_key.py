"""Hooks that contain the key in a header instead of a signature."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tallyhook.signing.scheme import as_bytes, header


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A scheme that sends the key itself in a header such as `X-Api-Key`.

    `prefix` comes before the key, for example `"Bearer "`. The body and the time aren't signed, so only TLS
    protects such a hook.
    """

    name: ClassVar[str] = "shared-key"

    header: str = "X-Api-Key"
    prefix: str = ""

    def check_key(self, key: str | bytes) -> None:
        """Raise ValueError for a key that no header can contain.

        Such a key is empty, has white space around it, for example the end of a line from a file, or has a
        line break in it.
        """
        if not key:
            raise ValueError("the key is empty")
        sent = as_bytes(self.prefix) + as_bytes(key)
        if sent != sent.strip(b" \t\r\n") or set(sent) & set(b"\r\n\0"):
            raise ValueError("the key has white space around it or a line break in it, which no header keeps")

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """Return the header with the key. Raises ValueError for an invalid key.

        The other arguments are unused.
        """
        self.check_key(key)
        return {self.header: self.prefix + as_bytes(key).decode()}

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Return whether the header contains one of the keys. Every key is compared, in constant time."""
        text, prefix = header(headers, self.header), as_bytes(self.prefix)
        found = False
        for key in keys:
            for given in (as_bytes(text), _as_sent(text)):
                found |= hmac.compare_digest(prefix + as_bytes(key), given) and len(key) > 0
        return found


def _as_sent(text: str) -> bytes:
    """Return the bytes of a header that the server has decoded as Latin-1, as most servers do."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return as_bytes(text)
