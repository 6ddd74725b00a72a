"""The shape of the documents: elements, their order, and what may stand in them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tallyhook_mock.systems.cheddar.xml_documents import escape

from .cheddar_face import DAY, START, Face, new

REPOSITORY = Path(__file__).parents[2]
FIXTURES = REPOSITORY / "tests" / "fixtures"
RECORDED = Path(os.environ.get("TALLYHOOK_RECORDED", REPOSITORY.parent / "shared" / "recorded"))


def orders(root: Any) -> Iterator[tuple[str, list[str]]]:
    """For every element with children: its path, and the tags of its children, repetitions aside."""
    for element in root.iter(etree.Element):
        if len(element):
            path = "/".join([*(above.tag for above in reversed([*element.iterancestors()])), element.tag])
            yield path, list(dict.fromkeys(child.tag for child in element))


def full_document() -> Any:
    """A customer with metadata, usage, a current invoice and a paid one."""
    face = Face()
    face.customer("M1", **{"metaData[berth]": "N-7"})
    face.on("customers/set-item-quantity/itemCode/crane", "M1", {"quantity": "1"})
    return face.on("customers/get", "M1").root


def check_order(model: Path) -> None:
    known: dict[str, list[str]] = {}
    for path, tags in orders(etree.parse(str(model)).getroot()):
        known[path] = list(dict.fromkeys([*known.get(path, []), *tags]))
    compared = 0
    for path, tags in orders(full_document()):
        if path in known:
            assert tags == [tag for tag in known[path] if tag in tags], path
            compared += 1
    assert compared > 10


def test_the_order_of_elements_is_that_of_the_fixture() -> None:
    check_order(FIXTURES / "customer.xml")


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded documents are not part of the repository")
def test_the_order_of_elements_is_the_recorded_one() -> None:
    check_order(RECORDED / "customers-get.xml")


def test_the_order_of_promotions_is_that_of_the_fixture() -> None:
    model = dict(orders(etree.parse(str(FIXTURES / "promotions.xml")).getroot()))
    assert dict(orders(Face().post("promotions/get").root)) == model


def test_the_declaration_and_the_type() -> None:
    face = Face()
    for answer in (face.post("plans/get"), face.post("plans/got"), face.post("promotions/get")):
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"
        assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<')


def test_every_level_is_indented_by_two_spaces() -> None:
    lines = Face().post("plans/get").body.decode().splitlines()
    assert lines[1:4] == ["<plans>", lines[2], "    <name>Quay</name>"]
    assert lines[2].startswith('  <plan id="')
    assert lines[-2:] == ["  </plan>", "</plans>"]


def test_a_projected_charge_has_no_id_and_the_date_of_its_usage() -> None:
    document = full_document()
    current, paid = document.iter("invoice")
    assert [charge.get("id") for charge in current.iter("charge")] == ["", ""]
    recurring, crane = current.iter("charge")
    assert recurring.findtext("createdDatetime") == current.findtext("billingDatetime")
    assert crane.findtext("createdDatetime") == document.findtext(".//items/item[quantity]/modifiedDatetime")
    assert all(charge.get("id") for charge in paid.iter("charge"))
    assert current.find("transactions") is None
    assert paid.findtext("paidTransactionId") == paid.find("transactions/transaction").get("id")


def test_an_item_never_used_has_no_dates() -> None:
    used, unused = full_document().findall(".//subscription/items/item")
    assert [child.tag for child in used] == ["name", "quantity", "createdDatetime", "modifiedDatetime"]
    assert [child.tag for child in unused] == ["name", "quantity"]


def test_history_is_newest_first() -> None:
    face = Face()
    face.customer("M1")
    face.now += 10 * DAY
    answer = face.on("customers/edit-subscription", "M1", {"planCode": "JETTY"})
    assert answer.texts("//subscription/plans/plan/@code") == ["JETTY", "QUAY"]
    numbers = answer.texts("//subscription[1]/invoices/invoice/number")
    assert numbers == sorted(numbers, key=int, reverse=True)


def test_a_subscription_without_invoices_has_neither_items_nor_invoices() -> None:
    face = Face()
    waiting = {"subscription[initialBillDate]": "2026-05-01"}
    face.customer("M1", **waiting)
    answer = face.on("customers/edit-subscription", "M1", {"planCode": "JETTY"})
    [current, old] = answer.root.iter("subscription")
    assert current.find("invoices") is not None
    assert old.find("invoices") is None
    assert old.find("items") is None


def test_a_plan_shows_the_bill_dates_of_somebody_who_subscribes_now() -> None:
    face = Face()
    face.now = START + 2 * DAY
    plan = face.post("plans/get/code/QUAY")
    assert plan.text("//initialInvoiceBillingDatetime") == "2026-03-03T12:00:00+00:00"
    assert plan.text("//nextInvoiceBillingDatetime") == "2026-04-03T12:00:00+00:00"
    assert plan.text("//displayName") == "Quay • 20.00 / Month"


def test_a_free_customer_without_a_card_has_empty_card_fields() -> None:
    face = Face()
    fields = {name: value for name, value in new().items() if "[cc" not in name}
    answer = face.post("customers/new", {**fields, "subscription[planCode]": "BUOY"})
    for name in ("ccFirstName", "ccType", "ccLastFour", "ccExpirationDate", "ccEmail", "gatewayAccount"):
        assert answer.text(f"//subscription/{name}") == ""
    assert answer.text("//plan/items") == ""


@given(st.text())
def test_any_text_can_be_written_and_read_again(text: str) -> None:
    root = etree.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>'.encode())
    kept = "".join(each for each in text if each in "\t\n\r" or (each >= " " and each not in "\ufffe\uffff"))
    assert (root.text or "") == root.get("b") == kept


@pytest.mark.parametrize("text", ["<&>\"'", "]]>", "a\r\nb\tc", "<!-- -->", "Ω 🜂", "&amp;"])
def test_texts_come_back_as_they_were_sent(text: str) -> None:
    face = Face()
    face.customer("M1")
    answer = face.on(
        "customers/edit-customer", "M1", {"notes": text, f"metaData[{text.replace(']', ')')}]": text}
    )
    assert answer.text("//notes") == text
    assert answer.text("//metaDatum/value") == text
    assert answer.text("//metaDatum/name") == text.replace("]", ")")
