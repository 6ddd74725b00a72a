"""`/_mock/faults`: planned, looked at and cleared over HTTP, and seen in the log of deliveries."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve

from .loopback import Api, catalog, listening


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


@pytest.fixture
def control(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/_mock", trust_env=False) as client:
        yield client


def test_a_fault_is_planned_seen_and_cleared(server: Server, control: httpx.Client) -> None:
    assert control.get("/faults").json() == {"faults": []}
    wish = {"kind": "error", "action": "plans/get", "status": 503, "retryAfter": 0, "nth": 2}
    planned = control.post("/faults", json=wish)
    assert planned.status_code == 201
    assert planned.json() == {
        "kind": "error",
        "action": "plans/get",
        "customer": "",
        "nth": 2,
        "times": None,
        "probability": None,
        "seed": 0,
        "status": 503,
        "retryAfter": 0,
        "met": 0,
        "struck": 0,
        "isOver": False,
    }
    api = Api(server)
    api.call("plans/get")
    api.call("plans/get", 503)
    api.call("plans/get")
    (shown,) = control.get("/faults").json()["faults"]
    assert shown == planned.json() | {"met": 2, "struck": 1, "isOver": True}
    assert control.delete("/faults").status_code == 204
    assert control.get("/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    "wish",
    [
        {"kind": "latency", "seconds": 0.5, "probability": 0.25, "seed": 7, "times": 3},
        {"kind": "latency", "seconds": 1},
        {"kind": "dropBefore", "customer": "ida", "probability": 1},
        {"kind": "dropAfter", "action": "customers/add-charge"},
        {"kind": "truncate", "nth": 3},
        {"kind": "lock", "times": 2},
        {"kind": "duplicate", "type": "subscriptionBillable"},
        {"kind": "timeout", "seconds": 0.05},
        {"kind": "loseAnswer", "times": 2},
    ],
)
def test_what_is_told_is_what_is_shown(control: httpx.Client, wish: dict[str, Any]) -> None:
    assert wish.items() <= control.post("/faults", json=wish).json().items()


@pytest.mark.parametrize(("by", "shown"), [("90s", "90s"), ("1d12h", "129600s"), ("PT1H", "3600s")])
def test_how_long_a_hook_is_held_back_is_a_duration(control: httpx.Client, by: str, shown: str) -> None:
    assert control.post("/faults", json={"kind": "reorder", "by": by}).json()["by"] == shown


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({}, "kind: a string is required"),
        ({"kind": "gremlin"}, "kind: one of latency, error, "),
        ({"kind": "lock", "action": "customers/get"}, "action: unknown; known here: kind, customer, nth, "),
        ({"kind": "error", "retry_after": 1}, "retry_after: unknown; known here: "),
        ({"kind": "error", "action": "customers/steal"}, "action: 'customers/steal' is not one of plans/get"),
        ({"kind": "error", "action": 5}, "action: a string is required"),
        ({"kind": "error", "status": 418}, "status: 500, 502 or 503"),
        ({"kind": "error", "status": "500"}, "status: a whole number is required"),
        ({"kind": "timeout", "type": "party"}, "type: 'party' is not one of newSubscription"),
        ({"kind": "lock", "nth": 0}, "nth: at least 1, which is the next"),
        ({"kind": "lock", "nth": 1.5}, "nth: a whole number is required"),
        ({"kind": "lock", "times": True}, "times: a whole number is required"),
        ({"kind": "lock", "times": None}, "times: a whole number is required"),
        ({"kind": "lock", "probability": 2}, "probability: from 0 to 1"),
        ({"kind": "lock", "probability": "often"}, "probability: a number is required"),
        ({"kind": "lock", "probability": False}, "probability: a number is required"),
        ({"kind": "latency", "seconds": 10**400}, "seconds: more than 0, and at most 600"),
        ({"kind": "reorder", "by": "soon"}, "'soon' is not a duration"),
        ({"kind": "reorder", "by": "1mo"}, "by: weeks and smaller units only, no months"),
        ({"kind": "reorder", "by": "0s"}, "by: more than 0"),
        ({"kind": "reorder", "by": "9999w"}, "by: more than 0, and at most 1000 days"),
        ([], "not a JSON object"),
    ],
)
def test_nonsense_is_explained_and_nothing_planned(control: httpx.Client, wish: Any, complaint: str) -> None:
    answer = control.post("/faults", json=wish)
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]
    assert control.get("/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("number", "complaint"), [("NaN", "not JSON"), ("1e999999999", "seconds: "), ("-Infinity", "not JSON")]
)
def test_numbers_that_are_none_are_refused(control: httpx.Client, number: str, complaint: str) -> None:
    answer = control.post("/faults", content=f'{{"kind": "latency", "seconds": {number}}}')
    assert answer.status_code == 400
    assert complaint in answer.json()["error"]


def test_a_reset_and_another_catalogue_clear_the_faults(control: httpx.Client) -> None:
    for start_over in (lambda: control.post("/reset"), lambda: control.put("/catalog", json=catalog())):
        control.post("/faults", json={"kind": "lock"})
        assert start_over().status_code == 200
        assert control.get("/faults").json() == {"faults": []}


def test_the_log_of_deliveries_and_the_timeline_show_the_fault(server: Server, control: httpx.Client) -> None:
    with listening() as listener:
        server.listen(listener.url, ("newSubscription",))
        control.post("/faults", json={"kind": "reorder", "type": "newSubscription", "by": "1min"})
        control.post("/faults", json={"kind": "loseAnswer", "type": "newSubscription"})
        Api(server).subscribe("ida")
        server.settle()
        (delivery,) = control.get("/hooks").json()["hooks"][0]["deliveries"]
        assert (delivery["isPostponed"], delivery["nextAt"]) == (True, "2026-01-01T00:01:00+00:00")
        server.advance("2min")
        server.advance("1min")
    (delivery,) = control.get("/hooks").json()["hooks"][0]["deliveries"]
    assert [(attempt["status"], attempt["fault"]) for attempt in delivery["attempts"]] == [(200, "reorder")]
    assert not delivery["isPostponed"]
    timeline = control.get("/customers/ida/timeline").json()["timeline"]
    assert [entry["note"] for entry in timeline if entry["kind"] == "fault"] == [
        f"reorder: newSubscription to {listener.url}"
    ]
