"""What Cleverbridge's face refuses: said in its own shape, and nothing changed."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook_mock import Server, serve
from tallyhook_mock.faults import Fault, FaultKind
from tallyhook_mock.systems.cleverbridge.api import ROUTES, cleverbridge_app
from tallyhook_mock.systems.cleverbridge.model import Refusal
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
    "CustomerPrice": {"Currency": "EUR", "Value": "60.00"},
}

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


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and message."""
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["ResultMessage", "ErrorCode"]
    return answer.status_code, document["ErrorCode"], document["ResultMessage"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "message"),
    [
        ({"SubscriptionId": "S9"}, 404, "SubscriptionNotFound", "no subscription 'S9'"),
        ({"SubscriptionId": None}, 400, "ParameterMissing", "SubscriptionId is required"),
        ({"SubscriptionId": ""}, 400, "ParameterMissing", "SubscriptionId is required"),
        ({"SubscriptionId": 1001}, 400, "ParameterInvalid", "SubscriptionId: a text is expected, not 1001"),
        ({"RunningNumber": 3}, 400, "RunningNumberNotFound", "no item with RunningNumber 3; it has 1, 2"),
        ({"RunningNumber": None}, 400, "ParameterMissing", "RunningNumber is required"),
        ({"RunningNumber": "two"}, 400, "ParameterInvalid", "RunningNumber: a whole number is expected"),
        ({"RunningNumber": True}, 400, "ParameterInvalid", "RunningNumber: a whole number is expected"),
        ({"ProductId": 999}, 400, "ProductNotFound", "no product with ProductId 999"),
        ({"ProductId": None}, 400, "ParameterMissing", "ProductId is required"),
        ({"ProductId": {}}, 400, "ParameterInvalid", "ProductId: a whole number is expected, not {}"),
        ({"Quantity": None}, 400, "ParameterMissing", "Quantity is required"),
        ({"Quantity": -1}, 400, "QuantityInvalid", "Quantity -1 is not a whole number from 0"),
        ({"Quantity": 10**9 + 1}, 400, "QuantityInvalid", "is not a whole number from 0 to 1000000000"),
        ({"Quantity": 8.5}, 400, "ParameterInvalid", "Quantity: a whole number is expected"),
        ({"Quantity": "8,5"}, 400, "ParameterInvalid", "Quantity: a whole number is expected, not '8,5'"),
        ({"Quantity": "1_0"}, 400, "ParameterInvalid", "Quantity: a whole number is expected, not '1_0'"),
        ({"Quantity": "1e400"}, 400, "ParameterInvalid", "Quantity: a whole number is expected"),
        ({"Quantity": float("nan")}, 400, "ParameterInvalid", "Quantity: a whole number is expected"),
        ({"Quantity": [8]}, 400, "ParameterInvalid", "Quantity: a whole number is expected"),
        ({"UpdateAction": "sidegrade"}, 400, "ParameterInvalid", "update (0), upgrade (1), downgrade (2)"),
        ({"UpdateAction": 3}, 400, "ParameterInvalid", "UpdateAction: one of update (0)"),
        ({"UpdateAction": True}, 400, "ParameterInvalid", "UpdateAction: one of update (0)"),
        ({"CouponCode": "NONE"}, 400, "CouponNotFound", "no coupon with CouponCode 'NONE'"),
        ({"CouponCode": 10}, 400, "ParameterInvalid", "CouponCode: a text is expected"),
        ({"GenerateMail": "perhaps"}, 400, "ParameterInvalid", "GenerateMail: true or false is expected"),
        ({"GenerateMail": 2}, 400, "ParameterInvalid", "GenerateMail: true or false is expected"),
        ({"ProductName": "\x00"}, 400, "ParameterInvalid", "ProductName: a text of up to 255 printable"),
        ({"ProductName": "\ud800"}, 400, "ParameterInvalid", "ProductName: a text of up to 255 printable"),
        ({"ProductName": "x" * 256}, 400, "ParameterInvalid", "ProductName: a text of up to 255 printable"),
        ({"AlignmentSettings": "now"}, 400, "ParameterInvalid", "AlignmentSettings: an object is expected"),
        (
            {"AlignmentSettings": {"ExtendInterval": True}},
            400,
            "ExtendIntervalNotAllowed",
            "ExtendInterval needs AlignToCurrentInterval",
        ),
        (
            {"AlignmentSettings": {"ExtendInterval": True, "GetCustomerPricePreviewOnly": True}},
            400,
            "ExtendIntervalNotAllowed",
            "ExtendInterval needs AlignToCurrentInterval",
        ),
        (
            {"AlignmentSettings": {"AlignToCurrentInterval": "soon"}},
            400,
            "ParameterInvalid",
            "AlignmentSettings.AlignToCurrentInterval: true or false is expected, not 'soon'",
        ),
    ],
)
def test_an_update_is_refused(
    api: Api, changes: dict[str, Any], status: int, code: str, message: str
) -> None:
    refused_without_a_trace(api, UPDATE_PATH, {**UPDATE, **changes}, status, code, message)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"ProductId": 102}, "ProductMismatch", "Item 1 is not of product 102"),
        ({"CustomerPrice": None}, "ParameterMissing", "CustomerPrice.Currency is required"),
        ({"CustomerPrice": 60}, "ParameterInvalid", "CustomerPrice: an object is expected"),
        ({"CustomerPrice": {"Currency": "USD", "Value": 1}}, "CurrencyMismatch", "in EUR, not in 'USD'"),
        ({"CustomerPrice": {"Currency": "EUR"}}, "ParameterMissing", "CustomerPrice.Value is required"),
        ({"CustomerPrice": {"Currency": "EUR", "Value": -1}}, "ParameterInvalid", "an amount from 0 up"),
        ({"CustomerPrice": {"Currency": "EUR", "Value": "1.001"}}, "ParameterInvalid", "two decimals"),
        ({"CustomerPrice": {"Currency": "EUR", "Value": 1e10}}, "ParameterInvalid", "an amount from 0 up"),
    ],
)
def test_a_price_is_refused(api: Api, changes: dict[str, Any], code: str, message: str) -> None:
    refused_without_a_trace(api, PRICE_PATH, {**PRICE, **changes}, 400, code, message)


def test_an_increase_beyond_all_bounds_is_refused(api: Api) -> None:
    path = "/subscription/increasesubscriptionitemquantity"
    fields = {**UPDATE, "RunningNumber": 1, "ProductId": 101, "Quantity": 10**9}
    refused_without_a_trace(api, path, fields, 400, "QuantityInvalid", "Quantity 1000000001 is not")
    refused_without_a_trace(
        api, path, {**fields, "Quantity": -1}, 400, "QuantityInvalid", "Quantity -1 is not"
    )


def refused_without_a_trace(
    api: Api, path: str, fields: dict[str, Any], status: int, code: str, message: str
) -> None:
    before = api.everything()
    answer = api.send("POST", path, content=json.dumps(fields))
    assert refusal(answer)[:2] == (status, code)
    assert message in refusal(answer)[2]
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
    assert refusal(api.send("POST", UPDATE_PATH, content=body)) == (400, "RequestInvalid", message)


def test_a_body_without_end_is_refused(api: Api) -> None:
    answer = api.send("POST", UPDATE_PATH, content=b" " * 1_000_001)
    assert refusal(answer)[:2] == (413, "RequestTooLong")


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
    assert refusal(answer)[:2] == (401, "Unauthorized")
    assert answer.headers["www-authenticate"] == 'Basic realm="Cleverbridge"'


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", f"{GET_PATH}?subscriptionId=S7", 404, "SubscriptionNotFound", "no subscription 'S7'"),
        ("GET", GET_PATH, 400, "ParameterMissing", "subscriptionId is required"),
        ("GET", f"{GET_PATH}?{'a=b&' * 101}", 400, "RequestInvalid", "too many parameters"),
        ("GET", "/subscription/deletesubscription", 404, "CallNotFound", "there are /subscription/get"),
        ("GET", "/subscription/", 404, "CallNotFound", "there are /subscription/getsubscription"),
        ("POST", GET_PATH, 405, "MethodNotAllowed", "is to be called by GET"),
        ("GET", UPDATE_PATH, 405, "MethodNotAllowed", "is to be called by POST"),
        ("DELETE", UPDATE_PATH, 405, "MethodNotAllowed", "is to be called by POST"),
    ],
)
def test_what_is_no_call_is_refused(
    api: Api, method: str, path: str, status: int, code: str, message: str
) -> None:
    answer = api.send(method, path)
    assert refusal(answer)[:2] == (status, code)
    assert message in refusal(answer)[2]
    if status == 405:
        assert answer.headers["allow"] == message[-4:].strip()


def test_a_deactivated_subscription_can_be_read_but_not_changed(server: Server) -> None:
    with serve(CATALOG, start=START) as other:
        api = Api(other)
        assert api.send("POST", "/_mock/cleverbridge/subscriptions/S1001/deactivate").status_code == 200
        for path in (UPDATE_PATH, "/subscription/increasesubscriptionitemquantity"):
            refused_without_a_trace(api, path, UPDATE, 400, "SubscriptionDeactivated", "is deactivated")
        refused_without_a_trace(api, PRICE_PATH, PRICE, 400, "SubscriptionDeactivated", "is deactivated")
        shown = api.get()
        assert (shown["Status"], shown["NextBillingDate"], shown["NextReminderDate"]) == ("DEA", None, None)
        api.close()


@given(
    call=st.sampled_from(sorted(ROUTES)),
    changes=st.dictionaries(
        st.sampled_from(
            [*UPDATE, "UpdateAction", "CouponCode", "GenerateMail", "CustomerPrice", "ProductName"]
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
    status, code, message = refusal(api.send("POST", UPDATE_PATH, content=body))
    assert (status, code) == (400, "ParameterInvalid")
    assert message.startswith("Quantity: a whole number is expected")


async def test_an_error_of_this_server_is_owned_up_to(caplog: pytest.LogCaptureFixture) -> None:
    app = cleverbridge_app(dict, lambda: AT, lambda: None, dict)  # type: ignore[arg-type]  # no state: it will break
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mock") as client:
        assert refusal(await client.get(GET_PATH))[:2] == (500, "InternalError")
    assert [record.message for record in caplog.records] == ["a call broke"]


# -- faults


def test_a_fault_strikes_a_call_on_a_subscription(server: Server, api: Api) -> None:
    server.fault(
        Fault(FaultKind.ERROR, action="subscription/updatesubscriptionitem", customer="S1001", retry_after=7)
    )
    before = api.control("/S1001")
    api.get()
    answer = api.send("POST", UPDATE_PATH.upper(), json=UPDATE)
    assert refusal(answer)[:2] == (503, "ServiceUnavailable")
    assert answer.headers["retry-after"] == "7"
    assert api.control("/S1001") == before
    assert api.control("/S1001/timeline")["timeline"][-1]["kind"] == "fault"


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (502, "BadGateway")])
def test_a_fault_strikes_whatever_the_call_says(server: Server, api: Api, status: int, code: str) -> None:
    server.fault(Fault(FaultKind.ERROR, status=status))
    answer = api.send("POST", UPDATE_PATH, content=b"{")
    assert refusal(answer)[:2] == (status, code)
    assert "retry-after" not in answer.headers


def test_an_answer_can_be_lost_after_the_work_is_done() -> None:
    with serve(CATALOG, start=START) as server:
        api = Api(server)
        server.fault(Fault(FaultKind.DROP_AFTER, action="subscription/updatesubscriptionitem"))
        with pytest.raises(httpx.RemoteProtocolError):
            api.send("POST", UPDATE_PATH, json=UPDATE)
        assert api.item(2)["Quantity"] == 8
        api.close()
