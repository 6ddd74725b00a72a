"""Paying by PayPal: the wait, the page where the payer agrees, and the way back."""

from collections.abc import Iterator

import httpx
import pytest

from tallyhook_mock import Server, serve

from .loopback import Api, Received, catalog, listening

BACK, OFF = "https://shop.lantern.example/back?order=7&x=1", "https://shop.lantern.example/off"
NOBODY = "00000001-7a11-11f0-8a5e-0eff7a117a11"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Api:
    return Api(server)


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as client:
        yield client


def ask(api: Api, code: str = "ida", cancel_url: str = OFF) -> str:
    """Subscribe by PayPal; the address at which to agree."""
    terms = {
        "planCode": "GLOW",
        "method": "paypal",
        "ccFirstName": "Ida",
        "ccLastName": "Lamp",
        "returnUrl": BACK,
        "cancelUrl": cancel_url,
    }
    document = api.call(
        "customers/new",
        code=code,
        firstName="Ida",
        lastName="Lamp",
        email="ida@lamp.example",
        **{f"subscription[{name}]": value for name, value in terms.items()},
    )
    return document.findtext(".//redirectUrl") or ""


def state(api: Api, code: str = "ida") -> tuple[str | None, str | None, str | None]:
    """Cancel type, address, and the transaction that paid the first invoice."""
    subscription = api.call("customers/get", code=code).find(".//subscription")
    assert subscription is not None
    return (
        subscription.findtext("cancelType"),
        subscription.findtext("redirectUrl"),
        subscription.findtext("invoices/invoice[last()]/paidTransactionId"),
    )


def test_the_page_shows_what_is_to_be_paid(server: Server, api: Api, browser: httpx.Client) -> None:
    address = ask(api)
    assert address.startswith(f"{server.url}/service/paypal/simulate/productId/")
    assert state(api) == ("paypal-wait", address, "")
    page = browser.get(address)
    assert page.status_code == 200
    assert "Pay for LANTERN: GLOW • 20.00 / Month" in page.text
    assert f'<a href="{OFF}">' in page.text
    assert page.text.count("<form") == 1
    assert state(api) == ("paypal-wait", address, "")  # looking is not agreeing


def test_who_agrees_is_billed_and_led_back(api: Api, browser: httpx.Client) -> None:
    address = ask(api)
    answer = browser.post(address, headers={"Origin": "/".join(address.split("/")[:3])})
    assert (answer.status_code, answer.headers["location"]) == (303, BACK)
    canceled, redirect, paid = state(api)
    assert (canceled, redirect) == ("", None)
    assert paid
    again = browser.post(address)
    assert (again.status_code, again.text) == (410, "This subscription is not waiting for PayPal")
    assert len(api.call("customers/get", code="ida").findall(".//transaction")) == 1


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "null", ""])
def test_another_page_can_not_agree(api: Api, browser: httpx.Client, origin: str) -> None:
    address = ask(api)
    assert browser.post(address, headers={"Origin": origin}).status_code == 403
    assert state(api)[0] == "paypal-wait"


def test_only_web_addresses_become_links(api: Api, browser: httpx.Client) -> None:
    assert "<a" not in browser.get(ask(api, cancel_url="javascript:alert(1)")).text
    page = browser.get(ask(api, "eve", 'https://x.example/"><script>')).text
    assert "<script>" not in page


def test_a_page_about_nobody_is_not_found(api: Api, browser: httpx.Client) -> None:
    address = ask(api)
    product = address.split("/")[-3]
    for wrong in (address.replace(product, NOBODY), f"{address}0", f"{address.rpartition('/')[0]}/{NOBODY}"):
        assert browser.get(wrong).status_code == 404
        assert browser.post(wrong).status_code == 404
    assert browser.put(address).status_code == 405


def test_an_operator_can_agree(server: Server, api: Api, browser: httpx.Client) -> None:
    ask(api)
    approvals = f"{server.url}/_mock/approvals"
    assert browser.post(approvals, json={"customer": "ida"}).json() == {"customer": "ida"}
    assert state(api)[0] == ""
    assert browser.post(approvals, json={"customer": "ida"}).status_code == 412
    assert browser.post(approvals, json={"customer": "eve"}).status_code == 404
    [agreed] = [entry for entry in server.timeline("ida") if entry.kind == "subscriptionReactivated"]
    assert agreed.actor == "operator"


def test_paypal_can_be_asked_again_without_the_names(api: Api, browser: httpx.Client) -> None:
    ask(api)
    fields = {"method": "paypal", "returnUrl": "https://shop.lantern.example/new", "cancelUrl": OFF}
    document = api.call(
        "customers/edit",
        code="ida",
        **{f"subscription[{name}]": value for name, value in fields.items()},
    )
    assert document.findtext(".//ccFirstName") == "Ida"
    answer = browser.post(document.findtext(".//redirectUrl") or "")
    assert answer.headers["location"] == "https://shop.lantern.example/new"


@pytest.mark.parametrize("more", [{"changeBillDate": "now"}, {"planCode": "BEAM"}])
@pytest.mark.parametrize("call", ["edit", "edit-subscription"])
def test_who_is_refused_the_rest_can_still_agree(
    api: Api, browser: httpx.Client, call: str, more: dict[str, str]
) -> None:
    """What must be paid at once can't be paid before agreeing. The payment method stays."""
    api.call(
        "plans/new", code="BEAM", name="BEAM", recurringChargeAmount="40.00", onChangeInitialBillHandler="now"
    )
    api.subscribe("eve")
    api.call("customers/cancel", code="eve")
    terms = {"method": "paypal", "returnUrl": BACK, "cancelUrl": OFF, **more}
    fields = {f"subscription[{name}]": value for name, value in terms.items()} if call == "edit" else terms
    api.call(f"customers/{call}", 422, code="eve", **fields)
    waits, address, _ = state(api, "eve")
    assert waits == "paypal-wait"
    assert browser.post(address or "").status_code == 303
    assert state(api, "eve")[0] == ""


def test_who_waits_for_paypal_can_give_a_card_instead(api: Api) -> None:
    ask(api)
    document = api.call(
        "customers/edit-subscription", code="ida", ccNumber="5555555555554444", ccExpiration="12/2090"
    )
    assert document.findtext(".//cancelType") == ""
    assert document.findtext(".//ccLastName") == "Lamp"
    assert document.findtext(".//ccLastFour") == "4444"


def test_who_owed_something_pays_it_by_paypal_only_after_agreeing(
    server: Server, api: Api, browser: httpx.Client
) -> None:
    api.subscribe("eve")
    server.decline("eve", 5)
    server.advance("1mo")
    server.advance("9d")
    terms = {"method": "paypal", "returnUrl": BACK, "cancelUrl": OFF}
    document = api.call("customers/edit-subscription", code="eve", **terms)
    owed = "invoices/invoice[number='2']/paidTransactionId"

    def seen() -> tuple[str | None, str | None, int]:
        subscription = api.call("customers/get", code="eve").find(".//subscription")
        assert subscription is not None
        open_invoices = subscription.findall("invoices/invoice[number='3']")
        return subscription.findtext("cancelType"), subscription.findtext(owed), len(open_invoices)

    assert seen() == ("paypal-wait", "", 1)
    api.call("customers/run-outstanding", 422, code="eve")
    assert seen() == ("paypal-wait", "", 1)
    assert browser.post(document.findtext(".//redirectUrl") or "").status_code == 303
    canceled, paid, current = seen()
    assert (canceled, current) == ("", 1)
    assert paid


@pytest.mark.parametrize("late", ["0d", "3d", "40d"])
def test_a_bill_that_falls_due_during_the_wait_is_paid_with_its_usage_on_agreeing(
    server: Server, api: Api, browser: httpx.Client, late: str
) -> None:
    api.subscribe("eve")
    api.call("customers/set-item-quantity", code="eve", itemCode="OIL", quantity="4")
    api.call("customers/cancel", code="eve")
    terms = {"method": "paypal", "returnUrl": BACK, "cancelUrl": OFF}
    document = api.call("customers/edit-subscription", code="eve", **terms)
    server.advance("1mo")
    server.advance(late)
    assert numbers_and_payments(api, "eve") == [("2", []), ("1", ["20.00"])]
    api.call("customers/run-outstanding", 404, code="eve")
    assert browser.post(document.findtext(".//redirectUrl") or "").status_code == 303
    paid = [("2", ["25.00"]), ("1", ["20.00"])]
    assert numbers_and_payments(api, "eve") == [("3", []), *paid]
    server.advance("27d")
    assert numbers_and_payments(api, "eve") == [("3", []), *paid]  # the new period begins with agreeing
    server.advance("5d")
    assert numbers_and_payments(api, "eve") == [("4", []), ("3", ["20.00"]), *paid]


@pytest.mark.parametrize("is_released", [False, True])
def test_agreeing_leaves_a_held_invoice_to_its_review(
    server: Server, api: Api, browser: httpx.Client, is_released: bool
) -> None:
    def answer(hook: Received) -> int:
        return 200 if is_released or hook.type != "subscriptionBillable" else 503

    with listening(answer) as listener:
        server.listen(listener.url)
        api.subscribe("eve")
        server.advance("1mo")
        held = [("3", []), ("2", []), ("1", ["20.00"])]
        assert numbers_and_payments(api, "eve") == held
        api.call("customers/cancel", code="eve")
        terms = {"method": "paypal", "returnUrl": BACK, "cancelUrl": OFF}
        document = api.call("customers/edit-subscription", code="eve", **terms)
        assert browser.post(document.findtext(".//redirectUrl") or "").status_code == 303
        assert numbers_and_payments(api, "eve") == held
        usage = {"itemCode": "OIL", "quantity": "6", "invoicePeriod": "outstanding"}
        api.call("customers/set-item-quantity", code="eve", **usage)
        server.advance("2h")
        paid = ("2", ["30.00"] if is_released else [])
        assert numbers_and_payments(api, "eve") == [("3", []), paid, ("1", ["20.00"])]


@pytest.mark.parametrize("gives_up", ["customers/paypal-revert", "customers/cancel", None])
@pytest.mark.parametrize("late", ["0d", "3d", "40d"])
def test_who_gives_up_after_the_bill_date_is_canceled_as_by_a_cancellation(
    server: Server, api: Api, late: str, gives_up: str | None
) -> None:
    api.subscribe("eve")
    api.call("customers/set-item-quantity", code="eve", itemCode="OIL", quantity="4")
    api.call("customers/cancel", code="eve")
    if gives_up is not None:
        terms = {"method": "paypal", "returnUrl": BACK, "cancelUrl": OFF}
        api.call("customers/edit-subscription", code="eve", **terms)
    server.advance("1mo")
    server.advance(late)
    if gives_up is not None:
        api.call(gives_up, code="eve")
    api.call("customers/set-item-quantity", 412, code="eve", itemCode="OIL", quantity="9")
    card = {"ccNumber": "5555555555554444", "ccExpiration": "12/2090", "ccFirstName": "Ida"}
    card |= {"ccLastName": "Lamp", "ccCardCode": "123", "ccZip": "90210"}
    api.call("customers/edit-subscription", code="eve", **card)
    assert [made for _, made in numbers_and_payments(api, "eve")] == [[], ["20.00"], ["20.00"]]


def test_who_gives_up_before_the_bill_date_is_billed_on_it_after_giving_a_card(
    server: Server, api: Api
) -> None:
    api.subscribe("eve")
    api.call("customers/set-item-quantity", code="eve", itemCode="OIL", quantity="4")
    api.call("customers/cancel", code="eve")
    terms = {"method": "paypal", "returnUrl": BACK, "cancelUrl": OFF}
    api.call("customers/edit-subscription", code="eve", **terms)
    server.advance("3d")
    api.call("customers/paypal-revert", code="eve")
    api.call("customers/edit-subscription", code="eve", ccNumber="5555555555554444", ccExpiration="12/2090")
    assert [made for _, made in numbers_and_payments(api, "eve")] == [[], ["20.00"]]
    server.advance("1mo")
    assert [made for _, made in numbers_and_payments(api, "eve")] == [[], ["25.00"], ["20.00"]]


@pytest.mark.parametrize("late", ["0d", "40d"])
@pytest.mark.parametrize("gives_up", ["customers/paypal-revert", "customers/cancel"])
def test_who_gives_up_signing_up_is_billed_for_it_once_after_giving_a_card(
    server: Server, api: Api, browser: httpx.Client, late: str, gives_up: str
) -> None:
    address = ask(api)
    api.call("customers/set-item-quantity", code="ida", itemCode="OIL", quantity="4")
    server.advance(late)
    api.call(gives_up, code="ida")
    assert state(api) == ("customer", None, "")
    assert browser.post(address).status_code == 410  # who is canceled can no longer agree
    assert numbers_and_payments(api, "ida") == [("1", [])]
    api.call("customers/edit-subscription", code="ida", ccNumber="5555555555554444", ccExpiration="12/2090")
    assert [made for _, made in numbers_and_payments(api, "ida")] == [[], ["20.00"]]
    server.advance("32d")
    assert [made for _, made in numbers_and_payments(api, "ida")] == [[], ["25.00"], ["20.00"]]


def numbers_and_payments(api: Api, code: str) -> list[tuple[str | None, list[str | None]]]:
    """The number of each invoice, newest first, with the amounts of its transactions."""
    return [
        (invoice.findtext("number"), [made.findtext("amount") for made in invoice.findall(".//transaction")])
        for invoice in api.invoices(code)
    ]


AGREEMENT = {
    "planCode": "GLOW",
    "method": "paypal",
    "gatewayToken": "B-4711",
    "ccFirstName": "Ida",
    "ccLastName": "Lamp",
}
PERSON = {"firstName": "Ida", "lastName": "Lamp", "email": "ida@lamp.example"}


def test_a_billing_agreement_is_charged_without_a_wait(api: Api) -> None:
    terms = {f"subscription[{name}]": value for name, value in AGREEMENT.items()}
    document = api.call("customers/new", code="ida", **PERSON, **terms)
    assert document.findtext(".//subscription/gatewayToken") == "B-4711"
    cancel_type, address, paid = state(api)
    assert (cancel_type, address) == ("", None)
    assert paid


def test_a_billing_agreement_replaces_a_preapproval_or_wakes_a_canceled_subscription(api: Api) -> None:
    ask(api)
    api.call("customers/edit-subscription", code="ida", method="paypal", gatewayToken="B-4711")
    assert state(api)[0] == ""
    assert state(api)[2]
    api.subscribe("eve")
    api.call("customers/cancel", code="eve")
    api.call("customers/edit-subscription", code="eve", method="paypal", gatewayToken="B-12")
    assert state(api, "eve")[0] == ""


def test_an_imported_paypal_customer_needs_the_address_of_the_account(server: Server, api: Api) -> None:
    terms = AGREEMENT | {"initialBillDate": "2090-01-01"}
    fields = {"0[code]": "ida", **{f"0[{name}]": value for name, value in PERSON.items()}}
    fields |= {f"0[subscription][{name}]": value for name, value in terms.items()}
    refused = api.call("customers/import", 412, **fields)
    assert refused.get("auxCode") == "0[subscription][ccEmail]:isEmpty"
    api.call("customers/import", **fields, **{"0[subscription][ccEmail]": "payer@lamp.example"})
    assert state(api)[0] == ""


@pytest.mark.parametrize("action", ["set", "add", "remove"])
def test_quantities_can_be_changed_for_three_hours_of_the_wait(
    server: Server, api: Api, browser: httpx.Client, action: str
) -> None:
    oil = {"code": "ida", "itemCode": "OIL", "quantity": "1"}

    def counted() -> str | None:
        return api.call("customers/get", code="ida").findtext(".//subscription[1]/items/item/quantity")

    address = ask(api)
    api.call("customers/set-item-quantity", **oil | {"quantity": "5"})
    server.advance("3h")
    api.call(f"customers/{action}-item-quantity", **oil)
    before = counted()
    server.advance("1s")
    refused = api.call(f"customers/{action}-item-quantity", 412, **oil)
    assert "expired" in (refused.text or "")
    assert counted() == before
    api.call("customers/edit-subscription", code="ida", method="paypal", returnUrl=BACK, cancelUrl=OFF)
    api.call(f"customers/{action}-item-quantity", **oil)  # it was asked again
    assert browser.post(address).status_code == 303
    server.advance("4h")
    api.call(f"customers/{action}-item-quantity", **oil)


@pytest.mark.parametrize("action", ["set", "add", "remove"])
@pytest.mark.parametrize("ended_by", ["paypal-revert", "a declined card", "a declined agreement"])
def test_quantities_of_a_first_bill_that_no_longer_waits_can_not_be_changed(
    server: Server, api: Api, browser: httpx.Client, action: str, ended_by: str
) -> None:
    oil = {"code": "ida", "itemCode": "OIL", "quantity": "1"}
    address = ask(api)
    api.call("customers/set-item-quantity", **oil | {"quantity": "5"})
    server.decline("ida")
    if ended_by == "paypal-revert":
        api.call("customers/paypal-revert", code="ida")
    elif ended_by == "a declined card":
        card = {"ccNumber": "5555555555554444", "ccExpiration": "12/2090"}
        api.call("customers/edit-subscription", 422, code="ida", **card)
    else:
        assert browser.post(address).status_code == 422
    still_waits = ended_by == "a declined agreement"
    assert state(api)[0] == ("paypal-wait" if still_waits else "customer")
    api.call(f"customers/{action}-item-quantity", 200 if still_waits else 412, **oil)


def test_quantities_of_a_wait_whose_bill_is_in_the_future_can_be_changed(server: Server, api: Api) -> None:
    api.subscribe("eve")
    api.call("customers/cancel", code="eve")
    api.call("customers/edit-subscription", code="eve", method="paypal", returnUrl=BACK, cancelUrl=OFF)
    server.advance("4h")
    api.call("customers/set-item-quantity", code="eve", itemCode="OIL", quantity="7")
