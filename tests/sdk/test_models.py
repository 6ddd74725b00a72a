"""Models, independent of their source."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tallyhook import documents
from tallyhook.cheddar.models import Charge, Customer, Id, Invoice, Item, Subscription, Transaction

CUSTOMER = (Path(__file__).parents[1] / "fixtures" / "customer.xml").read_bytes()


def test_repr_is_short_and_identifies() -> None:
    customer = documents.customer(CUSTOMER)
    assert repr(customer) == "Customer(id='7b0c8a52-51d4-11f0-9d2a-3af1c2d4e501', code='harbour/42+b')"
    assert repr(Charge(code="X", quantity=Decimal(2))) == (
        "Charge(code='X', quantity=Decimal('2'), each_amount=Decimal('0'))"
    )
    assert repr(Id("a")) == "Id('a')"
    assert "grace@harbour.example" not in repr(customer)


def test_models_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        documents.customer(CUSTOMER).code = "other"  # type: ignore[misc]  # that it is refused is the point


def invoice(
    number: int, day: int, *, paid: bool = False, kind: str = "subscription", projected: bool = False
) -> Invoice:
    return Invoice(
        number=number,
        type=kind,
        billing_datetime=datetime(2025, 1, day, tzinfo=UTC),
        paid_transaction_id="t" if paid else "",
        charges=(Charge(id="" if projected else "x"),),
    )


@pytest.mark.parametrize(
    ("canceled", "invoices", "current", "outstanding"),
    [
        (False, [], None, None),
        (False, [invoice(2, 20), invoice(1, 10, paid=True)], 2, None),
        (False, [invoice(2, 20), invoice(1, 10)], 2, 1),
        (False, [invoice(1, 10), invoice(2, 20)], 2, 1),
        (False, [invoice(3, 30), invoice(2, 20), invoice(1, 10)], 3, 1),
        (False, [invoice(9, 15, kind="one-time"), invoice(2, 20), invoice(1, 10)], 2, 1),
        (False, [invoice(2, 20, kind=""), invoice(1, 10, kind="")], 2, 1),
        (True, [invoice(2, 20)], None, 2),
        (True, [invoice(2, 20, projected=True), invoice(1, 10)], 2, 1),
        (True, [invoice(2, 20, projected=True), invoice(1, 10, paid=True)], 2, None),
        (True, [invoice(1, 10, paid=True)], None, None),
    ],
)
def test_which_invoice_is_which(
    canceled: bool, invoices: list[Invoice], current: int | None, outstanding: int | None
) -> None:
    subscription = Subscription(
        canceled_datetime=datetime(2025, 1, 1, tzinfo=UTC) if canceled else None, invoices=tuple(invoices)
    )
    assert getattr(subscription.current_invoice, "number", None) == current
    assert getattr(subscription.outstanding_invoice, "number", None) == outstanding


@pytest.mark.parametrize(
    "sign",
    [
        {"charges": (Charge(id="x", type="recurring"),)},
        {"charges": (Charge(id="y", type="custom"), Charge(id="x", type="item"))},
        {"charges": (Charge(id="y", type="custom"),), "transactions": (Transaction(response="declined"),)},
    ],
)
def test_an_invoice_whose_period_is_over_is_outstanding_though_no_other_follows(sign: dict[str, Any]) -> None:
    """As on a plan that bills only once."""
    subscription = Subscription(invoices=(Invoice(number=1, type="subscription", **sign),))
    assert subscription.current_invoice is None
    assert subscription.outstanding_invoice is subscription.invoices[0]


def test_an_open_invoice_may_have_charges_with_ids() -> None:
    lines = (Charge(type="recurring"), Charge(id="x", type="custom"), Charge(id="y", type="setup"))
    subscription = Subscription(invoices=(Invoice(number=1, type="subscription", charges=lines),))
    assert subscription.current_invoice is subscription.invoices[0]


def test_a_customer_without_subscription() -> None:
    assert Customer().subscription == Subscription()
    assert Customer().subscription.outstanding_invoice is None
    assert Item().quantity == 0
