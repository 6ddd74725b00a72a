"""The signature of hooks."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from tallyhook import signing

VECTOR = "bbdf77fedacbff98cadb063b0cd95c234b8daba44aaadb728ad1ec2dbe638314"


def test_check_vector() -> None:
    assert signing.token(b"{}") == "99914b932bd37a50b983c5e7c90ae93b"
    assert signing.sign(b"{}", "abc123") == VECTOR
    assert signing.sign(b"{}", b"abc123") == VECTOR
    assert signing.verify(b"{}", VECTOR, "abc123")


@given(body=st.binary(), key=st.text(min_size=1).filter(lambda key: key.isprintable()))
def test_documented_rule(body: bytes, key: str) -> None:
    message = hashlib.md5(body).hexdigest().encode()
    by_hand = hmac.new(key.encode(), message, hashlib.sha256).hexdigest()
    assert signing.sign(body, key) == by_hand
    assert signing.verify(body, by_hand, key)


@given(body=st.binary(), position=st.integers(0, 63), other=st.sampled_from("0123456789abcdef"))
def test_one_wrong_digit_is_refused(body: bytes, position: int, other: str) -> None:
    right = signing.sign(body, "key")
    given_ = right[:position] + other + right[position + 1 :]
    assert signing.verify(body, given_, "key") == (given_ == right)


def test_any_of_several_keys_will_do() -> None:
    assert signing.verify(b"{}", VECTOR, "new", "abc123", b"older")
    assert not signing.verify(b"{}", VECTOR, "new", "older")
    assert not signing.verify(b"{}", VECTOR)
    assert not signing.verify(b"{ }", VECTOR, "abc123")


def test_only_the_lower_case_form_counts() -> None:
    assert not signing.verify(b"{}", VECTOR.upper(), "abc123")
    assert not signing.verify(b"{}", f" {VECTOR}", "abc123")


def test_an_empty_key_fits_nothing() -> None:
    assert not signing.verify(b"{}", signing.sign(b"{}", ""), "")
    assert signing.verify(b"{}", VECTOR, "", "abc123")


@given(signature=st.text())
def test_strange_signatures_are_refused_quietly(signature: str) -> None:
    assert not signing.verify(b"{}", signature, "abc123")


def test_undecodable_header_is_refused_quietly() -> None:
    assert not signing.verify(b"{}", b"\xff\xfe".decode("utf-8", "surrogateescape"), "abc123")
