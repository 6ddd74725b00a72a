"""The dry run: what would change, and what would be billed."""

import json
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.cheddar import FakeCheddar

from tallyhook import documents, events
from tallyhook.cheddar.models import Customer
from tallyhook.review import AddCharge, Changes, DeleteCharge, Review, SetQuantity, compare
from tallyhook.review.compare import named, stands
from tallyhook.review.journal import Added, Adding, DeclaredCharge


def document(cheddar: FakeCheddar) -> Customer:
    return documents.customer(cheddar.document().encode())


def charged(id: str, code: str, amount: str, description: str = "") -> dict[str, str]:
    return {"id": id, "chargeCode": code, "quantity": "1", "eachAmount": amount, "description": description}


@pytest.fixture
def review() -> Review:
    return Review.from_hook(events.decode(FakeCheddar().hook()))


def test_bills_overage_in_full_and_takes_credits_off(review: Review) -> None:
    cheddar = FakeCheddar(billed_items={"GB": Decimal(15), "USERS": Decimal(1)})
    review.credit("REBATE", 5)
    changes = compare(review, document(cheddar))
    assert changes.total_before == Decimal("62.50")  # 20.00 + 13 × 2.50 + 1 × 10.00
    assert changes.total_after == Decimal("57.50")


def test_only_what_differs_is_changed(review: Review) -> None:
    review.set_quantity("USERS", 0)
    review.set_quantity("GB", 15)
    review.charge("SETUP", 9)
    changes = compare(review, document(FakeCheddar()))
    assert changes.changes == (
        SetQuantity(item="GB", quantity=Decimal(15), was=Decimal(3), contradicted=True),
        AddCharge(charge=DeclaredCharge(code="SETUP", each_amount=Decimal(9))),
    )
    assert (changes.total_before, changes.total_after) == (Decimal("22.50"), Decimal("61.50"))


def test_a_quantity_within_what_is_included_is_not_shown(review: Review) -> None:
    review.set_quantity("GB", 2)
    (change,) = compare(review, document(FakeCheddar(billed_items={"GB": Decimal(1)}))).changes
    assert change == SetQuantity(item="GB", quantity=Decimal(2), was=None, contradicted=False)


def test_without_entries_content_decides(review: Review) -> None:
    there = [charged("c1", "A", "5", "one  two"), charged("c2", "A", "5"), charged("c3", "OLD", "1")]
    review.charge("A", "5.00", "one two")
    review.charge("A", "5.00", "one two")
    changes = compare(review, document(FakeCheddar(billed_charges=there)))
    assert changes.changes == (AddCharge(charge=review.declaration.charges[1]),)


def test_with_entries_ids_decide(review: Review) -> None:
    there = [charged("c1", "A", "5"), charged("c2", "A", "5"), charged("c3", "B", "1", "(REF 0123456789)")]
    a, b = DeclaredCharge(code="A", each_amount=Decimal(5)), DeclaredCharge(code="B", each_amount=Decimal(1))
    entries = [
        Adding(number=1, charge=a, before=("c1",)),
        Added(number=1, charge_id="c2"),
        Adding(number=2, charge=b, before=("c1", "c2"), mark="0123456789"),
    ]
    review.charge("A", 5)
    cheddar = FakeCheddar(billed_charges=there)
    assert compare(review, document(cheddar), entries).changes == (DeleteCharge(charge_id="c3", charge=b),)
    assert compare(review, document(cheddar), []).changes == (AddCharge(charge=a),)


def test_prints_a_table(review: Review) -> None:
    review.set_quantity("GB", "15.5000")
    review.credit("SEAT_PRORATION", 5, "seat added on the 16th")
    assert str(compare(review, document(FakeCheddar()))).splitlines() == [
        "invoice 11: dry run",
        "  change  code            before      after  description",
        "  set     GB                   3       15.5",
        "  add     SEAT_PRORATION          1 × -5.00  seat added on the 16th",
        "  ─────────────────────────────────────────────────────────────────",
        "  bills                    22.50      48.75",
    ]


def test_prints_that_there_is_nothing_to_change(review: Review) -> None:
    assert str(compare(review, document(FakeCheddar()))).splitlines() == [
        "invoice 11: dry run",
        "  change  before  after",
        "  bills    22.50  22.50",
        "  nothing to change",
    ]


def test_credit_beyond_the_bill_is_carried_forward(review: Review) -> None:
    review.credit("REBATE", 30)
    changes: Changes = compare(review, document(FakeCheddar()))
    assert (changes.total_after, changes.carried_forward) == (Decimal("0.00"), Decimal("7.50"))
    assert str(changes).splitlines()[-2].split() == ["bills", "22.50", "0.00"]
    assert str(changes).splitlines()[-1] == "  7.50 of credit is carried forward"


def test_taxes_by_the_rate_on_the_invoice(review: Review) -> None:
    text = FakeCheddar().document().replace("<taxRate/>", "<taxRate>0.0825</taxRate>")
    taxed = documents.customer(text.encode())
    assert compare(review, taxed).total_before == Decimal("24.36")  # 22.50 + 1.85625
    exempt = documents.customer(text.replace("<isTaxExempt>0", "<isTaxExempt>1").encode())
    assert compare(review, exempt).total_before == Decimal("22.50")


def test_a_document_that_lists_only_custom_charges_bills_the_plan_all_the_same() -> None:
    hook = json.loads(FakeCheddar().hook())
    hook["subscription"]["invoice"]["charges"] = ""
    review = Review.from_hook(events.decode(json.dumps(hook).encode()))
    bare = Customer(subscriptions=(replace(review.subscription, invoices=(review.invoice,)),))
    changes = compare(review, bare)
    assert changes.total_before == Decimal("22.50")  # with the hook's quantities
    review.set_quantity("GB", 4)
    assert compare(review, bare).total_after == Decimal("25.00")


def test_unlimited_items_cost_nothing() -> None:
    hook = json.loads(FakeCheddar().hook())
    hook["subscription"]["plan"]["items"][0]["quantityIncluded"] = "99999999.9"
    review = Review.from_hook(events.decode(json.dumps(hook).encode()))
    review.set_quantity("GB", 100_000_000)
    assert compare(review, document(FakeCheddar())).total_after == Decimal("20.00")


def test_an_invoice_that_the_document_does_not_hold(review: Review) -> None:
    with pytest.raises(LookupError, match="invoice 11 is not in this document"):
        compare(review, Customer())


def test_what_a_person_is_shown_changes_only_when_somebody_changes_the_invoice(review: Review) -> None:
    """The plan's own charges get their ids by and by, and may not be listed yet."""

    def shown(written: str) -> tuple[str, ...]:
        customer = documents.customer(written.encode())
        invoice = named(customer, review.invoice)
        assert invoice is not None
        return stands(review, customer, invoice)

    cheddar = FakeCheddar(billed_charges=[charged("c1", "A", "5")])
    before = shown(cheddar.document())
    assert before == ("A  1 × 5.00  (charge c1)", "it bills 27.50")
    assert shown(cheddar.document().replace('id="r11"', 'id=""')) == before
    assert shown(cheddar.document().replace('id="c1"', 'id="c2"')) != before
    cheddar.billed_items["GB"] += 1
    assert shown(cheddar.document()) != before


def test_a_custom_charge_with_an_items_code_is_not_its_overage(review: Review) -> None:
    """Ten at 1.00 for something called GB: the units above the two included are still those of the item."""
    custom = charged("c1", "GB", "1.00") | {"quantity": "10"}
    review.set_quantity("GB", 12)
    written = FakeCheddar(billed_items={"GB": Decimal(5)}, billed_charges=[custom]).document()
    (change,) = compare(review, documents.customer(written.encode())).changes
    assert change == SetQuantity(item="GB", quantity=Decimal(12), was=Decimal(5), contradicted=True)
    # The custom charge comes first, and the item has no line.
    written = FakeCheddar(billed_items={}, billed_charges=[custom]).document()
    (change,) = compare(review, documents.customer(written.encode())).changes
    assert change == SetQuantity(item="GB", quantity=Decimal(12), was=None, contradicted=False)
