"""Usage converted into a billable quantity."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook.cleverbridge import billable_quantity

AMOUNTS = st.decimals(0, 10**9, allow_nan=False, allow_infinity=False, places=6)
BLOCKS = st.decimals(Decimal("0.001"), 10**6, allow_nan=False, allow_infinity=False, places=3)


@pytest.mark.parametrize(
    ("used", "included", "block", "quantity"),
    [
        (700, 500, 25, 8),
        (500, 500, 25, 0),
        (0, 500, 25, 0),
        (501, 500, 25, 1),
        (525, 500, 25, 1),
        ("525.000001", 500, 25, 2),
        (Decimal("0.3"), Decimal("0.1"), Decimal("0.1"), 2),
        (1, 0, 3, 1),
        ("1e27", 0, "0.1", 10**28),
        (Decimal("100000000000000000000000000000000.1"), 0, 1, 10**32 + 1),
    ],
)
def test_begun_blocks_count_as_whole(used: Any, included: Any, block: Any, quantity: int) -> None:
    assert billable_quantity(used, included, block) == quantity
    assert type(billable_quantity(used, included, block)) is int


@given(AMOUNTS, AMOUNTS, BLOCKS)
def test_it_is_the_least_that_covers_the_excess(used: Decimal, included: Decimal, block: Decimal) -> None:
    quantity = billable_quantity(used, included, block)
    assert quantity * block >= used - included
    assert quantity == 0 or (quantity - 1) * block < used - included


@pytest.mark.parametrize(
    ("used", "included", "block"),
    [
        (1, 1, 0),
        (1, 1, -1),
        (-1, 0, 1),
        (1, -1, 1),
        ("NaN", 0, 1),
        ("Infinity", 0, 1),
        ("1e999999999", 0, 1),
        ("many", 0, 1),
    ],
)
def test_nonsense_is_refused(used: Any, included: Any, block: Any) -> None:
    with pytest.raises(ValueError, match=r"used|included|block"):
        billable_quantity(used, included, block)


@pytest.mark.parametrize("value", [1.5, True, None])
def test_what_is_not_exact_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        billable_quantity(value, 0, 1)
