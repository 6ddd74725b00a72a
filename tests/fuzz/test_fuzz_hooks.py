"""`events.decode` on anything: a hook or a DecodeError, and no third thing."""

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tallyhook import events
from tallyhook.errors import DecodeError

from .loose import keys, nodes, texts

HOOKS = sorted((Path(__file__).parents[1] / "fixtures" / "hooks").glob("*.json"))


def read(body: bytes) -> None:
    """Decode, and use what comes out; DecodeError is an answer too."""
    try:
        hook = events.decode(body)
    except DecodeError:
        return
    assert type(hook) is events.TYPES.get(hook.activity_type, events.Hook)
    assert repr(hook)
    assert hook.extra.keys() <= hook.raw.keys()
    invoice = hook.subscription.invoice
    if invoice is not None:
        assert invoice.total.is_finite()


types = st.sampled_from(sorted(events.TYPES)) | texts


@given(
    type=types,
    top=st.dictionaries(
        st.sampled_from(["subscription", "previousSubscription", "customer", "product"]), nodes
    ),
)
def test_any_json_is_a_hook_or_a_decode_error(type: str, top: dict[str, Any]) -> None:
    read(json.dumps({"activityType": type, **top}).encode())


@given(invoice=st.dictionaries(keys, nodes, max_size=8))
def test_any_invoice_is_read_or_refused(invoice: dict[str, Any]) -> None:
    read(json.dumps({"activityType": "transaction", "subscription": {"invoice": invoice}}).encode())


@given(body=st.binary())
def test_any_bytes_are_a_hook_or_a_decode_error(body: bytes) -> None:
    read(body)


@given(data=st.data(), name=st.sampled_from([path.name for path in HOOKS]))
def test_a_damaged_hook_is_read_or_refused(data: st.DataObject, name: str) -> None:
    body = bytearray(next(path for path in HOOKS if path.name == name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(body)))
        body[start : start + data.draw(st.integers(0, 6))] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"{", b"[", b"]", b"}", b"\\u", b"null", b"1e9"])
        )
    read(bytes(body))
