"""Exact amounts, with all rounding and formatting of money in the mock."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Context, Decimal, DivisionByZero, InvalidOperation, Overflow, localcontext

__all__ = [
    "CENT",
    "NOTHING",
    "ONE",
    "ZERO",
    "amount_text",
    "cents",
    "exact",
    "four_places",
    "product",
    "quantity_text",
    "total",
]

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
# Common quantities, shared to save memory.
ONE = Decimal(1)
NOTHING = Decimal(0)

# Precise enough for every sum and product, whatever the caller's decimal context.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])


@contextmanager
def exact() -> Iterator[None]:
    """A context in which decimals are exact. Everything in the mock runs inside it.

    The pytest plugin runs the mock in a thread with the user's own decimal context. Values that a caller may
    read later, such as the total of an invoice, use the functions below.
    """
    with localcontext(_EXACT):
        yield


def product(quantity: Decimal, each: Decimal) -> Decimal:
    """The exact product."""
    return _EXACT.multiply(quantity, each)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum, not rounded."""
    result = ZERO
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def cents(amount: Decimal) -> Decimal:
    """Round to whole cents, halves away from zero (inferred: no source says how Cheddar rounds)."""
    return _EXACT.quantize(amount, CENT)


def four_places(quantity: Decimal) -> Decimal:
    """Round to the four decimals that a quantity keeps (documented), halves away from zero (inferred)."""
    return _EXACT.quantize(quantity, Decimal("0.0001"))


def amount_text(amount: Decimal) -> str:
    """`5.00`: two decimals, never an exponent."""
    return str(cents(amount))  # with two decimals, `str` never writes an exponent


def quantity_text(quantity: Decimal) -> str:
    """`4.8123`, `45.87`, `0`: no trailing zeros, never an exponent."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
