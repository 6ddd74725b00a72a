"""Sign hooks and verify their signatures, in any web framework.

`sign`, `verify` and `token` make and check Cheddar's signatures. For hooks that a gateway or another sender
signs differently, there are schemes, which have the common interface `Scheme`:

    signing.STANDARD_V1.verify(headers, body, [new_key, old_key], at=datetime.now(UTC))

A scheme's `verify` returns a bool. `check` raises BadSignature instead:

    signing.check(signing.CHEDDAR, headers, body, [key], at=datetime.now(UTC))
"""

from collections.abc import Mapping

from tallyhook.signing.cheddar import SIGNATURE_HEADER, TOKEN_HEADER, Cheddar, sign, token, verify
from tallyhook.signing.scheme import Scheme, check
from tallyhook.signing.shared_key import SharedKey
from tallyhook.signing.standard_webhooks import (
    STANDARD_ID_HEADER,
    STANDARD_SIGNATURE_HEADER,
    STANDARD_TIMESTAMP_HEADER,
    StandardV1,
    StandardV1a,
)

__all__ = [
    "CHEDDAR",
    "SCHEMES",
    "SIGNATURE_HEADER",
    "STANDARD_ID_HEADER",
    "STANDARD_SIGNATURE_HEADER",
    "STANDARD_TIMESTAMP_HEADER",
    "STANDARD_V1",
    "STANDARD_V1A",
    "TOKEN_HEADER",
    "Cheddar",
    "Scheme",
    "SharedKey",
    "StandardV1",
    "StandardV1a",
    "check",
    "sign",
    "token",
    "verify",
]

CHEDDAR = Cheddar()
STANDARD_V1 = StandardV1()
STANDARD_V1A = StandardV1a()

SCHEMES: Mapping[str, Scheme] = {scheme.name: scheme for scheme in (CHEDDAR, STANDARD_V1, STANDARD_V1A)}
"""The schemes for Cheddar's hooks by name, each with its default settings."""
