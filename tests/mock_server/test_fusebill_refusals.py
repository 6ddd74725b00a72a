"""What Fusebill's API refuses, in its own shape, and that nothing has changed by it."""

from collections.abc import Iterator
from json import dumps
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook_mock import serve
from tallyhook_mock.systems.fusebill.documents import FIELDS

from .fusebill_face import CATALOG, KEY, Face

DEFINITIONS = "billingPeriodDefinitions"
HIGH = 2**31  # an id that no field of 32 bits holds


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    """Ida (1) has a monthly subscription (11) and a yearly one (12), Eve (2) a monthly one (21)."""
    ida = {"id": 1, "name": "Ida Lamp"}
    ida["subscriptions"] = [
        {"id": 11, "planCode": "GLOW", "amount": "30.00"},
        {"id": 12, "planCode": "BLAZE", "amount": "300.00", "interval": "Yearly"},
    ]
    eve = {"id": 2, "name": "Eve Torch", "subscriptions": [{"id": 21, "planCode": "GLOW", "amount": 9}]}
    catalog = {**CATALOG, "fusebill": {"apiKeys": [KEY], "customers": [ida, eve]}}
    with serve(catalog, start="2026-11-01T00:00:00Z") as server:
        face = Face(server)
        face.api("POST", DEFINITIONS, {"customerId": 1, "cycle": "Monthly", "invoiceDay": 20})
        yield face
        face.http.close()


def definition(face: Face, subscription: int) -> int:
    return int(face.api("GET", f"{DEFINITIONS}/GetBySubscription/{subscription}")["id"])


@pytest.mark.parametrize("authorization", [None, KEY, "Basic wrong", "Bearer " + KEY, "Basic", "Basic \xe4"])
def test_a_call_needs_the_key(face: Face, authorization: str | None) -> None:
    headers = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]
    for path in ("customers/1/billingPeriodDefinitions", "nowhere"):
        answer = face.http.get(f"/v1/{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["Errors"][0]["Key"] == "Authorization"
        assert answer.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "customers/99/billingPeriodDefinitions", None),
        ("GET", f"{DEFINITIONS}/99", None),
        ("GET", f"{DEFINITIONS}/{'9' * 400}", None),
        ("GET", f"{DEFINITIONS}/x", None),
        ("GET", f"{DEFINITIONS}/-1", None),
        ("GET", f"{DEFINITIONS}/٣", None),
        ("GET", f"{DEFINITIONS}/GetBySubscription/99", None),
        ("DELETE", f"{DEFINITIONS}/99", None),
        ("POST", DEFINITIONS, {"customerId": 99, "cycle": "Monthly", "invoiceDay": 6}),
        ("PUT", DEFINITIONS, {"id": 99, "invoiceDay": 6}),
        ("PUT", "subscriptions/99/billingPeriodDefinition", {"invoiceDay": 6}),
        ("PUT", "subscriptions/11/billingPeriodDefinition", {"billingPeriodDefinitionId": 99}),
        ("GET", f"{DEFINITIONS}/{HIGH}", None),
        ("POST", DEFINITIONS, {"customerId": HIGH, "cycle": "Monthly", "invoiceDay": 6}),
        ("PUT", DEFINITIONS, {"id": HIGH, "invoiceDay": 6}),
        ("PUT", "subscriptions/11/billingPeriodDefinition", {"billingPeriodDefinitionId": HIGH}),
        ("GET", "customer", None),
        ("GET", "draftInvoices/99", None),
        ("POST", "invoices?draftInvoiceId=99", None),
        ("PUT", "subscriptionProducts", {"id": 99, "quantity": 1}),
        ("GET", "", None),
        ("GET", "invoices/1/lines", None),
    ],
)
def test_what_is_not_there_is_a_404(face: Face, method: str, path: str, body: Any) -> None:
    face.refused(method, path, body, 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "customers/1/billingPeriodDefinitions", "GET"),
        ("DELETE", DEFINITIONS, "POST and PUT"),
        ("GET", DEFINITIONS, "POST and PUT"),
        ("PATCH", f"{DEFINITIONS}/1", "GET and PUT and DELETE"),
        ("GET", "subscriptions/11/billingPeriodDefinition", "PUT"),
        ("PATCH", f"{DEFINITIONS}/GetBySubscription/11", "GET"),
    ],
)
def test_another_method_is_a_405(face: Face, method: str, path: str, allowed: str) -> None:
    key, why = face.refused(method, path, {}, 405)
    assert (key, why) == ("method", f"only {allowed} can be used here")
    answer = face.http.request(method, f"/v1/{path}", headers={"Authorization": f"Basic {KEY}"})
    assert answer.headers["Allow"] == allowed.replace(" and ", ", ")


def test_a_definition_in_use_is_not_deleted(face: Face) -> None:
    key, why = face.refused("DELETE", f"{DEFINITIONS}/{definition(face, 11)}", None, 409)
    assert key == "id"
    assert why == "the subscriptions 11 are in it; move them to another definition first"


def test_a_frequency_does_not_change(face: Face) -> None:
    monthly, yearly = definition(face, 11), definition(face, 12)
    move = "subscriptions/11/billingPeriodDefinition"
    key, why = face.refused("PUT", move, {"billingPeriodDefinitionId": yearly}, 409)
    assert key == "billingPeriodDefinitionId"
    assert "a frequency can't change, Monthly is needed" in why
    for wish in ({"cycle": "Yearly"}, {"cycle": "Yearly", "invoiceDay": 6, "invoiceMonth": 3}):
        assert face.refused("PUT", DEFINITIONS, {"id": monthly, **wish}, 400)[0] == "cycle"
    assert (
        face.refused("PUT", DEFINITIONS, {"id": monthly, "numberOfIntervals": 2}, 400)[0]
        == "numberOfIntervals"
    )
    assert face.refused("PUT", "subscriptions/12/billingPeriodDefinition", {"invoiceDay": 6}, 400) == (
        "invoiceMonth",
        "a yearly period needs its month, from 1 to 12",
    )


def test_a_subscription_stays_with_its_customer(face: Face) -> None:
    wish = {"billingPeriodDefinitionId": definition(face, 21)}
    key, why = face.refused("PUT", "subscriptions/11/billingPeriodDefinition", wish, 409)
    assert key == "billingPeriodDefinitionId"
    assert "belongs to another customer" in why
    wish = {"id": definition(face, 11), "customerId": 2}
    assert face.refused("PUT", DEFINITIONS, wish, 400)[0] == "customerId"


@pytest.mark.parametrize(
    ("wish", "key"),
    [
        ({}, "billingPeriodDefinitionId"),
        ({"billingPeriodDefinitionId": None}, "billingPeriodDefinitionId"),
        ({"billingPeriodDefinitionId": 1, "invoiceDay": 6}, "billingPeriodDefinitionId"),
        ({"billingPeriodDefinitionId": 1, "invoiceMonth": 6}, "billingPeriodDefinitionId"),
        ({"billingPeriodDefinitionId": "1"}, "billingPeriodDefinitionId"),
        ({"invoiceMonth": 6}, "billingPeriodDefinitionId"),
        ({"invoiceDay": 0}, "invoiceDay"),
        ({"invoiceDay": 32}, "invoiceDay"),
        ({"invoiceDay": 6.0}, "invoiceDay"),
        ({"invoiceDay": True}, "invoiceDay"),
        ({"invoiceday": 6}, "invoiceday"),
    ],
)
def test_a_move_that_makes_no_sense_is_explained(face: Face, wish: Any, key: str) -> None:
    assert face.refused("PUT", "subscriptions/11/billingPeriodDefinition", wish, 400)[0] == key


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"customerId": None}, "customerId"),
        ({"customerId": "1"}, "customerId"),
        ({"customerId": 1.5}, "customerId"),
        ({"cycle": None}, "interval"),
        ({"interval": "Yearly"}, "cycle"),
        ({"cycle": "Weekly"}, "cycle"),
        ({"cycle": ["Monthly"]}, "cycle"),
        ({"cycle": {}}, "cycle"),
        ({"cycle": "Yearly"}, "invoiceMonth"),
        ({"cycle": "Yearly", "invoiceMonth": 13}, "invoiceMonth"),
        ({"cycle": "Yearly", "invoiceMonth": 2, "invoiceDay": 30}, "invoiceDay"),
        ({"cycle": "Yearly", "invoiceMonth": 11, "invoiceDay": 31}, "invoiceDay"),
        ({"invoiceMonth": 13}, "invoiceMonth"),
        ({"invoiceDay": None}, "invoiceDay"),
        ({"invoiceDay": 0}, "invoiceDay"),
        ({"invoiceDay": 32}, "invoiceDay"),
        ({"invoiceDay": -1}, "invoiceDay"),
        ({"invoiceDay": 10**30}, "invoiceDay"),
        ({"invoiceDay": "6"}, "invoiceDay"),
        ({"invoiceDay": True}, "invoiceDay"),
        ({"numberOfIntervals": 0}, "numberOfIntervals"),
        ({"numberOfIntervals": 121}, "numberOfIntervals"),
        ({"invoiceInAdvance": True}, "invoiceInAdvance"),
        ({"invoiceInAdvance": 28}, "invoiceInAdvance"),
        ({"term": "Net31"}, "term"),
        ({"invoiceWeekday": "Someday"}, "invoiceWeekday"),
        ({"billingPeriodType": "Whenever"}, "billingPeriodType"),
        ({"billingPeriodType": "CustomerActivation"}, "invoiceDay"),
        ({"autoCollect": 1}, "autoCollect"),
        ({"autoPost": "true"}, "autoPost"),
        ({"invoiceInAdvance": []}, "invoiceInAdvance"),
        ({"term": -1}, "term"),
        ({"term": "Net 30"}, "term"),
        ({"poNumber": 7}, "poNumber"),
        ({"poNumber": "x" * 256}, "poNumber"),
        ({"paymentMethodId": "7"}, "paymentMethodId"),
        ({"invoiceDays": 6}, "invoiceDays"),
    ],
)
def test_a_definition_that_makes_no_sense_is_explained(face: Face, change: Any, key: str) -> None:
    wish = {"customerId": 1, "cycle": "Monthly", "invoiceDay": 6, **change}
    assert face.refused("POST", DEFINITIONS, wish, 400)[0] == key


def test_a_type_without_its_activation_is_refused(face: Face) -> None:
    customer = face.customer("Mary Wick")
    wish = {"customerId": customer, "cycle": "Monthly", "billingPeriodType": "FirstSubscriptionActivation"}
    assert face.refused("POST", DEFINITIONS, wish, 400)[0] == "billingPeriodType"


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"id": None}, "id"),
        ({"id": "11"}, "id"),
        ({"invoiceDay": 0}, "invoiceDay"),
        ({"invoiceDay": 32}, "invoiceDay"),
        ({"invoiceMonth": 13}, "invoiceMonth"),
        ({"billingPeriodType": "CustomerActivation"}, "billingPeriodType"),
        ({"autoCollect": "no"}, "autoCollect"),
        ({"numberOfIntervals": 3}, "numberOfIntervals"),
        ({"invoiceDay": 6, "term": 400}, "term"),
        ({"nextRecharge": "2026-12-06"}, "nextRecharge"),
    ],
)
def test_a_change_that_makes_no_sense_is_explained(face: Face, change: Any, key: str) -> None:
    wish = {"id": definition(face, 11), **change}
    assert face.refused("PUT", DEFINITIONS, wish, 400)[0] == key


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"poNumber": "\xff"}',
        b'{"poNumber": "\\ud800"}',
        b"[" * 100_000,
        b"[]",
        b"null",
        b"1" * 5000,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(face: Face, body: bytes) -> None:
    before = face.dump()
    answer = face.http.put(f"/v1/{DEFINITIONS}", content=body, headers={"Authorization": f"Basic {KEY}"})
    assert answer.status_code == 400
    assert answer.json()["Errors"][0]["Key"] == "body"
    assert face.dump() == before


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
plausible = st.sampled_from([1, 2, 11, 12, 21, 101, 102, 103, 29, 31, "Monthly", "Yearly", "SpecifiedDate"])
names = st.sampled_from([*FIELDS, "billingPeriodDefinitionId"])


@given(
    call=st.sampled_from(
        [
            ("POST", DEFINITIONS),
            ("PUT", DEFINITIONS),
            ("PUT", "subscriptions/11/billingPeriodDefinition"),
            ("PUT", "subscriptions/12/billingPeriodDefinition"),
        ]
    ),
    body=st.dictionaries(names, plausible | json, max_size=5) | json,
)
def test_whatever_is_said_is_carried_out_or_refused(face: Face, call: tuple[str, str], body: Any) -> None:
    before = face.dump()
    content = dumps(body)  # with NaN and lone surrogates, which are no JSON
    headers = {"Authorization": f"Basic {KEY}"}
    answer = face.http.request(call[0], f"/v1/{call[1]}", content=content, headers=headers)
    assert answer.status_code in (200, 400, 404)
    if answer.status_code != 200:
        assert answer.json()["HttpStatusCode"] == answer.status_code
        assert face.dump() == before


def test_a_body_without_end_is_refused(face: Face) -> None:
    answer = face.http.put(
        f"/v1/{DEFINITIONS}", content=b" " * 1_000_001, headers={"Authorization": f"Basic {KEY}"}
    )
    assert answer.status_code == 413
