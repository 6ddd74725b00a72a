"""Exact amounts. All rounding and formatting of money in the mock is done here."""

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
    "currency_problem",
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

# The currencies whose smallest unit isn't a hundredth (ISO 4217).
_WITHOUT_CENTS = """
    BHD BIF CLF CLP DJF GNF IQD ISK JOD JPY KMF KRW KWD LYD OMR PYG RWF TND UGX UYI UYW VND VUV XAF XOF XPF
"""

# Precise enough for every sum and product, regardless of the caller's decimal context.
_EXACT = Context(prec=100, rounding=ROUND_HALF_UP, traps=[InvalidOperation, DivisionByZero, Overflow])


@contextmanager
def exact() -> Iterator[None]:
    """Return a context manager in which decimal arithmetic is exact. Everything in the mock runs inside it.

    A caller, such as a test, may read some values outside this context, for example an invoice's total. Such
    values are calculated with the functions below, which ignore the caller's decimal context.
    """
    with localcontext(_EXACT):
        yield


def product(quantity: Decimal, each: Decimal) -> Decimal:
    """Return the exact product of a quantity and an amount."""
    return _EXACT.multiply(quantity, each)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the sum of all amounts, not rounded."""
    result = ZERO
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def cents(amount: Decimal) -> Decimal:
    """Return an amount rounded to cents.

    Halves are rounded away from zero (inferred: no source says how Cheddar rounds).
    """
    return _EXACT.quantize(amount, CENT)


def currency_problem(code: str) -> str | None:
    """Return why the mock can't bill in a currency, or None if it can. `code` is a code such as `USD`."""
    if len(code) != 3 or not (code.isascii() and code.isalpha() and code.isupper()):
        return f"{code!r} is not the code of a currency, such as USD"
    if code in _WITHOUT_CENTS.split():
        return f"{code} isn't divided into 100 units, and the mock bills with two decimals"
    return None


def four_places(quantity: Decimal) -> Decimal:
    """Return a quantity rounded to four decimals (documented), halves away from zero (inferred)."""
    return _EXACT.quantize(quantity, Decimal("0.0001"))


def amount_text(amount: Decimal) -> str:
    """Return an amount as text with two decimals, such as `5.00`, and never with an exponent."""
    return str(cents(amount))  # with two decimals, `str` never writes an exponent


def quantity_text(quantity: Decimal) -> str:
    """Return a quantity as text without trailing zeros or exponent, such as `4.8123`, `45.87` or `0`."""
    text = f"{quantity:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
