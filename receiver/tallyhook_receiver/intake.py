"""The decisions that need nothing but the request: method, sender, size, signature, decoding, product."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from tallyhook import events
from tallyhook.errors import DecodeError
from tallyhook.signing.scheme import header
from tallyhook_receiver.answers import BAD_SIGNATURE, NOT_A_SENDER, TOO_LARGE, WRONG_METHOD, Answer
from tallyhook_receiver.identity import body_identity, glance, identity
from tallyhook_receiver.inbox import Letter
from tallyhook_receiver.product import Product
from tallyhook_receiver.senders import Senders

__all__ = ["Accepted", "Undecodable", "greet", "read", "recognize", "signers"]


class Accepted(NamedTuple):
    """A hook that one of our products has signed; None stands for one that is decoded when it is handled."""

    letter: Letter
    hook: events.Hook | None
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
    if not senders.is_everybody and not senders.allow(peer, header(headers, "x-forwarded-for")):
        return NOT_A_SENDER
    announced = header(headers, "content-length")
    if announced.isdecimal() and int(announced[:20]) > max_body:
        return TOO_LARGE
    return None


def signers(
    products: Sequence[Product], max_body: int, headers: Mapping[str, str], body: bytes, at: datetime
) -> Sequence[Product] | Answer:
    """The products that a request with this body may speak for, or why there are none."""
    if len(body) > max_body:
        return TOO_LARGE
    # Every product is tried whatever the others gave. Nothing but its scheme's headers counts: Cheddar's
    # header with the body's hash is not looked at at all.
    signed = [product for product in products if product.scheme.verify(headers, body, product.keys, at=at)]
    return signed or BAD_SIGNATURE


def recognize(signed: Sequence[Product], body: bytes) -> Accepted | None:
    """The hook that this body is at a glance. None if it has to be read to tell.

    Thousands of values that wait for a handler would keep the garbage collector busy; bytes don't.
    """
    seen = glance(body)
    product = None if seen is None else _signer(signed, seen.product)
    if seen is None or product is None:
        return None
    return Accepted(Letter(key=seen.key, product=product.code, type=seen.type, body=body), None, product)


def read(signed: Sequence[Product], body: bytes) -> Accepted | Undecodable | Answer:
    """What a body that these products have signed is: a hook, no hook, or nobody's whose key it has."""
    try:
        hook = events.decode(body)
    except DecodeError as error:
        code = signed[0].code
        letter = Letter(key=body_identity(code, body), product=code, type="", body=body)
        return Undecodable(letter, str(error))
    product = _signer(signed, hook.product.code)
    if product is None:
        return BAD_SIGNATURE
    letter = Letter(key=identity(hook, body), product=product.code, type=hook.activity_type, body=body)
    return Accepted(letter, hook, product)


def _signer(signed: Sequence[Product], code: str) -> Product | None:
    """The product of this code, if it has signed: one product's key must not speak for another product."""
    return next((product for product in signed if product.code == code), None)
