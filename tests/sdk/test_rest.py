"""Malformed JSON bodies: they are read, or rejected with one of our errors."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook._call import Call
from tallyhook.cleverbridge import documents as cleverbridge
from tallyhook.errors import APIError, DecodeError
from tallyhook.fusebill import BillingPeriodDefinition, SubscriptionProduct
from tallyhook.fusebill import documents as fusebill

NAMES = st.sampled_from(
    [
        *("ResultMessage", "Subscription", "items", "QUANTITY", "Id", "UnitPrice", "Ünits"),
        *("cycle", "interval", "amount", "nextRechargeDate", "subscriptions", "pendingCharges"),
        *("Errors", "Key", "Value", "ErrorId"),
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", " ", "OK", "8", "8.5", "true", "2026-01-01", "0000-00-00", "1e999999999", "٣"])
    | st.text()
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=20,
)
READERS: list[Callable[[bytes], Any]] = [
    cleverbridge.subscription,
    cleverbridge.update_result,
    fusebill.one(BillingPeriodDefinition),
    fusebill.many(BillingPeriodDefinition),
]


@pytest.mark.parametrize("read", READERS)
@given(node=NODES | NODES.map(lambda node: {"ResultMessage": "OK", "Subscription": node}))
def test_any_json_is_read_or_refused(read: Callable[[bytes], Any], node: Any) -> None:
    with suppress(APIError, DecodeError):  # any other exception is a failure
        read(json.dumps(node).encode())


@pytest.mark.parametrize("refusal", [cleverbridge.refusal, fusebill.refusal])
@given(body=NODES.map(lambda node: json.dumps(node).encode()) | st.binary())
def test_any_refusal_is_one(refusal: Callable[[int, bytes], APIError], body: bytes) -> None:
    error = refusal(400, body)
    assert error.status == 400
    assert error.message


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("body", [b"\xff", b"[" * 100_000, b'{"Id": 1e999999999}', b'{"a":' * 50_000])
def test_bodies_that_hurt(read: Callable[[bytes], Any], body: bytes) -> None:
    with pytest.raises((APIError, DecodeError)):
        read(body)


@pytest.mark.parametrize(
    "body",
    [
        '{"id": 1, "ID": 2}',
        '{"id": 1, "quantity": 8, "Quantity": 80}',
        '{"id": 1, "planProduct": {"quantity": 8, "QUANTITY": 8}}',
        '{"id": 1, "amount": 5, "AMOUNT": null}',
    ],
)
def test_one_name_in_two_spellings_is_refused(body: str) -> None:
    """It isn't known which of the values counts."""
    with pytest.raises(DecodeError):
        fusebill.one(SubscriptionProduct)(body.encode())
    with pytest.raises(DecodeError):
        fusebill.many(SubscriptionProduct)(f"[{body}]".encode())


def test_a_call_shows_what_it_would_send() -> None:
    call = Call("POST", "things/7", "things", len, fusebill.refusal, body={"amount": 1}, query=(("a", "b"),))
    assert repr(call) == "Call(POST things/7 a=b amount=1)"
