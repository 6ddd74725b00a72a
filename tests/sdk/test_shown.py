"""Invoices and reviews shown as text, with rich, and in a notebook."""

import io
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec
import pytest
from lxml import html
from rich.console import Console
from tests.cheddar import FakeCheddar

from tallyhook import _model, chargemonk, cleverbridge, documents, events, fusebill
from tallyhook._model import Model
from tallyhook.cheddar.models import Charge, Customer, Invoice, Item, Transaction
from tallyhook.review import AddCharge, DeleteCharge, Outcome, Review, Standing
from tallyhook.review.journal import Declaration, DeclaredCharge
from tallyhook.tables import Column, Shown, Table

MARCH = datetime(2030, 3, 1, tzinfo=UTC)

LINES = (
    Charge(id="r", code="TEAM", type="recurring", quantity=Decimal(1), each_amount=Decimal("20.00")),
    Charge(id="i", code="GB", type="item", quantity=Decimal("13.5000"), each_amount=Decimal("2.50")),
    Charge(
        id="c",
        code="SORRY",
        type="custom",
        quantity=Decimal(1),
        each_amount=Decimal("-5.00"),
        description="slow on the 16th",
    ),
)


SYSTEMS = (chargemonk, cleverbridge, fusebill, events)
LEAVES = {str: "x", bool: True, int: 3, Decimal: Decimal("2.50"), datetime: "2030-03-01", date: "2030-03-01"}


def models(base: type[Model] = Model) -> Iterator[type[Model]]:
    for model in base.__subclasses__():
        if model.__module__.startswith("tallyhook."):
            yield model
        yield from models(model)


EVERY_MODEL = list(models())


def filled(annotation: Any) -> Any:
    """Return a document in which every field has a value."""
    if get_origin(annotation) is tuple:
        return [filled(get_args(annotation)[0])]
    kinds = get_args(annotation) or (annotation,)
    (kind,) = (each for each in kinds if each is not NoneType)
    if kind in LEAVES:
        return LEAVES[kind]
    fields = (field for field in msgspec.structs.fields(kind) if field.name != "raw")
    return {field.encode_name: filled(field.type) for field in fields}


def invoice(**fields: Any) -> Invoice:
    return Invoice(**{"number": 11, "billing_datetime": MARCH, "charges": LINES} | fields)


def rendered(shown: Shown, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(shown)
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue()


def notebook(shown: Shown) -> html.HtmlElement:
    return html.document_fromstring(shown._repr_html_())


def cells(shown: Shown) -> list[list[str]]:
    return [[cell.text_content() for cell in row] for row in notebook(shown).iter("tr")]


def test_the_models_of_every_system_are_here() -> None:
    packages = {model.__module__.split(".")[1] for model in EVERY_MODEL}
    assert packages == {system.__name__.split(".")[1] for system in SYSTEMS}


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_every_model_can_be_printed(model: type[Model]) -> None:
    full = _model.read(model, filled(model))
    for each in (model(), full):
        console = Console(file=io.StringIO(), width=200, color_system=None)
        console.print(each)
        assert repr(each).startswith(f"{model.__name__}(")
    for name in full._shown:
        assert f"{name}=" in repr(full)


@pytest.mark.parametrize("model", EVERY_MODEL)
def test_every_other_name_in_a_document_is_a_name_of_a_field(model: type[Model]) -> None:
    fields = {field.name for field in msgspec.structs.fields(model)}
    assert set(model._aliases.values()) <= fields


def test_an_invoice_is_a_bill() -> None:
    assert str(invoice(tax_rate=Decimal("0.0825"))).splitlines() == [
        "invoice 11 on 2030-03-01: unpaid",
        "  code        description       quantity   each  amount",
        "  TEAM                                 1  20.00   20.00",
        "  GB                                13.5   2.50   33.75",
        "  SORRY       slow on the 16th         1  -5.00   -5.00",
        "  ─────────────────────────────────────────────────────",
        "  subtotal                                        48.75",
        "  tax 8.25 %                                       4.02",
        "  total                                           52.77",
    ]


def test_without_tax_and_descriptions_it_is_narrow() -> None:
    assert str(invoice(charges=LINES[:1])).splitlines() == [
        "invoice 11 on 2030-03-01: unpaid",
        "  code   quantity   each  amount",
        "  TEAM          1  20.00   20.00",
        "  ──────────────────────────────",
        "  total                    20.00",
    ]


def test_credit_beyond_the_bill_and_the_quantities_of_a_hook() -> None:
    items = (Item(code="GB", quantity=Decimal("15.0000")), Item(code="USERS"))
    shown = str(invoice(charges=LINES[2:], items=items, tax_rate=Decimal("0.1"))).splitlines()
    assert [line.split() for line in shown[-5:-2]] == [
        ["subtotal", "-5.00"],
        ["tax", "10", "%", "0.00"],
        ["total", "0.00"],
    ]
    assert shown[-2:] == ["  5.00 of credit is carried forward", "  in the period: GB 15, USERS 0"]


@pytest.mark.parametrize(
    ("fields", "title"),
    [
        (
            {
                "paid_transaction_id": "t2",
                "transactions": (
                    Transaction(id="t1", response="declined", transacted_datetime=MARCH),
                    Transaction(id="t2", transacted_datetime=MARCH.replace(day=4)),
                ),
            },
            "invoice 11 on 2030-03-01: paid on 2030-03-04",
        ),
        ({"paid_transaction_id": "t2"}, "invoice 11 on 2030-03-01: paid"),
        (
            {"transactions": (Transaction(id="t1", response="declined"),)},
            "invoice 11 on 2030-03-01: unpaid, declined",
        ),
        ({"charges": (Charge(code="TEAM"),)}, "invoice 11 on 2030-03-01: open, its lines are projected"),
        ({"number": None, "id": "inv-9", "billing_datetime": None}, "invoice inv-9: unpaid"),
        ({"number": None, "billing_datetime": None}, "invoice: unpaid"),
    ],
)
def test_how_an_invoice_stands(fields: dict[str, Any], title: str) -> None:
    assert str(invoice(**fields)).splitlines()[0] == title


def test_an_invoice_without_lines_says_so() -> None:
    assert str(Invoice(number=1)).splitlines() == [
        "invoice 1: unpaid",
        "  code   amount",
        "  total    0.00",
        "  no lines yet",
    ]


def test_a_notebook_shows_the_same_figures() -> None:
    bill = invoice(tax_rate=Decimal("0.0825"))
    assert cells(bill) == [
        ["code", "description", "quantity", "each", "amount"],
        ["TEAM", "", "1", "20.00", "20.00"],
        ["GB", "", "13.5", "2.50", "33.75"],
        ["SORRY", "slow on the 16th", "1", "-5.00", "-5.00"],
        ["subtotal", "", "", "", "48.75"],
        ["tax 8.25 %", "", "", "", "4.02"],
        ["total", "", "", "", "52.77"],
    ]
    assert notebook(bill).findtext(".//caption") == "invoice 11 on 2030-03-01: unpaid"
    assert [cell.get("class") for cell in notebook(bill).find(".//thead/tr")] == [
        None,
        None,
        "number",
        "number",
        "number",
    ]
    assert "color" not in bill._repr_html_()


def test_rich_shows_the_same_figures() -> None:
    shown = [line.split() for line in rendered(invoice(tax_rate=Decimal("0.0825"))).splitlines()]
    assert shown[0] == ["invoice", "11", "on", "2030-03-01:", "unpaid"]
    for line in ("GB 13.5 2.50 33.75", "SORRY slow on the 16th 1 -5.00 -5.00", "total 52.77"):
        assert line.split() in shown


HOSTILE = '<script>alert(1)</script>[red]\x1b[2J\u202e"&\r\nforged line\0'


def test_hostile_texts_are_only_texts() -> None:
    line = Charge(code=HOSTILE, quantity=Decimal(1), each_amount=Decimal(1), description=HOSTILE)
    bill = invoice(charges=(line,))
    harmless = '<script>alert(1)</script>[red]\ufffd[2J\ufffd"& forged line\ufffd'
    assert cells(bill)[1][:2] == [harmless, harmless]
    assert list(notebook(bill).iter("script")) == []
    assert str(bill).splitlines()[2].split("  ")[1:3] == [harmless, harmless]
    shown = rendered(bill, width=200)
    assert f"{harmless}  " in shown
    assert "\x1b" not in shown


def test_wide_signs_and_accents_stay_aligned() -> None:
    table = Table(
        title="widths",
        columns=(Column("word"), Column("count", is_number=True)),
        rows=(("東京", "1"), ("e\u0301te\u0301", "2"), ("four", "3")),
    )
    assert table.text().splitlines()[2:] == [
        "  東京      1",
        "  e\u0301te\u0301       2",
        "  four      3",
    ]


@pytest.fixture
def review() -> Review:
    return Review.from_hook(events.decode(FakeCheddar().hook()))


def test_a_review_shows_what_is_declared(review: Review) -> None:
    review.set_quantity("GB", 15)
    review.credit("SORRY", 5, "slow")
    review.run_when_done()
    assert str(review).splitlines() == [
        "review of invoice 11 of customer NORA",
        "  code   shown   declared  description",
        "  GB         3         15",
        "  USERS      0",
        "  SORRY         1 × -5.00  slow",
        "  the invoice is run when this is done",
    ]
    assert cells(review)[1] == ["GB", "3", "15", ""]
    assert "1 × -5.00" in rendered(review)


def test_an_outcome_shows_what_was_declared_found_and_applied(review: Review) -> None:
    there = {"id": "c1", "chargeCode": "KEPT", "quantity": "1", "eachAmount": "2", "description": ""}
    cheddar = FakeCheddar(billed_charges=[there])
    review.set_quantity("GB", 15)
    review.set_quantity("USERS", 0)
    review.charge("KEPT", 2)
    review.credit("SORRY", 5, "slow")
    review.run_when_done()
    outcome = review.apply(cheddar.client())
    assert str(outcome).splitlines() == [
        "review, the invoice was outstanding",
        "  code    declared     found  applied  description",
        "  GB            15         3      set",
        "  USERS          0         0",
        "  KEPT    1 × 2.00  1 × 2.00",
        "  SORRY  1 × -5.00      none    added  slow",
        "  ────────────────────────────────────────────────",
        "  total                24.50    49.50",
        "  the invoice was run",
    ]
    assert cells(outcome)[4] == ["SORRY", "1 × -5.00", "none", "added", "slow"]
    assert ["SORRY", "1", "×", "-5.00", "none", "added", "slow"] in [
        line.split() for line in rendered(outcome).splitlines()
    ]


def test_an_outcome_shows_what_was_deleted() -> None:
    right, wrong = (
        DeclaredCharge(code=code, each_amount=Decimal(amount))
        for code, amount in (("RIGHT", 8), ("WRONG", 7))
    )
    changes = (DeleteCharge(charge_id="c1", charge=wrong), AddCharge(charge=right))
    outcome = Outcome(
        declared=Declaration(charges=(right,)), standing=Standing.OUTSTANDING, found=changes, applied=changes
    )
    assert [line.split() for line in str(outcome).splitlines()[2:]] == [
        ["RIGHT", "1", "×", "8.00", "none", "added"],
        ["WRONG", "none", "1", "×", "7.00", "deleted"],
    ]


def test_an_outcome_without_any_work_does_not_claim_what_was_found(review: Review) -> None:
    review.set_quantity("GB", 15)
    outcome = review.apply(FakeCheddar(pushed_out=True).client())
    assert outcome.standing is Standing.CURRENT
    assert str(outcome).splitlines() == [
        "review, the invoice was current",
        "  code  declared",
        "  GB          15",
        "  nothing to do: the invoice is current",
    ]


def test_an_outcome_says_which_quantities_no_document_showed(review: Review) -> None:
    cheddar = FakeCheddar(billed_items={"GB": Decimal(1), "USERS": Decimal(0)}, paid=True)
    review.set_quantity("GB", 2)  # exactly the included quantity
    outcome = review.apply(cheddar.client())
    assert outcome.unverified == ("GB",)
    assert str(outcome).splitlines() == [
        "review, the invoice was paid",
        "  code   declared  found  applied",
        "  GB            2      ?",
        "  ───────────────────────────────",
        "  total            20.00    20.00",
        "  nothing to do: it was paid with everything that was declared",
        "  not verified, because no document shows it: GB",
    ]


def test_a_dry_run_in_a_notebook_and_by_rich(review: Review) -> None:
    review.set_quantity("GB", 15)
    changes = review.compare(documents.customer(FakeCheddar().document().encode()))
    assert cells(changes) == [
        ["change", "code", "before", "after"],
        ["set", "GB", "3", "15"],
        ["bills", "", "22.50", "52.50"],
    ]
    assert "dry run" in rendered(changes)


def test_the_rest_keeps_its_short_form() -> None:
    assert str(Customer(code="NORA")) == "Customer(code='NORA')"
    assert repr(invoice(id="i")) == "Invoice(id='i', number=11)"


def test_the_client_does_without_rich() -> None:
    check = """
import sys
sys.modules["rich"] = None
from tallyhook import Invoice
assert Invoice()._repr_html_() and str(Invoice())
"""
    subprocess.run([sys.executable, "-c", check], check=True)
