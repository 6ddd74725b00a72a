"""Convert usage into a billable quantity."""

import math
from decimal import Decimal
from fractions import Fraction

from tallyhook import money

Number = Decimal | int | str


def billable_quantity(used: Number, included: Number, block: Number) -> int:
    """Return the number of blocks to bill for usage above the included quantity.

    A block that is only partly used is billed in full.

        >>> billable_quantity(used=700, included=500, block=25)
        8
        >>> billable_quantity(used=Decimal("500.1"), included=500, block=25)
        1

    All three arguments must be in the same unit. The result is exact. It is 0 if usage doesn't exceed the
    included quantity.

    Raises:
        TypeError: a value is a float, which isn't exact.
        ValueError: the block is not above 0, or a value is negative or not a number.
    """
    over = _exact(used, "used") - _exact(included, "included")
    size = _exact(block, "block")
    if not size:
        raise ValueError("block must be more than 0")
    return max(0, math.ceil(over / size))


def _exact(value: Number, what: str) -> Fraction:
    return Fraction(money.exact_number(value, what, least=0))
