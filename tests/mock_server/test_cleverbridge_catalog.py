"""Cleverbridge's section of a catalogue, and its control."""

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.catalog.table import CatalogError
from tallyhook_mock.catalog.table import read as from_values
from tallyhook_mock.systems.cleverbridge.catalog import Section, read
from tallyhook_mock.systems.cleverbridge.state import State

from .cleverbridge_api import CATALOG, START, Api
from .cleverbridge_world import START as AT

ITEMS = [{"productId": 101}]


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(CATALOG, start=START) as running:
        yield running


@pytest.fixture
def control(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/_mock/cleverbridge", trust_env=False) as client:
        yield client


def section(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CATALOG["cleverbridge"]), **changes}


def subscription(**values: Any) -> dict[str, Any]:
    return section(subscriptions=[{"items": ITEMS, **values}])


def item(**values: Any) -> dict[str, Any]:
    return subscription(items=[{"productId": 101, **values}])


def installed(content: dict[str, Any], state: State | None = None) -> State:
    state = state or State()
    read(from_values(Section, content, "cleverbridge"), state, AT)()
    return state


def test_what_a_subscription_does_not_say_is_what_the_section_says() -> None:
    content = section(
        vatPercent=19,
        reminderDays=3,
        subscriptions=[
            {"id": "S1002", "items": ITEMS},
            {"items": ITEMS},
            {"items": ITEMS, "vatPercent": "7.5", "reminderDays": 0, "currency": "USD"},
        ],
    )
    state = installed(content)
    assert [
        (each.id, str(each.vat_percent), each.reminder_days, each.currency) for each in state.subscriptions
    ] == [
        ("S1002", "19", 3, "EUR"),
        ("S1001", "19", 3, "EUR"),
        ("S1003", "7.5", 0, "USD"),
    ]


def test_an_item_takes_from_its_product_what_it_does_not_say() -> None:
    items = [
        {"productId": 103, "quantity": 3, "unitPrice": "75.50", "couponCode": "TEN"},
        {"productId": 101},
        {"productId": 102, "billingMode": "ARREARS"},
    ]
    (made,) = installed(subscription(items=items)).subscriptions
    shown = [
        (each.running_number, each.mode, each.terms.product_name, each.terms.quantity, each.terms.unit_price)
        for each in made.items
    ]
    assert [(*values[:4], str(values[4])) for values in shown] == [
        (1, "ADVANCE", "Storage, 1 TB", 3, "75.50"),
        (2, "ADVANCE", "Storage, 500 GB", 1, "50.00"),
        (3, "ARREARS", "25 GB more", 0, "1.00"),
    ]
    assert str(made.bills[0].total) == "253.85"  # 3 × 75.50 less 10 %, and 50


def test_what_began_earlier_has_been_billed_for_its_interval() -> None:
    (made,) = installed(subscription(startDate="2025-11-18")).subscriptions
    assert made.bills == []
    assert (made.interval, made.next_billing.isoformat()) == (3, "2026-03-18T00:00:00+00:00")


def test_more_can_be_added_to_what_is_there() -> None:
    state = installed(section())
    addition = {
        "products": [{"id": 101, "name": "Storage", "price": 55}],
        "subscriptions": [{"items": ITEMS}],
    }
    installed(addition, state)
    first, second = state.subscriptions
    assert [str(each.bills[0].total) for each in (first, second)] == ["50.00", "55.00"]
    assert (second.id, list(state.users), list(state.products)) == ("S1002", ["grace"], [101, 102, 103])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"product": []}, "cleverbridge.product: unknown; did you mean 'products'?"),
        (section(vatPercent=101), "cleverbridge.vatPercent: 101 is more than 100"),
        (section(reminderDays=28), "cleverbridge.reminderDays: 28 is not a whole number from 0 to 27"),
        (section(users=[{"name": "ada"}]), "cleverbridge.users[0].password: a value is required"),
        (section(products=[{"name": "X"}]), "cleverbridge.products[0].id: a value is required"),
        (section(products=[{"id": 1, "name": "X", "price": "1.001"}]), "with at most 2 decimals"),
        (
            section(coupons=[{"code": "ALL", "percent": "100.5"}]),
            "coupons[0].percent: 100.5 is more than 100",
        ),
        (subscription(id="1001"), "subscriptions[0].id: '1001' is not an S and a number, such as S1001"),
        (
            section(subscriptions=[{"id": "S7", "items": ITEMS}] * 2),
            "subscriptions[1].id: another subscription has the id 'S7'",
        ),
        (subscription(currency="euro"), "currency: 'euro' is not the code of a currency"),
        (subscription(currency="KWD"), "currency: KWD isn't divided into 100 units"),
        (subscription(intervalLengthMonths=0), "intervalLengthMonths: at least 1"),
        (subscription(startDate="2026-03-18"), "startDate: not later than now, which is 2026-03-17T09:30"),
        (subscription(items=[]), "subscriptions[0].items: at least one is needed"),
        (item(productId=9), "items[0].productId: there is no product 9"),
        (item(billingMode="LATER"), "items[0].billingMode: 'LATER' is not one of ADVANCE, ARREARS"),
        (item(quantity=-1), "items[0].quantity: -1 is not a whole number from 0"),
        (item(couponCode="NONE"), "items[0].couponCode: there is no coupon 'NONE'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: dict[str, Any], complaint: str) -> None:
    state = installed(section())
    with pytest.raises(CatalogError) as refused:
        installed(content, state)
    assert complaint in str(refused.value)
    assert len(list(state.subscriptions)) == 1


def test_an_id_that_is_taken_is_refused() -> None:
    state = installed(section())
    with pytest.raises(CatalogError, match="another subscription has the id 'S1001'"):
        installed(subscription(id="S1001"), state)


# -- control


def test_a_subscription_is_created_and_billed(server: Server, control: httpx.Client) -> None:
    wish = {"customerId": "quay", "vatPercent": 19, "items": [{"productId": 103, "quantity": 2}]}
    made = control.post("/subscriptions", json=wish)
    assert made.status_code == 201
    shown = made.json()
    assert shown == control.get("/subscriptions/S1002").json()
    (bill,) = shown.pop("bills")
    assert shown == {
        "id": "S1002",
        "customerId": 5002,
        "customerReferenceId": "quay",
        "customerEmail": "",
        "status": "ACT",
        "currency": "EUR",
        "startDate": "2026-03-17T00:00:00+00:00",
        "intervalLengthMonths": 1,
        "intervalStartDate": "2026-03-17T00:00:00+00:00",
        "nextBillingDate": "2026-04-17T00:00:00+00:00",
        "nextReminderDate": "2026-04-17T00:00:00+00:00",
        "vatPercent": "19",
        "items": [
            {
                "runningNumber": 1,
                "productId": 103,
                "productName": "Storage, 1 TB",
                "billingMode": "ADVANCE",
                "quantity": 2,
                "unitPrice": "80.00",
                "couponCode": None,
                "version": 1,
                "isActive": True,
                "chargedAhead": 0,
                "pending": [],
            }
        ],
        "updates": [],
        "mails": [{"at": "2026-03-17T00:00:00+00:00", "about": "purchase 90003", "canBeSuppressed": False}],
    }
    assert (bill["number"], bill["purchaseId"], bill["total"]) == (2, 90003, "190.40")
    assert bill["lines"] == [
        {
            "item": "1",
            "description": "Storage, 1 TB",
            "quantity": "2",
            "unitPrice": "80.00",
            "amount": "160.00",
            "start": "2026-03-17T00:00:00+00:00",
            "end": "2026-04-17T00:00:00+00:00",
        },
        {
            "item": "VAT",
            "description": "VAT 19 %",
            "quantity": "1",
            "unitPrice": "30.40",
            "amount": "30.40",
            "start": None,
            "end": None,
        },
    ]
    listed = control.get("/subscriptions").json()["subscriptions"]
    assert [each["id"] for each in listed] == ["S1001", "S1002"]


def test_what_waits_for_a_renewal_is_shown(server: Server, control: httpx.Client) -> None:
    api = Api(server)
    api.update(RunningNumber=1, ProductId=103, Quantity=2, CouponCode="TEN")
    (pending,) = control.get("/subscriptions/S1001").json()["items"][0]["pending"]
    assert pending == {
        "from": "2026-04-17T00:00:00+00:00",
        "productId": 103,
        "quantity": 2,
        "unitPrice": "80.00",
        "couponCode": "TEN",
    }
    api.close()


def test_a_timeline_tells_what_happened(server: Server, control: httpx.Client) -> None:
    server.advance("1mo")
    control.post("/subscriptions/S1001/deactivate")
    told = control.get("/subscriptions/S1001/timeline").json()["timeline"]
    assert [(entry["kind"], entry["actor"], entry["invoice"], entry["amount"]) for entry in told] == [
        ("newSubscription", "operator", None, None),
        ("billed", "operator", 1, "50.00"),
        ("billed", "system", 2, "50.00"),
        ("subscriptionDeactivated", "operator", None, None),
    ]


def test_a_reset_forgets_what_was_added(server: Server, control: httpx.Client) -> None:
    control.post("/subscriptions", json={"items": ITEMS})
    server.reset()
    api = Api(server)
    assert api.bills() == [("2026-03-17", "50.00")]
    assert [each["id"] for each in api.control()["subscriptions"]] == ["S1001"]
    api.close()


@pytest.mark.parametrize(
    ("method", "path", "wish", "status", "complaint"),
    [
        ("POST", "/subscriptions", {}, 400, "items: at least one is needed"),
        ("POST", "/subscriptions", {"item": []}, 400, "item: unknown; did you mean 'items'?"),
        ("POST", "/subscriptions", {"items": [{"productId": 9}]}, 400, "there is no product 9"),
        ("POST", "/subscriptions", {"id": "S1001", "items": ITEMS}, 400, "a subscription 'S1001' already"),
        ("GET", "/subscriptions/S9", None, 404, "There is no subscription 'S9'"),
        ("GET", "/subscriptions/S9/timeline", None, 404, "There is no subscription 'S9'"),
        ("POST", "/subscriptions/S9/deactivate", None, 404, "There is no subscription 'S9'"),
        ("GET", "/subscriptions?customer=quay", None, 400, "customer: unknown"),
    ],
)
def test_a_wrong_wish_is_explained(
    control: httpx.Client, method: str, path: str, wish: Any, status: int, complaint: str
) -> None:
    before = control.get("/subscriptions").json()
    answer = control.request(method, path, json=wish)
    assert answer.status_code == status
    assert complaint in answer.json()["error"]
    assert control.get("/subscriptions").json() == before


def test_what_has_ended_can_not_end_again(control: httpx.Client) -> None:
    assert control.post("/subscriptions/S1001/deactivate").json()["nextBillingDate"] is None
    answer = control.post("/subscriptions/S1001/deactivate")
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "Subscription S1001 is deactivated and can't be changed"},
    )
