"""What real clients and services do must neither spoil a comparison nor end up in a recording."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

import httpx
import pytest
from lxml import etree
from msgspec.structs import replace

from tallyhook_mock.conform.compare import compare
from tallyhook_mock.conform.record import read_recording
from tallyhook_mock.testing.session import Session

from .test_recording import CARD, Recording, differences, record, session

__all__ = ["record", "session"]

Record = Callable[..., Recording]
HOME = "productCode/ACME"


def person(code: str, first: str, last: str, **more: str) -> dict[str, str]:
    return {
        "code": code,
        "firstName": first,
        "lastName": last,
        "email": f"{code}@{last.lower()}.test",
        "subscription[planCode]": "FREE",
        **more,
    }


def same(recording: Recording, session: Session) -> None:
    """Assert that the mock answers each call as it did when it was recorded, and that none is left out."""
    compared = compare(read_recording(recording.file), session)
    assert differences(compared) == {}
    assert [each.left_out for each in compared if each.left_out] == []


# -- a client that signs in only when it is asked to


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_call_that_was_refused_for_its_credentials_is_not_carried_out(
    record: Record, session: Session, key: str
) -> None:
    recording = record()
    charge = {"chargeCode": "X", "quantity": "1", "eachAmount": "5.00"}
    for path, form in (
        ("customers/new", person("ada", "Ada", "Byron")),
        ("customers/add-charge/code/ada", charge),
        ("customers/add-item-quantity/code/ada/itemCode/GB", {"quantity": "2"}),
        ("customers/get/code/ada", None),
    ):
        assert recording.call(f"{path}/{HOME}", form, key=key).status_code == 401
        assert recording.call(f"{path}/{HOME}", form).status_code == 200
    compared = compare(read_recording(recording.file), session)
    assert differences(compared) == {}
    assert [each.left_out for each in compared] == ["its credentials were refused", ""] * 4


def test_a_gateway_that_refuses_its_credentials_is_compared(record: Record, session: Session) -> None:
    recording = record()
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    form = person("ada", "Ada", "Byron", **CARD) | {"subscription[ccZip]": "02002"}
    assert recording.call(f"customers/new/{HOME}", form).status_code == 401
    same(recording, session)


# -- the order of plans and customers


def test_each_plan_is_compared_with_itself(record: Record, session: Session) -> None:
    recording = record()
    form = person("ada", "Ada", "Byron", **CARD) | {"subscription[planCode]": "PAID"}
    assert recording.call(f"customers/new/{HOME}", form).status_code == 200
    assert recording.call(f"plans/get/{HOME}/code/PAID").status_code == 200
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    assert recording.call(f"plans/get/{HOME}/code/FREE").status_code == 200
    same(recording, session)


def three(recording: Recording) -> None:
    recording.call(f"customers/delete/{HOME}/code/older")
    for code, first, last in (("z", "Zoe", "Young"), ("a", "Ada", "Byron"), ("m", "Max", "Byron")):
        form = person(code, first, last, company=f"{last} & {first}")
        assert recording.call(f"customers/new/{HOME}", form).status_code == 200
        recording.server.advance("1min")


@pytest.mark.parametrize(
    "filters",
    ["", "?orderByDirection=desc", "?orderBy=company", "?orderBy=createdDatetime", "?planCode=FREE"],
)
def test_each_customer_is_compared_with_itself(record: Record, session: Session, filters: str) -> None:
    recording = record()
    three(recording)
    assert recording.call(f"customers/get/{HOME}{filters}").status_code == 200
    exchanges = read_recording(recording.file)[1:]
    assert differences(compare(exchanges, session)) == {}
    # A customer that only one of the two lists has is a difference.
    *before, last = exchanges
    shorter = etree.fromstring(last.document.encode())
    shorter.remove(shorter[0])
    fewer = replace(last, document=etree.tostring(shorter, encoding="unicode"))
    assert differences(compare([*before, fewer], session)) == {"customers/get": {"customers/customer[3]"}}


@pytest.mark.parametrize("filters", ["?search=byron", "?perPage=2&page=2", "?perPage=2&orderBy=company"])
def test_a_list_that_depends_on_names_is_left_out(record: Record, session: Session, filters: str) -> None:
    recording = record()
    three(recording)
    assert recording.call(f"customers/search/{HOME}{filters}").status_code == 200
    assert recording.call(f"customers/search/{HOME}?perPage=2&orderBy=createdDatetime").status_code == 200
    assert recording.call(f"customers/search/{HOME}?search=nobody").status_code == 404
    compared = compare(read_recording(recording.file)[1:], session)
    assert differences(compared) == {}
    assert [bool(each.left_out) for each in compared] == [False] * 3 + [True, False, False]


# -- what is replaced


@pytest.mark.parametrize("name", ["taxNumber", "vatNumber"])
def test_two_names_of_one_value_have_one_replacement(record: Record, session: Session, name: str) -> None:
    recording = record()
    form = person("ada", "Ada", "Byron", **{name: "GB-4711"})
    assert recording.call(f"customers/new/{HOME}", form).status_code == 200
    same(recording, session)
    assert "4711" not in recording.file.read_text()


@pytest.mark.parametrize(
    ("call", "field", "value"),
    [
        ("new", "firstName", "A" * 41),
        ("new", "lastName", "A" * 41),
        ("new", "company", "A" * 61),
        ("new", "taxNumber", "4" * 33),
        ("new", "subscription[ccAddress]", "A" * 61),
        ("new", "subscription[ccZip]", "9" * 21),
        ("new", "subscription[ccNumber]", "4012888888881882"),
        ("new", "subscription[ccNumber]", "40128888888818810"),
        ("new", "subscription[ccNumber]", "9012888888881881"),
        ("new", "subscription[ccNumber]", "401288"),
        ("new", "subscription[ccNumber]", "1"),
        ("new", "subscription[ccNumber]", "4012x88888881881"),
        ("new", "subscription[ccNumber]", "a card"),
        ("new", "subscription[ccCardCode]", "98"),
        ("new", "subscription[ccCardCode]", "98765"),
        ("new", "subscription[ccCardCode]", "9b7"),
        ("new", "email", "ada"),
        ("new", "email", "ada@byron"),
        ("edit", "firstName", "A" * 21),
        ("edit", "subscription[ccLastName]", "A" * 21),
        ("edit", "subscription[ccCompany]", "A" * 51),
    ],
)
def test_what_is_refused_is_refused_after_its_replacement(
    record: Record, session: Session, call: str, field: str, value: str
) -> None:
    recording = record()
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    form = person("ada", "Ada", "Byron", **CARD)
    path = f"customers/new/{HOME}"
    if call == "edit":
        assert recording.call(path, form).status_code == 200
        path, form = f"customers/edit/{HOME}/code/ada", {}
    assert recording.call(path, form | {field: value}).status_code == 412
    assert recording.call(f"customers/get/{HOME}/code/ada").status_code == (404 if call == "new" else 200)
    same(recording, session)
    digits = value.isdigit() and len(value) < 12  # a part of a card's number, which may stay
    assert digits or value == "a card" or f">{value}<" not in recording.file.read_text()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("notes", "tea " * 70),
        ("referer", f"https://byron.test/{'x' * 240}"),
        ("metaData[likes]", "tea " * 600),
        ("subscription[gatewayToken]", "t" * 256),
    ],
)
def test_a_long_text_is_refused_after_its_replacement(
    record: Record, session: Session, field: str, value: str
) -> None:
    recording = record()
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    form = person("ada", "Ada", "Byron") | {field: value}
    assert recording.call(f"customers/new/{HOME}", form).status_code == 412
    # The message quotes the beginning of the value, which has no replacement of its own.
    compared = compare(read_recording(recording.file), session)
    assert differences(compared) in ({}, {"customers/new": {"error"}})


@pytest.mark.parametrize(
    "number",
    [
        *("2221000000000009", "2223003122003222", "5105105105105100", "4222222222222", "378282246310005"),
        *("36000000000008", "30569309025904", "38520000023237", "3530111333300000", "6500000000000002"),
        *("6440000000000005", "4000000000000000006"),
    ],
)
def test_a_card_of_each_type_is_accepted_after_its_replacement(
    record: Record, session: Session, number: str
) -> None:
    recording = record()
    form = person("ada", "Ada", "Byron", **CARD) | {"subscription[ccNumber]": number}
    assert recording.call(f"customers/new/{HOME}", form).status_code == 200
    same(recording, session)
    assert number not in recording.file.read_text()


# -- customers with another code, customers of before, ids


def test_a_customer_with_a_new_code_is_still_compared(record: Record, session: Session) -> None:
    recording = record()
    assert recording.call(f"customers/new/{HOME}", person("ada", "Ada", "Byron")).status_code == 200
    assert recording.call(f"customers/edit/{HOME}/code/ada", {"code": "countess"}).status_code == 200
    assert recording.call(f"customers/get/{HOME}/code/countess").status_code == 200
    assert recording.call(f"customers/edit-customer/{HOME}/code/countess", {"code": "ada"}).status_code == 200
    assert recording.call(f"customers/get/{HOME}/code/countess").status_code == 404
    same(recording, session)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("set-item-quantity/code/older/itemCode/GB", {"quantity": "-1"}),
        ("set-item-quantity/code/older/itemCode/NONE", {"quantity": "1"}),
        ("add-charge/code/older", {"chargeCode": "X", "quantity": "0", "eachAmount": "1"}),
        ("delete-charge/code/older", {"chargeId": "00000000-0000-0000-0000-000000000000"}),
        ("edit/code/older", {"firstName": "A" * 21}),
        ("edit/code/older", {"subscription[planCode]": "NONE"}),
        ("new", person("older", "Ada", "Byron")),
    ],
)
def test_a_refused_call_about_a_customer_of_before_is_left_out(
    record: Record, session: Session, path: str, form: dict[str, str]
) -> None:
    recording = record()
    assert recording.call(f"customers/{path}/{HOME}", form).status_code in (404, 412)
    (compared,) = compare(read_recording(recording.file), session)
    assert compared.differences == ()
    assert compared.left_out == "it is about the customer older, which existed before the recording"


def test_two_recorded_ids_are_two_on_the_mock(record: Record, session: Session) -> None:
    recording = record()
    for code in ("ada", "max"):
        assert recording.call(f"customers/new/{HOME}", person(code, "Ada", "Byron")).status_code == 200
    recording.server.advance("40d")
    for _ in range(2):
        assert recording.call(f"customers/get/{HOME}/code/ada").status_code == 200
    *before, last = read_recording(recording.file)
    root = etree.fromstring(last.document.encode())
    (number, *_) = root.iter("number")
    (invoice, *_) = root.iter("invoice")
    number.text = "4711"
    invoice.set("id", "11111111-1111-11f0-8a5e-0eff7a117a11")
    changed = replace(last, document=etree.tostring(root, encoding="unicode"))
    invoices = "customers/customer/subscriptions/subscription/invoices/invoice"
    assert differences(compare([*before, changed], session)) == {
        "customers/get": {f"{invoices}/@id", f"{invoices}/number"}
    }


@pytest.mark.parametrize(
    "moment", ["2026-01-01T00:00:00", "0000-00-00T00:00:00+00:00", "2026-13-01T00:00:00Z"]
)
def test_an_unusual_time_is_a_difference(record: Record, session: Session, moment: str) -> None:
    recording = record()
    assert recording.call(f"customers/new/{HOME}", person("ada", "Ada", "Byron")).status_code == 200
    (only,) = read_recording(recording.file)
    root = etree.fromstring(only.document.encode())
    (created, *_) = root.iterfind("customer/createdDatetime")
    created.text = moment
    changed = replace(only, document=etree.tostring(root, encoding="unicode"))
    assert differences(compare([changed], session)) == {
        "customers/new": {"customers/customer/createdDatetime"}
    }


# -- bodies


@pytest.mark.parametrize("content_type", [None, "application/x-www-form-urlencoded; charset=UTF-8"])
def test_a_form_is_recorded_whatever_its_header(
    record: Record, session: Session, content_type: str | None
) -> None:
    recording = record()
    form = person("ada", "Ada", "Byron")
    answer = recording.send(f"customers/new/{HOME}", urlencode(form).encode(), content_type)
    assert answer.status_code == 200
    same(recording, session)


@pytest.mark.parametrize("content_type", ["multipart/form-data; boundary=x", "application/json", "text/form"])
def test_another_body_is_not_recorded(record: Record, content_type: str) -> None:
    recording = record()
    body = b'--x\r\nContent-Disposition: form-data; name="firstName"\r\n\r\nAda\r\n--x--\r\n'
    assert recording.send(f"customers/new/{HOME}", body, content_type).status_code == 400
    assert "Ada" not in recording.file.read_text()


@pytest.mark.parametrize("name", ["Paid", "PAID", "Gigabytes", "PAID_RECURRING", "SPRING", "Month", "months"])
def test_a_name_that_a_plan_has_too_is_only_replaced_as_a_name(
    record: Record, session: Session, name: str
) -> None:
    recording = record()
    coupon = "SPRING" if name == "SPRING" else ""  # the credit's description names the charge
    more = {"subscription[planCode]": "PAID", "subscription[couponCode]": coupon, "notes": f"from {name}"}
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    assert recording.call(f"promotions/get/{HOME}").status_code == 200
    assert (
        recording.call(f"customers/new/{HOME}", person("ada", "Ada", name, **CARD, **more)).status_code == 200
    )
    usage = {"itemCode": "GB", "quantity": "3"}
    assert recording.call(f"customers/set-item-quantity/{HOME}/code/ada", usage).status_code == 200
    charge = {"chargeCode": "X", "quantity": "1", "eachAmount": "5.00", "description": f"for {name}"}
    assert recording.call(f"customers/add-charge/{HOME}/code/ada", charge).status_code == 200
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    assert recording.call(f"promotions/get/{HOME}/code/SPRING").status_code == 200
    same(recording, session)
    text = recording.file.read_text()
    assert [f"<lastName>{name}<" in text, f"for {name}" in text, f"from {name}" in text] == [False] * 3


def test_promotions_have_their_limits(record: Record, session: Session) -> None:
    recording = record()
    now = recording.server.now
    once = {"code": "ONCE", "maxRedemptions": 1}
    early = {"code": "EARLY", "expirationDatetime": (now + timedelta(days=1)).isoformat()}
    promotions = [
        {"name": "Limited", "percentage": 10, "coupons": [once, early]},
        {
            "name": "Over",
            "percentage": 10,
            "expirationDatetime": (now + timedelta(days=2)).isoformat(),
            "coupons": [{"code": "LATE"}],
        },
    ]
    added = {"products": [{"code": "ACME", "promotions": promotions}]}
    httpx.post(f"{recording.server.url}/_mock/catalog", json=added).raise_for_status()
    assert recording.call(f"promotions/get/{HOME}").status_code == 200

    def redeem(code: str, coupon: str) -> int:
        more = {"subscription[planCode]": "PAID", "subscription[couponCode]": coupon}
        form = person(code, "Ada", "Byron", **CARD, **more)
        return recording.call(f"customers/new/{HOME}", form).status_code

    assert [redeem("a", "ONCE"), redeem("b", "ONCE"), redeem("c", "EARLY")] == [200, 412, 200]
    recording.server.advance("36h")
    assert [redeem("d", "EARLY"), redeem("e", "LATE")] == [412, 200]
    recording.server.advance("36h")
    assert redeem("f", "LATE") == 412
    same(recording, session)


def test_a_plan_without_all_elements_has_the_usual_terms(record: Record, session: Session) -> None:
    """As in the documents of 2011."""
    recording = record()
    assert recording.call(f"plans/get/{HOME}").status_code == 200
    assert recording.call(f"customers/new/{HOME}", person("ada", "Ada", "Byron")).status_code == 200
    refused = person("max", "Max", "Byron") | {"subscription[planCode]": "PAID"}
    assert recording.call(f"customers/new/{HOME}", refused).status_code == 412
    first, *others = read_recording(recording.file)
    root = etree.fromstring(first.document.encode())
    etree.strip_elements(root, "paymentMethodIsRequired", "displayName", "isActive", "trialDays")
    older = replace(first, document=etree.tostring(root, encoding="unicode"))
    found = differences(compare([older, *others], session))
    assert set(found) == {"plans/get"}
    shortened = ("paymentMethodIsRequired[1]", "displayName[1]", "isActive[1]", "trialDays[1]")
    assert [path for path in found["plans/get"] if not path.endswith(shortened)] == []
