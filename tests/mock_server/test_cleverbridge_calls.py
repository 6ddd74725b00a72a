"""Cleverbridge's calls over real HTTP: the worked example, and what each answers."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.clock import parse_moment
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge

from .cleverbridge_api import CATALOG, START, UPDATE, Api, gross

NOW = {"AlignToCurrentInterval": True}
EXTENDED = {"AlignToCurrentInterval": True, "ExtendInterval": True}


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
    assert gross(api.preview()) == ("0.00", "58.00")
    api.update(AlignmentSettings={"AlignToCurrentInterval": False})
    server.advance("1d")
    assert api.bills() == [("2026-03-17", "50.00"), ("2026-04-17", "58.00")]
    lines = api.control("/S1001")["bills"][0]["lines"]
    assert [(line["item"], line["quantity"], line["amount"]) for line in lines] == [
        ("1", "1", "50.00"),
        ("2", "8", "8.00"),
    ]


def test_a_subscription_is_shown_to_the_letter(api: Api) -> None:
    api.update(RunningNumber=1, ProductId=101, Quantity=3, CouponCode="TEN", ProductNameExtension="EU")
    answer = api.send("GET", "/subscription/getsubscription?subscriptionId=1001")
    assert answer.headers["content-type"] == "application/json"
    first = (
        '{"Couponcode":"","DeactivationDate":null,"EndDate":null,"IsCurrent":false,"LastIntervalNo":1,'
        '"NextBillingCurrencyId":"EUR","NextBillingCustomerGrossPrice":0.00,'
        '"NextBillingCustomerNetPrice":0.00,"NextBillingCustomerVatPrice":0.00,'
        '"NextRenewalCustomerGrossPrice":0.00,"NextRenewalCustomerNetPrice":0.00,'
        '"NextRenewalCustomerVatPrice":0.00,"ProductId":101,"ProductName":"Storage, 500 GB",'
        '"ProductNameExtension":"","PromotionId":null,"Quantity":1,"RecurrenceCount":null,"RunningNo":1,'
        '"StartDate":"2026-03-17T00:00:00Z","Status":7,"SubscriptionId":1001,"SubscriptionPurchaseItems":[],'
        '"Version":1}'
    )
    second = (
        first.replace('"Couponcode":""', '"Couponcode":"TEN"')
        .replace('"IsCurrent":false', '"IsCurrent":true')
        .replace('GrossPrice":0.00', 'GrossPrice":135.00')
        .replace('NetPrice":0.00', 'NetPrice":135.00')
        .replace('Extension":""', 'Extension":"EU"')
        .replace('"Quantity":1', '"Quantity":3')
        .replace('"Status":7', '"Status":1')
        .replace('"Version":1', '"Version":2')
    )
    third = (
        first.replace('"IsCurrent":false', '"IsCurrent":true')
        .replace("101", "102")
        .replace("Storage, 500 GB", "25 GB more")
        .replace('"Quantity":1', '"Quantity":0')
        .replace('"RunningNo":1', '"RunningNo":2')
        .replace('"Status":7', '"Status":1')
    )
    assert answer.text == (
        '{"ResultMessage":"OK","Subscription":{"CustomerCurrencyId":"EUR","CustomerId":5001,'
        '"CustomerReferenceId":"harbour","CustomerReferenceNo":"","EndDate":null,"GracePeriodDays":0,'
        '"Id":1001,"IntervalDayCount":0,"IntervalMonthCount":1,"BillingIntervalDayCount":0,'
        f'"BillingIntervalMonthCount":1,"Items":[{first},{second},{third}],"LastIntervalNo":1,'
        '"NextBillingDate":"2026-04-17T00:00:00Z","NextBillingDateReminder":"2026-04-17T00:00:00Z",'
        '"StartDate":"2026-03-17T00:00:00Z","RenewalType":1,"StartIntervalDayCount":0,'
        '"StartIntervalMonthCount":1,"SubscriptionStatus":1}}'
    )


def test_prices_come_in_a_preview_only(api: Api) -> None:
    preview = {**UPDATE, "AlignmentSettings": {"GetCustomerPricePreviewOnly": True}}
    shown = api.send("POST", "/subscription/updatesubscriptionitem", json=preview)
    assert shown.text == (
        '{"ResultMessage":"OK","AlignmentCustomerGrossPrice":0.00,"AlignmentCustomerNetPrice":0.00,'
        '"AlignmentCustomerVatPrice":0.00,"NextBillingCustomerGrossPrice":58.00,'
        '"NextBillingCustomerNetPrice":58.00,"NextBillingCustomerVatPrice":0.00,"PriceCurrencyId":"EUR"}'
    )
    done = api.update()
    assert list(done) == list(shown.json())
    assert set(done.values()) == {"OK", None}


def test_prices_can_be_had_with_every_update() -> None:
    section = {**CATALOG["cleverbridge"], "alwaysPriced": True}
    with serve({"cleverbridge": section}, start=START) as server:
        api = Api(server)
        assert gross(api.update()) == ("0.00", "58.00")
        api.close()


def test_alignment_charges_now(server: Server, api: Api) -> None:
    server.advance("15d")
    upgrade = {"RunningNumber": 1, "ProductId": 103, "Quantity": 1, "UpdateAction": "upgrade"}
    before = api.everything()
    assert gross(api.preview(**upgrade, AlignmentSettings=NOW)) == ("15.48", "80.00")
    assert api.everything() == before
    api.update(**upgrade, AlignmentSettings=NOW)
    more = {"RunningNumber": 1, "ProductId": 103, "Quantity": 2}
    # 160 for a whole interval from now, less 16 of the 31 days of 80.
    assert gross(api.preview(**more, AlignmentSettings=EXTENDED)) == ("118.71", "160.00")
    api.update(**more, AlignmentSettings=EXTENDED)
    assert api.get()["NextBillingDate"] == "2026-05-01T00:00:00Z"
    server.advance("30d")
    assert api.bills() == [
        ("2026-03-17", "50.00"),
        ("2026-04-01", "15.48"),
        ("2026-04-01", "118.71"),
        ("2026-05-01", "160.00"),
    ]


def test_an_aligned_change_to_less_is_refused_and_nothing_is_changed(api: Api) -> None:
    before = api.everything()
    less = {"RunningNumber": 1, "ProductId": 101, "Quantity": 0}
    answer = api.send(
        "POST",
        "/subscription/updatesubscriptionitem",
        json={**UPDATE, **less, "AlignmentSettings": {"AlignToCurrentInterval": True}},
    )
    assert (answer.status_code, list(answer.json())) == (402, ["ResultMessage"])
    assert api.everything() == before
    assert gross(api.preview(**less, AlignmentSettings=NOW)) == ("-50.00", "0.00")


def test_quantities_are_increased(api: Api) -> None:
    api.update()
    fields = {"SubscriptionId": "S1001", "RunningNumber": 2, "Quantity": 4}
    alignment = {"GetCustomerPricePreviewOnly": True}
    shown = api.post("increasesubscriptionitemquantity", **fields, AlignmentSettings=alignment)
    assert gross(shown) == ("0.00", "62.00")
    api.post("increasesubscriptionitemquantity", **fields)
    assert (api.item(2)["Quantity"], api.item(2)["Version"]) == (12, 3)


@pytest.mark.parametrize("value", [1.5, "1.50", 1])
def test_prices_are_set(api: Api, value: Any) -> None:
    price = {"Currency": "EUR", "Value": value, "IsGross": False}
    fields = {"ProductId": None, "CustomerPrice": price, "UpdateAction": 0}
    shown = api.preview("updatesubscriptionitemprice", **fields)
    assert gross(shown) == ("0.00", "58.00" if value == 1 else "62.00")
    api.update("updatesubscriptionitemprice", **fields)
    assert api.item(2)["NextBillingCustomerGrossPrice"] == (8 if value == 1 else 12)
    api.update("updatesubscriptionitemprice", **{**fields, "Quantity": None})
    assert api.item(2)["Quantity"] == 8


def test_an_update_sets_a_price_too(server: Server, api: Api) -> None:
    price = {"Currency": "EUR", "Value": 2, "IsGross": True}
    api.update(CustomerPrice=price)
    server.advance("1mo")
    assert api.bills()[-1] == ("2026-04-17", "66.00")


def test_an_interval_is_reset(server: Server, api: Api) -> None:
    """An upgrade with an early renewal at the full price."""
    api.update()
    server.advance("15d")
    upgrade = {"RunningNumber": 1, "ProductId": 103, "Quantity": 1, "ResetBillingInterval": True}
    assert gross(api.preview(**upgrade, AlignmentSettings=NOW))[0] == "88.00"
    api.update(**upgrade, AlignmentSettings=NOW)
    assert api.get()["NextBillingDate"] == "2026-05-01T00:00:00Z"
    assert api.get()["LastIntervalNo"] == 2
    server.advance("30d")
    assert api.bills()[1:] == [("2026-04-01", "88.00"), ("2026-05-01", "88.00")]


@pytest.mark.parametrize("number", [1, 2])
def test_a_preview_of_a_reset_shows_what_the_next_renewal_bills(
    server: Server, api: Api, number: int
) -> None:
    api.update(Quantity=5, AlignmentSettings=NOW)  # charged ahead in this interval, and due in the next
    api.update("addsubscriptionitem", RunningNumber=None, Quantity=2, AlignmentSettings=None)
    api.post("deactivatesubscriptionitems", SubscriptionId="S1001", Items=[3])
    server.advance("15d")
    wish = {"RunningNumber": number, "ProductId": 100 + number, "Quantity": 6, "ResetBillingInterval": True}
    shown = gross(api.preview(**wish, AlignmentSettings=NOW))
    api.update(**wish, AlignmentSettings=NOW)
    assert shown[0] == api.bills()[-1][1]
    server.advance_to("2026-05-01T00:00:00Z")
    assert shown[1] == api.bills()[-1][1] == {1: "305.00", 2: "56.00"}[number]


@pytest.mark.parametrize("extends", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_without_alignment_a_preview_charges_nothing_now(api: Api, number: int, extends: bool) -> None:
    """The vendor's table: any preview is answered, and its alignment prices are zero without align."""
    wish = {"RunningNumber": number, "ProductId": 100 + number, "Quantity": 6}
    wish["ResetBillingInterval"] = not extends
    shown = gross(api.preview(**wish, AlignmentSettings={"ExtendInterval": extends}))
    assert shown == ("0.00", {1: "300.00", 2: "56.00"}[number])


@pytest.mark.parametrize("is_preview", [False, True])
@pytest.mark.parametrize("number", [1, 2])
def test_an_interval_is_not_extended_to_an_earlier_date(api: Api, number: int, is_preview: bool) -> None:
    api.post("renewsubscription", SubscriptionId="S1001")  # so that it lasts until May 17
    alignment = {**EXTENDED, "GetCustomerPricePreviewOnly": is_preview}
    wish = {"RunningNumber": number, "ProductId": 100 + number, "Quantity": 9, "AlignmentSettings": alignment}
    before = api.everything()
    answer = api.send("POST", "/subscription/updatesubscriptionitem", json={**UPDATE, **wish})
    assert answer.status_code == 402
    said = answer.json()["ResultMessage"]
    assert said.startswith("ExtendInterval: the current interval already lasts until 2026-05-17")
    assert api.everything() == before
    api.post("updatenextbillingdate", SubscriptionId="S1001", NextBillingDate="2026-04-17T00:00:00Z")
    assert gross(api.preview(**wish))[0] == {1: "400.00", 2: "9.00"}[number]  # exactly a whole interval


@pytest.mark.parametrize(
    "body",
    [
        {"SUBSCRIPTIONID": "1001", "runningnumber": "2", "productId": "102", "quantity": " 8 "},
        {**UPDATE, "Quantity": 8.0},
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
    assert gross(api.preview(AlignmentSettings={"AlignToCurrentInterval": flag})) == ("8.00", "50.00")


# -- the reminder date


def late() -> dict[str, Any]:
    (subscription,) = CATALOG["cleverbridge"]["subscriptions"]
    return {
        "cleverbridge": {**CATALOG["cleverbridge"], "subscriptions": [{**subscription, "reminderDays": 7}]}
    }


@pytest.mark.parametrize(("minutes", "first"), [(-1, "58.00"), (1, "50.00")])
def test_an_update_after_the_reminder_date_misses_the_bill(minutes: int, first: str) -> None:
    with serve(late(), start=START) as server:
        api = Api(server)
        assert api.get()["NextBillingDateReminder"] == "2026-04-10T00:00:00Z"
        server.advance_to(parse_moment("2026-04-10T00:00:00Z") + timedelta(minutes=minutes))
        assert gross(api.preview()) == ("0.00", first)
        api.update()
        item = api.item(2)
        assert (item["Quantity"], item["NextRenewalCustomerGrossPrice"]) == (8, 8)
        assert item["NextBillingCustomerGrossPrice"] == (8 if minutes < 0 else 0)
        server.advance_to("2026-05-17T00:00:00Z")
        assert [total for _, total in api.bills()[1:]] == [first, "58.00"]
        api.close()


# -- whose subscriptions


def test_subscriptions_are_found(server: Server, api: Api) -> None:
    more = {"customerId": "harbour", "customerEmail": "quay@harbour.example", "items": [{"productId": 103}]}
    assert api.send("POST", "/_mock/cleverbridge/subscriptions", json=more).status_code == 201
    assert api.send(
        "POST", "/_mock/cleverbridge/subscriptions", json={"items": [{"productId": 101}]}
    ).is_success
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1002/deactivate").is_success
    api.update(RunningNumber=1, ProductId=101, Quantity=2)
    call = "getsubscriptionsforcustomer"
    for query in (
        {"customerId": 5001},
        {"customerReferenceId": "harbour"},
        {"customerEmail": "quay@harbour.example"},
    ):
        found = api.search(call, **query)
        assert [(each["Id"], each["SubscriptionStatus"], len(each["Items"])) for each in found] == [
            (1001, 1, 3),
            (1002, 2, 1),
        ]
    for status, ids in ((1, [1001]), ("ACT", [1001]), (2, [1002]), (4, [])):
        assert [each["Id"] for each in api.search(call, customerId=5001, subscriptionstatus=status)] == ids
    current = api.search(call, customerId=5001, isCurrent="true")[0]["Items"]
    assert [(each["RunningNo"], each["Version"]) for each in current] == [(1, 2), (2, 1)]
    purchase = api.control("/S1001")["bills"][0]["purchaseId"]
    assert [each["Id"] for each in api.search("getsubscriptionsbypurchase", purchaseId=purchase)] == [1001]


# -- items that come and go


def test_an_item_is_added_now(server: Server, api: Api) -> None:
    server.advance("15d")
    wish = {"SubscriptionId": "S1001", "ProductId": 103, "Quantity": 1, "AffiliateId": 7}
    preview = {"AlignToCurrentInterval": True, "GetCustomerPricePreviewOnly": True}
    assert gross(api.post("addsubscriptionitem", **wish, AlignmentSettings=preview)) == ("41.29", "130.00")
    assert len(api.get()["Items"]) == 2
    api.post("addsubscriptionitem", **wish, AlignmentSettings=NOW)
    assert (api.item(3)["Version"], api.item(3)["StartDate"]) == (1, "2026-04-01T00:00:00Z")
    server.advance("16d")
    assert [total for _, total in api.bills()] == ["50.00", "41.29", "130.00"]


def test_an_item_is_added_for_the_renewal(server: Server, api: Api) -> None:
    price = {"Currency": "EUR", "Value": 5, "IsGross": False}
    wish = {"SubscriptionId": "S1001", "ProductId": 103, "Quantity": 2, "CustomerPrice": price}
    api.post("addsubscriptionitem", **wish)
    assert api.item(3)["Quantity"] == 2
    server.advance("1mo")
    assert [total for _, total in api.bills()] == ["50.00", "60.00"]


def test_an_item_goes_at_the_renewal_and_comes_back(server: Server, api: Api) -> None:
    api.update()
    named = {"SubscriptionId": "S1001", "Items": [2]}
    assert api.post("deactivatesubscriptionitems", **named) == {"ResultMessage": "OK"}
    item = api.item(2)
    assert (item["Status"], item["DeactivationDate"], item["EndDate"]) == (
        5,
        "2026-03-17T00:00:00Z",
        "2026-04-17T00:00:00Z",
    )
    server.advance("1mo")  # usage of the interval that ends is billed
    server.advance("1mo")
    assert [total for _, total in api.bills()] == ["50.00", "58.00", "50.00"]
    api.post("reinstatesubscriptionitems", **named)
    server.advance("1mo")
    assert api.bills()[-1] == ("2026-06-17", "58.00")


@pytest.mark.parametrize("numbers", [[], [1], [2]])
def test_the_prices_of_the_items_make_up_the_next_bill(server: Server, api: Api, numbers: list[int]) -> None:
    """Usage of an item that ends with this interval is still due."""
    api.update(Quantity=8)
    api.update("addsubscriptionitem", RunningNumber=None, ProductId=101, Quantity=2, AlignmentSettings=NOW)
    if numbers:
        api.post("deactivatesubscriptionitems", SubscriptionId="S1001", Items=numbers)
    told = [each["NextBillingCustomerGrossPrice"] for each in api.get()["Items"] if each["IsCurrent"]]
    shown = api.preview("increasesubscriptionitemquantity", RunningNumber=3, ProductId=None, Quantity=0)
    assert sum(told) == shown["NextBillingCustomerGrossPrice"]
    server.advance("1mo")
    assert api.bills()[-1] == ("2026-04-17", str(sum(told)))


@pytest.mark.parametrize(
    ("call", "fields", "message"),
    [
        ("deactivatesubscriptionitems", {"Items": [1, 2]}, "At least one item of S1001 has to stay active"),
        ("deactivatesubscriptionitems", {"Items": [3]}, "no item with RunningNumber 3"),
        ("reinstatesubscriptionitems", {"Items": [1]}, "Item 1 of S1001 is not deactivated"),
        ("updatenextbillingdate", {"NextBillingDate": "2026-03-17T00:00:59Z"}, "not at least a minute after"),
    ],
)
def test_what_can_not_be_done_is_refused(api: Api, call: str, fields: dict[str, Any], message: str) -> None:
    before = api.everything()
    answer = api.send("POST", f"/subscription/{call}", json={"SubscriptionId": "S1001", **fields})
    assert answer.status_code == 402
    assert message in answer.json()["ResultMessage"]
    assert api.everything() == before


@pytest.mark.parametrize("months", [0, 1])
def test_the_last_active_item_stays(server: Server, api: Api, months: int) -> None:
    api.post("deactivatesubscriptionitems", SubscriptionId="S1001", Items=[2])
    server.advance(f"{months}mo" if months else "0s")
    wish = {"SubscriptionId": "S1001", "Items": [1]}
    answer = api.send("POST", "/subscription/deactivatesubscriptionitems", json=wish)
    assert answer.status_code == 402
    assert "At least one item of S1001 has to stay active" in answer.json()["ResultMessage"]


def test_an_item_that_is_gone_for_good_does_not_come_back(api: Api) -> None:
    named = {"SubscriptionId": "S1001", "Items": [2]}
    api.post("deactivatesubscriptionitems", **named, AllowReinstate=False)
    assert api.item(2)["Status"] == 2
    for call, fields in (
        ("reinstatesubscriptionitems", named),
        ("deactivatesubscriptionitems", named),
        ("updatesubscriptionitem", UPDATE),
    ):
        assert api.send("POST", f"/subscription/{call}", json=fields).status_code == 402


def test_a_subscription_that_ended_goes_on(server: Server, api: Api) -> None:
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").is_success
    server.advance("45d")
    named = {"SubscriptionId": "S1001", "Items": [1]}
    api.post("reinstatesubscriptionitems", **named)
    api.post("updatenextbillingdate", SubscriptionId="S1001", NextBillingDate="2026-05-03T00:00:00Z")
    server.advance("30d")
    assert api.bills() == [("2026-03-17", "50.00"), ("2026-05-03", "50.00")]


@pytest.mark.parametrize("items", [[1], [1, 2]])
def test_usage_that_an_end_billed_is_not_billed_again(server: Server, api: Api, items: list[int]) -> None:
    api.update()
    server.advance("5d")
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").is_success
    api.post("reinstatesubscriptionitems", SubscriptionId="S1001", Items=items)
    if 2 in items:
        api.update(Quantity=9)
    server.advance_to("2026-04-17T00:00:00Z")
    once = [("2026-03-17", "50.00"), ("2026-03-22", "8.00")]
    assert api.bills() == [*once, ("2026-04-17", "51.00" if 2 in items else "50.00")]
    server.advance_to("2026-05-17T00:00:00Z")
    assert api.bills()[-1] == ("2026-05-17", "59.00" if 2 in items else "50.00")


def test_usage_charged_ahead_before_an_end_counts_for_that_interval_only(server: Server, api: Api) -> None:
    api.update(AlignmentSettings={"AlignToCurrentInterval": True})
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").is_success
    server.advance_to("2026-05-01T00:00:00Z")
    api.post("reinstatesubscriptionitems", SubscriptionId="S1001", Items=[1, 2])
    server.advance_to("2026-05-17T00:00:00Z")
    assert api.bills()[-1] == ("2026-05-17", "58.00")


@pytest.mark.parametrize("day", ["2026-04-17", "2026-04-20", "2026-05-20"])
def test_an_item_that_ended_before_its_subscription_is_not_billed_again(
    server: Server, api: Api, day: str
) -> None:
    api.update()
    api.post("deactivatesubscriptionitems", SubscriptionId="S1001", Items=[2])
    server.advance_to("2026-04-17T00:00:00Z")
    billed = api.bills()
    assert billed[-1] == ("2026-04-17", "58.00")
    server.advance_to(f"{day}T00:00:00Z")
    ended = api.item(2)["EndDate"]
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").is_success
    assert api.item(2)["EndDate"] == ended
    api.post("reinstatesubscriptionitems", SubscriptionId="S1001", Items=[1])
    server.advance_to("2026-06-17T00:00:00Z")
    assert [total for _, total in api.bills()] == ["50.00", "58.00", "50.00", "50.00"]


def test_an_item_that_ended_with_its_subscription_pays_no_further_days(server: Server, api: Api) -> None:
    server.advance("15d")
    assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").is_success
    api.post("reinstatesubscriptionitems", SubscriptionId="S1001", Items=[2])
    assert gross(api.preview(AlignmentSettings=EXTENDED))[0] == "8.00"
    api.update(AlignmentSettings=EXTENDED)
    assert api.bills() == [("2026-03-17", "50.00"), ("2026-04-01", "8.00")]


def joined(api: Api, joining: str, status: int = 200) -> Any:
    """Align Subscriptions: S1001 takes in another one."""
    answer = api.send(
        "POST", "/_mock/cleverbridge/subscriptions/S1001/align", json={"subscriptionId": joining}
    )
    assert answer.status_code == status, answer.text
    return answer.json()


def another(api: Api, **fields: Any) -> str:
    """Another subscription of the customer, 31.00 a month, from now on."""
    wish = {"customerId": "harbour", "items": [{"productId": 101, "unitPrice": "31.00"}], **fields}
    answer = api.send("POST", "/_mock/cleverbridge/subscriptions", json=wish)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def test_two_subscriptions_are_joined(server: Server, api: Api) -> None:
    """From the billing date of the one to that of the other: 10 of 31 days of 31.00."""
    other = another(api)
    api.post("updatenextbillingdate", SubscriptionId="S1001", NextBillingDate="2026-04-27T00:00:00Z")
    server.advance("5d")
    joined(api, other)
    finished = api.get(other)
    assert (finished["SubscriptionStatus"], finished["NextBillingDate"]) == (3, None)
    assert [item["Status"] for item in finished["Items"]] == [4]
    assert api.item(3)["Quantity"] == 1
    assert api.bills() == [("2026-03-17", "50.00"), ("2026-03-22", "10.00")]
    server.advance_to("2026-05-18T00:00:00Z")
    assert api.bills()[2:] == [("2026-04-27", "81.00")]
    assert [bill["at"] for bill in api.control(f"/{other}")["bills"]] == ["2026-03-17T00:00:00+00:00"]
    fields = {"SubscriptionId": other, "Items": [1]}
    answer = api.send("POST", "/subscription/reinstatesubscriptionitems", json=fields)
    assert (answer.status_code, "finished" in answer.text) == (402, True)


def test_a_join_keeps_what_is_due_and_what_waits(server: Server, api: Api) -> None:
    usage = {"productId": 102, "billingMode": "ARREARS"}
    items = [{"productId": 101, "unitPrice": "31.00"}, usage]
    other = another(api, reminderDays=10, items=items)
    api.post("updatenextbillingdate", SubscriptionId="S1001", NextBillingDate="2026-04-27T00:00:00Z")
    api.update(SubscriptionId=other)  # 8 for the interval that ends on April 17
    server.advance_to("2026-04-10T00:00:00Z")  # after the reminder
    api.update(SubscriptionId=other, Quantity=3)
    api.update(SubscriptionId=other, RunningNumber=1, ProductId=101, Quantity=2)
    joined(api, other)
    server.advance_to("2026-05-28T00:00:00Z")
    assert [total for _, total in api.bills()[2:]] == [str(50 + 62 + 8) + ".00", str(50 + 62 + 3) + ".00"]


@pytest.mark.parametrize("day", ["2026-04-10", "2026-05-10"])
def test_a_join_bills_the_usage_of_items_that_end_once(server: Server, api: Api, day: str) -> None:
    usage = {"productId": 102, "billingMode": "ARREARS"}
    items = [{"productId": 101, "unitPrice": "31.00"}, usage]
    other = another(api, items=items)
    api.post("updatenextbillingdate", SubscriptionId="S1001", NextBillingDate="2026-05-27T00:00:00Z")
    api.update(SubscriptionId=other)
    api.post("deactivatesubscriptionitems", SubscriptionId=other, Items=[2])
    server.advance_to(f"{day}T00:00:00Z")
    joined(api, other)
    server.advance_to("2026-07-01T00:00:00Z")
    bills = [bill for name in (other, "S1001") for bill in api.control(f"/{name}")["bills"]]
    lines = [line for bill in bills for line in bill["lines"] if line["quantity"] == "8"]
    assert [line["amount"] for line in lines] == ["8.00"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "does not bill later"),
        ({"customerId": "quay"}, "different customers"),
        ({"currency": "USD"}, "different currencies"),
        ({"intervalLengthMonths": 3}, "different intervals"),
    ],
)
def test_what_can_not_be_joined_is_refused(api: Api, fields: dict[str, Any], why: str) -> None:
    other = another(api, **fields)
    before = (api.get(), api.get(other))
    assert why in joined(api, other, 400)["error"]
    assert "they are the same" in joined(api, "S1001", 400)["error"]
    assert (api.get(), api.get(other)) == before


def test_the_next_billing_date_moves_for_the_same_money(server: Server, api: Api) -> None:
    answer = api.post("updatenextbillingdate", SubscriptionId="S1001", NextBillingDate="2026-05-01T00:00:00Z")
    assert answer == {"ResultMessage": "OK", "NextBillingDate": "2026-05-01T00:00:00Z"}
    server.advance_to("2026-06-01T00:00:00Z")
    assert api.bills() == [("2026-03-17", "50.00"), ("2026-05-01", "50.00"), ("2026-06-01", "50.00")]


@pytest.mark.parametrize(("resets", "following"), [(False, "2026-05-17"), (True, "2026-05-01")])
def test_a_subscription_renews_ahead_of_time(server: Server, api: Api, resets: bool, following: str) -> None:
    api.update()
    server.advance("15d")
    answer = api.post("renewsubscription", SubscriptionId="S1001", ResetBillingInterval=resets)
    assert answer == {
        "ResultMessage": "OK",
        "NextBillingDate": f"{following}T00:00:00Z",
        "TransactionStatus": "Success",
        "ContinueUrl": "",
    }
    server.advance_to(f"{following}T00:00:00Z")
    assert api.bills()[1:] == [("2026-04-01", "58.00"), (following, "58.00")]


def test_a_purchase_sends_a_mail_that_nothing_suppresses(server: Server, api: Api) -> None:
    api.update(GenerateMail=False)
    server.advance("1mo")
    api.update(Quantity=3)
    mails = [(mail["about"], mail["canBeSuppressed"]) for mail in api.control("/S1001")["mails"]]
    assert mails == [("purchase 90002", False), ("purchase 90003", False), ("update of item 2", True)]


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
        mock.clock.move(mock.systems.of(Cleverbridge).subscription("S1001").next_billing)
        return mock.systems.of(Cleverbridge).subscription("S1001").interval

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
    price = f'{{"Currency": "EUR", "Value": {nothing}, "IsGross": false}}'
    body = f'{{"SubscriptionId": "S1001", "RunningNumber": 1, "UpdateAction": 0, "CustomerPrice": {price}}}'
    json = {"Content-Type": "application/json"}
    answer = api.send("POST", "/subscription/updatesubscriptionitemprice", content=body, headers=json)
    assert answer.status_code == 200
    server.advance("1mo")
    assert str(api.item(1)["NextBillingCustomerGrossPrice"]) == "0.00"
    (line,) = api.control("/S1001")["bills"][0]["lines"]
    assert (line["unitPrice"], line["amount"]) == ("0", "0.00")
