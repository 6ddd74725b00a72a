"""Chargemonk by the control API: what it answers, and what it does not take."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import serve

from .chargemonk_doors import offering

MILL = {"id": "mill", "planCode": "MONTHLY", "addOns": [{"code": "SETUP", "billingCycles": 3}]}


@pytest.fixture
def control() -> Iterator[httpx.Client]:
    with (
        serve(offering(), start="2026-01-01T00:00:00Z") as server,
        httpx.Client(base_url=f"{server.url}/_mock", trust_env=False, timeout=60) as client,
    ):
        yield client


def error(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    return str(answer.json()["error"])


def test_a_subscription_is_created_and_read(control: httpx.Client) -> None:
    created = control.post("/chargemonk/subscriptions", json=MILL)
    assert created.status_code == 201
    assert created.json() == {
        "id": "mill",
        "status": "active",
        "state": "Active",
        "monthlyRevenue": "300.00",
        "unbilledCharges": [],
        "plan": "MONTHLY",
        "termStart": "2026-01-01T00:00:00+00:00",
        "termEnd": "2026-02-01T00:00:00+00:00",
        "paidUntil": "2026-02-01T00:00:00+00:00",
        "nextPlan": "MONTHLY",
        "termsLeft": None,
        "canceledDatetime": None,
        "nextBill": {"at": "2026-02-01T00:00:00+00:00", "total": "300.00"},
        "addOns": [
            {
                "code": "SETUP",
                "price": "100.00",
                "periodMonths": 1,
                "cyclesLeft": 2,
                "paidUntil": "2026-02-01T00:00:00+00:00",
                "isDisabled": False,
            }
        ],
        "bills": [
            {
                "number": 1,
                "at": "2026-01-01T00:00:00+00:00",
                "currency": "USD",
                "lines": [
                    {
                        "item": code,
                        "description": name,
                        "quantity": "1",
                        "unitPrice": price,
                        "amount": price,
                        "start": "2026-01-01T00:00:00+00:00",
                        "end": "2026-02-01T00:00:00+00:00",
                    }
                    for code, name, price in (
                        ("MONTHLY", "Monthly", "200.00"),
                        ("SETUP", "Setup fee", "100.00"),
                    )
                ],
                "total": "300.00",
            }
        ],
    }
    assert control.get("/chargemonk/subscriptions/mill").json() == created.json()
    listed = control.get("/chargemonk/subscriptions").json()["subscriptions"]
    only_one = ("bills", "unbilledCharges")
    assert listed == [{name: value for name, value in created.json().items() if name not in only_one}]


def test_the_timeline_tells_everything(control: httpx.Client) -> None:
    control.post("/chargemonk/subscriptions", json=MILL)
    control.post("/clock", json={"to": "2026-02-01T00:00:00Z"})
    control.post("/chargemonk/subscriptions/mill/add-ons", json={"code": "VISIT"})
    control.post("/chargemonk/subscriptions/mill/cancel")
    control.post("/clock", json={"to": "2026-04-01T00:00:00Z"})
    control.post("/chargemonk/subscriptions/mill/reactivate")
    told = control.get("/chargemonk/subscriptions/mill/timeline").json()
    assert told["subscription"] == "mill"
    assert [
        (entry["at"][:10], entry["kind"], entry["actor"], entry["invoice"], entry["amount"], entry["note"])
        for entry in told["timeline"]
    ] == [
        ("2026-01-01", "newSubscription", "operator", None, None, "MONTHLY"),
        ("2026-01-01", "addOnAdded", "operator", None, None, "SETUP: 3 cycles left"),
        ("2026-01-01", "invoice", "operator", 1, "300.00", "MONTHLY, SETUP"),
        ("2026-01-01", "cycleCharged", "operator", None, None, "SETUP: 2 cycles left"),
        ("2026-02-01", "renewed", "system", None, None, "MONTHLY"),
        ("2026-02-01", "invoice", "system", 2, "300.00", "MONTHLY, SETUP"),
        ("2026-02-01", "cycleCharged", "system", None, None, "SETUP: 1 cycle left"),
        ("2026-02-01", "addOnAdded", "operator", None, None, "VISIT: charged once"),
        ("2026-02-01", "invoice", "operator", 3, "80.00", "VISIT"),
        ("2026-02-01", "subscriptionCanceled", "operator", None, None, ""),
        ("2026-04-01", "subscriptionReactivated", "operator", None, None, "after its term"),
        ("2026-04-01", "cyclesReset", "operator", None, None, "SETUP: forever"),
        ("2026-04-01", "invoice", "operator", 4, "300.00", "MONTHLY, SETUP"),
        ("2026-04-01", "cycleCharged", "operator", None, None, "SETUP: forever"),
    ]


def test_advancing_counts_what_happened(control: httpx.Client) -> None:
    control.post("/chargemonk/subscriptions", json=MILL)
    events = control.post("/clock", json={"advance": "3mo"}).json()["events"]
    assert (events["renewed"], events["invoice"], events["addOnEnded"]) == (3, 3, 1)


@pytest.mark.parametrize("verb", ["get", "post"])
@pytest.mark.parametrize("more", ["", "/timeline", "/cancel", "/reactivate", "/term"])
def test_who_is_not_there_is_not_found(control: httpx.Client, verb: str, more: str) -> None:
    path = f"/chargemonk/subscriptions/nobody{more}"
    if (verb, more) not in (("get", "/cancel"), ("get", "/reactivate"), ("get", "/term"), ("post", "")):
        answer = control.request(verb, path)
        assert error(answer, 404) == "there is no subscription 'nobody'"


def test_what_can_not_be_done_is_not_found(control: httpx.Client) -> None:
    control.post("/chargemonk/subscriptions", json=MILL)
    said = error(control.post("/chargemonk/subscriptions/mill/explode"), 404)
    assert said == "one of add-ons, cycles, term, cancel, reactivate, charges, advance-invoice is expected"


@pytest.mark.parametrize(
    ("path", "wish", "why"),
    [
        ("", {}, "planCode: a value is required"),
        ("", {"id": "x", "planCode": "NONE"}, "planCode: there is no plan 'NONE'"),
        ("", {"planCode": "MONTHLY"}, "id: a value is required"),
        ("", {"id": "x y", "planCode": "MONTHLY"}, "id: 'x y' is not 1 to 50 letters"),
        ("", {"id": "ü", "planCode": "MONTHLY"}, "id: 'ü' is not 1 to 50 letters"),
        ("", {"id": "x" * 51, "planCode": "MONTHLY"}, "is not 1 to 50 letters"),
        ("", {"id": "x", "planCode": "MONTHLY", "when": "now"}, "when: unknown"),
        ("", {"id": "x", "planCode": "MONTHLY", "addOns": {}}, "addOns: expected a list"),
        ("", {"id": "x", "planCode": "MONTHLY", "addOns": [{"code": "NO"}]}, "addOns[0].code: there is no"),
        (
            "",
            {"id": "x", "planCode": "MONTHLY", "addOns": [{"code": "SETUP"}, {"code": "SETUP"}]},
            "addOns[1].code: 'SETUP' is listed twice",
        ),
        (
            "",
            {"id": "x", "planCode": "MONTHLY", "addOns": [{"code": "SETUP", "billingCycles": 1.5}]},
            "addOns[0].billingCycles: Decimal('1.5') is not a whole number",
        ),
        (
            "",
            {"id": "x", "planCode": "MONTHLY", "addOns": [{"code": "VISIT", "billingCycles": 2}]},
            "addOns: the add-on VISIT does not recur",
        ),
        ("/mill/add-ons", {"code": "SETUP"}, "mill already has SETUP: set its billing cycles instead"),
        ("/mill/add-ons", {"code": "NO"}, "code: there is no add-on 'NO'"),
        ("/mill/cycles", {"code": "SETUP"}, "billingCycles: a number is required, or null for forever"),
        ("/mill/cycles", {"code": "CARE", "billingCycles": 1}, "mill has no add-on 'CARE'"),
        ("/mill/cycles", {"code": "SETUP", "billingCycles": True}, "True is not a whole number"),
        ("/mill/cycles", {"code": "SETUP", "billingCycles": 1001}, "is not a whole number from 0 to 1000"),
        (
            "/mill/term",
            {"planCode": "MONTHLY"},
            "the plan MONTHLY is already the next plan",
        ),
        (
            "/mill/term",
            {"planCode": "HALF", "addOns": [{"code": "CARE", "billingCycles": 1}]},
            "mill has no add-on 'CARE'",
        ),
        ("/mill/advance-invoice", {"terms": -1}, "terms: -1 is not a whole number"),
        ("/mill/advance-invoice", {"cycles": 2}, "cycles: unknown"),
        ("/mill/reactivate", {}, "mill is not canceled"),
    ],
)
def test_a_wrong_wish_is_explained_and_changes_nothing(
    control: httpx.Client, path: str, wish: Any, why: str
) -> None:
    control.post("/chargemonk/subscriptions", json=MILL)
    before = control.get("/chargemonk/subscriptions/mill").json()
    assert why in error(control.post(f"/chargemonk/subscriptions{path}", json=wish))
    assert control.get("/chargemonk/subscriptions/mill").json() == before
    assert len(control.get("/chargemonk/subscriptions").json()["subscriptions"]) == 1


@pytest.mark.parametrize(
    ("path", "wish"),
    [
        ("add-ons", {"code": "VISIT"}),
        ("cycles", {"code": "SETUP", "billingCycles": None}),
        ("term", {"planCode": "QUARTERLY"}),
        ("cancel", {}),
        ("advance-invoice", {}),
    ],
)
def test_who_has_canceled_must_come_back_first(control: httpx.Client, path: str, wish: Any) -> None:
    control.post("/chargemonk/subscriptions", json=MILL)
    control.post("/chargemonk/subscriptions/mill/cancel")
    before = control.get("/chargemonk/subscriptions/mill").json()
    said = error(control.post(f"/chargemonk/subscriptions/mill/{path}", json=wish))
    assert said == "mill is canceled: reactivate it first"
    assert control.get("/chargemonk/subscriptions/mill").json() == before


def test_a_term_beyond_the_calendar_is_refused(control: httpx.Client) -> None:
    plans = {"plans": [{"code": "DECADE", "price": "5.00", "termMonths": 120}]}
    assert control.post("/catalog", json={"chargemonk": plans}).status_code == 200
    control.post("/chargemonk/subscriptions", json={"id": "far", "planCode": "DECADE"})
    before = control.get("/chargemonk/subscriptions/far").json()
    said = error(control.post("/chargemonk/subscriptions/far/advance-invoice", json={"terms": 1000}))
    assert said == "no term can end after the year 9999"
    assert control.get("/chargemonk/subscriptions/far").json() == before


def test_who_is_paid_up_to_the_end_of_the_calendar_has_no_next_bill(control: httpx.Client) -> None:
    plans = {"plans": [{"code": "DECADE", "price": "5.00", "termMonths": 120}]}
    assert control.post("/catalog", json={"chargemonk": plans}).status_code == 200
    control.post("/chargemonk/subscriptions", json={"id": "far", "planCode": "DECADE"})
    path = "/chargemonk/subscriptions/far/advance-invoice"
    assert control.post(path, json={"terms": 796}).status_code == 200
    (far,) = control.get("/chargemonk/subscriptions").json()["subscriptions"]
    assert (far["paidUntil"], far["nextBill"]) == ("9996-01-01T00:00:00+00:00", None)
    root = str(control.base_url).removesuffix("/_mock/")
    for page in ("/console/chargemonk", "/console/chargemonk/far"):
        assert control.get(f"{root}{page}").status_code == 200


def test_a_reset_forgets_everything(control: httpx.Client) -> None:
    control.post("/chargemonk/subscriptions", json=MILL)
    control.post("/reset")
    assert control.get("/chargemonk/subscriptions").json() == {"subscriptions": []}
