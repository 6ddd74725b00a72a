"""Compute, check, round and format amounts and quantities.

Compute with these functions and not with Decimal's operators: even a negation or a sum would round to the
precision of the caller's context. Decimal's `copy_negate` and comparisons are exact, so you can use them.
"""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation

# Enough digits for the exact product of any two numbers in a document.
_EXACT = Context(prec=300, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
_CENT = Decimal("0.01")


def cents(value: Decimal) -> Decimal:
    """Return the value rounded half up to two decimals. The result is never a negative zero."""
    return _EXACT.add(_EXACT.quantize(value, _CENT), Decimal(0))


def product(quantity: Decimal, each_amount: Decimal) -> Decimal:
    """Return `quantity` × `each_amount`, exact and not rounded."""
    return _EXACT.multiply(quantity, each_amount)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum of the amounts, exact and not rounded."""
    result = Decimal(0)
    for value in amounts:
        result = _EXACT.add(result, value)
    return result


def tax(subtotal: Decimal, rate: Decimal) -> Decimal:
    """Return a subtotal's tax: rate × subtotal, rounded once; zero for a negative subtotal (inferred)."""
    return cents(product(max(subtotal, Decimal(0)), rate))


def exact_number(
    value: Decimal | int | str, what: str, *, places: int | None = None, least: int | None = None
) -> Decimal:
    """Return a number as a Decimal, after checking that it is exact. `what` names it in error messages.

    Raises:
        TypeError: the value is a float, or anything else that isn't a Decimal, an int or a str.
        ValueError: the value is not a number, it is larger or smaller than any real quantity, it is less than
            `least`, or it has more than `places` decimals.
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(f"{what} must be exact: a Decimal, an int or a str, not {type(value).__name__}")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{what} must be a number") from None
    # Exact arithmetic on much larger numbers would fill the memory.
    if not number.is_finite() or abs(number.adjusted()) > 60:
        raise ValueError(f"{what} must be a finite number of reasonable size")
    if least is not None and number < least:
        raise ValueError(f"{what} must be at least {least}")
    if places is None:
        return number
    rounded = _EXACT.quantize(number, Decimal((0, (1,), -places)))
    if rounded != number:
        raise ValueError(f"{what} can have at most {places} decimals; round it first")
    return _EXACT.add(rounded, Decimal(0))


def amount(value: Decimal | int | str) -> Decimal:
    """Return an amount of money as a Decimal, after checking that it has at most two decimals (documented).

    Raises:
        TypeError: the value is a float, which can't represent cents exactly.
        ValueError: the value has more than two decimals, or is not a number.
    """
    return cents(exact_number(value, "An amount", places=2))


def quantity(value: Decimal | int | str) -> Decimal:
    """Return an item's quantity as a Decimal, after checking that it has at most four decimals (documented).

    Raises:
        TypeError: the value is a float.
        ValueError: the value has more than four decimals, or is not a number.
    """
    return exact_number(value, "A quantity", places=4)


def count(value: Decimal | int | str) -> int:
    """Return a charge's quantity as an int, after checking that it is a positive integer (documented).

    Raises:
        TypeError: the value is a float.
        ValueError: the value is not a whole number of at least 1.
    """
    whole = int(exact_number(value, "A charge's quantity", places=0))
    if whole < 1:
        raise ValueError("A charge's quantity must be at least 1; for a credit, use a negative amount")
    return whole


def amount_text(value: Decimal) -> str:
    """Return an amount in Cheddar's format, such as `5.00`."""
    return f"{cents(value):f}"


def quantity_text(value: Decimal) -> str:
    """Return a quantity in Cheddar's format, without trailing zeros, such as `4.8123` or `0`."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_text(quantity: Decimal | int, each_amount: Decimal) -> str:
    """Return a quantity and a price as text, such as `13 × 2.50`."""
    return f"{quantity_text(Decimal(quantity))} × {amount_text(each_amount)}"
