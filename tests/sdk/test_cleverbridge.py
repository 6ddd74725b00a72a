"""Cleverbridge's clients: what they send, and how they read the answers."""

import base64
import copy
import pickle
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.sdk.scripted import Ask, Script, answer, asking

from tallyhook import NoAnswer, errors
from tallyhook.cleverbridge import (
    Alignment,
    AsyncClient,
    Client,
    Item,
    Subscription,
    SubscriptionStatus,
    UpdateAction,
)
from tallyhook.errors import APIError, DecodeError

SUBSCRIPTION = """{"ResultMessage": "OK", "Subscription": {
    "CustomerCurrencyId": "EUR", "CustomerId": 5001, "CustomerReferenceId": "harbour",
    "CustomerReferenceNo": "", "EndDate": null, "GracePeriodDays": 0, "Id": 1001, "IntervalDayCount": 0,
    "IntervalMonthCount": 1, "BillingIntervalDayCount": 0, "BillingIntervalMonthCount": 1, "Items": [
        {"Couponcode": "", "DeactivationDate": null, "EndDate": null, "IsCurrent": true, "LastIntervalNo": 1,
         "NextBillingCurrencyId": "EUR", "NextBillingCustomerGrossPrice": 50.0, "ProductId": 101,
         "ProductName": "Base", "Quantity": 1, "RunningNo": 1, "Status": 1, "Version": 1},
        {"Couponcode": "", "IsCurrent": false, "ProductId": 102, "ProductName": "Excess", "Quantity": 3,
         "RunningNo": 2, "Status": 7, "Version": 1},
        {"Couponcode": "TEN", "IsCurrent": true, "ProductId": 102, "ProductName": "Excess", "Quantity": 0,
         "RunningNo": "2", "Status": 1, "Version": 2}],
    "LastIntervalNo": 1, "NextBillingDate": "2026-04-17T00:00:00Z",
    "NextBillingDateReminder": "2026-04-10T00:00:00Z", "StartDate": "2026-03-17T00:00:00Z",
    "RenewalType": 1, "StartIntervalDayCount": null, "SubscriptionStatus": 1, "Loyalty": "gold"}}"""
SUBSCRIPTIONS = SUBSCRIPTION.replace('"Subscription": {', '"Subscriptions": [{').replace(
    '"gold"}}', '"gold"}]}'
)
UPDATED = """{"ResultMessage": "OK",
    "AlignmentCustomerGrossPrice": 0.0, "AlignmentCustomerNetPrice": 0, "AlignmentCustomerVatPrice": 0.00,
    "NextBillingCustomerGrossPrice": 69.02, "NextBillingCustomerNetPrice": 58,
    "NextBillingCustomerVatPrice": "11.02", "PriceCurrencyId": "EUR"}"""
DONE = '{"ResultMessage": "OK"}'
RENEWED = """{"ResultMessage": "OK", "NextBillingDate": "2026-05-17T00:00:00Z",
    "TransactionStatus": "Success", "ContinueUrl": null}"""
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
    script = Script(answer(SUBSCRIPTION.replace('"Id": 1001', '"Id": "1/0 01"')))
    subscription = await ask(script, "get_subscription", "S1/0 01")
    (request,) = script.requests
    assert request.method == "GET"
    assert str(request.url) == (
        "https://rest.cleverbridge.com/subscription/getsubscription?subscriptionId=S1%2F0+01"
    )
    assert request.headers["Authorization"] == f"Basic {base64.b64encode(b'grace:hush-hush').decode()}"
    assert request.headers["Accept"] == "application/json"  # required (documented)
    assert "Content-Type" not in request.headers
    assert (subscription.id, subscription.is_active) == ("1/0 01", True)
    assert (subscription.customer_id, subscription.customer_currency_id) == ("5001", "EUR")
    assert SubscriptionStatus(subscription.subscription_status) is SubscriptionStatus.ACTIVE
    assert subscription.next_billing_date == datetime(2026, 4, 17, tzinfo=UTC)
    assert subscription.next_billing_date_reminder == datetime(2026, 4, 10, tzinfo=UTC)
    assert (subscription.interval_month_count, subscription.start_interval_day_count) == (1, None)
    base, before, excess = subscription.items
    assert (base.product_id, base.is_active, base.coupon_code) == (101, True, "")
    assert str(base.next_billing_customer_gross_price) == "50.0"
    assert (excess.quantity, excess.coupon_code, excess.next_billing_customer_gross_price) == (0, "TEN", None)
    assert subscription.current_items == (base, excess)
    assert subscription.item(2) is excess
    assert subscription.versions(2) == (before, excess)
    with pytest.raises(LookupError, match="no item 3"):
        subscription.item(3)


async def test_two_current_versions_are_no_item(ask: Ask) -> None:
    """It is unknown which of them is billed."""
    twice = SUBSCRIPTION.replace('"IsCurrent": false', '"IsCurrent": true')
    subscription = await ask(Script(answer(twice)), "get_subscription", "S1001")
    with pytest.raises(LookupError, match="2 current versions of item 2"):
        subscription.item(2)


async def test_a_version_that_was_replaced_is_not_updated(ask: Ask) -> None:
    subscription = await ask(Script(answer(SUBSCRIPTION)), "get_subscription", "S1001")
    script = Script(answer(UPDATED))
    with pytest.raises(ValueError, match="has been replaced"):
        await ask(script, "update_subscription_item", subscription, subscription.items[1], 8)
    assert not script.requests


async def test_subscriptions_of_a_customer(ask: Ask) -> None:
    script = Script(answer(SUBSCRIPTIONS))
    (found,) = await ask(
        script,
        "get_subscriptions_for_customer",
        customer_email="a@b.example",
        status=SubscriptionStatus.HOLD,
        only_current_items=True,
    )
    assert found.id == "1001"
    url = script.requests[0].url
    assert url.path == "/subscription/getsubscriptionsforcustomer"
    assert dict(url.params) == {
        "customerEmail": "a@b.example",
        "subscriptionstatus": "5",
        "isCurrent": "true",
    }
    script = Script(answer('{"ResultMessage": "OK", "Subscriptions": []}'))
    assert await ask(script, "get_subscriptions_for_customer", 5001) == ()
    assert dict(script.requests[0].url.params) == {"customerId": "5001"}
    script = Script(answer(SUBSCRIPTIONS))
    await ask(script, "get_subscriptions_by_purchase", 77)
    assert str(script.requests[0].url).endswith("/subscription/getsubscriptionsbypurchase?purchaseId=77")
    with pytest.raises(DecodeError, match="a list was expected"):
        await ask(Script(answer(DONE)), "get_subscriptions_for_customer", 5001)


async def test_an_item_is_added(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(
        script,
        "add_subscription_item",
        "S1001",
        103,
        1,
        price=5,
        currency="EUR",
        coupon_code="TEN",
        product_name="More",
        affiliate_id=9,
    )
    assert script.requests[0].url.path == "/subscription/addsubscriptionitem"
    assert script.sent == {
        "SubscriptionId": "S1001",
        "ProductId": 103,
        "Quantity": 1,
        "CouponCode": "TEN",
        "CustomerPrice": {"Currency": "EUR", "Value": "5.00", "IsGross": False},
        "ProductName": "More",
        "AffiliateId": 9,
        "AlignmentSettings": PLAIN["AlignmentSettings"],
        "GenerateMail": True,
    }


async def test_items_go_and_come_back(ask: Ask) -> None:
    script = Script(answer(DONE))
    assert await ask(script, "deactivate_subscription_items", "S1001", 2, 3, allow_reinstate=False) is None
    assert script.sent == {
        "SubscriptionId": "S1001",
        "Items": [2, 3],
        "AllowReinstate": False,
        "GenerateMail": True,
    }
    await ask(script, "reinstate_subscription_items", "S1001", 2, generate_mail=False)
    assert script.sent == {"SubscriptionId": "S1001", "Items": [2], "GenerateMail": False}


async def test_dates_and_renewals(ask: Ask) -> None:
    script = Script(answer(DONE))
    moment = datetime(2026, 5, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    await ask(script, "update_next_billing_date", "S1001", moment)
    assert script.sent == {"SubscriptionId": "S1001", "NextBillingDate": "2026-05-01T00:00:00Z"}
    script = Script(answer(RENEWED))
    renewal = await ask(script, "renew_subscription", "S1001", reset_billing_interval=True)
    assert script.sent == {"SubscriptionId": "S1001", "ResetBillingInterval": True}
    assert (renewal.transaction_status, renewal.continue_url) == ("Success", "")
    assert renewal.next_billing_date == datetime(2026, 5, 17, tzinfo=UTC)


async def test_what_is_not_known_is_kept(ask: Ask) -> None:
    subscription = await ask(Script(answer(SUBSCRIPTION)), "get_subscription", "S1001")
    assert subscription.extra == {"Loyalty": "gold"}
    assert str(subscription.raw["Items"][0]["NextBillingCustomerGrossPrice"]) == "50.0"
    assert pickle.loads(pickle.dumps(subscription)) == copy.deepcopy(subscription) == subscription
    assert repr(subscription).startswith("Subscription(id='1001', subscription_status=1, next_")


async def test_answers_are_read_liberally(ask: Ask) -> None:
    loose = (
        SUBSCRIPTION.replace("Items", "items")
        .replace("RunningNo", "RUNNINGNO")
        .replace('"Quantity": 0', '"quantity": "0"')
        .replace("50.0", '"50.00"')
        .replace('"Subscription"', '"subscription"')
        .replace('"OK"', '"ok"')
    )
    subscription = await ask(Script(answer(loose)), "get_subscription", "S1001")
    assert [item.running_no for item in subscription.items] == [1, 2, 2]
    assert [item.quantity for item in subscription.items] == [1, 3, 0]
    assert str(subscription.item(1).next_billing_customer_gross_price) == "50.00"


async def test_an_update(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    result = await ask(script, *UPDATE, **WITH_ID)
    (request,) = script.requests
    assert request.method == "POST"
    assert str(request.url) == "https://rest.cleverbridge.com/subscription/updatesubscriptionitem"
    assert request.headers["Content-Type"] == "application/json"
    assert script.sent == PLAIN
    assert str(result.next_billing_customer_gross_price) == "69.02"
    assert result.next_billing_customer_net_price == 58
    assert result.next_billing_customer_vat_price == Decimal("11.02")
    assert (result.alignment_customer_gross_price, result.price_currency_id) == (0, "EUR")


@pytest.mark.parametrize("said", ["", ', "NextBillingCustomerGrossPrice": null'])
async def test_a_price_that_is_not_named_is_not_zero(ask: Ask, said: str) -> None:
    result = await ask(Script(answer(f'{{"ResultMessage": "OK"{said}}}')), *UPDATE, **WITH_ID)
    assert (result.alignment_customer_gross_price, result.next_billing_customer_gross_price) == (None, None)


async def test_models_stand_for_their_ids(ask: Ask) -> None:
    subscription = await ask(Script(answer(SUBSCRIPTION)), "get_subscription", "S1001")
    script = Script(answer(UPDATED))
    await ask(script, "update_subscription_item", subscription, subscription.item(2), 8)
    assert script.sent == PLAIN | {"SubscriptionId": "1001"}
    await ask(script, "update_subscription_item", subscription, subscription.item(2), 8, product_id=7)
    assert script.sent == PLAIN | {"SubscriptionId": "1001", "ProductId": 7}


async def test_everything_that_can_be_said(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(
        script,
        *UPDATE,
        **WITH_ID,
        alignment=Alignment.NOW_EXTENDED,
        preview=True,
        update_action=UpdateAction.UPGRADE,
        coupon_code="TEN",
        price="9.9",
        currency="EUR",
        is_gross=True,
        reset_billing_interval=True,
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
        "CustomerPrice": {"Currency": "EUR", "Value": "9.90", "IsGross": True},
        "ProductName": "More",
        "ResetBillingInterval": True,
    }


def test_an_interval_is_extended_only_at_once() -> None:
    for alignment in Alignment:
        flags = alignment.settings(preview=False)
        assert flags["AlignToCurrentInterval"] or not flags["ExtendInterval"]
    assert len({str(alignment.settings(preview=True)) for alignment in Alignment}) == 3


async def test_an_increase(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(script, "increase_subscription_item_quantity", "S1001", 2, 8)
    assert script.requests[0].url.path == "/subscription/increasesubscriptionitemquantity"
    assert script.sent == {
        name: value for name, value in PLAIN.items() if name not in ("ProductId", "UpdateAction")
    }


async def test_a_price(ask: Ask) -> None:
    script = Script(answer(UPDATED))
    await ask(
        script, "update_subscription_item_price", "S1001", 1, Decimal("9.5"), currency="EUR", is_gross=True
    )
    assert script.requests[0].url.path == "/subscription/updatesubscriptionitemprice"
    assert script.sent["CustomerPrice"] == {"Currency": "EUR", "Value": "9.50", "IsGross": True}
    assert "ProductId" not in script.sent
    subscription = Subscription(id="S1001", customer_currency_id="USD")
    await ask(script, "update_subscription_item_price", subscription, 1, 9)
    assert script.sent["CustomerPrice"] == {"Currency": "USD", "Value": "9.00", "IsGross": False}
    assert "Quantity" not in script.sent
    await ask(script, "update_subscription_item_price", subscription, 1, 9, quantity=4)
    assert script.sent["Quantity"] == 4


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
        (ValueError, "update_subscription_item", ("S1", 2, 8), WITH_ID | {"reset_billing_interval": True}),
        (ValueError, "increase_subscription_item_quantity", ("S1", 2, 0), {}),
        (TypeError, "get_subscriptions_for_customer", (), {}),
        (TypeError, "get_subscriptions_for_customer", (1,), {"customer_email": "a@b.example"}),
        (ValueError, "get_subscriptions_for_customer", ("",), {}),
        (ValueError, "get_subscriptions_for_customer", (1,), {"status": 9}),
        (TypeError, "deactivate_subscription_items", ("S1",), {}),
        (ValueError, "update_next_billing_date", ("S1", datetime(2026, 5, 1)), {}),  # noqa: DTZ001  (a moment without a zone is what it is about)
        (ValueError, "add_subscription_item", ("S1", 103, 0), {}),
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
    (("increase_subscription_item_quantity", "S1001", 2, 8), {"preview": True}),
    (("add_subscription_item", "S1001", 103, 1), {"preview": True}),
    (("update_subscription_item_price", "S1001", 2, 8), {"currency": "EUR"}),
]
ONCE: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (UPDATE, WITH_ID | {"alignment": Alignment.NOW_PRORATED}),
    (UPDATE, WITH_ID | {"alignment": Alignment.NOW_EXTENDED}),
    (UPDATE, WITH_ID | {"coupon_code": "TEN"}),
    (("increase_subscription_item_quantity", "S1001", 2, 8), {}),
    (("add_subscription_item", "S1001", 103, 1), {}),
    (("renew_subscription", "S1001"), {}),
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


@pytest.mark.parametrize("status", [400, 401, 402, 404, 429, 500])
async def test_refusals(ask: Ask, status: int) -> None:
    said = {"ResultMessage": "There is no item 9"}
    with pytest.raises(APIError) as caught:
        await ask(Script(answer(said, status)), *UPDATE, **WITH_ID)
    assert type(caught.value) is errors.BY_STATUS.get(status, APIError)
    assert (str(caught.value), caught.value.status) == (f"{status} There is no item 9", status)


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
        await ask(Script(answer(SUBSCRIPTION.replace("50.0", '"one"'))), "get_subscription", "S1001")
    assert caught.value.path == "Subscription.Items[0].NextBillingCustomerGrossPrice"
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
