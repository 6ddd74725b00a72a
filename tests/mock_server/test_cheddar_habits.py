"""Habits of the clients that exist, which the documented rules alone would not allow for."""

import pytest

from tallyhook_mock.catalog.reading import read_catalog
from tallyhook_mock.catalog.writing import dump_catalog
from tallyhook_mock.systems import Systems

from .cheddar_face import CATALOG, DAY, Face, new

CARD = ("ccFirstName", "ccLastName", "ccZip", "ccType", "ccLastFour", "ccExpirationDate")


@pytest.fixture
def face() -> Face:
    face = Face()
    face.customer()
    return face


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ccZip": "8200"}, ["Grace", "Møller", "8200", "visa", "1111", "2031-02-28"]),
        ({"ccExpiration": "03/2033"}, ["Grace", "Møller", "8000", "visa", "1111", "2033-03-31"]),
        ({"ccCardCode": "321"}, ["Grace", "Møller", "8000", "visa", "1111", "2031-02-28"]),
        (
            {"ccNumber": "5555555555554444", "ccExpiration": "04/2034", "ccFirstName": "Ada"},
            ["Ada", "Møller", "8000", "mc", "4444", "2034-04-30"],
        ),
        ({"ccZip": "", "ccFirstName": "Ada"}, ["Ada", "Møller", "", "visa", "1111", "2031-02-28"]),
    ],
)
def test_an_edit_that_sends_only_what_changed_keeps_the_rest_of_the_card(
    face: Face, fields: dict[str, str], expected: list[str]
) -> None:
    answer = face.on("customers/edit-subscription", "M1", fields)
    assert [answer.text(f"//subscription/{name}") for name in CARD] == expected
    assert answer.text("//subscription/gatewayToken") == "SIMULATED"


def test_a_new_number_alone_is_taken(face: Face) -> None:
    answer = face.on("customers/edit-subscription", "M1", {"ccNumber": "5555555555554444"})
    assert (answer.text("//ccType"), answer.text("//ccLastFour")) == ("mc", "4444")
    assert answer.text("//ccExpirationDate") == "2031-02-28"


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"ccExpiration": "03/2040"}, "ccFirstName"),
        ({"ccCardCode": "321"}, "ccFirstName"),
        ({"ccFirstName": "Ada", "ccExpiration": "03/2040"}, "ccLastName"),
        ({"ccFirstName": "Ada", "ccLastName": "L", "ccExpiration": "03/2040"}, "ccNumber"),
        ({"ccFirstName": "Ada", "ccLastName": "L", "ccNumber": "5555555555554444"}, "ccExpiration"),
    ],
)
def test_an_expired_card_is_replaced_by_a_whole_one(face: Face, fields: dict[str, str], missing: str) -> None:
    face.play(face.now + 6 * 366 * DAY)
    answer = face.on("customers/edit-subscription", "M1", fields)
    assert answer.error == (412, "A value is required", f"{missing}:isEmpty")
    nested = {f"subscription[{name}]": value for name, value in fields.items()}
    assert face.on("customers/edit", "M1", nested).error[2] == f"subscription[{missing}]:isEmpty"
    assert face.on("customers/edit-subscription", "M1", {"ccZip": "8300"}).text("//ccZip") == "8300"
    whole = {"ccFirstName": "Ada", "ccLastName": "L", "ccNumber": "5555555555554444"}
    answer = face.on("customers/edit-subscription", "M1", {**whole, "ccExpiration": "03/2040"})
    assert [answer.texts(f"//subscription/{name}")[0] for name in CARD] == [
        *("Ada", "L", "8300", "mc", "4444", "2040-03-31")
    ]


@pytest.mark.parametrize(
    ("plan", "fields", "missing"),
    [
        ("JETTY", {}, "ccFirstName"),
        ("JETTY", {"ccZip": "8300"}, "ccFirstName"),
        ("QUAY", {"ccFirstName": "Ada", "ccLastName": "L"}, "ccNumber"),
        ("JETTY", {"gatewayToken": "tok", "ccType": "visa"}, None),
        ("BUOY", {}, None),
        ("BUOY", {"ccZip": "8300"}, None),
    ],
)
def test_a_paid_plan_needs_a_card_that_has_not_expired(
    face: Face, plan: str, fields: dict[str, str], missing: str | None
) -> None:
    face.play(face.now + 15 * DAY)
    face.customer("M2", **{"subscription[ccExpiration]": f"{face.now:%m/%Y}"})
    face.play(face.now + 25 * DAY)
    answer = face.on("customers/edit-subscription", "M2", {"planCode": plan, **fields})
    if missing is None:
        assert answer.status == 200
        assert answer.texts("//plan/@code")[0] == plan
    else:
        assert answer.error == (412, "A value is required", f"{missing}:isEmpty")


def test_a_zip_code_alone_can_make_the_gateway_refuse(face: Face) -> None:
    answer = face.on("customers/edit", "M1", {"subscription[ccZip]": "06000"})
    assert answer.error == (422, "The transaction was declined", "6000")
    assert face.on("customers/get", "M1").text("//ccZip") == "8000"


@pytest.mark.parametrize("sent", ["3.14159", "0.00005", "0.00004", "-0.00001", "7." + "1" * 60])
def test_a_fifth_decimal_is_refused(face: Face, sent: str) -> None:
    answer = face.on("customers/set-item-quantity", "M1", {"itemCode": "crane", "quantity": sent})
    assert answer.error[2] == "quantity:tooPrecise"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("3.14159", "3.1416"), ("0.00005", "0.0001"), ("0.00004", "0"), ("7." + "1" * 60, "7.1111")],
)
def test_a_sign_up_rounds_it(face: Face, sent: str, kept: str) -> None:
    fields = new(code="M2", **{"items[0][itemCode]": "crane", "items[0][quantity]": sent})
    answer = face.post("customers/new", fields)
    assert answer.text("//subscription/items/item[@code='crane']/quantity") == kept


def test_trailing_zeros_are_no_decimals(face: Face) -> None:
    answer = face.on("customers/set-item-quantity", "M1", {"itemCode": "crane", "quantity": "1.00000"})
    assert answer.text("//subscription/items/item[@code='crane']/quantity") == "1"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/xml/plans/productCode/HARBOUR", 400),
        (b"/xml/customers/productCode/HARBOUR", 400),
        (b"/xml/plans", 400),
        (b"/xml/planets/productCode/HARBOUR", 404),
        (b"/xml/plans/got/productCode/HARBOUR", 404),
    ],
)
def test_a_path_without_action_lacks_a_product_and_one_without_controller_leads_nowhere(
    face: Face, path: bytes, status: int
) -> None:
    answer = face.send(path, method="GET")
    assert answer.status == status
    if status == 400:
        assert answer.error[1] == "No product selected. Need a productId or productCode."


def test_an_import_counts_the_coupons_it_would_redeem(face: Face) -> None:
    product = face.state.products["HARBOUR"]
    product.redemptions["SPRING"] = 99  # of 100

    def entries(*codes: str) -> dict[str, str]:
        fields = {}
        for place, code in enumerate(codes):
            for name, value in new(code=code, **{"subscription[couponCode]": "SPRING"}).items():
                head, bracket, rest = name.partition("[")
                fields[f"customers[{place}][{head}]{bracket}{rest}"] = value
        return fields

    refused = face.post("customers/import", entries("A", "B"))
    assert refused.error[2] == "customers[1][subscription][couponCode]:notFound"
    assert face.on("customers/get", "A").status == 404
    assert face.post("customers/import", entries("A")).status == 200
    refused = face.on("customers/edit-subscription", "M1", {"couponCode": "SPRING"})
    assert refused.error == (412, "'SPRING' is not a valid coupon code", "couponCode:notFound")


def test_a_plan_can_be_written_as_a_real_document_shows_it(face: Face) -> None:
    answer = face.post("plans/edit/code/QUAY", {"onChangeInitialBillHandler": "next"})
    assert answer.text("//onChangeInitialBillHandler") == "next"
    written = dump_catalog(face.systems) | {"users": CATALOG["users"]}
    again = Systems()
    read_catalog(written, again, face.now, check_url=str)()
    assert again.cheddar.products["HARBOUR"].plans["QUAY"].on_change_initial_bill_handler == "next"
