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
        """Raise ValueError for an empty key. Any other key is valid."""
        if not key:
            raise ValueError("the key is empty")

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """Return the header with the key. Raises ValueError for an empty key.

        The other arguments are unused.
        """
        self.check_key(key)
        return {self.header: self.prefix + as_bytes(key).decode()}

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Return whether the header contains one of the keys. Every key is compared, in constant time."""
        given, prefix = _readings(header(headers, self.header)), as_bytes(self.prefix)
        found = False
        for key in keys:
            for reading in given:
                found |= hmac.compare_digest(prefix + as_bytes(key), reading) and len(key) > 0
        return found


def _readings(value: str) -> tuple[bytes, bytes]:
    """Return the bytes that a header may have had.

    Servers decode headers as Latin-1 (PEP 3333, ASGI), although senders may have encoded them as UTF-8.
    """
    try:
        return as_bytes(value), value.encode("latin-1")
    except UnicodeEncodeError:
        return as_bytes(value), b""
