"""Read XML documents into models, and write them again."""

import threading
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests import writing

from tallyhook import documents, errors
from tallyhook._model import Model, fields_of
from tallyhook.cheddar.models import Customer
from tallyhook.errors import APIError, DecodeError

FIXTURES = Path(__file__).parents[1] / "fixtures"
CUSTOMER = (FIXTURES / "customer.xml").read_bytes()
DECLINED = (FIXTURES / "declined.xml").read_bytes()
PLANS = (FIXTURES / "plans.xml").read_bytes()
PROMOTIONS = (FIXTURES / "promotions.xml").read_bytes()


def tree(body: bytes) -> Any:
    """The elements of a document, without the white space between them."""

    def bare(element: Any) -> Any:
        text = element.text or ""
        inner = [bare(child) for child in element]
        return (element.tag, dict(element.attrib), "" if inner and text.isspace() else text, inner)

    return bare(etree.fromstring(body))


def around(inner: str) -> bytes:
    return f'<customers><customer id="i" code="c">{inner}</customer></customers>'.encode()


def test_customer() -> None:
    customer = documents.customer(CUSTOMER)
    assert customer.code == "harbour/42+b"
    assert customer.last_name == "Møller & Sons"
    assert customer.notes == "pays   late"
    assert customer.company == ""
    assert (customer.is_tax_exempt, customer.is_vat_exempt) == (False, True)
    assert customer.tax_rate == Decimal("0.0825")
    assert customer.first_contact_datetime is None
    assert customer.created_datetime == datetime(2025, 3, 31, 9, 15, tzinfo=UTC)
    assert [(datum.name, datum.value) for datum in customer.meta_data] == [("berth", "N-7")]
    assert customer.extra == {"loyaltyTier": {"@since": "2025", "#text": "gold"}}
    assert customer.errors == ()


def test_subscriptions() -> None:
    now, before = documents.customer(CUSTOMER).subscriptions
    assert now.plan.code == "QUAY"
    assert now.plan.display_name == "Quay • 20.00 / Month"
    assert now.plan.recurring_charge_amount == Decimal("20.00")
    assert now.plan.billing_frequency_quantity == 1
    assert [item.quantity_included for item in now.plan.items] == [2, Decimal("99999999.9")]
    assert [item.is_periodic for item in now.plan.items] == [True, False]
    assert now.gateway_account is not None
    assert now.gateway_account.gateway == "Stripe_Simulator"
    assert now.cc_expiration_date == date(2029, 2, 28)
    assert [item.quantity for item in now.items] == [Decimal("0.5"), 0]
    assert now.items[1].modified_datetime is None
    # The parts that a historical subscription doesn't have.
    assert (before.plan.code, before.items, before.invoices) == ("JETTY", (), ())
    assert before.is_canceled
    assert before.cc_expiration_date == date(2026, 1, 31)


def test_invoices() -> None:
    subscription = documents.customer(CUSTOMER).subscription
    current, held, paid = subscription.invoices
    assert (current.number, held.number, paid.number) == (19, 18, 17)
    assert subscription.current_invoice is current
    assert subscription.outstanding_invoice is held
    assert (held.is_paid, paid.is_paid) == (False, True)
    assert held.charges[2].amount == Decimal("-3.75")
    assert held.total == Decimal("23.28075")
    assert current.charges[1].id == ""
    assert paid.charges == ()
    assert paid.transactions[0].id == paid.paid_transaction_id
    assert paid.transactions[0].amount == Decimal("20.00")


def test_plans() -> None:
    quay, jetty = documents.plans(PLANS)
    assert quay.description == "A place at the <long> quay"
    assert quay.trial_days == 14
    assert quay.setup_charge_amount == Decimal("7.50")
    assert (jetty.is_free, jetty.items, jetty.trial_days) == (True, (), None)
    with pytest.raises(DecodeError, match="one object was expected, not 2"):
        documents.plan(PLANS)


def test_promotions() -> None:
    promotion = documents.promotion(PROMOTIONS)
    assert promotion.plans[0].code == "QUAY"
    assert promotion.incentives[0].percentage == Decimal("12.5")
    assert promotion.incentives[0].months == 3
    assert promotion.coupons[0].code == "SPRING25"
    # The code occurs twice. The second one isn't lost either.
    assert promotion.coupons[0].extra == {"code": "SPRING25"}


def test_embedded_errors() -> None:
    customer = documents.customer(DECLINED)
    (note,) = customer.errors
    assert (note.id, note.code, note.aux_code) == ("90417", 422, "6000")
    assert note.message == "The transaction was declined"


@pytest.mark.parametrize("body", [CUSTOMER, DECLINED])
def test_round_trip_of_customers(body: bytes) -> None:
    customers = documents.customers(body)
    written = writing.document(*customers)
    assert tree(written) == tree(body)
    assert documents.customers(written) == customers


def test_round_trip_of_plans_and_promotions() -> None:
    assert tree(writing.document(*documents.plans(PLANS))) == tree(PLANS)
    assert tree(writing.document(*documents.promotions(PROMOTIONS))) == tree(PROMOTIONS)


def test_the_typed_values_alone_carry_the_document() -> None:
    """Writing takes keys and order from the source, but none of the known values."""

    def decoy(value: object, source: Any) -> Any:
        match value:
            case _ if not isinstance(source, str) or source == "":
                return source
            case bool():
                return "0" if value else "1"
            case str():
                return "decoy"
            case Decimal() | int():
                return "987654321"
            case _:
                return "1901-01-01"

    def forget(model: Any) -> Any:
        if isinstance(model, tuple):
            return tuple(forget(entry) for entry in model)
        if not isinstance(model, Model):
            return model
        fields = {name: getattr(model, name) for name in model.__struct_fields__ if name != "raw"}
        of_key = {key: name for key, (name, _) in fields_of(type(model)).items()}
        raw = {
            key: value if key in model.extra else decoy(fields[of_key[key]], value)
            for key, value in model.raw.items()
        }
        return type(model)(raw=raw, **{name: forget(value) for name, value in fields.items()})

    forgotten = forget(documents.customer(CUSTOMER))
    assert forgotten.raw["firstName"] == "decoy"
    assert forgotten.subscription.invoices[1].charges[1].raw["quantity"] == "987654321"
    # The only value of the fixture with a different spelling.
    expected = CUSTOMER.replace(b"2026-01-31T00:00:00+00:00", b"2026-01-31")
    assert tree(writing.document(forgotten)) == tree(expected)


def test_changed_fields_are_written() -> None:
    customer = documents.customer(CUSTOMER)
    changed = msgspec.structs.replace(customer, company="Quay Ltd", tax_rate=None, is_tax_exempt=True)
    again = documents.customer(writing.document(changed))
    assert (again.company, again.tax_rate, again.is_tax_exempt) == ("Quay Ltd", None, True)
    assert again.raw == dict(customer.raw) | {"company": "Quay Ltd", "taxRate": "", "isTaxExempt": "1"}


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<metaData/><subscriptions/>",
        "<subscriptions><subscription/></subscriptions>",
        "<subscriptions><other>1</other></subscriptions>",
        "<subscriptions><subscription><items><item/><item code='x'/></items></subscription></subscriptions>",
        "<subscriptions><subscription><plans/></subscription></subscriptions>",
        "<notes> </notes><key>a&#13;&#10;b</key>",
        "<isTaxExempt>true</isTaxExempt><taxRate>1.50</taxRate><createdDatetime>2025-05-01</createdDatetime>",
        "<unknown a='1'>x<deep b='2'/><deep>y</deep><items><item>z</item></items></unknown>",
        "<code>other</code><id>other</id>",
    ],
)
def test_round_trip_of_odd_documents(inner: str) -> None:
    body = around(inner)
    customer = documents.customer(body)
    if "<unknown" not in inner:
        assert tree(writing.document(customer)) == tree(body)
    assert documents.customer(writing.document(customer)) == customer


texts = st.text(st.characters(exclude_categories=["C"], exclude_characters="\x85\u2028"), max_size=12)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)
moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
blank = st.just("")
charges = st.fixed_dictionaries(
    {"@id": texts, "@code": texts},
    optional={
        "type": texts,
        "quantity": st.integers(0, 10**9).map(str) | blank,
        "eachAmount": amounts.map(str) | blank,
        "description": texts,
        "createdDatetime": moments | blank,
        "surprise": texts,
    },
)
customers = st.fixed_dictionaries(
    {"@id": texts, "@code": texts},
    optional={
        "firstName": texts,
        "taxRate": amounts.map(str) | blank,
        "isTaxExempt": st.sampled_from(["0", "1", "", "true"]),
        "subscriptions": st.lists(
            st.fixed_dictionaries(
                {"@id": texts},
                optional={
                    "canceledDatetime": moments | blank,
                    "ccExpirationDate": st.dates().map(str) | moments | blank,
                    "invoices": st.lists(
                        st.fixed_dictionaries(
                            {"@id": texts},
                            optional={
                                "number": st.integers().map(str),
                                "charges": st.lists(charges, max_size=3),
                            },
                        ),
                        max_size=3,
                    ),
                },
            ),
            max_size=3,
        ),
    },
)


def element(tag: str, node: Any, parent: Any = None) -> Any:
    """A document that was not made by the code under test."""
    made = etree.Element(tag) if parent is None else etree.SubElement(parent, tag)
    if isinstance(node, list):
        for entry in node:
            element(tag[:-1], entry, made)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key.startswith("@"):
                made.set(key[1:], value)
            else:
                element(key, value, made)
    else:
        made.text = node or None
    return made


@given(st.lists(customers, min_size=1, max_size=3))
def test_round_trip_of_any_document(nodes: list[Any]) -> None:
    body = etree.tostring(element("customers", nodes))
    read = documents.customers(body)
    written = writing.document(*read)
    assert tree(written) == tree(body)
    assert documents.customers(written) == read


@pytest.mark.parametrize(
    ("inner", "path"),
    [
        ("<taxRate>much</taxRate>", "customers[0].taxRate"),
        ("<isTaxExempt>secret-77</isTaxExempt>", "customers[0].isTaxExempt"),
        (
            "<subscriptions><subscription><invoices><invoice/><invoice><charges><charge>"
            "<eachAmount>NaN</eachAmount></charge></charges></invoice></invoices></subscription></subscriptions>",
            "customers[0].subscriptions[0].invoices[1].charges[0].eachAmount",
        ),
        ("<subscriptions>none</subscriptions>", "customers[0].subscriptions"),
        ("<firstName>a</firstName><firstName>b</firstName>", "customers[0].firstName"),
        (
            "<subscriptions><subscription><plans><plan/><plan/></plans></subscription></subscriptions>",
            "customers[0].subscriptions[0].plans",
        ),
        ("<metaData/><metaData/>", "customers[0].metaData"),
        ("<metaData><metaDatum><name>much</name></metaDatum><more/></metaData>", "customers[0].metaData"),
        ("<metaData count='1'><metaDatum><name>much</name></metaDatum></metaData>", "customers[0].metaData"),
        ("<metaData><page><metaDatum/></page></metaData>", "customers[0].metaData"),
        (
            "<subscriptions><subscription><invoices><invoice><charges type='array'><charge id='c'>"
            "<eachAmount>5</eachAmount></charge></charges></invoice></invoices></subscription></subscriptions>",
            "customers[0].charges",
        ),
    ],
)
def test_what_makes_no_sense_is_named_but_not_quoted(inner: str, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        documents.customers(around(inner))
    assert caught.value.path == path
    assert str(caught.value).startswith(f"{path}: ")
    for value in ("much", "secret-77", "NaN", "none"):
        assert value not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"not xml",
        b"<customers>",
        b"<customers/><customers/>",
        b"\xff\xfe\xfd",
        b"<customers>\xff</customers>",
        b"<customers>\x00</customers>",
        b'<?xml version="1.0" encoding="klingon"?><customers/>',
        b"<customers>&nope;</customers>",
        b"<plans/>",
        b"<customers><error code='500'>Oops</error></customers>",
        b"<customers><errors><error code='500'>Oops</error></errors></customers>",
        b"<customers><customers><customer code='C1'/></customers></customers>",
        b"<customers><Customer code='C1'/></customers>",
        b"<html><body>Bad gateway</body></html>",
        b"<a>" * 100_000,
        b"<customers>" + b"<a>" * 5_000 + b"</a>" * 5_000 + b"</customers>",
        b"<!DOCTYPE customers><customers/>",
        b'<!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/hostname">]><customers><customer><notes>&x;</notes></customer>'
        b"</customers>",
        b'<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><customers>&b;</customers>',
    ],
)
def test_unreadable_bodies(body: bytes) -> None:
    with pytest.raises(DecodeError):
        documents.customers(body)


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_else(body: bytes) -> None:
    with pytest.raises(DecodeError):
        documents.customers(body)


def test_as_deep_as_the_parser_goes() -> None:
    depth = 250
    customer = documents.customer(around("<a>" * depth + "</a>" * depth))
    assert documents.customer(writing.document(customer)) == customer


def test_comments_and_instructions_are_not_content() -> None:
    body = around("<!-- x --><firstName>A<!-- y -->da</firstName><?php echo 1 ?>")
    customer = documents.customer(body)
    assert customer.first_name == "Ada"
    assert customer.extra == {}


def test_error_documents() -> None:
    body = b'<error id="73542" code="404" auxCode="">Customer not found</error>'
    for read in (documents.customers, documents.plans, documents.promotions, documents.nothing):
        with pytest.raises(errors.NotFound) as caught:
            read(body)
        assert (caught.value.message, caught.value.error_id) == ("Customer not found", "73542")


def test_answers_without_content() -> None:
    documents.nothing(b"<success/>")
    documents.nothing(b"")
    with pytest.raises(DecodeError):
        documents.nothing(b"<p>unclosed")
    for page in (
        b"<html><body>Sign in</body></html>",
        b'<HTML xmlns="http://www.w3.org/1999/xhtml"/>',
        b"<errors><error code='500'>Oops</error></errors>",
        b"<customers><errors><error code='412'>No</error></errors></customers>",
        CUSTOMER.replace(b"</customers>", b"<errors><error code='412'>No</error></errors></customers>"),
    ):
        with pytest.raises(DecodeError):
            documents.nothing(page)


def test_refusals() -> None:
    refused = documents.refusal(422, DECLINED)
    assert isinstance(refused, errors.UnprocessableEntity)
    assert (refused.aux_code, refused.error_id) == ("6000", "90417")
    assert refused.customer is not None
    assert refused.customer.code == "mole"
    assert str(refused) == "422 The transaction was declined (6000, error 90417)"


@pytest.mark.parametrize(
    "body", [b"", b"<h1>Bad Gateway", b"<html/>", b"<customers/>", CUSTOMER, b'<error code="x"/>']
)
def test_refusals_without_an_error_document(body: bytes) -> None:
    refused = documents.refusal(502, body)
    assert type(refused) is errors.BadGateway
    assert refused.message == "the response had no error document"


def test_the_status_decides_the_class() -> None:
    body = b'<error id="1" code="404" auxCode="">?</error>'
    assert type(documents.refusal(503, body)) is errors.ServiceUnavailable
    assert type(documents.refusal(418, body)) is APIError


def test_threads_read_side_by_side() -> None:
    expected = documents.customer(CUSTOMER)
    wrong: list[Customer] = []

    def work() -> None:
        for _ in range(50):
            customer = documents.customer(CUSTOMER)
            if customer != expected:
                wrong.append(customer)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_odd_date_leaves_the_rest_readable() -> None:
    subscription = "<subscriptions><subscription>{}</subscription></subscriptions>"
    odd = "<createdDatetime>soon</createdDatetime>"
    canceled = subscription.format("<canceledDatetime>last week</canceledDatetime>")
    fine = b"<customer><createdDatetime>2025-05-01T06:30:00Z</createdDatetime></customer>"
    body = around(odd + canceled).replace(b"</customers>", fine * 999 + b"</customers>")
    first, *others = documents.customers(body)
    assert first.created_datetime is None
    assert first.raw["createdDatetime"] == "soon"
    assert first.subscription.is_canceled
    assert {other.created_datetime for other in others} == {datetime(2025, 5, 1, 6, 30, tzinfo=UTC)}


def test_an_unpaid_invoice_with_an_odd_date_is_not_guessed() -> None:
    invoices = "<invoice id='1'><billingDatetime>{}</billingDatetime></invoice>"
    inner = "<subscriptions><subscription><invoices>{}</invoices></subscription></subscriptions>"
    odd = documents.customer(around(inner.format(invoices.format("soon")))).subscription
    for look in ("current_invoice", "outstanding_invoice"):
        with pytest.raises(DecodeError, match="billingDatetime"):
            getattr(odd, look)
    paid = invoices.replace("</invoice>", "<paidTransactionId>7</paidTransactionId></invoice>")
    both = paid.format("soon") + invoices.format("2025-05-01")
    current = documents.customer(around(inner.format(both))).subscription.current_invoice
    assert current is not None
    assert current.billing_datetime == datetime(2025, 5, 1, tzinfo=UTC)


def test_models_are_equal_by_their_fields() -> None:
    customer = documents.customer(CUSTOMER)
    bare = msgspec.structs.replace(customer, raw={})
    assert bare == customer
    assert hash(bare) == hash(customer)
    assert msgspec.structs.replace(customer, notes="other") != customer
    assert customer != "customer"


def test_models_take_no_arguments_by_place() -> None:
    with pytest.raises(TypeError):
        Customer("7")  # type: ignore[misc]  # what is tested
