"""What a review shows to its handler, and what the handler can declare."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from tests.cheddar import FakeCheddar

from tallyhook import Charge, Customer, Invoice, Plan, Subscription, calls, documents, events
from tallyhook.review import Period, Review
from tallyhook.review.journal import Declared, DeclaredCharge, decode, encode

BILLED = datetime(2030, 3, 1, tzinfo=UTC)


@pytest.fixture
def review() -> Review:
    return Review.from_hook(events.decode(FakeCheddar().hook()))


def test_shows_what_the_hook_says(review: Review) -> None:
    assert (review.customer.code, review.plan.code, review.invoice.number) == ("NORA", "TEAM", 11)
    assert review.quantity("GB") == 3
    assert review.period == Period(datetime(2030, 2, 1, tzinfo=UTC), datetime(2030, 3, 1, tzinfo=UTC))


def test_of_a_document_reviews_the_outstanding_invoice() -> None:
    review = Review.of(documents.customer(FakeCheddar().document().encode()))
    assert review.invoice.number == 11
    assert review.period == Period(datetime(2030, 2, 1, tzinfo=UTC), datetime(2030, 3, 1, tzinfo=UTC))


def test_of_a_document_without_an_outstanding_invoice() -> None:
    with pytest.raises(LookupError, match="no outstanding invoice"):
        Review.of(documents.customer(FakeCheddar(paid=True).document().encode()))


def test_without_a_period_before_the_first_bill() -> None:
    hook = json.loads(FakeCheddar().hook())
    hook["subscription"]["invoice"]["previousBillingDatetime"] = ""
    review = Review.from_hook(events.decode(json.dumps(hook).encode()))
    with pytest.raises(LookupError, match="period is unknown"):
        _ = review.period
    hook["subscription"]["createdDatetime"] = "2030-02-14T00:00:00+00:00"
    review = Review.from_hook(events.decode(json.dumps(hook).encode()))
    assert review.period.start == datetime(2030, 2, 14, tzinfo=UTC)


@pytest.mark.parametrize(("frequency", "start"), [("monthly", 1), ("none", 12)])
def test_a_plan_that_bills_no_periods_begins_none(frequency: str, start: int) -> None:
    """Changed on the 12th to a plan that bills on 1 March. A monthly plan has billed on the 1st before."""
    first, changed, end = datetime(2030, 2, 1, tzinfo=UTC), datetime(2030, 2, 12, tzinfo=UTC), BILLED
    paid = Invoice(id="1", number=1, billing_datetime=first, paid_transaction_id="t")
    held = Invoice(id="2", number=2, billing_datetime=end, charges=(Charge(id="c", type="recurring"),))
    old = Subscription(
        id="a", plan=Plan(billing_frequency=frequency), created_datetime=first, invoices=(paid,)
    )
    new = Subscription(id="b", created_datetime=changed, invoices=(held,))
    review = Review.of(Customer(id="9", subscriptions=(new, old)))
    assert review.period == Period(datetime(2030, 2, start, tzinfo=UTC), end)


@pytest.mark.parametrize("missing", ["customer", "subscription"])
def test_a_hook_that_names_no_invoice_is_no_review(missing: str) -> None:
    with pytest.raises(ValueError, match="nothing to review"):
        Review.from_hook(events.decode(FakeCheddar().hook(**{missing: ""})))


def test_declares(review: Review) -> None:
    review.set_quantity("GB", "15.5")
    review.charge("SETUP", 20, "on site", quantity=2)
    review.credit("REBATE", Decimal("1.5"))
    review.run_when_done()
    declaration = review.declaration
    assert declaration.quantities == {"GB": Decimal("15.5")}
    assert declaration.charges == (
        DeclaredCharge(code="SETUP", each_amount=Decimal("20.00"), quantity=2, description="on site"),
        DeclaredCharge(code="REBATE", each_amount=Decimal("-1.50")),
    )
    assert declaration.run_when_done


def test_an_unknown_item_is_told_from_those_of_the_plan(review: Review) -> None:
    with pytest.raises(ValueError, match=r"TEAM doesn't track item 'TB'; it tracks GB, USERS"):
        review.set_quantity("TB", 1)
    with pytest.raises(ValueError, match="doesn't track item"):
        review.quantity("TB")


def test_an_item_is_declared_once(review: Review) -> None:
    review.set_quantity("GB", 1)
    with pytest.raises(ValueError, match="is already declared"):
        review.set_quantity("GB", 1)


@pytest.mark.parametrize("quantity", ["1.00001", "-1", "NaN", "much"])
def test_refuses_quantities(review: Review, quantity: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        review.set_quantity("GB", quantity)
    assert review.declaration.quantities == {}


@pytest.mark.parametrize(
    ("code", "amount", "quantity"), [("", 1, 1), ("C" * 37, 1, 1), ("C", "1.005", 1), ("C", 1, 0)]
)
def test_refuses_charges(review: Review, code: str, amount: str, quantity: int) -> None:
    with pytest.raises(ValueError, match=r".+"):
        review.charge(code, amount, quantity=quantity)
    assert review.declaration.charges == ()


@pytest.mark.parametrize(
    ("code", "description"), [("C", "a \ud83d"), ("\udc00", ""), (" ", ""), ("\t\n", "why")]
)
def test_refuses_texts_that_can_not_be_sent(review: Review, code: str, description: str) -> None:
    """Later, the refusal would come when half of the changes are made."""
    for declare in (review.charge, review.credit):
        with pytest.raises(ValueError, match=r"surrogate|charge code"):
            declare(code, 1, description)
    assert review.declaration.charges == ()


@pytest.mark.parametrize(("code", "description"), [("C", None), ("C", 5), (5, ""), (None, "")])
def test_refuses_texts_that_are_none(review: Review, code: Any, description: Any) -> None:
    """The customer would see "None", and the journal could not be read again."""
    with pytest.raises(TypeError, match="must be a str"):
        review.charge(code, 1, description)
    assert review.declaration.charges == ()


def test_takes_a_text_from_an_enum_by_its_value(review: Review) -> None:
    class Code(str, Enum):  # noqa: UP042  # not every program has a StrEnum
        GB = "GB"
        LATE = "late fee"

    review.set_quantity(Code.GB, 3)
    review.charge(Code.LATE, 1, Code.LATE)
    kept = decode(encode(Declared(declaration=review.declaration)))
    assert isinstance(kept, Declared)
    assert kept.declaration == review.declaration
    (charge,) = review.declaration.charges
    sent = calls.add_charge(Code.GB, charge.code, 1, 1, Code.LATE)
    assert dict(sent.query) == {"code": "GB"}
    assert dict(sent.form)["chargeCode"] == dict(sent.form)["description"] == "late fee"
    assert dict(calls.add_charge("C1", Code.LATE, 1, 1).form)["chargeCode"] == "late fee"


@pytest.mark.parametrize("amount", [0, "-5.00"])
def test_a_credit_is_positive(review: Review, amount: str) -> None:
    with pytest.raises(ValueError, match="positive"):
        review.credit("C", amount)


def test_refuses_floats(review: Review) -> None:
    with pytest.raises(TypeError, match="exact"):
        review.set_quantity("GB", 1.5)  # type: ignore[arg-type]  # what untyped code may do
    with pytest.raises(TypeError, match="exact"):
        review.charge("C", 1.5)  # type: ignore[arg-type]  # what untyped code may do
    with pytest.raises(TypeError, match="exact"):
        review.charge("C", 1, quantity=1.0)  # type: ignore[arg-type]  # what untyped code may do
