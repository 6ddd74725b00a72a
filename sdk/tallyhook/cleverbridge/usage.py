"""Convert usage into a billable quantity."""

import math
from decimal import Decimal, InvalidOperation
from fractions import Fraction

# Real usage is never larger than this, and exact arithmetic on larger numbers would fill the memory.
_LARGEST_EXPONENT = 60

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
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{what} must be exact: a Decimal, an int or a str, not {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{what} must be a number") from None
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"{what} must be a finite number of reasonable size")
    if number < 0:
        raise ValueError(f"{what} must be at least 0")
    return Fraction(number)
