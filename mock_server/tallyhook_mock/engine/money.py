"""Exact amounts: the one place of the mock where money is rounded and written."""

from decimal import ROUND_HALF_UP, Decimal

__all__ = [
    "CENT",
    "NOTHING",
    "ONE",
    "ZERO",
    "amount_text",
    "cents",
    "quantity_text",
]

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# Quantities, made once for the many lines that show them.
ONE = Decimal(1)
NOTHING = Decimal(0)


def cents(amount: Decimal) -> Decimal:
    """Round to whole cents, halves away from zero (inferred: no source says how Cheddar rounds)."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def amount_text(amount: Decimal) -> str:
    """`5.00`: two decimals, never an exponent."""
    return str(cents(amount))  # with two decimals there is never one


def quantity_text(quantity: Decimal) -> str:
    """`4.8123`, `45.87`, `0`: no trailing zeros, never an exponent."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
