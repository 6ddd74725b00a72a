"""Standard Webhooks (standardwebhooks.com): v1 with a shared secret, v1a with a key pair.

Both versions sign `id.timestamp.body` and use the same headers. One `webhook-signature` header may list
signatures of both versions and of several keys, separated by spaces. The specification documents all of this,
unless marked otherwise.
"""

import base64
import hashlib
import hmac
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from tallyhook.signing.scheme import as_bytes, header

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

STANDARD_ID_HEADER = "webhook-id"
STANDARD_TIMESTAMP_HEADER = "webhook-timestamp"
STANDARD_SIGNATURE_HEADER = "webhook-signature"

_SEED = 32  # bytes of an Ed25519 seed, and of a public key
# Unix timestamps have ten digits until the year 2286.
_DIGITS = 12
# Checking a signature hashes the whole unverified body. A sender lists one signature for each of its keys.
_MOST_SIGNATURES = 8


@dataclass(frozen=True, slots=True)
class _Standard(ABC):
    """The base of `StandardV1` and `StandardV1a`.

    A hook is rejected if its timestamp differs from the current time by more than `tolerance`.
    """

    VERSION: ClassVar[str]

    tolerance: timedelta = timedelta(minutes=5)

    @property
    def name(self) -> str:
        return f"standard-{self.VERSION}"

    @abstractmethod
    def check_key(self, key: str | bytes) -> None: ...

    @abstractmethod
    def _signature(self, content: bytes, key: str | bytes) -> bytes: ...

    @abstractmethod
    def _fits(self, signature: bytes, content: bytes, key: str | bytes) -> bool: ...

    def sign(self, body: bytes, key: str | bytes, *, id: str, at: datetime) -> dict[str, str]:
        """Return the three headers of one delivery. Raises ValueError for an invalid key or id."""
        if not _is_id(id):
            raise ValueError("an id must be printable ASCII without spaces and full stops")
        timestamp = str(int(at.timestamp()))
        signature = self._signature(_content(id, timestamp, body), key)
        return {
            STANDARD_ID_HEADER: id,
            STANDARD_TIMESTAMP_HEADER: timestamp,
            STANDARD_SIGNATURE_HEADER: f"{self.VERSION},{base64.b64encode(signature).decode()}",
        }

    def verify(
        self, headers: Mapping[str, str], body: bytes, keys: Sequence[str | bytes], *, at: datetime
    ) -> bool:
        """Return whether a listed signature matches one of the keys, and the timestamp is near `at`.

        The timestamp may differ from `at` by up to `tolerance`. Signatures of the other version are ignored,
        and so are those after the first eight of this version. Raises ValueError only for a key that
        `check_key` rejects.
        """
        message_id = header(headers, STANDARD_ID_HEADER)
        timestamp = header(headers, STANDARD_TIMESTAMP_HEADER)
        if not _is_id(message_id) or not _is_near(timestamp, at, self.tolerance):
            return False
        content = _content(message_id, timestamp, body)
        found = False
        entries = (entry.partition(",") for entry in header(headers, STANDARD_SIGNATURE_HEADER).split())
        given = [text for version, _, text in entries if version == self.VERSION]
        for text in given[:_MOST_SIGNATURES]:
            if (signature := _decoded(text)) is not None:
                for key in keys:
                    found |= self._fits(signature, content, key)
        return found


@dataclass(frozen=True, slots=True)
class StandardV1(_Standard):
    """HMAC-SHA256 with a secret that both sides share: `whsec_` followed by base64 of 24 to 64 bytes."""

    VERSION: ClassVar[str] = "v1"

    def check_key(self, key: str | bytes) -> None:
        """Raise ValueError for any key that isn't a `whsec_` secret."""
        _secret(key)

    def _signature(self, content: bytes, key: str | bytes) -> bytes:
        return hmac.new(_secret(key), content, hashlib.sha256).digest()

    def _fits(self, signature: bytes, content: bytes, key: str | bytes) -> bool:
        return hmac.compare_digest(self._signature(content, key), signature)


@dataclass(frozen=True, slots=True)
class StandardV1a(_Standard):
    """Ed25519. The sender has a `whsk_` key, and listeners have the matching `whpk_` key, which is public.

    `whpk_` is followed by base64 of 32 bytes; `whsk_` is followed by base64 of a 32-byte seed, or of 64 bytes
    with the public key at the end (inferred from keys in use). Needs the extra `[ed25519]`, and raises
    ImportError without it.
    """

    VERSION: ClassVar[str] = "v1a"

    def check_key(self, key: str | bytes) -> None:
        """Raise ValueError unless the key is a `whpk_` key. A listener must not have the sender's key."""
        _public_key(key)

    def _signature(self, content: bytes, key: str | bytes) -> bytes:
        return _private_key(key).sign(content)

    def _fits(self, signature: bytes, content: bytes, key: str | bytes) -> bool:
        public = _public_key(key)
        from cryptography.exceptions import InvalidSignature

        try:
            public.verify(signature, content)
        except InvalidSignature:
            return False
        return True


def _content(id: str, timestamp: str, body: bytes) -> bytes:
    return b"%s.%s.%s" % (id.encode("ascii"), timestamp.encode("ascii"), body)


def _is_id(id: str) -> bool:
    # With a full stop in the id, the content could be split differently under the same signature.
    return bool(id) and id.isascii() and id.isprintable() and not set(id) & {" ", "."}


def _is_near(timestamp: str, at: datetime, tolerance: timedelta) -> bool:
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= _DIGITS):
        return False
    return abs(int(timestamp) - at.timestamp()) <= tolerance.total_seconds()


def _decoded(text: str | bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _material(key: str | bytes, prefix: bytes, what: str) -> bytes:
    text = as_bytes(key)
    material = _decoded(text.removeprefix(prefix)) if text.startswith(prefix) else None
    if material is None:
        raise ValueError(f"{what} must be {prefix.decode()} followed by base64")
    return material


def _secret(key: str | bytes) -> bytes:
    secret = _material(key, b"whsec_", "a shared secret")
    if not 24 <= len(secret) <= 64:
        raise ValueError("a shared secret must have 24 to 64 bytes")
    return secret


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Ed25519 needs cryptography: pip install 'tallyhook[ed25519]'", name=error.name
        ) from error


def _public_key(key: str | bytes) -> "Ed25519PublicKey":
    with _extra():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    material = _material(key, b"whpk_", "a public key")
    if len(material) != _SEED:
        raise ValueError(f"a public key must have {_SEED} bytes")
    return Ed25519PublicKey.from_public_bytes(material)


def _private_key(key: str | bytes) -> "Ed25519PrivateKey":
    with _extra():
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    material = _material(key, b"whsk_", "a private key")
    if len(material) not in (_SEED, 2 * _SEED):
        raise ValueError(f"a private key must have {_SEED} or {2 * _SEED} bytes")
    private = Ed25519PrivateKey.from_private_bytes(material[:_SEED])
    if material[_SEED:] not in (b"", private.public_key().public_bytes_raw()):
        raise ValueError("the two halves of this private key do not belong together")
    return private
