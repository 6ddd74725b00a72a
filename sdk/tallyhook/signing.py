"""The signature on Cheddar's hooks: a few lines over bytes that fit into any framework."""

import hashlib
import hmac

SIGNATURE_HEADER = "X-CG-SIGNATURE"
TOKEN_HEADER = "X-CG-TOKEN"


def token(body: bytes) -> str:
    """The lower-case hex MD5 of a raw body: what Cheddar signs, and sends as `X-CG-TOKEN` (inferred).

    Compute it from the body that was read. The header is the sender's word and proves nothing.
    """
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def sign(body: bytes, key: str | bytes) -> str:
    """The lower-case hex HMAC-SHA256 of the body's token under a product's secret key (documented)."""
    return hmac.new(_bytes(key), token(body).encode("ascii"), hashlib.sha256).hexdigest()


def verify(body: bytes, signature: str, *keys: str | bytes) -> bool:
    """Whether the signature was made over this body with one of the keys.

    Every key is tried whatever the others gave, and compared in constant time: the time taken tells nothing
    about the keys or about which of them fits. Empty keys fit nothing. No signature, however strange, raises.
    """
    given = _bytes(signature)
    found = False
    for key in keys:
        found |= hmac.compare_digest(sign(body, key).encode("ascii"), given) and len(key) > 0
    return found


def _bytes(text: str | bytes) -> bytes:
    # A header may hold anything, lone surrogates of a lenient decoder included.
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
