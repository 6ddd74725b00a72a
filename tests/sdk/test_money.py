"""Checking and formatting amounts and quantities."""

from decimal import (
    ROUND_UP,
    Clamped,
    Context,
    Decimal,
    FloatOperation,
    Inexact,
    Rounded,
    Subnormal,
    Underflow,
    localcontext,
)
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook import Charge, Invoice, calls, fusebill, money

exact = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)


@pytest.mark.parametrize(
    ("value", "text"),
    [("5", "5.00"), (5, "5.00"), (Decimal("-0.5"), "-0.50"), ("-0.00", "0.00"), ("1e2", "100.00")],
)
def test_amounts(value: Any, text: str) -> None:
    assert money.amount_text(money.amount(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("4.8123", "4.8123"), ("4.8100", "4.81"), ("0", "0"), ("100", "100"), ("0.0000", "0"), (250, "250")],
)
def test_quantities(value: Any, text: str) -> None:
    assert money.quantity_text(money.quantity(value)) == text


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("0.005", "0.01"), ("-0.005", "-0.01"), ("2.675", "2.68"), ("1.004999", "1.00"), ("-0.001", "0.00")],
)
def test_cents_round_half_up(value: str, rounded: str) -> None:
    assert str(money.cents(Decimal(value))) == rounded


@pytest.mark.parametrize("check", [money.amount, money.quantity, money.count])
@pytest.mark.parametrize("value", [1.5, 1.0, True, None, b"1"])
def test_only_exact_types(check: Any, value: Any) -> None:
    with pytest.raises(TypeError, match="exact"):
        check(value)


@pytest.mark.parametrize("check", [money.amount, money.quantity, money.count])
@pytest.mark.parametrize("value", ["", "five", "NaN", "Infinity", "1e9999", "1,5"])
def test_only_numbers(check: Any, value: str) -> None:
    with pytest.raises(ValueError, match="number"):
        check(value)


def test_too_many_decimals_are_not_rounded_away() -> None:
    with pytest.raises(ValueError, match="at most 2 decimals"):
        money.amount("1.005")
    with pytest.raises(ValueError, match="at most 4 decimals"):
        money.quantity(Decimal("0.00001"))
    assert money.amount("1.000") == 1


def test_counts() -> None:
    assert money.count("3") == 3
    for value in ("0", "-1"):
        with pytest.raises(ValueError, match="at least 1"):
            money.count(value)
    with pytest.raises(ValueError, match="at most 0 decimals"):
        money.count("1.5")


@given(st.lists(st.tuples(exact, exact), max_size=20))
def test_sums_of_products_are_exact(lines: list[tuple[Decimal, Decimal]]) -> None:
    total = money.total(money.product(quantity, each) for quantity, each in lines)
    assert Fraction(total) == sum(
        (Fraction(quantity) * Fraction(each) for quantity, each in lines), Fraction()
    )


@given(exact)
def test_cents_are_the_nearest(value: Decimal) -> None:
    rounded = money.cents(value)
    assert abs(Fraction(rounded) - Fraction(value)) <= Fraction(1, 200)
    assert rounded.as_tuple().exponent == -2


CONTEXTS = [
    Context(prec=6),
    Context(prec=1, rounding=ROUND_UP),
    Context(prec=3, traps=[Inexact]),
    Context(prec=3, Emin=0, Emax=0),
    Context(prec=2, Emin=-1, Emax=1, clamp=1, traps=[Subnormal, Underflow, Clamped, Rounded, FloatOperation]),
]
LARGE = Decimal("12345678901234567890.12")


@pytest.mark.parametrize("context", CONTEXTS, ids=str)
def test_whatever_the_context_of_the_caller(context: Context) -> None:
    invoice = Invoice(
        tax_rate=Decimal("0.0825"),
        charges=(
            Charge(code="A", quantity=Decimal("1234567.8912"), each_amount=Decimal("12345.67")),
            Charge(code="B", quantity=Decimal(1), each_amount=-LARGE),
        ),
    )
    definition = fusebill.BillingPeriodDefinition(
        subscriptions=(
            fusebill.Subscription(amount=LARGE, pending_charges=(fusebill.PendingCharge(amount=LARGE),)),
            fusebill.Subscription(amount=Decimal("0.01")),
        )
    )
    with localcontext(context):
        assert str(money.amount(Decimal("12345.67"))) == "12345.67"
        assert str(money.quantity("-1234567.8912")) == "-1234567.8912"
        assert money.count("1234567890123") == 1234567890123
        assert money.amount_text(LARGE) == "12345678901234567890.12"
        assert str(money.total([LARGE, LARGE])) == "24691357802469135780.24"
        assert str(money.tax(LARGE, Decimal("0.0825"))) == "1018518509351851850.93"
        assert str(invoice.total) == "-12345678885993000112.768896"
        assert "12345678885993000112.77 of credit" in str(invoice)
        assert str(definition.recurring_amount) == "12345678901234567890.13"
        assert str(definition.pending_amount) == str(LARGE)
        assert calls.add_charge("C1", "FEE", 1, "-12345.67").form[2][1] == "-12345.67"
