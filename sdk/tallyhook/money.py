"""Amounts and quantities: the one place that computes, checks, rounds and writes them.

Arithmetic elsewhere, a sign or a sum included, is done within `exact()`: Decimal's operators round to the
precision of the caller's own context.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext

# Wide enough for the product of any two numbers that a document may hold: sums and products come out exact.
_EXACT = Context(prec=300, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
_CENT = Decimal("0.01")


@contextmanager
def exact() -> Iterator[None]:
    """A context, or a decorator, in which sums and products of Decimals are exact and `round` rounds half up.

    Not for generators and coroutines: others would compute in it meanwhile.
    """
    with localcontext(_EXACT):
        yield


def cents(value: Decimal) -> Decimal:
    """The value rounded half up to two decimals; never a negative zero."""
    return _EXACT.add(_EXACT.quantize(value, _CENT), Decimal(0))


def product(quantity: Decimal, each_amount: Decimal) -> Decimal:
    """Exactly quantity × each_amount, not rounded."""
    return _EXACT.multiply(quantity, each_amount)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum, not rounded."""
    result = Decimal(0)
    for value in amounts:
        result = _EXACT.add(result, value)
    return result


def tax(subtotal: Decimal, rate: Decimal) -> Decimal:
    """The tax on a sum of lines: the rate is a fraction of it, rounded once; none on a credit (inferred)."""
    return cents(product(max(subtotal, Decimal(0)), rate))


def amount(value: Decimal | int | str) -> Decimal:
    """An amount of money as it may be sent: two decimals at the most (documented).

    Raises:
        TypeError: for a float, which can't hold cents exactly.
        ValueError: for a third decimal, or for what is not a number.
    """
    return cents(_exact(value, 2, "An amount"))


def quantity(value: Decimal | int | str) -> Decimal:
    """A quantity of an item as it may be sent: four decimals at the most (documented).

    Raises:
        TypeError: for a float.
        ValueError: for a fifth decimal, or for what is not a number.
    """
    return _exact(value, 4, "A quantity")


def count(value: Decimal | int | str) -> int:
    """A charge's quantity as it may be sent: a positive integer (documented).

    Raises:
        TypeError: for a float.
        ValueError: for a fraction, zero, less than zero, or for what is not a number.
    """
    whole = int(_exact(value, 0, "A charge's quantity"))
    if whole < 1:
        raise ValueError("A charge's quantity is at least 1; a credit is a negative amount")
    return whole


def amount_text(value: Decimal) -> str:
    """How Cheddar writes an amount: `5.00`."""
    return f"{cents(value):f}"


def quantity_text(value: Decimal) -> str:
    """How Cheddar writes a quantity: without trailing zeros, `4.8123`, `0`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_text(quantity: Decimal | int, each_amount: Decimal) -> str:
    """How many at what price: `13 × 2.50`."""
    return f"{quantity_text(Decimal(quantity))} × {amount_text(each_amount)}"


def _exact(value: Decimal | int | str, places: int, what: str) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{what} is a Decimal, an int or a str, not {type(value).__name__}: it must be exact")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{what} must be a number") from None
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError(f"{what} must be a number of ordinary size")
    rounded = _EXACT.quantize(number, Decimal(1).scaleb(-places))
    if rounded != number:
        raise ValueError(f"{what} has at most {places} decimals: round it first")
    return _EXACT.add(rounded, Decimal(0))
