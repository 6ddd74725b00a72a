"""The decisions that need nothing but the request: method, size, signature, decoding, product."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tallyhook import events, signing
from tallyhook.errors import DecodeError
from tallyhook_receiver.answers import BAD_SIGNATURE, TOO_LARGE, WRONG_METHOD, Answer
from tallyhook_receiver.identity import body_identity, identity
from tallyhook_receiver.inbox import Letter
from tallyhook_receiver.product import Product

__all__ = ["Accepted", "Undecodable", "inspect"]


class Accepted(NamedTuple):
    """A hook that one of our products has signed."""

    letter: Letter
    hook: events.Hook
    product: Product


class Undecodable(NamedTuple):
    """Signed by one of our products, and yet no hook. `reason` names the place, not what stands there."""

    letter: Letter
    reason: str


def inspect(
    products: Sequence[Product], max_body: int, method: str, headers: Mapping[str, str], body: bytes
) -> Accepted | Undecodable | Answer:
    """What a request is: a hook, a signed something, or an answer that refuses it."""
    if method.upper() != "POST":
        return WRONG_METHOD
    if len(body) > max_body:
        return TOO_LARGE
    signature = next(
        (v for name, v in headers.items() if name.lower() == signing.SIGNATURE_HEADER.lower()), ""
    )
    # Every product is tried whatever the others gave; the header with the body's hash is not looked at at
    # all.
    signers = [product for product in products if signing.verify(body, signature.strip(), *product.keys)]
    if not signers:
        return BAD_SIGNATURE
    try:
        hook = events.decode(body)
    except DecodeError as error:
        code = signers[0].code
        letter = Letter(key=body_identity(code, body), product=code, type="", body=body)
        return Undecodable(letter, str(error))
    # One product's key must not speak for another product.
    product = next((signer for signer in signers if signer.code == hook.product.code), None)
    if product is None:
        return BAD_SIGNATURE
    letter = Letter(key=identity(hook, body), product=product.code, type=hook.activity_type, body=body)
    return Accepted(letter, hook, product)
