"""Cheddar's signature: HMAC-SHA256 over the MD5 of the body."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from tallyhook.signing.scheme import as_bytes, header

SIGNATURE_HEADER = "X-CG-SIGNATURE"
TOKEN_HEADER = "X-CG-TOKEN"


def token(body: bytes) -> str:
    """The lower-case hex MD5 of a raw body. Cheddar signs it, and sends it as `X-CG-TOKEN` (inferred).

    Compute it from the body that you read: anyone can set the header.
    """
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def sign(body: bytes, key: str | bytes) -> str:
    """The lower-case hex HMAC-SHA256 of the body's token under a product's secret key (documented)."""
    return _signature(token(body), key)


def verify(body: bytes, signature: str, *keys: str | bytes) -> bool:
    """Whether this signature was made for this body with one of the keys.

    It tries every key and compares in constant time, so that timing reveals nothing about the keys. An empty
    key never matches. A malformed signature returns False; it never raises.
    """
    given, signed = as_bytes(signature), token(body)
    found = False
    for key in keys:
        found |= hmac.compare_digest(_signature(signed, key).encode("ascii"), given) and len(key) > 0
    return found


def _signature(token: str, key: str | bytes) -> str:
    return hmac.digest(as_bytes(key), token.encode("ascii"), "sha256").hex()


@dataclass(frozen=True, slots=True)
class Cheddar:
    """Cheddar's own scheme (documented). It signs no id and no time, so a captured request stays valid."""

    name: ClassVar[str] = "cheddar"

    def check_key(self, key: str | bytes) -> None:
        """Raises ValueError for an empty key. Any other text is a key."""
        if not key:
            raise ValueError("the key is empty")

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """The signature and the token. `id` and `at` are unused. Raises ValueError for an empty key."""
        self.check_key(key)
        return {SIGNATURE_HEADER: sign(body, key), TOKEN_HEADER: token(body)}

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Like this module's `verify`. It ignores the token header."""
        return verify(body, header(headers, SIGNATURE_HEADER), *keys)
