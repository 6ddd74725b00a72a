"""Nodes as loosely typed code may write them, out of the keys that models know and others."""

from typing import Any

from hypothesis import strategies as st

from tallyhook._model import fields_of
from tallyhook.cheddar.models import Customer, Invoice, Plan, Subscription, Transaction

KEYS = sorted(
    {
        key.removeprefix("@")
        for model in (Customer, Subscription, Plan, Invoice, Transaction)
        for key in fields_of(model)
    }
)

texts = st.text() | st.sampled_from(
    [
        *("", " ", "0", "1", "true", "5.0000", "-3.75", "1e9", "1e999999999", "NaN", "-Infinity", "9" * 70),
        *("2025-03-31T09:15:00+00:00", "0000-00-00", "9999-12-31T23:59:59-14:00", "2028-02-30", "٣", "1_0"),
    ]
)
leaves: st.SearchStrategy[Any] = (
    texts
    | st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**100, max_value=10**110)
    | st.floats(allow_nan=False, allow_infinity=False)
)
keys = st.sampled_from(KEYS) | st.sampled_from(["raw", "extra", "__class__", "#text", "@id"]) | st.text()
nodes = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)
