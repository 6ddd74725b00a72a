"""What makes two deliveries the same hook. Cheddar gives hooks no id, so it is derived."""

import hashlib
import json

from tallyhook.events import Hook, SubscriptionBillable

__all__ = ["body_identity", "identity"]


def identity(hook: Hook, body: bytes) -> str:
    """64 hex digits. A billable hook is what it is about: product, customer and invoice.

    The same invoice announced again, at another time or with another quantity, is the same work. Any other
    hook is its bytes: retries carry the same body.
    """
    product = hook.product.id or hook.product.code
    invoice = hook.subscription.invoice if isinstance(hook, SubscriptionBillable) else None
    if invoice is None or not (invoice.id or invoice.number):
        return body_identity(product, body)
    customer = hook.customer.id or hook.customer.code
    return _hash(hook.activity_type, product, customer, invoice.id or str(invoice.number))


def body_identity(product: str, body: bytes) -> str:
    """The identity of a body that is known by its bytes alone."""
    return _hash("body", product, hashlib.sha256(body).hexdigest())


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
