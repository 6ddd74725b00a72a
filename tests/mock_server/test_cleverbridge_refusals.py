"""What Cleverbridge's face refuses: said in its own shape, and nothing changed."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook_mock import Server, serve
from tallyhook_mock.core.base import Refusal
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.systems.cleverbridge.api import cleverbridge_app
from tallyhook_mock.systems.cleverbridge.calls import ROUTES
from tallyhook_mock.systems.cleverbridge.request import read_body

from .cleverbridge_api import CATALOG, START, UPDATE, Api
from .cleverbridge_world import START as AT
from .cleverbridge_world import World, dump

UPDATE_PATH = "/subscription/updatesubscriptionitem"
PRICE_PATH = "/subscription/updatesubscriptionitemprice"
GET_PATH = "/subscription/getsubscription"
PRICE: dict[str, Any] = {
    "SubscriptionId": "S1001",
    "RunningNumber": 1,
    "CustomerPrice": {"Currency": "EUR", "Value": "60.00", "IsGross": False},
    "UpdateAction": "update",
}
INCREASE_PATH = "/subscription/increasesubscriptionitemquantity"
INCREASE: dict[str, Any] = {"SubscriptionId": "S1001", "RunningNumber": 2, "Quantity": 1}
EXTENDED = {"AlignToCurrentInterval": True, "ExtendInterval": True}
JSON = {"Content-Type": "application/json"}

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["S1001", "TEN", 1]),
    lambda values: st.lists(values, max_size=2) | st.dictionaries(st.text(), values, max_size=2),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all: a refusal changes nothing."""
    with serve(CATALOG, start=START) as running:
        yield running


@pytest.fixture
def api(server: Server) -> Iterator[Api]:
    client = Api(server)
    yield client
    client.close()


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Status and message."""
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["ResultMessage"]
    return answer.status_code, document["ResultMessage"]


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"SubscriptionId": "S9"}, 404, "no subscription 'S9'"),
        ({"SubscriptionId": None}, 400, "SubscriptionId is required"),
        ({"SubscriptionId": ""}, 400, "SubscriptionId is required"),
        ({"SubscriptionId": 1001}, 400, "SubscriptionId: a string is expected, not 1001"),
        ({"RunningNumber": 3}, 402, "no item with RunningNumber 3; it has 1, 2"),
        ({"RunningNumber": None}, 400, "RunningNumber is required"),
        ({"RunningNumber": "two"}, 400, "RunningNumber: a whole number of up to"),
        ({"RunningNumber": True}, 400, "RunningNumber: a whole number of up to"),
        ({"RunningNumber": 2**31}, 400, "RunningNumber: a whole number of up to 2147483647"),
        ({"ProductId": 999}, 404, "no product with ProductId 999"),
        ({"ProductId": 2**40}, 404, "no product with ProductId 1099511627776"),
        ({"ProductId": None}, 400, "ProductId is required"),
        (
            {"ProductId": {}},
            400,
            "ProductId: a whole number of up to 9223372036854775807 is expected, not {}",
        ),
        ({"Quantity": None}, 400, "Quantity is required"),
        ({"Quantity": -1}, 402, "Quantity -1 is not a whole number from 0"),
        ({"Quantity": 10**9 + 1}, 402, "is not a whole number from 0 to 1000000000"),
        ({"Quantity": 8.5}, 400, "Quantity: a whole number of up to"),
        ({"Quantity": "8,5"}, 400, "Quantity: a whole number of up to 2147483647 is expected, not '8,5'"),
        ({"Quantity": "1_0"}, 400, "Quantity: a whole number of up to 2147483647 is expected, not '1_0'"),
        ({"Quantity": "1e400"}, 400, "Quantity: a whole number of up to"),
        ({"Quantity": float("nan")}, 400, "Quantity: a whole number of up to"),
        ({"Quantity": [8]}, 400, "Quantity: a whole number of up to"),
        ({"UpdateAction": "sidegrade"}, 400, "update (0), upgrade (1), downgrade (2)"),
        ({"UpdateAction": 3}, 400, "UpdateAction: one of update (0)"),
        ({"UpdateAction": True}, 400, "UpdateAction: one of update (0)"),
        ({"CouponCode": "NONE"}, 402, "no coupon with CouponCode 'NONE'"),
        ({"CouponCode": 10}, 400, "CouponCode: a string is expected"),
        ({"GenerateMail": "perhaps"}, 400, "GenerateMail: true or false is expected"),
        ({"GenerateMail": 2}, 400, "GenerateMail: true or false is expected"),
        ({"ProductName": "\x00"}, 400, "ProductName: a string of up to 255 printable"),
        ({"ProductName": "\ud800"}, 400, "ProductName: a string of up to 255 printable"),
        ({"ProductName": "x" * 256}, 400, "ProductName: a string of up to 255 printable"),
        ({"AlignmentSettings": "now"}, 400, "AlignmentSettings: an object is expected"),
        ({"AlignmentSettings": {"ExtendInterval": True}}, 402, "ExtendInterval needs AlignToCurrentInterval"),
        ({"ResetBillingInterval": True}, 402, "ResetBillingInterval needs AlignToCurrentInterval"),
        (
            {"AlignmentSettings": EXTENDED, "ResetBillingInterval": True},
            402,
            "ExtendInterval and ResetBillingInterval exclude each other",
        ),
        (
            {
                "AlignmentSettings": {**EXTENDED, "GetCustomerPricePreviewOnly": True},
                "ResetBillingInterval": True,
            },
            402,
            "ExtendInterval and ResetBillingInterval exclude each other",
        ),
        ({"ResetBillingInterval": "soon"}, 400, "ResetBillingInterval: true or false is expected"),
        (
            {"AlignmentSettings": {"AlignToCurrentInterval": "soon"}},
            400,
            "AlignmentSettings.AlignToCurrentInterval: true or false is expected, not 'soon'",
        ),
        # A name that nobody reads would look as if it had had an effect.
        ({"Surprise": [1, 2]}, 400, "Surprise is not known here; this call takes SubscriptionId"),
        ({"Price": 9.99}, 400, "Price is not known here"),
        ({"AlignmentSettings": {"Align": True}}, 400, "AlignmentSettings.Align is not known here"),
        ({"CustomerPrice": {"Currency": "EUR", "Value": 1}}, 400, "CustomerPrice.IsGross is required"),
        ({"CustomerPrice": {"Currency": "USD", "Value": 1, "IsGross": False}}, 402, "in EUR, not in 'USD'"),
    ],
)
def test_an_update_is_refused(api: Api, changes: dict[str, Any], status: int, message: str) -> None:
    refused_without_a_trace(api, UPDATE_PATH, {**UPDATE, **changes}, status, message)


def euros(**changes: Any) -> dict[str, Any]:
    return {"CustomerPrice": {"Currency": "EUR", "Value": 1, "IsGross": False, **changes}}


@pytest.mark.parametrize(
    ("changes", "status", "message"),
    [
        ({"ProductId": 102}, 400, "ProductId is not known here"),
        ({"UpdateAction": None}, 400, "UpdateAction is required"),
        ({"CustomerPrice": None}, 400, "CustomerPrice.Currency is required"),
        ({"CustomerPrice": 60}, 400, "CustomerPrice: an object is expected"),
        (euros(Currency="USD"), 402, "in EUR, not in 'USD'"),
        (euros(Value=None), 400, "CustomerPrice.Value is required"),
        (euros(Value=-1), 400, "an amount from 0 up"),
        (euros(Value="1.001"), 400, "two decimals"),
        (euros(Value=1e30), 400, "an amount from 0 up"),
    ],
)
def test_a_price_is_refused(api: Api, changes: dict[str, Any], status: int, message: str) -> None:
    refused_without_a_trace(api, PRICE_PATH, {**PRICE, **changes}, status, message)


def test_an_increase_is_refused(api: Api) -> None:
    path = "/subscription/increasesubscriptionitemquantity"
    fields = {"SubscriptionId": "S1001", "RunningNumber": 1, "Quantity": 10**9}
    refused_without_a_trace(api, path, fields, 402, "Quantity 1000000001 is not")
    refused_without_a_trace(api, path, {**fields, "Quantity": -1}, 402, "Quantity -1 is not")
    refused_without_a_trace(api, path, {**fields, "ProductId": 101}, 400, "ProductId is not known here")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("", 400, "Exactly one of customerId, customerReferenceId and customerEmail is required"),
        ("customerId=5001&customerEmail=a@b.example", 400, "Exactly one of"),
        ("customerId=9", 404, "no customer with the id 9"),
        ("customerReferenceId=nobody", 404, "no customer with the reference 'nobody'"),
        (
            "customerId=5001&subscriptionstatus=9",
            400,
            "subscriptionstatus: a number from 1 to 8 is expected, not 9",
        ),
        ("customerId=5001&isCurrent=perhaps", 400, "isCurrent: true or false is expected"),
        ("customerId=5001&status=1", 400, "status is not known here"),
    ],
)
def test_a_search_is_refused(api: Api, query: str, status: int, message: str) -> None:
    answer = api.send("GET", f"/subscription/getsubscriptionsforcustomer?{query}")
    assert refusal(answer)[0] == status
    assert message in refusal(answer)[1]


def test_a_quantity_of_zero_can_be_refused() -> None:
    """Whether the system takes one is not documented."""
    with serve(
        {"cleverbridge": {**CATALOG["cleverbridge"], "acceptsQuantityZero": False}}, start=START
    ) as other:
        api = Api(other)
        refused_without_a_trace(api, UPDATE_PATH, {**UPDATE, "Quantity": 0}, 402, "from 1 to 1000000000")
        api.close()


@pytest.mark.parametrize(
    ("method", "headers", "message"),
    [
        ("GET", {"Accept": "text/html"}, "Accept: application/json is required"),
        ("GET", {"Accept": "application/xml"}, "this mock speaks no XML"),
        ("POST", {"Content-Type": "application/xml"}, "Content-Type: application/json is required"),
        ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, "Content-Type: application/json"),
    ],
)
def test_media_types_are_required(api: Api, method: str, headers: dict[str, str], message: str) -> None:
    path = f"{GET_PATH}?subscriptionId=S1001" if method == "GET" else UPDATE_PATH
    content = json.dumps(UPDATE) if method == "POST" else None
    before = api.everything()
    answer = api.send(method, path, content=content, headers=headers)
    assert refusal(answer)[0] == 400
    assert message in refusal(answer)[1]
    assert api.everything() == before


def refused_without_a_trace(api: Api, path: str, fields: dict[str, Any], status: int, message: str) -> None:
    before = api.everything()
    answer = api.send("POST", path, content=json.dumps(fields), headers=JSON)
    assert refusal(answer)[0] == status
    assert message in refusal(answer)[1]
    assert api.everything() == before


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The body is not JSON"),
        (b"{", "The body is not JSON"),
        (b"\xff", "The body is not JSON"),
        (b"[" * 100_000, "The body is not JSON"),
        (b'{"Quantity": ' + b"9" * 5000 + b"}", "The body is not JSON"),
        (b'{"Quantity": 1e' + b"9" * 50 + b"}", "The body is not JSON"),
        (b"[]", "The body is not a JSON object"),
        (b'"S1001"', "The body is not a JSON object"),
    ],
)
def test_a_body_that_says_nothing_is_refused(api: Api, body: bytes, message: str) -> None:
    assert refusal(api.send("POST", UPDATE_PATH, content=body, headers=JSON)) == (400, message)


def test_a_body_without_end_is_refused(api: Api) -> None:
    answer = api.send("POST", UPDATE_PATH, content=b" " * 1_000_001)
    assert refusal(answer)[0] == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic Z3JhY2U6d3Jvbmc="},
        {"Authorization": "Basic bm9ib2R5Ong="},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic /w=="},
        {"Authorization": "Bearer Z3JhY2U6bGV0OiBtZSBpbg=="},
    ],
)
def test_who_does_not_sign_in_is_refused(server: Server, headers: dict[str, str]) -> None:
    answer = httpx.post(f"{server.url}{UPDATE_PATH}", json=UPDATE, headers=headers, trust_env=False)
    assert refusal(answer)[0] == 401
    assert answer.headers["www-authenticate"] == 'Basic realm="Cleverbridge"'


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", f"{GET_PATH}?subscriptionId=S7", 404, "no subscription 'S7'"),
        ("GET", GET_PATH, 400, "subscriptionId is required"),
        ("GET", f"{GET_PATH}?{'a=b&' * 101}", 400, "too many parameters"),
        ("GET", "/subscription/deletesubscription", 404, "there are /subscription/get"),
        ("GET", "/subscription/", 404, "there are /subscription/getsubscription"),
        ("POST", GET_PATH, 405, "must be called with GET"),
        ("GET", UPDATE_PATH, 405, "must be called with POST"),
        ("DELETE", UPDATE_PATH, 405, "must be called with POST"),
    ],
)
def test_what_is_no_call_is_refused(api: Api, method: str, path: str, status: int, message: str) -> None:
    answer = api.send(method, path)
    assert refusal(answer)[0] == status
    assert message in refusal(answer)[1]
    if status == 405:
        assert answer.headers["allow"] == message[-4:].strip()


def test_a_deactivated_subscription_can_be_read_but_not_changed(server: Server) -> None:
    with serve(CATALOG, start=START) as other:
        api = Api(other)
        assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").status_code == 200
        for path, fields in ((UPDATE_PATH, UPDATE), (INCREASE_PATH, INCREASE)):
            refused_without_a_trace(api, path, fields, 402, "is deactivated")
        refused_without_a_trace(api, PRICE_PATH, PRICE, 402, "is deactivated")
        shown = api.get()
        assert (shown["SubscriptionStatus"], shown["NextBillingDate"], shown["NextBillingDateReminder"]) == (
            2,
            None,
            None,
        )
        assert shown["EndDate"] == "2026-03-17T00:00:00Z"
        api.close()


@given(
    call=st.sampled_from(sorted(ROUTES)),
    changes=st.dictionaries(
        st.sampled_from(
            [
                *UPDATE,
                "UpdateAction",
                "CouponCode",
                "GenerateMail",
                "CustomerPrice",
                "ProductName",
                "ResetBillingInterval",
                "Items",
                "NextBillingDate",
            ]
        ),
        anything,
    ),
    alignment=st.dictionaries(st.sampled_from(["AlignToCurrentInterval", "ExtendInterval"]), anything),
)
def test_whatever_a_call_says_is_done_or_refused(
    call: str, changes: dict[str, Any], alignment: dict[str, Any]
) -> None:
    world = World()
    before = dump(world.state)
    body = json.dumps({**PRICE, **UPDATE, "AlignmentSettings": alignment, **changes}).encode()
    try:
        ROUTES[call][1](world.state, read_body(body), AT)
    except Refusal:
        is_refused = True
    else:
        is_refused = False
    assert not is_refused or dump(world.state) == before


def test_a_number_beyond_all_bounds_is_refused(api: Api) -> None:
    body = json.dumps({**UPDATE, "Quantity": 0}).replace('"Quantity": 0', '"Quantity": 1e9999999')
    status, message = refusal(api.send("POST", UPDATE_PATH, content=body, headers=JSON))
    assert status == 400
    assert message.startswith("Quantity: a whole number of up to")


async def test_an_error_of_this_server_is_owned_up_to(caplog: pytest.LogCaptureFixture) -> None:
    app = cleverbridge_app(dict, lambda: AT, lambda: None, dict)  # type: ignore[arg-type]  # no state: it will break
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mock") as client:
        assert refusal(await client.get(GET_PATH))[0] == 500
    assert [record.message for record in caplog.records] == ["a call of /subscription/getsubscription failed"]


# -- faults


def test_a_fault_strikes_a_call_on_a_subscription(server: Server, api: Api) -> None:
    server.fault(
        Fault(FaultKind.ERROR, action="subscription/updatesubscriptionitem", customer="S1001", retry_after=7)
    )
    before = api.control("/S1001")
    api.get()
    answer = api.send("POST", UPDATE_PATH.upper(), json=UPDATE)
    assert refusal(answer)[0] == 503
    assert answer.headers["retry-after"] == "7"
    assert api.control("/S1001") == before
    assert api.control("/S1001/timeline")["timeline"][-1]["kind"] == "fault"


@pytest.mark.parametrize("status", [500, 502])
def test_a_fault_strikes_whatever_the_call_says(server: Server, api: Api, status: int) -> None:
    server.fault(Fault(FaultKind.ERROR, status=status))
    answer = api.send("POST", UPDATE_PATH, content=b"{")
    assert refusal(answer)[0] == status
    assert "retry-after" not in answer.headers


def test_an_answer_can_be_lost_after_the_work_is_done() -> None:
    with serve(CATALOG, start=START) as server:
        api = Api(server)
        server.fault(Fault(FaultKind.DROP_AFTER, action="subscription/updatesubscriptionitem"))
        with pytest.raises(httpx.RemoteProtocolError):
            api.send("POST", UPDATE_PATH, json=UPDATE)
        assert api.item(2)["Quantity"] == 8
        api.close()
