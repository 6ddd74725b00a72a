"""Cleverbridge's clients: what they send, and what they make of the answers."""

import base64
import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.sdk.scripted import Ask, Script, answer, asking

from tallyhook import NoAnswer, errors
from tallyhook.cleverbridge import Alignment, AsyncClient, Client, Item, Subscription, UpdateAction
from tallyhook.errors import APIError, DecodeError

SUBSCRIPTION = """{"ResultMessage": "OK", "Subscription": {
    "Id": "S1001", "Status": "ACT", "StartDate": "2026-03-17T00:00:00Z",
    "NextBillingDate": "2026-04-17T00:00:00Z", "NextReminderDate": "2026-04-17T00:00:00Z",
    "IntervalLengthMonths": 1, "Currency": "EUR", "Loyalty": "gold", "Items": [
        {"RunningNumber": 1, "ProductId": 101, "ProductName": "Base", "Quantity": 1, "UnitPrice": 50.00,
         "BillingMode": "ADVANCE", "CouponCode": null, "PendingQuantity": null, "Status": "ACT"},
        {"RunningNumber": 2, "ProductId": 102, "ProductName": "Excess", "Quantity": 0, "UnitPrice": 1.00,
         "BillingMode": "ARREARS", "CouponCode": "", "PendingQuantity": 8, "Status": "ACT"}]}}"""
UPDATED = """{"ResultMessage": "OK",
    "AlignmentCustomerPrice": {"Currency": "EUR", "GrossPrice": 0.00, "NetPrice": 0.00, "VatPrice": 0.00},
    "NextBillingCustomerPrice": {"Currency": "EUR", "GrossPrice": 69.02, "NetPrice": 58, "VatPrice": "11.02"},
    "NextBillingDate": "2026-04-17T00:00:00Z"}"""
PLAIN = {
    "SubscriptionId": "S1001",
    "RunningNumber": 2,
    "ProductId": 102,
    "Quantity": 8,
    "AlignmentSettings": {
        "AlignToCurrentInterval": False,
        "ExtendInterval": False,
        "GetCustomerPricePreviewOnly": False,
    },
    "UpdateAction": "update",
    "GenerateMail": True,
}
UPDATE = ("update_subscription_item", "S1001", 2, 8)
WITH_ID = {"product_id": 102}


@pytest.fixture(params=[Client, AsyncClient], ids=lambda client: client.__name__)
def ask(request: pytest.FixtureRequest) -> Ask:
    return asking(request.param, "grace", "hush-hush")


async def test_a_subscription(ask: Ask) -> None:
    script = Script(answer(SUBSCRIPTION))
    subscription = await ask(script, "get_subscription", "S 1/001")
    (request,) = script.requests
    assert request.method == "GET"
    assert str(request.url) == (
        "https://rest.cleverbridge.com/subscription/getsubscription?subscriptionId=S+1%2F001"
    )
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'grace:hush-hush').decode()}"
    assert "Content-Type" not in request.headers
    assert (subscription.id, subscription.is_active, subscription.currency) == ("S1001", True, "EUR")
    assert subscription.next_billing_date == datetime(2026, 4, 17, tzinfo=UTC)
    assert subscription.interval_length_months == 1
    base, excess = subscription.items
    assert (base.product_id, base.is_in_arrears, base.coupon_code) == (101, False, "")
    assert (str(base.unit_price), base.pending_quantity) == ("50.00", None)
    assert (excess.quantity, excess.pending_quantity, excess.is_in_arrears) == (0, 8, True)
    assert subscription.item(2) is excess
    with pytest.raises(LookupError, match="no item 3"):
        subscription.item(3)


async def test_what_is_not_known_is_kept(ask: Ask) -> None:
    subscription = await ask(Script(answer(SUBSCRIPTION)), "get_subscription", "S1001")
    assert subscription.extra == {"Loyalty": "gold"}
    assert subscription.raw["Items"][0]["UnitPrice"] == Decimal("50.00")
    assert pickle.loads(pickle.dumps(subscription)) == copy.deepcopy(subscription) == subscription
    assert repr(subscription).startswith("Subscription(id='S1001', status='ACT', next_billing_date=")


async def test_answers_are_read_liberally(ask: Ask) -> None:
    loose = (
        SUBSCRIPTION.replace("Items", "items")
        .replace("RunningNumber", "RUNNINGNUMBER")
        .replace('"Quantity": 0', '"quantity": "0"')
        .replace("50.00", '"50.00"')
        .replace("Subscription", "subscription")
        .replace('"OK"', '"ok"')
    )
    subscription = await ask(Script(answer(loose)), "get_subscription", "S1001")
    assert [item.running_number for item in subscription.items] == [1, 2]
    assert [item.quantity for item in subscription.items] == [1, 0]
    assert str(subscription.item(1).unit_price) == "50.00"


async def test_an_update(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    result = await ask(script, *UPDATE, **WITH_ID)
    (request,) = script.requests
    assert request.method == "POST"
    assert str(request.url) == "https://rest.cleverbridge.com/subscription/updatesubscriptionitem"
    assert request.headers["Content-Type"] == "application/json"
    assert script.sent == PLAIN
    price = result.next_billing_customer_price
    assert (price.currency, price.net_price, price.vat_price) == ("EUR", Decimal(58), Decimal("11.02"))
    assert str(price.gross_price) == "69.02"
    assert result.alignment_customer_price.gross_price == 0
    assert result.next_billing_date == datetime(2026, 4, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    "said", ["", ', "NextBillingCustomerPrice": null', ', "NextBillingCustomerPrice": {}']
)
async def test_a_price_that_is_not_named_is_not_zero(ask: Ask, said: str) -> None:
    result = await ask(Script(answer(f'{{"ResultMessage": "OK"{said}}}')), *UPDATE, **WITH_ID)
    assert (result.alignment_customer_price, result.next_billing_customer_price) == (None, None)


async def test_an_amount_that_is_not_named_is_not_zero(ask: Ask) -> None:
    named = {"Currency": "EUR", "GrossPrice": None, "NetPrice": 0}
    script = Script(answer({"ResultMessage": "OK", "NextBillingCustomerPrice": named}))
    price = (await ask(script, *UPDATE, **WITH_ID)).next_billing_customer_price
    assert (price.gross_price, price.net_price, price.vat_price) == (None, Decimal(0), None)


async def test_models_stand_for_their_ids(ask: Ask) -> None:
    subscription = await ask(Script(answer(SUBSCRIPTION)), "get_subscription", "S1001")
    script = Script(answer(UPDATED))
    await ask(script, "update_subscription_item", subscription, subscription.item(2), 8)
    assert script.sent == PLAIN
    await ask(script, "update_subscription_item", subscription, subscription.item(2), 8, product_id=7)
    assert script.sent == PLAIN | {"ProductId": 7}


async def test_everything_that_can_be_said(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(
        script,
        *UPDATE,
        **WITH_ID,
        alignment=Alignment.NOW_FULL_INTERVAL,
        preview=True,
        update_action=UpdateAction.UPGRADE,
        coupon_code="TEN",
        product_name="More",
        generate_mail=False,
    )
    assert script.sent == {
        "SubscriptionId": "S1001",
        "RunningNumber": 2,
        "ProductId": 102,
        "Quantity": 8,
        "AlignmentSettings": {
            "AlignToCurrentInterval": True,
            "ExtendInterval": True,
            "GetCustomerPricePreviewOnly": True,
        },
        "UpdateAction": "upgrade",
        "GenerateMail": False,
        "CouponCode": "TEN",
        "ProductName": "More",
    }


def test_an_interval_is_extended_only_at_once() -> None:
    for alignment in Alignment:
        flags = alignment.settings(preview=False)
        assert flags["AlignToCurrentInterval"] or not flags["ExtendInterval"]
    assert len({str(alignment.settings(preview=True)) for alignment in Alignment}) == 3


async def test_an_increase(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(script, "increase_subscription_item_quantity", "S1001", 2, 8, product_id=102)
    assert script.requests[0].url.path == "/subscription/increasesubscriptionitemquantity"
    assert script.sent == PLAIN


async def test_a_price(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(
        script, "update_subscription_item_price", "S1001", 1, Decimal("9.5"), currency="EUR", is_gross=True
    )
    assert script.requests[0].url.path == "/subscription/updatesubscriptionitemprice"
    assert script.sent["CustomerPrice"] == {"Currency": "EUR", "Value": "9.50", "IsGross": True}
    assert "ProductId" not in script.sent
    subscription = Subscription(id="S1001", currency="USD")
    await ask(script, "update_subscription_item_price", subscription, 1, 9)
    assert script.sent["CustomerPrice"] == {"Currency": "USD", "Value": "9.00", "IsGross": False}


@pytest.mark.parametrize(
    ("error", "name", "args", "kwargs"),
    [
        (ValueError, "get_subscription", ("",), {}),
        (ValueError, "get_subscription", (Subscription(),), {}),
        (ValueError, "update_subscription_item", ("S1", 2, -1), WITH_ID),
        (ValueError, "update_subscription_item", ("S1", 0, 1), WITH_ID),
        (ValueError, "update_subscription_item", ("S1", Item(product_id=7), 1), {}),
        (TypeError, "update_subscription_item", ("S1", 2, Decimal(8)), WITH_ID),
        (TypeError, "update_subscription_item", ("S1", 2, True), WITH_ID),
        (TypeError, "update_subscription_item", ("S1", 2, 8), {}),
        (ValueError, "increase_subscription_item_quantity", ("S1", 2, 0), WITH_ID),
        (TypeError, "update_subscription_item_price", ("S1", 2, 8), {}),
        (TypeError, "update_subscription_item_price", ("S1", 2, 8.5), {"currency": "EUR"}),
        (ValueError, "update_subscription_item_price", ("S1", 2, "1.005"), {"currency": "EUR"}),
        (ValueError, "update_subscription_item_price", ("S1", 2, -1), {"currency": "EUR"}),
    ],
)
async def test_nonsense_is_never_sent(
    ask: Ask, error: type[Exception], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    script = Script(answer(UPDATED))
    with pytest.raises(error):
        await ask(script, name, *args, **kwargs)
    assert not script.requests


REPEATED: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("get_subscription", "S1001"), {}),
    (UPDATE, WITH_ID),
    (UPDATE, WITH_ID | {"alignment": Alignment.NOW_PRORATED, "preview": True}),
    (("increase_subscription_item_quantity", "S1001", 2, 8), WITH_ID | {"preview": True}),
    (("update_subscription_item_price", "S1001", 2, 8), {"currency": "EUR"}),
]
ONCE: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (UPDATE, WITH_ID | {"alignment": Alignment.NOW_PRORATED}),
    (UPDATE, WITH_ID | {"alignment": Alignment.NOW_FULL_INTERVAL}),
    (UPDATE, WITH_ID | {"coupon_code": "TEN"}),
    (("increase_subscription_item_quantity", "S1001", 2, 8), WITH_ID),
    (
        ("update_subscription_item_price", "S1001", 2, 8),
        {"currency": "EUR", "alignment": Alignment.NOW_PRORATED},
    ),
]
TRANSIENT: list[httpx.Response | Exception] = [
    httpx.ReadTimeout("slow"),
    answer({"ResultMessage": "Busy"}, 503),
]


@pytest.mark.parametrize("failure", TRANSIENT)
@pytest.mark.parametrize(("call", "kwargs"), REPEATED)
async def test_what_may_be_done_twice_is_tried_again(
    ask: Ask, failure: httpx.Response | Exception, call: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    script = Script(failure, failure, answer(SUBSCRIPTION if call[0] == "get_subscription" else UPDATED))
    await ask(script, *call, **kwargs)
    assert len(script.requests) == 3


@pytest.mark.parametrize("failure", TRANSIENT)
@pytest.mark.parametrize(("call", "kwargs"), ONCE)
async def test_what_would_charge_or_add_twice_is_not(
    ask: Ask, failure: httpx.Response | Exception, call: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    script = Script(failure, answer(UPDATED))
    with pytest.raises((NoAnswer, errors.ServiceUnavailable)):
        await ask(script, *call, **kwargs)
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 409, 500])
async def test_refusals(ask: Ask, status: int) -> None:
    said = {"ResultMessage": "There is no item 9", "ErrorCode": "ItemNotFound"}
    with pytest.raises(APIError) as caught:
        await ask(Script(answer(said, status)), *UPDATE, **WITH_ID)
    assert type(caught.value) is errors.BY_STATUS.get(status, APIError)
    assert str(caught.value) == f"{status} There is no item 9 (ItemNotFound)"
    assert caught.value.aux_code == "ItemNotFound"


async def test_a_refusal_with_a_good_status(ask: Ask) -> None:
    with pytest.raises(APIError, match="No such coupon"):
        await ask(Script(answer({"ResultMessage": "No such coupon"})), *UPDATE, **WITH_ID)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '"OK"', '{"ResultMessage": {"a": 1}}'])
async def test_pages_of_proxies(ask: Ask, body: str) -> None:
    with pytest.raises(errors.BadGateway, match="no error document"):
        await ask(Script(answer(body, 502)), *UPDATE, **WITH_ID)
    with pytest.raises(DecodeError):
        await ask(Script(answer(body)), "get_subscription", "S1001")


async def test_places_that_make_no_sense_are_named(ask: Ask) -> None:
    with pytest.raises(DecodeError) as caught:
        await ask(Script(answer(SUBSCRIPTION.replace("1.00", '"one"'))), "get_subscription", "S1001")
    assert caught.value.path == "Subscription.Items[1].UnitPrice"
    with pytest.raises(DecodeError, match="one object"):
        await ask(Script(answer({"ResultMessage": "OK"})), "get_subscription", "S1001")


async def test_credentials_never_show(ask: Ask) -> None:
    credentials = base64.b64encode(b"grace:hush-hush").decode()
    said = {"ResultMessage": f"Basic {credentials} is nobody's"}
    with pytest.raises(errors.Unauthorized) as caught:
        await ask(Script(answer(said, 401)), "get_subscription", "S1001")
    assert caught.value.message == "Basic ••• is nobody's"
    assert credentials not in repr(caught.value)
    assert caught.value.__context__ is None
