"""Whatever comes in: a document goes out, and it is never a 500."""

from decimal import Decimal
from urllib.parse import quote, quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallyhook_mock.systems.cheddar.api import ROUTES

from .cheddar_face import CARD, NEW, PERSON, Answer, Face, new

CALLS = [f"{controller}/{action}" for controller, actions in ROUTES.items() for action in actions]

# Names that some call reads, in shapes that none expects as well.
NAMES = st.sampled_from(
    [
        *NEW,
        "charges[0][chargeCode]",
        "charges[0][quantity]",
        "charges[0][eachAmount]",
        "charges[x]",
        "charges",
        "customers[0][code]",
        "customers[0][subscription][planCode]",
        "customers",
        "items[0][itemCode]",
        "items[0][quantity]",
        "items[0][code]",
        "subscription",
        "subscription[changeBillDate]",
        "subscription[initialBillDate]",
        "subscription[couponCode]",
        "subscription[method]",
        "subscription[gatewayToken]",
        "metaData",
        "metaData[a]",
        "metaData[]",
        "amount",
        "billingFrequency",
        "changeBillDate",
        "chargeCode",
        "chargeId",
        "ccCardCode",
        "ccExpiration",
        "ccNumber",
        "code",
        "confirm",
        "createdAfterDate",
        "eachAmount",
        "firstContactDatetime",
        "id",
        "initialBillCount",
        "invoiceNumber",
        "invoicePeriod",
        "isFree",
        "isTaxExempt",
        "itemCode",
        "itemId",
        "name",
        "number",
        "orderBy",
        "planCode",
        "planCode[]",
        "productCode",
        "productId",
        "quantity",
        "quantityIncluded",
        "recurringChargeAmount",
        "remoteAddress",
        "search",
        "taxRate",
        "trialDays",
    ]
)
VALUES = st.one_of(
    st.text(max_size=50),
    st.sampled_from(
        [
            *NEW.values(),
            *PERSON.values(),
            "HARBOUR",
            "crane",
            "0",
            "-0",
            "1",
            "-1",
            "1e999",
            "NaN",
            "Infinity",
            "0x10",
            "9" * 5000,
            "0." + "1" * 5000,
            "-" + "9" * 10,
            "now",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "2200-12-31T23:59:59-14:00",
            "2026-W01-1",
            "99/9999",
            "12/9999",
            "1_0",
            "٣",
            "00000000-7a11-11f0-8a5e-0eff7a117a11",
            "-0000001-7a11-11f0-8a5e-0eff7a117a11",
            "http://[::1",
            "]]>",
            "\x00",
            "\ud7ff\ufffe",
        ]
    ),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(str),
    st.floats(allow_nan=True).map(str),
)
# Fields with which most calls succeed: one wrong value among them gets further than wrong ones alone.
FINE = {
    **NEW,
    "code": "M1",
    "name": "Pier",
    "billingFrequency": "monthly",
    "itemCode": "crane",
    "quantity": "1",
    "chargeCode": "TOW",
    "eachAmount": "-5.00",
    "charges[0][chargeCode]": "TOW",
    "charges[0][quantity]": "2",
    "charges[0][eachAmount]": "1.50",
    "items[0][itemCode]": "crane",
    "items[0][code]": "crane",
    "number": "1",
    **{name.removeprefix("subscription[").removesuffix("]"): value for name, value in CARD.items()},
}
FIELDS = st.lists(st.tuples(NAMES, VALUES), max_size=8)


def form(fields: list[tuple[str, str]]) -> bytes:
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in fields).encode()


def check(answer: Answer) -> None:
    """A document, by lxml's judgement, whose error (if it is one) repeats the status, and is the caller's."""
    assert answer.root is not None
    if answer.status != 200:
        assert 400 <= answer.error[0] < 500


@pytest.fixture(scope="module")
def face() -> Face:
    """One server for all the examples of a test: they may pile up what they like."""
    face = Face()
    face.customer("M1")
    return face


@settings(
    max_examples=400,
    deadline=None,
)
@given(call=st.sampled_from(CALLS), fields=FIELDS, others_are_fine=st.booleans())
def test_fields_of_any_kind(
    face: Face, call: str, fields: list[tuple[str, str]], others_are_fine: bool
) -> None:
    if others_are_fine:
        fields = [*FINE.items(), *fields]
    face.post("customers/new", new(code="M1"))  # refused, unless an example before has deleted it
    check(face.send(f"/xml/{call}/productCode/HARBOUR/code/M1".encode(), form=form(fields)))


@settings(max_examples=200, deadline=None)
@given(query=st.binary(max_size=200), body=st.binary(max_size=200), call=st.sampled_from(CALLS))
def test_bytes_of_any_kind(face: Face, query: bytes, body: bytes, call: str) -> None:
    check(face.send(f"/xml/{call}/productCode/HARBOUR".encode(), query, body))


@settings(max_examples=200, deadline=None)
@given(path=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(quote).map(str.encode)))
def test_paths_of_any_kind(face: Face, path: bytes) -> None:
    check(face.send(b"/" + path, b"productCode=HARBOUR"))
    check(face.send(b"/xml/customers/get/" + path, b"productCode=HARBOUR"))


@settings(max_examples=100, deadline=None)
@given(
    authorization=st.one_of(st.binary(max_size=60), st.binary(max_size=30).map(lambda each: b"Basic " + each))
)
def test_credentials_of_any_kind(face: Face, authorization: bytes) -> None:
    answer = face.send(b"/xml/plans/get/productCode/HARBOUR", authorization=authorization)
    assert answer.error[0] == 401


@settings(max_examples=200, deadline=None)
@given(names=st.lists(st.text("ab[]0 =&%", max_size=12), max_size=6))
def test_nesting_of_any_kind(face: Face, names: list[str]) -> None:
    for body in ("&".join(names), "&".join(f"{quote_from_bytes(name.encode())}=1" for name in names)):
        check(face.send(b"/xml/customers/edit-customer/code/M1/productCode/HARBOUR", form=body.encode()))


@given(amount=st.decimals(-(10**9), 10**9, places=2), count=st.integers(1, 10**9))
def test_the_largest_amounts_are_exact(amount: Decimal, count: int) -> None:
    face = Face()
    face.customer("M1")
    charge = {"chargeCode": "BIG", "quantity": str(count), "eachAmount": str(amount)}
    fields = {f"charges[{n}][{name}]": value for n in range(20) for name, value in charge.items()}
    answer = face.on("invoices/new", "M1", fields)
    assert answer.status == 200
    total = max(Decimal(0), 20 * count * amount)
    assert Decimal(answer.texts("//invoice[type='one-time']//transaction/amount")[0]) == total


def test_ten_megabytes_are_too_much(face: Face) -> None:
    assert face.send(b"/xml/customers/get", form=b"x" * 10_000_000).error[0] == 413
    assert face.send(b"/xml/customers/get", form=b"a&" * 400_000).error[0] == 400
