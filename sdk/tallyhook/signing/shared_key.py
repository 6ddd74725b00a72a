"""A key in a header instead of a signature."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tallyhook.signing.scheme import as_bytes, header


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The key itself in a header such as `X-Api-Key`, after a `prefix` such as `"Bearer "`.

    It doesn't sign the body or the time, so only TLS protects such a hook.
    """

    name: ClassVar[str] = "shared-key"

    header: str = "X-Api-Key"
    prefix: str = ""

    def check_key(self, key: str | bytes) -> None:
        """Raises ValueError for an empty key. Any other text is a key."""
        if not key:
            raise ValueError("the key is empty")

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """The header with the key. The other arguments are unused. Raises ValueError for an empty key."""
        self.check_key(key)
        return {self.header: self.prefix + as_bytes(key).decode()}

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Whether the header contains one of the keys. It compares all of them in constant time."""
        given, prefix = as_bytes(header(headers, self.header)), as_bytes(self.prefix)
        found = False
        for key in keys:
            found |= hmac.compare_digest(prefix + as_bytes(key), given) and len(key) > 0
        return found
