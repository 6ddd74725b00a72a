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
    """Return a raw body's MD5 in lower-case hex. Cheddar signs this, and sends it as `X-CG-TOKEN` (inferred).

    Compute the token from the body that you have read, because anyone can set the header.
    """
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def sign(body: bytes, key: str | bytes) -> str:
    """Return the lower-case hex HMAC-SHA256 of a body's token under a product's secret key (documented)."""
    return _signature(token(body), key)


def verify(body: bytes, signature: str, *keys: str | bytes) -> bool:
    """Return whether this signature was made for this body with one of the keys.

    Every key is tried, and compared in constant time, so that timing reveals nothing about the keys. An empty
    key never matches. For a malformed signature the result is False; no exception is raised.
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
        """Raise ValueError for an empty key. Any other key is valid."""
        if not key:
            raise ValueError("the key is empty")

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """Return the headers with the signature and the token. Raises ValueError for an empty key.

        `id` and `at` are unused.
        """
        self.check_key(key)
        return {SIGNATURE_HEADER: sign(body, key), TOKEN_HEADER: token(body)}

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Return whether the signature header was made for this body with one of the keys.

        The token header and `at` are ignored.
        """
        return verify(body, header(headers, SIGNATURE_HEADER), *keys)
