"""Arguments that calls reject, and secrets that they hide."""

from datetime import datetime
from decimal import Context, Decimal, localcontext
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any

import pytest

from tallyhook import ChargeInput, Id, PaymentInput, calls
from tallyhook.chargemonk import calls as chargemonk
from tallyhook.cheddar.calls import Call
from tallyhook.cheddar.models import Customer, Invoice
from tallyhook.cleverbridge import calls as cleverbridge

CARD = PaymentInput(cc_number="4111111111111111", cc_expiration="02/2029", cc_card_code="321", cc_zip="8000")

# Untyped, because mypy would reject the misuse below.
any_calls: Any = calls
any_half: Any = 0.5
any_charge: Any = ChargeInput


class Colour(Enum):
    RED = "red"


class Days(IntEnum):
    WEEK = 7


@pytest.mark.parametrize(
    "call",
    [
        lambda: any_calls.get_customer(),
        lambda: any_calls.get_customer("C1", invoice_number=18),
        lambda: any_calls.edit_customer("C1", compny="x"),
        lambda: any_calls.edit("C1", planCode="x"),
        lambda: any_calls.new_customer("a", "b", "c", "d", "P", fax="x"),
        lambda: any_calls.new_plan("P", "Plan", price=1),
        lambda: any_calls.edit_customer("C1", tax_rate=0.1),
        lambda: any_calls.set_item_quantity("C1", "GB", 1.5),
        lambda: any_calls.add_charge("C1", "FEE", 1, 5.0),
        lambda: any_calls.add_charge("C1", "FEE", 1, "5.00", 2),
        lambda: any_calls.new_invoice("C1", [any_charge("FEE", Decimal("1.95"), 2)]),
        lambda: any_calls.new_invoice("C1", [any_charge(7, Decimal("1.95"))]),
        lambda: any_calls.refund(18, 5.0),
        lambda: any_calls.delete_charge("C1", None),
        lambda: any_calls.new_plan("P", "Plan", trial_days=True),
        lambda: any_calls.edit_customer("C1", tax_rate=Fraction(1, 3)),
        lambda: any_calls.edit_customer("C1", first_name=b"Ada"),
        lambda: any_calls.edit_customer("C1", notes=["a", "b"]),
        lambda: any_calls.new_customer("a", "b", "c", "d", Colour.RED),
        lambda: any_calls.new_plan("P", "Plan", recurring_charge_amount=object()),
        lambda: chargemonk.add_charge("mill", "work", Decimal(1), quantity=any_half),
        lambda: chargemonk.add_charge("mill", "work", any_half, quantity=2),
        lambda: chargemonk.add_charge("mill", "work", Decimal(1), quantity=True),
    ],
)
def test_misuse_by_type(call: Any) -> None:
    with pytest.raises(TypeError):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: any_calls.get_customer(""),
        lambda: any_calls.delete_customer(Customer()),
        lambda: any_calls.delete_customer(Id("")),
        lambda: any_calls.void(Invoice()),
        lambda: any_calls.void(""),
        lambda: any_calls.delete_charge("C1", ""),
        lambda: any_calls.set_item_quantity("C1", "", 1),
        lambda: any_calls.set_item_quantity("C1", "GB", "1.00001"),
        lambda: any_calls.set_item_quantity("C1", "GB", 1, invoice_period="outstandig"),
        lambda: any_calls.add_charge("C1", "FEE", 1, "1.005"),
        lambda: any_calls.add_charge("C1", "FEE", "1.5", "1"),
        lambda: any_calls.add_charge("C1", "FEE", 0, "1"),
        lambda: any_calls.new_invoice("C1", []),
        lambda: any_calls.new_invoice("C1", iter([])),
        lambda: any_calls.get_customer(" "),
        lambda: any_calls.delete_customer(Id("\t")),
        lambda: any_calls.delete_charge("C1", " "),
        lambda: any_calls.edit_customer("C1", tax_rate=Decimal("NaN")),
        lambda: any_calls.new_plan("P", "Plan", recurring_charge_amount=Decimal("Infinity")),
        lambda: any_calls.new_plan("P", "Plan", setup_charge_amount=Decimal("1e999999999")),
        lambda: chargemonk.add_charge("mill", "work", Decimal(1), quantity=Decimal("NaN")),
        lambda: chargemonk.add_charge("mill", "work", Decimal(1), quantity=-1),
        lambda: chargemonk.add_charge("mill", "work", Decimal(1), quantity=0),
        lambda: chargemonk.add_charge("mill", "work", Decimal("NaN")),
        lambda: chargemonk.add_charge("mill", "work", Decimal("0.333")),
        lambda: chargemonk.add_charge(" ", "work", Decimal(1)),
        lambda: chargemonk.list_subscription_unbilled_charges(""),
        lambda: cleverbridge.get_subscription(" "),
        lambda: cleverbridge.get_subscriptions_for_customer(" "),
        lambda: any_calls.import_customers([]),
        lambda: any_calls.import_customers([calls.new_customer("a", "b", "c", "d", "P")] * 101),
        lambda: any_calls.edit_subscription("C1", change_bill_date=datetime(2025, 1, 1)),  # noqa: DTZ001  # the misuse
    ],
)
def test_misuse_by_value(call: Any) -> None:
    for context in (Context(), Context(traps=[])):
        with localcontext(context), pytest.raises(ValueError, match=r"\w"):
            call()


def test_whole_numbers_of_any_kind() -> None:
    class Whole:
        def __index__(self) -> int:
            return 14

    for days, sent in ((7, "7"), (Days.WEEK, "7"), (Whole(), "14")):
        assert ("trialDays", sent) in any_calls.new_plan("P", "Plan", trial_days=days).form


def test_a_call_shows_no_secrets() -> None:
    for call in (
        calls.edit_subscription("C1", payment=CARD),
        calls.new_customer("C1", "Ada", "Kay", "a@example.com", "P", payment=CARD),
        calls.import_customers([calls.new_customer("C1", "A", "K", "a@example.com", "P", payment=CARD)]),
        calls.run_outstanding("C1", cc_card_code="321"),
    ):
        assert "4111111111111111" not in repr(call)
        assert "321" not in repr(call)
        assert "ccCardCode" in repr(call)
    assert "4111" not in repr(CARD)
    assert "321" not in repr(CARD)
    assert "02/2029" in repr(CARD)


def test_calls_are_values() -> None:
    assert calls.get_customer("C1") == calls.get_customer("C1")
    assert isinstance(calls.get_customer("C1"), Call)
    assert repr(calls.refund(18, 5)) == "Call(POST invoices/refund number=18 amount=5.00)"
