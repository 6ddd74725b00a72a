"""The decisions that need nothing but the request: method, sender, size, signature, decoding, product."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from tallyhook import events
from tallyhook.errors import DecodeError
from tallyhook_receiver.answers import BAD_SIGNATURE, NOT_A_SENDER, TOO_LARGE, WRONG_METHOD, Answer
from tallyhook_receiver.identity import body_identity, identity
from tallyhook_receiver.inbox import Letter
from tallyhook_receiver.product import Product
from tallyhook_receiver.senders import Senders

__all__ = ["Accepted", "Undecodable", "greet", "inspect"]


class Accepted(NamedTuple):
    """A hook that one of our products has signed."""

    letter: Letter
    hook: events.Hook
    product: Product


class Undecodable(NamedTuple):
    """Signed by one of our products, and yet no hook. `reason` names the place, not what stands there."""

    letter: Letter
    reason: str


def greet(
    senders: Senders, max_body: int, method: str, headers: Mapping[str, str], peer: str | None
) -> Answer | None:
    """What refuses a request before its body is read; None if the body is worth reading.

    `peer` is the address at the other end of the connection, None if the server can't tell.
    """
    if method.upper() != "POST":
        return WRONG_METHOD
    if not senders.allow(peer, _header(headers, "x-forwarded-for")):
        return NOT_A_SENDER
    announced = _header(headers, "content-length")
    if announced.isdecimal() and int(announced[:20]) > max_body:
        return TOO_LARGE
    return None


def inspect(
    products: Sequence[Product], max_body: int, headers: Mapping[str, str], body: bytes, at: datetime
) -> Accepted | Undecodable | Answer:
    """What a request with this body is, at this moment: a hook, a signed something, or a refusal."""
    if len(body) > max_body:
        return TOO_LARGE
    # Every product is tried whatever the others gave. Nothing but its scheme's headers counts: Cheddar's
    # header with the body's hash is not looked at at all.
    signers = [product for product in products if product.scheme.verify(headers, body, product.keys, at=at)]
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


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
