"""Cleverbridge's calls over real HTTP: the worked example, and what each answers."""

from collections.abc import Iterator
from typing import Any

import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.clock import parse_moment

from .cleverbridge_api import CATALOG, START, UPDATE, Api, gross

NOW = {"AlignToCurrentInterval": True}
IN_FULL = {"AlignToCurrentInterval": True, "ExtendInterval": True}


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start=START) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    client = Api(server)
    yield client
    client.close()


def test_the_worked_example(server: Server, api: Api) -> None:
    assert api.bills() == [("2026-03-17", "50.00")]
    server.advance("30d")
    assert api.get()["NextBillingDate"] == "2026-04-17T00:00:00Z"
    answer = api.update(AlignmentSettings={"AlignToCurrentInterval": False})
    assert gross(answer) == ("0.00", "58.00")
    server.advance("1d")
    assert api.bills() == [("2026-03-17", "50.00"), ("2026-04-17", "58.00")]
    lines = api.control("/S1001")["bills"][0]["lines"]
    assert [(line["item"], line["quantity"], line["amount"]) for line in lines] == [
        ("1", "1", "50.00"),
        ("2", "8", "8.00"),
    ]


def test_a_subscription_is_shown_to_the_letter(api: Api) -> None:
    api.update(RunningNumber=1, ProductId=101, Quantity=3, CouponCode="TEN")
    answer = api.send("GET", "/subscription/getsubscription?subscriptionId=S1001")
    assert answer.headers["content-type"] == "application/json"
    assert answer.text == (
        '{"ResultMessage":"OK","Subscription":{"Id":"S1001","Status":"ACT",'
        '"StartDate":"2026-03-17T00:00:00Z","NextBillingDate":"2026-04-17T00:00:00Z",'
        '"NextReminderDate":"2026-04-17T00:00:00Z","IntervalLengthMonths":1,"Currency":"EUR",'
        '"CustomerId":"harbour","Items":['
        '{"RunningNumber":1,"ProductId":101,"ProductName":"Storage, 500 GB","Quantity":1,"UnitPrice":50.00,'
        '"BillingMode":"ADVANCE","CouponCode":null,"PendingQuantity":3,"Status":"ACT"},'
        '{"RunningNumber":2,"ProductId":102,"ProductName":"25 GB more","Quantity":0,"UnitPrice":1.00,'
        '"BillingMode":"ARREARS","CouponCode":null,"PendingQuantity":null,"Status":"ACT"}]}}'
    )


def test_an_update_is_answered_to_the_letter(api: Api) -> None:
    answer = api.send("POST", "/subscription/updatesubscriptionitem", json=UPDATE)
    assert answer.text == (
        '{"ResultMessage":"OK",'
        '"AlignmentCustomerPrice":{"Currency":"EUR","GrossPrice":0.00,"NetPrice":0.00,"VatPrice":0.00},'
        '"NextBillingCustomerPrice":{"Currency":"EUR","GrossPrice":58.00,"NetPrice":58.00,"VatPrice":0.00},'
        '"NextBillingDate":"2026-04-17T00:00:00Z"}'
    )


def test_alignment_charges_now(server: Server, api: Api) -> None:
    server.advance("15d")
    upgrade = {"RunningNumber": 1, "ProductId": 103, "Quantity": 1, "UpdateAction": "upgrade"}
    preview = {**NOW, "GetCustomerPricePreviewOnly": True}
    before = api.everything()
    assert gross(api.update(**upgrade, AlignmentSettings=preview)) == ("15.48", "80.00")
    assert api.everything() == before
    assert gross(api.update(**upgrade, AlignmentSettings=NOW)) == ("15.48", "80.00")
    assert gross(api.update(RunningNumber=1, ProductId=103, Quantity=2, AlignmentSettings=IN_FULL)) == (
        "80.00",
        "160.00",
    )
    server.advance("16d")
    assert api.bills() == [
        ("2026-03-17", "50.00"),
        ("2026-04-01", "15.48"),
        ("2026-04-01", "80.00"),
        ("2026-04-17", "160.00"),
    ]


def test_quantities_are_increased(api: Api) -> None:
    api.update()
    answer = api.update("increasesubscriptionitemquantity", Quantity=4)
    assert gross(answer) == ("0.00", "62.00")
    assert api.item(2)["Quantity"] == 12


@pytest.mark.parametrize("value", [1.5, "1.50", 1])
def test_prices_are_set(api: Api, value: Any) -> None:
    api.update()
    price = {"Currency": "EUR", "Value": value, "IsGross": False}
    answer = api.update(
        "updatesubscriptionitemprice",
        ProductId=None,
        Quantity=None,
        CustomerPrice=price,
        AlignmentSettings=NOW,
    )
    assert gross(answer) == ("0.00", "58.00" if value == 1 else "62.00")


@pytest.mark.parametrize(
    "body",
    [
        {"SUBSCRIPTIONID": "S1001", "runningnumber": "2", "productId": "102", "quantity": " 8 "},
        {**UPDATE, "Quantity": 8.0, "Surprise": [1, 2]},
        {**UPDATE, "UpdateAction": 0, "GenerateMail": "true", "CouponCode": None},
        {**UPDATE, "AlignmentSettings": {"aligntocurrentinterval": "false", "ExtendInterval": 0}},
        {**UPDATE, "AlignmentSettings": None},
    ],
)
def test_calls_are_read_liberally(api: Api, body: dict[str, Any]) -> None:
    answer = api.send("POST", "/Subscription/UpdateSubscriptionItem/", json=body)
    assert answer.status_code == 200, answer.text
    assert api.item(2)["Quantity"] == 8


@pytest.mark.parametrize("flag", [True, 1, "1", "True"])
def test_a_flag_can_be_written_in_many_ways(api: Api, flag: Any) -> None:
    answer = api.update(AlignmentSettings={"AlignToCurrentInterval": flag})
    assert gross(answer) == ("8.00", "50.00")


def test_action_and_mail_are_recorded(api: Api) -> None:
    api.update(UpdateAction=2, GenerateMail=False, ProductName="Much more")
    (record,) = api.control("/S1001")["updates"]
    assert (record["updateAction"], record["generateMail"], record["actor"]) == ("downgrade", False, "grace")
    last = api.control("/S1001/timeline")["timeline"][-1]
    assert (last["kind"], last["actor"]) == ("itemUpdated", "grace")
    assert last["note"] == "downgrade: 8 × Much more in the interval of 2026-03-17, no mail"


def test_the_users_of_the_catalogue_sign_in_while_there_are_none_of_its_own() -> None:
    users, section = CATALOG["users"], {**CATALOG["cleverbridge"], "users": []}
    with serve({"users": users, "cleverbridge": section}, start=START) as server:
        api = Api(server)
        path = "/subscription/getsubscription?subscriptionId=S1001"
        assert api.send("GET", path).status_code == 401
        assert api.send("GET", path, auth=("desk@lantern.example", "a pass word")).status_code == 200
        api.close()


def test_a_running_clock_has_billed_what_is_due_before_it_answers(server: Server, api: Api) -> None:
    """The step to the renewal itself may not have been taken yet when a call comes."""
    mock = server.mock

    def ask_at_the_renewal() -> int:
        mock.clock.move(mock.systems.cleverbridge.subscription("S1001").next_billing)
        return mock.systems.cleverbridge.subscription("S1001").interval

    assert server.call(ask_at_the_renewal) == 0
    assert api.get()["NextBillingDate"] == "2026-05-17T00:00:00Z"


def test_a_renewal_that_is_due_is_billed_before_the_end(server: Server, api: Api) -> None:
    """A running clock may be past a renewal that nobody has got round to yet."""
    api.update()
    server.call(lambda: server.mock.clock.move(parse_moment("2026-04-17T00:00:01Z")))
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").status_code == 200
    assert [total for _, total in api.bills()] == ["50.00", "58.00", "8.00"]


def test_an_end_at_the_moment_of_a_renewal_bills_nothing_twice(server: Server, api: Api) -> None:
    api.update()
    server.advance_to("2026-04-17T00:00:00Z")
    billed = [("2026-03-17", "50.00"), ("2026-04-17", "58.00")]
    assert api.bills() == billed
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").status_code == 200
    assert api.bills() == billed


@pytest.mark.parametrize("nothing", ["-0.00", "-0", "0e-9999999"])
def test_a_price_of_nothing_is_nothing_however_it_is_written(server: Server, api: Api, nothing: str) -> None:
    price = f'{{"Currency": "EUR", "Value": {nothing}}}'
    body = f'{{"SubscriptionId": "S1001", "RunningNumber": 1, "CustomerPrice": {price}}}'
    answer = api.send("POST", "/subscription/updatesubscriptionitemprice", content=body)
    assert answer.status_code == 200
    server.advance("1mo")
    assert str(api.item(1)["UnitPrice"]) == "0.00"
    (line,) = api.control("/S1001")["bills"][0]["lines"]
    assert (line["unitPrice"], line["amount"]) == ("0", "0.00")
