"""Every refusal in its own words, in the documented order, and nothing changed by any of them."""

# ruff: noqa: E501 - a table of cases is read row by row

import copy
from typing import Any

import pytest

from tallyhook_mock.systems.cheddar.gateway import FAILURES

from .cheddar_face import EMAIL, PERSON, Face, new

CC_EDIT = {
    "ccFirstName": "Grace",
    "ccLastName": "Møller",
    "ccNumber": "370000000000002",
    "ccExpiration": "05/2031",
}
CHARGE = {"chargeCode": "TOW", "quantity": "1", "eachAmount": "5.00"}
ONE_TIME = {f"charges[0][{name}]": value for name, value in CHARGE.items()}
EMPTY = "A value is required"
NO_ID = "ffffffff-0000-0000-0000-000000000000"


@pytest.fixture
def face() -> Face:
    face = Face()
    face.customer("M1")
    return face


@pytest.mark.parametrize(
    ("action", "fields", "expected"),
    [
        # which product, which resource
        ("customers/get", {"productCode": "OTHER"}, (401, f"User {EMAIL} does not have access to productCode=OTHER", "")),
        ("customers/get", {"productCode": "", "productId": NO_ID}, (401, f"User does not have access to productId={NO_ID}", "")),
        ("customers/get", {"productCode": ""}, (400, "No product selected. Need a productId or productCode.", "")),
        ("plans/get/code/NOPE", {}, (404, "Plan not found for code=NOPE within productCode=HARBOUR", "")),
        (f"plans/get/id/{NO_ID}", {}, (404, f"Plan not found for id={NO_ID} within productCode=HARBOUR", "")),
        ("promotions/get/code/NOPE", {}, (404, "Promotion not found for code=NOPE", "")),
        (f"promotions/get/id/{NO_ID}", {}, (404, f"Promotion not found for id={NO_ID}", "")),
        ("promotions/get", {"productCode": "BARE"}, (404, "No promotions found.", "")),
        ("plans/get", {"productCode": "BARE"}, (404, "No plans found.", "")),
        ("customers/get/code/NOPE", {}, (404, "Customer not found", "")),
        ("customers/get/code/", {}, (404, "Customer not found", "")),
        (f"customers/get/id/{NO_ID}", {}, (404, "Customer not found", "")),
        ("customers/cancel", {}, (404, "Customer not found", "")),
        ("customers/get/invoiceNumber/999", {}, (404, "Invoice not found", "")),
        ("customers/get/invoiceNumber/x", {}, (404, "Invoice not found", "")),
        ("customers/get", {"productCode": "BARE"}, (404, "No customers found.", "")),
        ("customers/get", {"planCode": "JETTY"}, (404, "No customers found.", "")),
        ("customers/search", {"search": "nobody"}, (404, "No customers found.", "")),
        ("customers/get", {"createdAfterDate": "2026/01/01"}, (412, "'2026/01/01' does not appear to be a valid date", "createdAfterDate:dateInvalid")),
        ("customers/get", {"createdAfterDate": "2026-02-30"}, (412, "'2026-02-30' does not appear to be a valid date", "createdAfterDate:dateInvalid")),
        ("customers/get", {"orderBy": "size"}, (412, "'size' was not found in the haystack", "orderBy:notInArray")),
        ("customers/get", {"subscriptionStatus": "all"}, (412, "'all' was not found in the haystack", "subscriptionStatus:notInArray")),
        # quantities: customer, then item, then field
        ("customers/set-item-quantity/code/NOPE/itemCode/NOPE", {}, (404, "Customer not found", "")),
        ("customers/set-item-quantity/code/M1/itemCode/NOPE", {}, (404, "Item not found (code=NOPE)", "")),
        (f"customers/set-item-quantity/code/M1/itemId/{NO_ID}", {}, (404, f"Item not found (id={NO_ID})", "")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {}, (412, EMPTY, "quantity:isEmpty")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity": "lots"}, (412, "'lots' does not appear to be a number", "quantity:notNumber")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity": "1e3"}, (412, "'1e3' does not appear to be a number", "quantity:notNumber")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity": "٣"}, (412, "'٣' does not appear to be a number", "quantity:notNumber")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity": "-1"}, (412, "'-1' is not greater than or equal to '0'", "quantity:notGreaterThan")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity": "9" * 11}, (412, f"'{'9' * 11}' is too large", "quantity:notBetween")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity[]": "1"}, (412, "A single value is expected", "quantity:invalid")),
        ("customers/set-item-quantity/code/M1/itemCode/berths", {"quantity": "15"}, (412, "'15' is not less than or equal to '10'", "quantity:notLessThan")),
        ("customers/add-item-quantity/code/M1/itemCode/berths", {"quantity": "11"}, (412, "'11' is not less than or equal to '10'", "quantity:notLessThan")),
        ("customers/add-item-quantity/code/M1/itemCode/crane", {"quantity": "0"}, (412, "'0' is not greater than '0'", "quantity:notGreaterThan")),
        ("customers/add-item-quantity/code/M1/itemCode/berths", {"quantity": "-0.0"}, (412, "'0' is not greater than '0'", "quantity:notGreaterThan")),
        ("customers/remove-item-quantity/code/M1/itemCode/crane", {"quantity": "0.0000"}, (412, "'0' is not greater than '0'", "quantity:notGreaterThan")),
        ("customers/remove-item-quantity/code/M1/itemCode/crane", {}, (412, "'-1' is not greater than or equal to '0'", "quantity:notGreaterThan")),
        ("customers/set-item-quantity/code/M1/itemCode/crane", {"quantity": "1", "invoicePeriod": "outstanding"}, (404, "No outstanding invoice found", "")),
        # charges
        ("customers/add-charge/code/NOPE", {}, (404, "Customer not found", "")),
        ("customers/add-charge/code/M1", {}, (412, EMPTY, "chargeCode:isEmpty")),
        ("customers/add-charge/code/M1", {"chargeCode": "TOW"}, (412, EMPTY, "quantity:isEmpty")),
        ("customers/add-charge/code/M1", {"chargeCode": "TOW", "quantity": "1"}, (412, EMPTY, "eachAmount:isEmpty")),
        ("customers/add-charge/code/M1", {**CHARGE, "chargeCode": "x" * 37}, (412, f"'{'x' * 37}' is more than 36 characters long", "chargeCode:stringLengthTooLong")),
        ("customers/add-charge/code/M1", {**CHARGE, "quantity": "0"}, (412, "'0' is not greater than '0'", "quantity:notGreaterThan")),
        ("customers/add-charge/code/M1", {**CHARGE, "quantity": "1.5"}, (412, "'1.5' does not appear to be an integer", "quantity:notInt")),
        ("customers/add-charge/code/M1", {**CHARGE, "eachAmount": "1.005"}, (412, "'1.005' has more than 2 decimal places", "eachAmount:tooPrecise")),
        ("customers/add-charge/code/M1", {**CHARGE, "eachAmount": "$5"}, (412, "'$5' does not appear to be a number", "eachAmount:notNumber")),
        ("customers/delete-charge/code/M1", {}, (412, EMPTY, "chargeId:isEmpty")),
        ("customers/delete-charge/code/M1", {"chargeId": NO_ID}, (404, f"Charge not found (id={NO_ID})", "")),
        ("invoices/new/code/M1", {}, (412, EMPTY, "charges[0][chargeCode]:isEmpty")),
        ("invoices/new/code/M1", {"charges": "TOW"}, (412, "A list of values is expected", "charges:invalid")),
        ("invoices/new/code/M1", {"charges[x][quantity]": "1"}, (412, EMPTY, "charges[x][chargeCode]:isEmpty")),
        ("invoices/new/code/M1", {**ONE_TIME, "charges[0][eachAmount]": ""}, (412, EMPTY, "charges[0][eachAmount]:isEmpty")),
        # invoices
        ("customers/run-outstanding/code/M1", {}, (404, "No outstanding invoice found", "")),
        ("invoices/refund", {}, (412, EMPTY, "number:isEmpty")),
        ("invoices/refund", {"number": "99"}, (404, "Invoice not found", "")),
        ("invoices/refund", {"id": NO_ID}, (404, "Invoice not found", "")),
        ("invoices/refund", {"number": "1", "amount": "0"}, (412, "'0' is not greater than '0'", "amount:notGreaterThan")),
        ("invoices/refund", {"number": "1", "amount": "20.01"}, (412, "'20.01' is not less than or equal to '20.00'", "amount:notLessThan")),
        ("invoices/refund", {"number": "2"}, (412, "Invoice has no transaction to refund", "number:notRefundable")),
        ("invoices/void", {"number": "2"}, (412, "Invoice has no transaction to void", "number:notVoidable")),
        # editing
        ("customers/edit-customer/code/M1", {"firstName": ""}, (412, EMPTY, "firstName:isEmpty")),
        ("customers/edit-customer/code/M1", {"firstName": "x" * 21}, (412, f"'{'x' * 21}' is more than 20 characters long", "firstName:stringLengthTooLong")),
        ("customers/edit-customer/code/M1", {"email": "nobody"}, (412, "'nobody' is not a valid email address in the basic format local-part@hostname", "email:emailAddressInvalid")),
        ("customers/edit-customer/code/M1", {"referer": "x" * 256}, (412, f"'{'x' * 80}…' is more than 255 characters long", "referer:stringLengthTooLong")),
        ("customers/edit-customer/code/M1", {"company": "x" * 61}, (412, f"'{'x' * 61}' is more than 60 characters long", "company:stringLengthTooLong")),
        ("customers/edit-customer/code/M1", {"taxRate": "5.5"}, (412, "'5.5' is not between '0' and '1', inclusively", "taxRate:notBetween")),
        ("customers/edit-customer/code/M1", {"isTaxExempt": "perhaps"}, (412, "'perhaps' was not found in the haystack", "isTaxExempt:notInArray")),
        ("customers/edit-customer/code/M1", {"firstContactDatetime": "soon"}, (412, "'soon' does not appear to be a valid date", "firstContactDatetime:dateInvalid")),
        ("customers/edit-subscription/code/M1", {"planCode": "NOPE"}, (412, "No plan found with code=NOPE", "")),
        ("customers/edit-subscription/code/M1", {"couponCode": "NOPE"}, (412, "'NOPE' is not a valid coupon code", "couponCode:notFound")),
        ("customers/edit-subscription/code/M1", {"changeBillDate": "9999-01-01"}, (412, "'9999-01-01' does not appear to be a valid date", "changeBillDate:dateInvalid")),
        ("customers/edit-subscription/code/M1", {**CC_EDIT, "ccExpiration": "00/0000"}, (412, "'00/0000' is not a valid date in format MM/YYYY", "ccExpiration:dateInvalid")),
        ("customers/edit-subscription/code/M1", {**CC_EDIT, "ccNumber": "1"}, (412, "'1' is not from an allowed institute", "ccNumber:prefix")),
        ("customers/edit-subscription/code/M1", {**CC_EDIT, "ccFirstName": ""}, (412, EMPTY, "ccFirstName:isEmpty")),
        ("customers/edit/code/M1", {"subscription[planCode]": "NOPE"}, (412, "No plan found with code=NOPE", "")),
        ("customers/edit/code/M1", {"subscription[couponCode]": "NOPE"}, (412, "'NOPE' is not a valid coupon code", "subscription[couponCode]:notFound")),
        ("customers/edit/code/M1", {"subscription[ccNumber]": "1"}, (412, "'1' is not from an allowed institute", "subscription[ccNumber]:prefix")),
        ("customers/paypal-revert/code/M1", {}, (412, "The subscription is not waiting for PayPal", "method:notWaiting")),
        # the rest
        ("customers/delete-all", {}, (412, "The current unix time is required to confirm", "confirm:invalid")),
        ("customers/delete-all/confirm/1", {}, (412, "The current unix time is required to confirm", "confirm:invalid")),
        ("customers/import", {}, (412, EMPTY, "customers:isEmpty")),
        ("plans/new", {"code": "QUAY"}, (412, "Another plan already exists with code=QUAY", "code:notUnique")),
        ("plans/new", {"code": "P"}, (412, EMPTY, "name:isEmpty")),
        ("plans/edit/code/QUAY", {"billingFrequency": "often"}, (412, "'often' was not found in the haystack", "billingFrequency:notInArray")),
        ("plans/edit/code/QUAY", {"recurringChargeAmount": "-1"}, (412, "'-1' is not greater than or equal to '0'", "recurringChargeAmount:notGreaterThan")),
        ("plans/edit/code/QUAY", {"trialDays": "1.5"}, (412, "'1.5' has more than 0 decimal places", "trialDays:tooPrecise")),
        ("plans/edit/code/QUAY", {"items[0][code]": "new", "items[1][code]": ""}, (412, EMPTY, "items[1][code]:isEmpty")),
        ("plans/delete/code/NOPE", {}, (404, "Plan not found for code=NOPE within productCode=HARBOUR", "")),
    ],
)  # fmt: skip
def test_a_refused_call_says_why_and_changes_nothing(
    face: Face, action: str, fields: dict[str, str], expected: tuple[int, str, str]
) -> None:
    before = documents(face)
    answer = face.post(action, fields)
    assert answer.error == expected
    assert answer.root.tag == "error"
    assert documents(face) == before


def documents(face: Face) -> list[bytes]:
    paths = ("customers/get", "plans/get")
    return [face.get(f"{path}/productCode/HARBOUR").body for path in paths]


NEW_REFUSALS: list[tuple[dict[str, str | None], tuple[int, str, str]]] = [
    # each entry is wrong in one more place than the one after it, in the documented order
    ({"subscription[planCode]": None}, (412, "A pricing plan is required", "")),
    ({"firstName": None}, (412, EMPTY, "firstName:isEmpty")),
    ({"lastName": None}, (412, EMPTY, "lastName:isEmpty")),
    ({"code": ""}, (412, EMPTY, "code:isEmpty")),
    ({"email": " "}, (412, EMPTY, "email:isEmpty")),
    ({"subscription[ccFirstName]": None}, (412, EMPTY, "subscription[ccFirstName]:isEmpty")),
    ({"subscription[ccLastName]": None}, (412, EMPTY, "subscription[ccLastName]:isEmpty")),
    ({"subscription[ccZip]": None}, (412, EMPTY, "subscription[ccZip]:isEmpty")),
    ({"subscription[ccNumber]": None}, (412, EMPTY, "subscription[ccNumber]:isEmpty")),
    ({"subscription[ccExpiration]": None}, (412, EMPTY, "subscription[ccExpiration]:isEmpty")),
    ({"subscription[ccCardCode]": None}, (412, EMPTY, "subscription[ccCardCode]:isEmpty")),
]


@pytest.mark.parametrize("first_wrong", range(len(NEW_REFUSALS)))
def test_a_new_customer_is_checked_in_the_documented_order(face: Face, first_wrong: int) -> None:
    """The product asks for everything; all fields from one on are wrong, and the first of them is reported."""
    changes: dict[str, Any] = {"subscription[planCode]": "ONLY", "subscription[ccCardCode]": "123"}
    for wrong, _ in NEW_REFUSALS[first_wrong:]:
        changes |= wrong
    answer = face.post("customers/new", new(**changes), product="STRICT")
    assert answer.error == NEW_REFUSALS[first_wrong][1]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"subscription[planCode]": "NOPE"}, (412, "No plan found with code=NOPE", "")),
        ({"subscription": "QUAY"}, (400, "The parameter 'subscription' is both a value and a list", "")),
        ({"code": "M1"}, (412, "Another customer already exists with code=M1", "code:CustomerCodeNotUnique")),
        ({"code": "x" * 256}, (412, f"'{'x' * 80}…' is more than 255 characters long", "code:stringLengthTooLong")),
        ({"email": "a@b@c.example"}, (412, "'a@b@c.example' is not a valid email address in the basic format local-part@hostname", "email:emailAddressInvalid")),
        ({"subscription[ccNumber]": "1"}, (412, "'1' is not from an allowed institute", "subscription[ccNumber]:prefix")),
        ({"subscription[ccNumber]": "four"}, (412, "'four' must contain only digits", "subscription[ccNumber]:content")),
        ({"subscription[ccNumber]": "41111111"}, (412, "'41111111' contains an invalid amount of digits", "subscription[ccNumber]:length")),
        ({"subscription[ccNumber]": "4111111111111112"}, (412, "'************1112' seems to contain an invalid checksum", "subscription[ccNumber]:checksum")),
        ({"subscription[ccExpiration]": "00/0000"}, (412, "'00/0000' is not a valid date in format MM/YYYY", "subscription[ccExpiration]:dateInvalid")),
        ({"subscription[ccExpiration]": "13/2030"}, (412, "'13/2030' is not a valid date in format MM/YYYY", "subscription[ccExpiration]:dateInvalid")),
        ({"subscription[ccExpiration]": "2/2030"}, (412, "'2/2030' is not a valid date in format MM/YYYY", "subscription[ccExpiration]:dateInvalid")),
        ({"subscription[ccExpiration]": "01/0000"}, (412, "'01/0000' is not a valid date in format MM/YYYY", "subscription[ccExpiration]:dateInvalid")),
        ({"subscription[ccExpiration]": "02/2026"}, (412, "'02/2026' is not in the future", "subscription[ccExpiration]:not_future")),
        ({"subscription[ccCardCode]": "12"}, (412, "The card code has three or four digits", "subscription[ccCardCode]:invalid")),
        ({"subscription[ccEmail]": "x"}, (412, "'x' is not a valid email address in the basic format local-part@hostname", "subscription[ccEmail]:emailAddressInvalid")),
        ({"subscription[method]": "barter"}, (412, "'barter' was not found in the haystack", "subscription[method]:notInArray")),
        ({"subscription[method]": "paypal"}, (412, EMPTY, "subscription[returnUrl]:isEmpty")),
        ({"subscription[couponCode]": "NOPE"}, (412, "'NOPE' is not a valid coupon code", "subscription[couponCode]:notFound")),
        ({"subscription[initialBillDate]": "tomorrow"}, (412, "'tomorrow' does not appear to be a valid date", "subscription[initialBillDate]:dateInvalid")),
        ({"items[0][itemCode]": "NOPE"}, (404, "Item not found (code=NOPE)", "")),
        ({"items[0][quantity]": "1"}, (412, EMPTY, "items[0][itemCode]:isEmpty")),
        ({"items[a][itemCode]": "crane", "items[a][quantity]": "x"}, (412, "'x' does not appear to be a number", "items[a][quantity]:notNumber")),
        ({"items[0][itemCode]": "berths", "items[0][quantity]": "15"}, (412, "'15' is not less than or equal to '10'", "items[0][quantity]:notLessThan")),
        ({"charges[0][chargeCode]": "TOW"}, (412, EMPTY, "charges[0][quantity]:isEmpty")),
        ({"referer": "http://x.example/" + "x" * 239}, (412, f"'http://x.example/{'x' * 63}…' is more than 255 characters long", "referer:stringLengthTooLong")),
        ({"metaData[k]": "x" * 2001}, (412, f"'{'x' * 80}…' is more than 2000 characters long", "metaData[k]:stringLengthTooLong")),
    ],
)  # fmt: skip
def test_a_refused_new_customer_is_not_created(
    face: Face, changes: dict[str, str], expected: tuple[int, str, str]
) -> None:
    before = documents(face)
    answer = face.post("customers/new", new(**{"code": "M2", **changes}))
    assert answer.error == expected
    assert documents(face) == before


@pytest.mark.parametrize(
    ("changes", "aux_code"),
    [
        ({"lastName": ""}, "lastName:isEmpty"),
        ({"email": ""}, "code:CustomerCodeNotUnique"),
        ({"subscription[ccNumber]": "1"}, "code:CustomerCodeNotUnique"),
        ({"subscription[ccExpiration]": "02/2026"}, "code:CustomerCodeNotUnique"),
    ],
)
def test_a_code_in_use_is_told_before_the_fields_behind_it(
    face: Face, changes: dict[str, str], aux_code: str
) -> None:
    assert face.post("customers/new", new(**changes)).error[2] == aux_code


@pytest.mark.parametrize(
    ("fields", "aux_code"),
    [
        ({"firstName": "", "subscription[planCode]": "NOPE"}, ""),
        ({"firstName": "", "subscription[ccNumber]": "1"}, "firstName:isEmpty"),
        ({"code": "M2", "email": "", "subscription[ccNumber]": "1"}, "code:CustomerCodeNotUnique"),
        ({"email": "", "subscription[ccZip]": "06000"}, "email:isEmpty"),
    ],
)
def test_an_edit_is_checked_in_the_order_of_a_new_customer(
    face: Face, fields: dict[str, str], aux_code: str
) -> None:
    face.customer("M2")
    before = documents(face)
    assert face.post("customers/edit/code/M1", fields).error[2] == aux_code
    assert documents(face) == before


@pytest.mark.parametrize("aux_code", sorted(FAILURES))
def test_the_gateway_fails_as_the_zip_code_asks(face: Face, aux_code: str) -> None:
    status, message = FAILURES[aux_code]
    before = documents(face)
    answer = face.post("customers/new", new(code="M2", **{"subscription[ccZip]": f"0{aux_code}"}))
    assert answer.error == (status, message, aux_code)
    assert answer.root.tag == "error"
    assert documents(face) == before

    answer = face.on("customers/edit-subscription", "M1", {**CC_EDIT, "ccZip": f"0{aux_code}"})
    assert answer.error == (status, message, aux_code)
    assert answer.root.tag == "customers"
    assert answer.texts("/customers/errors/error/@auxCode") == [aux_code]
    assert answer.text("/customers/customer/subscriptions/subscription/ccLastFour") == "1111"
    assert documents(face) == before


def test_a_declined_run_shows_the_customer_with_the_error(face: Face) -> None:
    customer = face.state.customer(face.state.products["HARBOUR"], "M1")
    customer.declines = 1
    answer = face.on("invoices/new", "M1", ONE_TIME)
    assert answer.error == (422, "The transaction was declined", "6000")
    assert answer.text("/customers/customer/@code") == "M1"
    assert answer.texts("//transaction/response") == ["declined", "approved"]


def test_an_edit_of_both_is_refused_as_a_whole(face: Face) -> None:
    fields = {"firstName": "Ada", "subscription[planCode]": "JETTY", "subscription[couponCode]": "NOPE"}
    assert face.on("customers/edit", "M1", fields).status == 412
    customer = face.on("customers/get", "M1")
    assert customer.text("//customer/firstName") == "Grace"
    assert customer.texts("//plan/@code") == ["QUAY"]

    wrong_name = {"company": "x" * 61, "subscription[planCode]": "JETTY"}
    assert face.on("customers/edit", "M1", wrong_name).status == 412
    assert face.on("customers/get", "M1").texts("//plan/@code") == ["QUAY"]


def test_an_import_is_all_or_nothing(face: Face) -> None:
    def entries(*customers: dict[str, str]) -> dict[str, str]:
        fields = {}
        for place, customer in enumerate(customers):
            for name, value in customer.items():
                head, bracket, rest = name.partition("[")
                fields[f"customers[{place}][{head}]{bracket}{rest}"] = value
        return fields

    before = documents(face)
    refused = [
        (entries(new(code="A"), new(code="A")), "customers[1][code]:CustomerCodeNotUnique"),
        (entries(new(code="A"), new(code="M1")), "customers[1][code]:CustomerCodeNotUnique"),
        (entries(new(code="A"), new(code="A", email="")), "customers[1][code]:CustomerCodeNotUnique"),
        (entries(new(code="A"), new(code="B", email="")), "customers[1][email]:isEmpty"),
        (entries(new(code="A"), new(code="B", **{"subscription[ccNumber]": "1"})), "customers[1][subscription][ccNumber]:prefix"),
        (entries(new(code="A"), new(code="B", **{"subscription[ccZip]": "06000"})), "6000"),
        (entries(*(new(code=f"C{n}") for n in range(101))), "customers:tooMany"),
    ]  # fmt: skip
    for fields, aux_code in refused:
        assert face.post("customers/import", fields).error[2] == aux_code
        assert documents(face) == before
    answer = face.post("customers/import", entries(*(new(code=f"C{n}") for n in range(100))))
    assert answer.texts("/customers/customer/@code") == [f"C{n}" for n in range(100)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (b"/xml/plans", 400),
        (b"/xml/customers/", 400),
        (b"/xml", 404),
        (b"/", 404),
        (b"", 404),
        (b"/plans/get", 404),
        (b"/xml/planets/get", 404),
        (b"/xml/plans/got", 404),
        (b"/xml/Plans/get", 404),
        (b"/xml/plans/GET", 404),
        (b"/xml/plans/get/%zz/1", 400),
        (b"/xml/plans/get/productCode/%ff", 400),
    ],
)
def test_paths_that_lead_nowhere(face: Face, path: bytes, status: int) -> None:
    assert face.send(path, b"productCode=HARBOUR").error[0] == status


def test_error_numbers_grow(face: Face) -> None:
    numbers = [int(face.post("plans/got").text("/error/@id")) for _ in range(3)]
    assert numbers == sorted(set(numbers))


def test_a_bug_is_a_500_document_and_a_record_in_the_log(
    face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    product = copy.copy(face.state.products["HARBOUR"])
    product.plans = {"BROKEN": None}  # type: ignore[dict-item]  # a state that the engine would never be in
    face.state.products["HARBOUR"] = product
    answer = face.post("plans/get")
    assert answer.error == (500, "An unexpected error occured.  Please try again later.", "1000")
    [record] = caplog.records
    assert record.exc_info is not None
    assert face.post("customers/get").status == 200


def test_card_numbers_do_not_come_back(face: Face) -> None:
    for number in ("4111111111111112", "9999888877776666", "4111x11111111111"):
        answer = face.post("customers/new", new(code="M2", **{"subscription[ccNumber]": number}))
        assert answer.status == 412
        assert number.encode() not in answer.body


def test_people_on_a_free_plan_need_no_card(face: Face) -> None:
    fields = {"code": "M2", **PERSON, "subscription[planCode]": "BUOY"}
    assert face.post("customers/new", fields).status == 200
    change = face.on("customers/edit-subscription", "M2", {"planCode": "QUAY"})
    assert change.error == (412, EMPTY, "ccFirstName:isEmpty")


@pytest.mark.parametrize(
    ("changes", "is_charged"),
    [
        ({}, True),
        ({"subscription[couponCode]": "SPRING"}, True),
        ({"subscription[planCode]": "BUOY"}, False),
        ({"subscription[planCode]": "BUOY", **ONE_TIME}, True),
        ({"subscription[planCode]": "TRIAL"}, True),
        ({"subscription[planCode]": "LATER"}, False),
        ({"subscription[initialBillDate]": "2026-03-02"}, False),
    ],
)
def test_a_sign_up_that_is_declined_creates_nobody(
    face: Face, changes: dict[str, str | None], is_charged: bool
) -> None:
    product = face.state.products["HARBOUR"]
    product.declining_zip = "99999"
    terms = {"recurringChargeAmount": "5.00", "setupChargeAmount": "3.00", "setupChargeCode": "S"}
    for code, handler in (("TRIAL", "now"), ("LATER", "no")):
        fields = {"code": code, "name": code, "trialDays": "9", "setupChargeBillHandler": handler, **terms}
        assert face.post("plans/new", fields).status == 200
    before, redeemed = documents(face), product.redemptions.copy()
    face.events.clear()
    sent = new(code="M2", **{"subscription[ccZip]": "99999"}, **changes)
    answer = face.post("customers/new", sent)
    if not is_charged:
        assert answer.status == 200
        return
    assert answer.error == (422, "The transaction was declined", "6000")
    assert answer.root.tag == "error"
    assert (documents(face), +product.redemptions, face.events) == (before, +redeemed, [])
    answer = face.post("customers/new", {**sent, "subscription[ccZip]": "8000"})
    assert answer.status == 200
    assert answer.texts("//invoice/number")[-1] == "3"  # no number was used up
