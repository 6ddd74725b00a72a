"""What every call does, as its document shows it."""

import time

import pytest

from tallyhook_mock.systems.cheddar.api import ROUTES

from .cheddar_face import DAY, PERSON, START, Answer, Face, new

CHARGE = {"chargeCode": "TOW", "quantity": "2", "eachAmount": "5.25", "description": "in a storm"}
ONE_TIME = {f"charges[a][{name}]": value for name, value in CHARGE.items()}
CURRENT = "//subscription[1]/invoices/invoice[1]"


@pytest.fixture
def face() -> Face:
    face = Face()
    face.customer("M1")
    return face


def hold(face: Face) -> None:
    """Leave an outstanding invoice: the bill date passes while somebody listens."""
    face.state.hooks.listen("HARBOUR", "http://127.0.0.1/", frozenset({"subscriptionBillable"}))
    face.play(START + 31 * DAY)


def test_plans_get(face: Face) -> None:
    plans = face.post("plans/get")
    assert plans.texts("/plans/plan/@code") == ["QUAY", "JETTY", "BUOY"]
    jetty = face.post("plans/get/code/JETTY")
    assert jetty.texts("/plans/plan/@code") == ["JETTY"]
    assert face.post(f"plans/get/id/{jetty.text('/plans/plan/@id')}").body == jetty.body


def test_plans_new_edit_delete(face: Face) -> None:
    fields = {
        "code": "MOLE",
        "name": "Mole",
        "billingFrequency": "annually",
        "recurringChargeAmount": "99.90",
        "setupChargeCode": "KEYS",
        "setupChargeAmount": "7",
        "trialDays": "30",
        "isFree": "false",
        "items[0][code]": "crane",
        "items[0][quantityIncluded]": "1.5",
        "items[0][overageAmount]": "3.00",
        "items[0][isPeriodic]": "1",
        "items[1][code]": "keys",
        "items[1][name]": "Keys",
    }
    made = face.post("plans/new", fields)
    assert made.text("/plans/plan/recurringChargeCode") == "MOLE_RECURRING"
    assert made.text("//billingFrequencyPer") == "year"
    assert made.text("//setupChargeCode") == "KEYS"
    assert made.text("//initialInvoiceBillingDatetime") == "2026-03-31T12:00:00+00:00"
    assert made.texts("//item/name") == ["crane", "Keys"]
    assert made.texts("//item/quantityIncluded") == ["1.5", "0"]
    # a code is one item throughout the product
    assert made.texts("//item/@id")[0] == face.post("plans/get/code/QUAY").texts("//item/@id")[0]

    edited = face.post("plans/edit/code/MOLE", {"recurringChargeAmount": "100", "name": "The Mole"})
    assert edited.text("//displayName") == "The Mole • 100.00 / Year"
    assert edited.text("//trialDays") == "30"
    assert edited.text("/plans/plan/@id") == made.text("/plans/plan/@id")
    assert edited.texts("//item/@code") == ["crane", "keys"]

    assert face.post("plans/delete/code/MOLE").root.tag == "success"
    assert face.post("plans/get/code/MOLE").status == 404


def test_promotions_get(face: Face) -> None:
    promotions = face.post("promotions/get")
    assert promotions.text("//percentage") == "12.5"
    assert promotions.texts("//coupon/@code") == ["SPRING"]
    assert face.post("promotions/get/code/SPRING").body == promotions.body
    assert face.post(f"promotions/get/id/{promotions.text('//promotion/@id')}").body == promotions.body


def test_customers_get(face: Face) -> None:
    face.customer("M2")
    assert face.on("customers/get", "M2").texts("//customer/@code") == ["M2"]
    assert face.post("customers/get/invoiceNumber/4").texts("//customer/@code") == ["M2"]
    everybody = ["M1", "M2"]
    for action in ("get", "get-all", "list", "search"):
        assert face.post(f"customers/{action}").texts("//customer/@code") == everybody
    assert face.get("customers/get-all/productCode/HARBOUR").texts("//customer/@code") == everybody


def test_customers_new(face: Face) -> None:
    fields = new(
        code="M2",
        company="Møller",
        notes="late",
        taxRate="0.055",
        isTaxExempt="0",
        taxNumber="DK 1",
        referer="http://search.example/?q=quay",
        firstContactDatetime="2026-01-31T10:00:00+02:00",
        campaignTerm="t",
        campaignName="n",
        campaignSource="s",
        campaignMedium="m",
        campaignContent="c",
        remoteAddress="192.0.2.1",
        **{
            "metaData[berth]": "N-7",
            "metaData[tide]": "high",
            "items[0][itemCode]": "crane",
            "items[0][quantity]": "4.5",
            "charges[0][chargeCode]": "ROPE",
            "charges[0][quantity]": "1",
            "charges[0][eachAmount]": "2.00",
            "subscription[couponCode]": "SPRING",
            "subscription[ccCountry]": "DK",
        },
    )
    answer = face.post("customers/new", fields)
    for name in ("company", "notes", "taxRate", "taxNumber", "referer", "campaignTerm", "campaignContent"):
        assert answer.text(f"//customer/{name}") == fields[name]
    assert answer.text("//refererHost") == "search.example"
    assert answer.text("//firstContactDatetime") == "2026-01-31T08:00:00+00:00"
    assert answer.text("//vatNumber") == "DK 1"
    assert answer.texts("//metaDatum/name") == ["berth", "tide"]
    assert answer.texts("//metaDatum/value") == ["N-7", "high"]
    assert answer.text("//ccCountry") == "DK"
    assert answer.texts("//subscription/items/item/quantity") == ["4.5", "0"]
    # 20.00 and the rope, each less 12.5 %, taxed at 5.5 %
    amounts = ["20.00", "2.00", "-2.50", "-0.25"]
    assert answer.texts("//invoice[2]/charges/charge/eachAmount") == amounts
    assert answer.text("//transaction/amount") == "20.31"


def test_a_first_bill_can_wait(face: Face) -> None:
    answer = face.post("customers/new", new(code="M2", **{"subscription[initialBillDate]": "2026-05-01"}))
    assert answer.texts("//invoice/billingDatetime") == ["2026-05-01T00:00:00+00:00"]
    assert answer.texts("//transaction") == []


@pytest.mark.parametrize(
    ("number", "institute"),
    [
        ("4111111111111111", "visa"),
        ("4222222222222", "visa"),
        ("5555555555554444", "mc"),
        ("2223003122003222", "mc"),
        ("378282246310005", "amex"),
        ("3700-0000-0000-002", "amex"),
        ("6011111111111117", "disc"),
        ("30569309025904", "diners"),
        ("3530111333300000", "jcb"),
    ],
)
def test_every_card_type(face: Face, number: str, institute: str) -> None:
    answer = face.post("customers/new", new(code="M2", **{"subscription[ccNumber]": number}))
    assert answer.text("//ccType") == institute
    assert answer.text("//ccLastFour") == number.replace("-", "")[-4:]


def test_a_gateway_token_stands_for_a_card(face: Face) -> None:
    fields = new(
        code="M2",
        **{
            "subscription[ccNumber]": None,
            "subscription[ccExpiration]": None,
            "subscription[gatewayToken]": "tok_1",
            "subscription[ccType]": "visa",
            "subscription[ccLastFour]": "4242",
        },
    )
    answer = face.post("customers/new", fields)
    assert answer.text("//subscription/gatewayToken") == "tok_1"
    assert answer.text("//customer/gatewayToken") == "tok_1"
    assert answer.text("//ccLastFour") == "4242"
    assert answer.text("//ccExpirationDate") == ""


def test_customers_import(face: Face) -> None:
    fields = {}
    for code in ("A", "B"):
        for name, value in new(code=code).items():
            head, bracket, rest = name.partition("[")
            fields[f"customers[{code}][{head}]{bracket}{rest}"] = value
    assert face.post("customers/import", fields).texts("//customer/@code") == ["A", "B"]
    assert face.post("customers/get").texts("//customer/@code") == ["M1", "A", "B"]


def test_customers_edit(face: Face) -> None:
    answer = face.on(
        "customers/edit", "M1", {"company": "Quays", "subscription[planCode]": "JETTY", "metaData[a]": "b"}
    )
    assert answer.text("//company") == "Quays"
    assert answer.texts("//subscription/plans/plan/@code") == ["JETTY", "QUAY"]
    assert answer.text("//metaDatum/value") == "b"


def test_customers_edit_customer(face: Face) -> None:
    face.now += DAY
    changed = face.on(
        "customers/edit-customer", "M1", {"lastName": "Hopper", "taxRate": "0.2", "isVatExempt": "1"}
    )
    assert changed.text("//lastName") == "Hopper"
    assert changed.text("//firstName") == "Grace"
    assert changed.text("//customer/taxRate") == "0.2"
    assert changed.text("//isTaxExempt") == changed.text("//isVatExempt") == "1"
    assert changed.text("//customer/modifiedDatetime") == "2026-03-02T12:00:00+00:00"
    cleared = face.on("customers/edit-customer", "M1", {"taxRate": "", "isTaxExempt": "0"})
    assert cleared.text("//customer/taxRate") == ""
    assert cleared.text("//isTaxExempt") == "0"


def test_an_edit_without_fields_changes_nothing(face: Face) -> None:
    before = face.on("customers/get", "M1").text("//customer/modifiedDatetime")
    face.now += DAY
    for action in ("edit", "edit-customer", "edit-subscription"):
        answer = face.on(f"customers/{action}", "M1", {"remoteAddress": "192.0.2.1"})
        assert answer.text("//customer/modifiedDatetime") == before


def test_a_customer_can_get_another_code(face: Face) -> None:
    written = face.on("customers/get", "M1").text("//customer/@id")
    face.customer("M2")
    assert (
        face.post(f"customers/edit-customer/id/{written}", {"code": "M2"}).error[2]
        == "code:CustomerCodeNotUnique"
    )
    assert face.post(f"customers/edit-customer/id/{written}", {"code": "M3"}).text("//customer/@code") == "M3"
    assert face.post("customers/edit-customer/code/M3", {"code": "M4"}).text("//customer/@code") == "M4"
    assert [face.on("customers/get", code).status for code in ("M1", "M3")] == [404, 404]
    assert face.on("customers/get", "M4").text("//customer/@id") == written


def test_customers_edit_subscription(face: Face) -> None:
    face.now += 10 * DAY
    card = {"ccFirstName": "Ada", "ccLastName": "L", "ccNumber": "378282246310005", "ccExpiration": "12/2029"}
    answer = face.on("customers/edit-subscription", "M1", card)
    assert answer.text("//ccType") == "amex"
    assert answer.text("//ccExpirationDate") == "2029-12-31"
    moved = face.on("customers/edit-subscription", "M1", {"changeBillDate": "2026-05-05T06:00:00Z"})
    assert moved.text(f"{CURRENT}/billingDatetime") == "2026-05-05T06:00:00+00:00"
    executed = face.on("customers/edit-subscription", "M1", {"changeBillDate": "now"})
    assert len(executed.texts("//transaction")) == 2
    assert executed.text(f"{CURRENT}/billingDatetime") == "2026-04-11T12:00:00+00:00"


def test_customers_cancel(face: Face) -> None:
    answer = face.on("customers/cancel", "M1")
    assert answer.text("//cancelType") == "customer"
    assert answer.text("//canceledDatetime") == "2026-03-01T12:00:00+00:00"


def test_customers_delete(face: Face) -> None:
    assert face.on("customers/delete", "M1").root.tag == "success"
    assert face.on("customers/get", "M1").error[:2] == (404, "Customer not found")


@pytest.mark.parametrize("clock", [START.timestamp(), None])
def test_customers_delete_all(face: Face, clock: float | None) -> None:
    confirm = int(clock or time.time())
    assert face.post(f"customers/delete-all/confirm/{confirm}").root.tag == "success"
    assert face.post("customers/get").status == 404


def quantities(answer: Answer) -> list[str]:
    return answer.texts("//subscription/items/item/quantity")


def test_customers_item_quantity(face: Face) -> None:
    def change(action: str, **fields: str) -> list[str]:
        return quantities(face.on(f"customers/{action}-item-quantity/itemCode/crane", "M1", fields))

    assert change("add") == ["1", "0"]
    assert change("add", quantity="0.8123") == ["1.8123", "0"]
    assert change("remove") == ["0.8123", "0"]
    assert change("set", quantity="45.8700") == ["45.87", "0"]
    assert change("remove", quantity="45.87") == ["0", "0"]
    assert change("set", quantity="0") == ["0", "0"]
    item = face.on("customers/get", "M1").texts("//subscription/items/item/@id")[1]
    answer = face.on(f"customers/set-item-quantity/itemId/{item}", "M1", {"quantity": "10"})
    assert quantities(answer) == ["0", "10"]
    # as the Node client calls: everything in the query
    query = {"productCode": "HARBOUR", "code": "M1", "itemCode": "crane", "quantity": "3"}
    answer = face.get("customers/add-item-quantity", query)
    assert quantities(answer) == ["3", "10"]
    assert answer.text("//charge[@code='crane']/quantity") == "1"


def test_invoice_period_addresses_the_outstanding_invoice_only_by_its_name(face: Face) -> None:
    hold(face)
    path = "customers/set-item-quantity/itemCode/crane"
    held = "//invoice[2]/charges/charge[@code='crane']/quantity"
    answer = face.on(path, "M1", {"quantity": "15", "invoicePeriod": "outstanding"})
    assert (answer.text(held), quantities(answer)) == ("13", ["0", "0"])
    for period in ("current", "Outstanding", "nonsense", ""):
        answer = face.on(path, "M1", {"quantity": "4", "invoicePeriod": period})
        assert (answer.text(held), quantities(answer)) == ("13", ["4", "0"])


def test_customers_add_and_delete_charge(face: Face) -> None:
    hold(face)
    face.on("customers/add-charge", "M1", CHARGE)
    credit = {
        "chargeCode": "SORRY",
        "quantity": "1.0000",
        "eachAmount": "-5.0000",
        "invoicePeriod": "outstanding",
    }
    answer = face.on("customers/add-charge", "M1", credit)
    assert answer.texts(f"{CURRENT}/charges/charge/@code") == ["QUAY_RECURRING", "crane", "TOW"]
    assert answer.text("//charge[@code='TOW']/type") == "custom"
    assert answer.text("//charge[@code='TOW']/quantity") == "2"
    assert answer.text("//charge[@code='TOW']/description") == "in a storm"
    assert answer.text("//invoice[2]/charges/charge[@code='SORRY']/eachAmount") == "-5.00"
    [tow, sorry] = answer.texts("//charge[@code='TOW' or @code='SORRY']/@id")
    wrong_period = {"chargeId": sorry}
    assert face.on("customers/delete-charge", "M1", wrong_period).status == 404
    face.on("customers/delete-charge", "M1", {"chargeId": sorry, "invoicePeriod": "outstanding"})
    answer = face.on("customers/delete-charge", "M1", {"chargeId": tow})
    assert answer.texts("//charge[@code='TOW' or @code='SORRY']") == []


def test_customers_run_outstanding(face: Face) -> None:
    hold(face)
    answer = face.on("customers/run-outstanding", "M1", {"ccCardCode": "123"})
    assert answer.text("//invoice[2]/transactions/transaction/amount") == "20.00"
    assert answer.text("//invoice[2]/paidTransactionId") == answer.text("//invoice[2]//transaction/@id")
    assert face.on("customers/run-outstanding", "M1").status == 404


def test_customers_paypal_revert(face: Face) -> None:
    fields = {
        "code": "P1",
        **PERSON,
        "subscription[planCode]": "QUAY",
        "subscription[method]": "paypal",
        "subscription[ccFirstName]": "Grace",
        "subscription[ccLastName]": "Møller",
        "subscription[returnUrl]": "https://harbour.example/back",
        "subscription[cancelUrl]": "https://harbour.example/off",
    }
    waiting = face.post("customers/new", fields)
    assert waiting.text("//cancelType") == "paypal-wait"
    assert waiting.text("//cancelReason") == "PayPal preapproval is pending"
    assert "/service/paypal/simulate/" in waiting.text("//subscription/redirectUrl")
    assert waiting.text("//subscription/gatewayAccount/type") == "paypal"
    reverted = face.on("customers/paypal-revert", "P1")
    assert reverted.text("//cancelType") == "customer"
    assert reverted.texts("//redirectUrl") == []


def test_invoices_new(face: Face) -> None:
    answer = face.on("invoices/new", "M1", ONE_TIME)
    assert answer.texts("//invoice/type") == ["subscription", "one-time", "subscription"]
    assert answer.text("//invoice[2]/transactions/transaction/amount") == "10.50"


def test_invoices_refund_void_and_void_or_refund(face: Face) -> None:
    refunded = face.post("invoices/refund", {"number": "1", "amount": "5"})
    assert refunded.texts("//invoice[2]//transaction/amount") == ["20.00", "-5.00"]
    assert refunded.texts("//invoice[2]//transaction/parentId")[1] == refunded.text(
        "//paidTransactionId[. != '']"
    )
    invoice = refunded.texts("//invoice/@id")[1]
    rest = face.post("invoices/refund", {"id": invoice})
    assert rest.texts("//invoice[2]//transaction/amount") == ["20.00", "-5.00", "-15.00"]

    face.customer("M2")
    assert face.post("invoices/void/number/3").texts("//transaction/amount") == ["20.00", "-20.00"]
    face.customer("M3")
    face.now += 2 * DAY
    assert face.post("invoices/void", {"number": "5"}).status == 412
    either = face.post("invoices/void-or-refund", {"number": "5"})
    assert either.texts("//transaction/memo") == ["", "refund"]


def test_invoices_send_email(face: Face) -> None:
    assert face.post("invoices/send-email", {"number": "1"}).text("//customer/@code") == "M1"
    assert (face.events[-1].kind, face.events[-1].note) == ("email", "grace@harbour.example")


def test_the_recurring_charge_of_a_long_plan_code_still_fits(face: Face) -> None:
    made = face.post("plans/new", {"code": "P" * 36, "name": "Long"})
    assert made.text("/plans/plan/recurringChargeCode") == "P" * 26 + "_RECURRING"


ONLY = {"subscription[planCode]": "ONLY", "subscription[ccCardCode]": "123"}


def test_get_all_spans_all_products_if_none_is_named(face: Face) -> None:
    assert face.post("customers/new", new(code="O1", **ONLY), product="STRICT").status == 200

    def codes(path: str, query: dict[str, str] | None = None) -> list[str]:
        return sorted(face.get(path, query).texts("//customer/@code"))

    assert codes("customers/get-all") == ["M1", "O1"]
    assert codes("customers/get-all", {"planCode": "ONLY"}) == ["O1"]
    assert codes("customers/get-all/productCode/STRICT") == ["O1"]
    assert codes("customers/get-all", {"productCode": "HARBOUR"}) == ["M1"]
    for action in ("get", "list", "search"):
        assert face.get(f"customers/{action}").error[0] == 400
    unknown = face.get("customers/get-all", {"productCode": "OTHER"})
    assert unknown.error[0] == 401


def test_the_table_of_calls_is_complete() -> None:
    calls = {f"{controller}/{action}" for controller, actions in ROUTES.items() for action in actions}
    assert calls == {
        "plans/get",
        "plans/new",
        "plans/edit",
        "plans/delete",
        "promotions/get",
        "customers/get",
        "customers/get-all",
        "customers/list",
        "customers/search",
        "customers/new",
        "customers/import",
        "customers/edit",
        "customers/edit-customer",
        "customers/edit-subscription",
        "customers/cancel",
        "customers/delete",
        "customers/delete-all",
        "customers/paypal-revert",
        "customers/run-outstanding",
        "customers/add-item-quantity",
        "customers/remove-item-quantity",
        "customers/set-item-quantity",
        "customers/add-charge",
        "customers/delete-charge",
        "invoices/new",
        "invoices/refund",
        "invoices/void",
        "invoices/void-or-refund",
        "invoices/waive",
        "invoices/run",
        "invoices/send-email",
    }
