"""JSON that can be read and not be said, to every face that reads JSON: refused clearly, and nothing done."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.catalog.writing import dump_catalog
from tallyhook_mock.systems.chargemonk.state import State as Chargemonk
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge
from tallyhook_mock.systems.fusebill.api import ROUTES
from tallyhook_mock.systems.fusebill.state import State as Fusebill

from . import cleverbridge_world, fusebill_face
from .loopback import catalog
from .systems_world import CATALOG, START

LONE = "\ud800"  # half of a surrogate pair: JSON can write it, and UTF-8 can't
HUGE = "1e9999999999999999999"  # no decimal number goes so far

CONTROL = [
    ("POST", "clock", "to"),
    ("PUT", "catalog", "users"),
    ("POST", "catalog", "users"),
    ("POST", "listeners", "url"),
    ("POST", "hooks", "type"),
    ("POST", "customers/ida/decline", "count"),
    ("POST", "faults", "seconds"),
    ("POST", "cleverbridge/subscriptions", "id"),
    ("POST", "fusebill/customers", "name"),
    ("POST", "fusebill/subscriptions", "planCode"),
    ("POST", "fusebill/subscriptions/11/charges", "amount"),
    ("POST", "fusebill/dryrun", "invoiceDay"),
    ("POST", "chargemonk/subscriptions", "id"),
    ("POST", "chargemonk/subscriptions/mill/add-ons", "code"),
    ("POST", "chargemonk/subscriptions/mill/cycles", "billingCycles"),
    ("POST", "chargemonk/subscriptions/mill/term", "planCode"),
    ("POST", "chargemonk/subscriptions/mill/advance-invoice", "terms"),
]
CLEVERBRIDGE = [
    ("updatesubscriptionitem", "ProductName"),
    ("increasesubscriptionitemquantity", "Quantity"),
    ("updatesubscriptionitemprice", "SubscriptionId"),
]
FUSEBILL = [
    ("POST", "billingPeriodDefinitions", "poNumber"),
    ("PUT", "billingPeriodDefinitions", "id"),
    ("PUT", "subscriptions/11/billingPeriodDefinition", "invoiceDay"),
]


def bodies(name: str) -> list[str]:
    """As a name, as a value, below a value, and as a number."""
    lone = [{LONE: 1}, {name: LONE}, {name: {LONE: [LONE]}}]
    return [*(json.dumps(each) for each in lone), json.dumps({name: 0}).replace("0", HUGE)]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One for all: what is refused changes nothing."""
    with serve(catalog() | CATALOG, start=START) as running:
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        yield client


def everything(server: Server) -> object:
    mock = server.mock
    return server.call(
        lambda: (
            repr(dump_catalog(mock.systems)),
            cleverbridge_world.dump(mock.systems.of(Cleverbridge)),
            fusebill_face.dump(mock.systems.of(Fusebill)),
            repr(mock.systems.of(Chargemonk).subscriptions),
            mock.timeline.counts.copy(),
            mock.clock.now(),
        )
    )


def send(http: httpx.Client, method: str, path: str, body: str, **options: Any) -> httpx.Response:
    return http.request(method, path, content=body, headers=options.pop("headers", None), **options)


@pytest.mark.parametrize(("method", "path", "name"), CONTROL)
def test_the_control_api(server: Server, http: httpx.Client, method: str, path: str, name: str) -> None:
    before = everything(server)
    for body in bodies(name):
        answer = send(http, method, f"/_mock/{path}", body)
        assert answer.status_code in (400, 404), body
        assert list(answer.json()) == ["error"]
    assert everything(server) == before


@pytest.mark.parametrize(("call", "name"), CLEVERBRIDGE)
def test_cleverbridge(server: Server, http: httpx.Client, call: str, name: str) -> None:
    before = everything(server)
    for body in bodies(name):
        headers = {"Content-Type": "application/json"}
        answer = send(http, "POST", f"/subscription/{call}", body, auth=("grace", "hopper"), headers=headers)
        assert answer.status_code == 400, body
        assert list(answer.json()) == ["ResultMessage"]
    assert everything(server) == before


@pytest.mark.parametrize(("method", "path", "name"), FUSEBILL)
def test_fusebill(server: Server, http: httpx.Client, method: str, path: str, name: str) -> None:
    before = everything(server)
    for body in bodies(name):
        answer = send(http, method, f"/v1/{path}", body, headers={"Authorization": "Basic wick-and-oil"})
        assert answer.status_code == 400, body
        assert list(answer.json()) == ["ErrorId", "HttpStatusCode", "Errors"]
    assert everything(server) == before


@pytest.mark.parametrize(
    ("call", "query", "body"),
    [
        ("updatesubscriptionitem", "", '{"SubscriptionId": "S1001", "Quantity": 1, "Quantity": 2}'),
        ("updatesubscriptionitem", "", '{"SubscriptionId": "S1001", "Quantity": 1, "quantity": 2}'),
        ("updatesubscriptionitem", "", '{"CustomerPrice": {"Value": 1, "value": 2}}'),
        ("updatesubscriptionitem", "?getCustomerPricePreviewOnly=true", '{"SubscriptionId": "S1001"}'),
        ("renewsubscription", "?x=1", '{"SubscriptionId": "S1001"}'),
    ],
)
def test_cleverbridge_overlooks_nothing(
    server: Server, http: httpx.Client, call: str, query: str, body: str
) -> None:
    before = everything(server)
    headers = {"Content-Type": "application/json"}
    answer = send(
        http, "POST", f"/subscription/{call}{query}", body, auth=("grace", "hopper"), headers=headers
    )
    assert answer.status_code == 400
    said = answer.json()["ResultMessage"]
    assert "is there twice" in said or "is not known here" in said
    assert everything(server) == before


@pytest.mark.parametrize(
    ("query", "body", "said"),
    [
        ("?subscriptionId=S1001&SubscriptionID=S2002", "", "is there twice"),
        ("?subscriptionId=S1001", '{"subscriptionId": "S2002"}', "takes no body"),
    ],
)
def test_a_reading_of_cleverbridge_overlooks_nothing(
    http: httpx.Client, query: str, body: str, said: str
) -> None:
    answer = send(http, "GET", f"/subscription/getsubscription{query}", body, auth=("grace", "hopper"))
    assert (answer.status_code, said in answer.json()["ResultMessage"]) == (400, True)


DEFINITION = '{"id": 1, "invoiceDay": 3}'


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (method, f"{path}?preview=true", body)
        for method, path, body in [
            ("POST", "customerActivation", '{"customerId": 1}'),
            ("POST", "customerHold/1", ""),
            ("POST", "customers/unhold", '{"customerId": 1}'),
            ("POST", "customerCancellation", '{"customerId": 1}'),
            ("POST", "customers", '{"firstName": "Ada"}'),
            ("PUT", "customers", '{"id": 1}'),
            ("POST", "purchases", "{}"),
            ("POST", "purchases/cancel", "{}"),
            ("POST", "subscriptionProvision/11", ""),
            ("POST", "subscriptionCancellation", '{"subscriptionId": 11}'),
            ("DELETE", "subscriptions/delete/11", ""),
            ("PUT", "subscriptions/11/billingPeriodDefinition", '{"invoiceDay": 3}'),
            ("POST", "billingPeriodDefinitions", "{}"),
            ("POST", "billingPeriodDefinitions/preview", "{}"),
            ("PUT", "billingPeriodDefinitions", DEFINITION),
            ("DELETE", "billingPeriodDefinitions/1", ""),
            ("PATCH", "draftInvoices", "{}"),
            ("PATCH", "invoices", "{}"),
        ]
    ]
    + [
        ("PUT", "billingPeriodDefinitions", '{"id": 1, "invoiceDay": 3, "invoiceDay": 4}'),
        ("PUT", "billingPeriodDefinitions", '{"id": 2, "id": 1, "invoiceDay": 4}'),
        ("POST", "customers", '{"firstName": "Ada", "firstName": "Ida"}'),
        ("GET", "customers/1/subscriptions?pageSize=1&pageSize=2", ""),
        ("PUT", "subscriptionProducts?preview=true&Preview=false", '{"id": 1}'),
        ("DELETE", "subscriptions/delete/11", '{"id": 12}'),
        ("GET", "customers/1", '{"id": 2}'),
    ],
)
def test_fusebill_overlooks_nothing(
    server: Server, http: httpx.Client, method: str, path: str, body: str
) -> None:
    before = everything(server)
    answer = send(http, method, f"/v1/{path}", body, headers={"Authorization": "Basic wick-and-oil"})
    assert answer.status_code == 400, answer.text
    assert [word for word in ("unknown", "twice", "takes none") if word in answer.text], answer.text
    assert everything(server) == before


@pytest.mark.parametrize(("method", "path"), sorted({(method, path) for method, path, _, _ in ROUTES}))
def test_no_call_of_fusebill_takes_an_unknown_parameter(
    server: Server, http: httpx.Client, method: str, path: str
) -> None:
    before = everything(server)
    at = f"/v1/{path.replace('{id}', '1')}?nonsense=1"
    answer = send(http, method, at, "", headers={"Authorization": "Basic wick-and-oil"})
    assert answer.is_client_error, answer.text
    assert "nonsense" in answer.text or answer.status_code == 404, answer.text
    assert everything(server) == before
