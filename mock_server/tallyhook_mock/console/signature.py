"""Recomputes a hook's signature, and compares it with the signature that was sent."""

from dataclasses import dataclass
from datetime import UTC, datetime

from tallyhook import signing
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import Attempt, Hook
from tallyhook_mock.systems.cheddar.products import Product

__all__ = ["Check", "check_signature"]


@dataclass(frozen=True, slots=True)
class Check:
    """One header of a signature: the value that was sent, and the value that was recomputed."""

    name: str
    sent: str
    computed: str

    @property
    def is_right(self) -> bool:
        return self.sent == self.computed


def check_signature(hook: Hook, product: Product, attempt: Attempt) -> list[Check]:
    """Recompute the signature of a delivery attempt from the hook's body and the product's present secret.

    Returns one comparison for each header.
    """
    written = attempt.headers.get(signing.STANDARD_TIMESTAMP_HEADER, "0")  # for schemes that sign a time
    computed = signing.SCHEMES[product.signature].sign(
        hook.body, product.secret, id=ids.text(hook.id), at=datetime.fromtimestamp(int(written), UTC)
    )
    return [Check(name, attempt.headers.get(name, ""), value) for name, value in computed.items()]
