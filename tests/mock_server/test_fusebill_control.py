"""`/_mock/fusebill` over real HTTP: customers, subscriptions, charges, bills, timelines."""

from collections.abc import Iterator
from typing import Any

import pytest

from tallyhook_mock import serve
from tallyhook_mock.clock import parse_moment

from .fusebill_face import CATALOG, Face


@pytest.fixture
def face() -> Iterator[Face]:
    with serve(CATALOG, start="2026-11-01T00:00:00Z") as server:
        face = Face(server)
        yield face
        face.http.close()


def test_customers_are_made_and_shown(face: Face) -> None:
    ida = face.control("POST", "customers", {"name": "Ida Lamp", "currency": "EUR", "id": 4711})
    assert ida == {"id": 4711, "name": "Ida Lamp", "currency": "EUR", "billingPeriodDefinitions": []}
    assert face.customer() == 4712  # ids are counted on from the highest
    subscription = face.subscribe(4711, "30.00", planName="Glow")
    charge = face.control(
        "POST", f"subscriptions/{subscription['id']}/charges", {"name": "Oil", "amount": 7.77}
    )
    shown, _ = face.control("GET", "customers")["customers"]
    assert shown["billingPeriodDefinitions"] == [
        {
            "id": subscription["billingPeriodDefinitionId"],
            "cycle": "Monthly",
            "numberOfIntervals": 1,
            "invoiceDay": 1,
            "invoiceMonth": None,
            "start": "2026-11-01T00:00:00+00:00",
            "end": "2026-12-01T00:00:00+00:00",
            "days": 30,
            "daysCounted": 31,
            "subscriptions": [
                {
                    "id": subscription["id"],
                    "planCode": "GLOW",
                    "planName": "Glow",
                    "interval": "Monthly",
                    "amount": "30.00",
                    "start": "2026-11-01T00:00:00+00:00",
                    "end": "2026-12-01T00:00:00+00:00",
                    "products": [{"id": 50001, "productCode": "GLOW", "quantity": "1"}],
                    "pendingCharges": [charge],
                }
            ],
        }
    ]


def test_bills_are_shown_newest_first(face: Face) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, "30.00", planName="Glow")
    face.server.advance("1mo")
    shown = face.control("GET", f"customers/{customer}/bills")
    assert [bill["number"] for bill in shown["bills"]] == [2, 1]
    assert shown["bills"][0] == {
        "number": 2,
        "at": "2026-12-01T00:00:00+00:00",
        "currency": "USD",
        "lines": [
            {
                "item": f"subscription {subscription['id']}",
                "description": "Glow",
                "quantity": "1",
                "unitPrice": "30.00",
                "amount": "30.00",
                "start": "2026-12-01T00:00:00+00:00",
                "end": "2027-01-01T00:00:00+00:00",
            }
        ],
        "total": "30.00",
    }


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ({}, "15.00"),  # from the 16th up to the 1st: 15 of 30 days
        ({"prorate": False}, "30.00"),
    ],
)
def test_a_period_that_has_begun_costs_its_part_or_all(face: Face, more: Any, first: str) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    face.server.advance_to("2026-11-16T10:00:00Z")
    face.subscribe(customer, billingPeriodDefinitionId=definition, **more)
    face.server.advance_to("2026-12-01T00:00:00Z")
    assert face.bills(customer)[1:] == [("2026-11-16", [first]), ("2026-12-01", ["30.00", "30.00"])]


def test_the_clock_counts_what_is_billed_and_the_timeline_tells_it(face: Face) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    moved = {"id": definition, "invoiceDay": 6}
    face.api("PUT", "billingPeriodDefinitions", moved)
    assert face.server.advance("2mo")["invoiced"] == 1
    told = face.control("GET", f"customers/{customer}/timeline")["timeline"]
    assert [(entry["kind"], entry["actor"]) for entry in told] == [
        ("customerCreated", "operator"),
        ("periodCreated", "operator"),
        ("subscriptionActivated", "operator"),
        ("invoiced", "operator"),
        ("periodMoved", "api"),
        ("invoiced", "system"),
    ]
    assert told[4]["note"] == "recharge moved from 2026-12-01 to 2026-12-06"
    assert told[5] == {
        "at": "2026-12-06T00:00:00+00:00",
        "kind": "invoiced",
        "actor": "system",
        "invoice": 2,
        "amount": "30.00",
        "item": "",
        "note": "",
    }


@pytest.mark.parametrize(
    ("path", "wish", "status", "complaint"),
    [
        ("customers", {}, 400, "name: a value is required"),
        ("customers", {"name": "Ida", "currency": "usd"}, 400, "currency: 'usd' is not the code"),
        ("customers", {"name": "Ida", "id": 0}, 400, "id: at least 1"),
        ("customers", {"name": "Ida", "id": 1}, 400, "id: 1 is taken"),
        ("customers", {"nam": "Ida"}, 400, "nam: unknown; did you mean 'name'?"),
        ("customers", [], 400, "not a JSON object"),
        ("subscriptions", {"planCode": "GLOW", "amount": 1}, 400, "customerId: a value is required"),
        ("subscriptions", {"customerId": 9, "planCode": "GLOW", "amount": 1}, 404, "customerId: there is"),
        ("subscriptions", {"customerId": 1, "planCode": "GLOW"}, 400, "amount: a value is required"),
        ("subscriptions", {"customerId": 1, "planCode": "GLOW", "amount": "1.001"}, 400, "amount: 1.001"),
        ("subscriptions", {"customerId": 1, "planCode": "GLOW", "amount": -1}, 400, "amount: -1"),
        ("subscriptions", {"customerId": 1, "planCode": "G", "amount": 1, "id": 11}, 400, "11 is taken"),
        (
            "subscriptions",
            {"customerId": 1, "planCode": "GLOW", "amount": 1, "interval": "Weekly"},
            400,
            "interval: 'Weekly' is not one of Monthly, Yearly",
        ),
        (
            "subscriptions",
            {"customerId": 1, "planCode": "GLOW", "amount": 1, "invoiceMonth": 2},
            400,
            "invoiceMonth: only allowed with invoiceDay",
        ),
        (
            "subscriptions",
            {"customerId": 1, "planCode": "GLOW", "amount": 1, "numberOfIntervals": 0},
            400,
            "numberOfIntervals: at least 1",
        ),
        (
            "subscriptions",
            {"customerId": 1, "planCode": "GLOW", "amount": 1, "billingPeriodDefinitionId": 9},
            404,
            "billingPeriodDefinitionId: there is none with the id 9",
        ),
        (
            "subscriptions",
            {"customerId": 1, "planCode": "GLOW", "amount": 1, "billingPeriodDefinitionId": 102},
            400,
            "billingPeriodDefinitionId: 102 belongs to another customer; choose one of customer 1",
        ),
        (
            "subscriptions",
            {
                "customerId": 2,
                "planCode": "GLOW",
                "amount": 1,
                "interval": "Yearly",
                "billingPeriodDefinitionId": 102,
            },
            400,
            "a frequency can't change",
        ),
        (
            "subscriptions",
            {
                "customerId": 2,
                "planCode": "GLOW",
                "amount": 1,
                "invoiceDay": 1,
                "billingPeriodDefinitionId": 102,
            },
            400,
            "invoiceDay: does not go with billingPeriodDefinitionId",
        ),
        ("subscriptions/11/charges", {"amount": 1}, 400, "name: a value is required"),
        ("subscriptions/11/charges", {"name": "Oil"}, 400, "amount: a value is required"),
        ("subscriptions/11/charges", {"name": "Oil", "amount": 1, "when": "later"}, 400, "when: 'later'"),
        ("subscriptions/11/charges", {"name": "Oil", "amount": 1, "prorate": "x"}, 400, "prorate: 'x'"),
        ("subscriptions/99/charges", {"name": "Oil", "amount": 1}, 404, "subscriptionId: there is none"),
        ("dryrun", {"invoiceDay": 6}, 400, "billingPeriodDefinitionId: a value is required"),
        ("dryrun", {"billingPeriodDefinitionId": 9, "invoiceDay": 6}, 404, "there is none with the id 9"),
        ("dryrun", {"billingPeriodDefinitionId": 102}, 400, "invoiceDay: a value is required"),
        ("dryrun", {"billingPeriodDefinitionId": 102, "invoiceDay": 0}, 400, "invoiceDay: from 1 to 31"),
        ("dryrun", {"subscriptionId": 99, "invoiceDay": 6}, 404, "subscriptionId: there is none"),
        ("dryrun", {"subscriptionId": 11}, 400, "invoiceDay: a value is required"),
        (
            "dryrun",
            {"subscriptionId": 11, "billingPeriodDefinitionId": 102},
            400,
            "102 belongs to another customer",
        ),
        (
            "dryrun",
            {"subscriptionId": 11, "billingPeriodDefinitionId": 102, "invoiceDay": 6},
            400,
            "invoiceDay: does not go with",
        ),
    ],
)
def test_a_wrong_wish_is_explained_and_changes_nothing(
    path: str, wish: Any, status: int, complaint: str
) -> None:
    ida = {"id": 1, "name": "Ida", "subscriptions": [{"id": 11, "planCode": "GLOW", "amount": 30}]}
    eve = {"id": 2, "name": "Eve", "subscriptions": [{"id": 21, "planCode": "GLOW", "amount": 30}]}
    with serve({"fusebill": {"customers": [ida, eve]}}) as server:
        face = Face(server)
        before = face.dump()
        answer = face.control("POST", path, wish, status)
        assert list(answer) == ["error"]
        assert complaint in answer["error"]
        assert face.dump() == before
        face.http.close()


@pytest.mark.parametrize("is_cancelled", [False, True])
@pytest.mark.parametrize("wish", [{}, {"invoiceDay": 6}, {"billingPeriodDefinitionId": True}])
def test_a_refused_activation_leaves_nothing_behind(face: Face, wish: Any, is_cancelled: bool) -> None:
    customer = face.customer()
    place = face.subscribe(customer)["billingPeriodDefinitionId"]
    if is_cancelled:
        face.api("POST", "customerCancellation", {"customerId": customer})
    else:
        face.api("POST", f"customerHold/{customer}")
    before = face.dump()
    wish = {"customerId": customer, "planCode": "OIL", "amount": "9.90", **wish}
    if "billingPeriodDefinitionId" in wish:
        wish["billingPeriodDefinitionId"] = place
    said = face.control("POST", "subscriptions", wish, 400)["error"]
    assert f"customer {customer} is {'Cancelled' if is_cancelled else 'Hold'}" in said
    assert face.dump() == before


def test_who_is_not_there_has_no_bills(face: Face) -> None:
    for path in ("customers/9/bills", "customers/9/timeline"):
        assert "customerId" in face.control("GET", path, status=404)["error"]


# -- dry runs


def invoices(shown: list[dict[str, Any]]) -> list[tuple[str, str, int, str]]:
    """First day, day of the invoice, days as the source counts, total."""
    return [(each["periodStart"][:10], each["at"][:10], each["daysCounted"], each["total"]) for each in shown]


def test_a_dry_run_shows_what_a_move_of_the_date_would_do(face: Face) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer)
    face.charge(subscription["id"], "5.00", prorate=False)
    before = face.dump()
    wish = {"billingPeriodDefinitionId": subscription["billingPeriodDefinitionId"], "invoiceDay": 6}
    shown = face.control("POST", "dryrun", wish, 200)
    assert face.dump() == before
    assert invoices(shown["before"]) == [
        ("2026-11-01", "2026-12-01", 31, "35.00"),
        ("2026-12-01", "2027-01-01", 32, "30.00"),
        ("2027-01-01", "2027-02-01", 32, "30.00"),
    ]
    assert invoices(shown["after"]) == [
        ("2026-11-01", "2026-12-06", 36, "35.00"),
        ("2026-12-06", "2027-01-06", 32, "30.00"),
        ("2027-01-06", "2027-02-06", 32, "30.00"),
    ]
    assert [line["description"] for line in shown["after"][0]["lines"]] == ["Oil", "GLOW"]


def test_a_dry_run_shows_what_a_move_of_a_subscription_would_do(face: Face) -> None:
    customer = face.customer()
    stays, moves = face.subscribe(customer), face.subscribe(customer, "9.00", invoiceDay=20)
    before = face.dump()
    wish = {
        "subscriptionId": moves["id"],
        "billingPeriodDefinitionId": stays["billingPeriodDefinitionId"],
    }
    shown = face.control("POST", "dryrun", wish, 200)
    assert invoices(shown["before"])[0] == ("2026-11-01", "2026-11-20", 20, "9.00")
    assert invoices(shown["after"])[0] == ("2026-11-01", "2026-12-01", 31, "39.00")
    shown = face.control("POST", "dryrun", {"subscriptionId": moves["id"], "invoiceDay": 25}, 200)
    assert invoices(shown["after"])[0] == ("2026-11-01", "2026-11-25", 25, "9.00")
    assert face.dump() == before


def test_a_dry_run_of_an_empty_definition_shows_nothing(face: Face) -> None:
    wish = {"customerId": face.customer(), "cycle": "Monthly", "invoiceDay": 6}
    made = face.api("POST", "billingPeriodDefinitions", wish)
    wish = {"billingPeriodDefinitionId": made["id"], "invoiceDay": 7}
    assert face.control("POST", "dryrun", wish, 200) == {"before": [], "after": []}


def test_a_dry_run_shows_the_invoices_that_are_sent_in_advance(face: Face) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
    face.server.advance_to("2026-12-03T00:00:00Z")
    wish = {"billingPeriodDefinitionId": definition, "invoiceDay": 6}
    shown = face.control("POST", "dryrun", wish, 200)
    assert [each["at"][:10] for each in shown["before"]] == ["2026-12-27", "2027-01-27", "2027-02-24"]
    assert [each["at"][:10] for each in shown["after"]] == ["2027-01-01", "2027-02-01", "2027-03-01"]
    assert [each["days"] for each in shown["after"]] == [36, 31, 28]
    known = len(face.bills(customer))
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceDay": 6})
    face.server.advance_to("2027-03-01T00:00:00Z")
    told = [(each["at"][:10], [line["amount"] for line in each["lines"]]) for each in shown["after"]]
    assert face.bills(customer)[known:] == told


@pytest.mark.parametrize("why", ["hold", "quantity", "arrears"])
def test_a_dry_run_of_what_bills_nothing_ends(face: Face, why: str) -> None:
    customer = face.customer()
    timing = {"chargeTiming": "EndOfPeriod"} if why == "arrears" else {}
    subscription = face.subscribe(customer, **timing)
    if why == "hold":
        face.api("POST", f"customerHold/{customer}")
    else:
        change = {"id": subscription["products"][0]["id"], "quantity": 0}
        face.api("PUT", "subscriptionProducts", change)
    wish = {"billingPeriodDefinitionId": subscription["billingPeriodDefinitionId"], "invoiceDay": 6}
    assert face.control("POST", "dryrun", wish, 200) == {"before": [], "after": []}


@pytest.mark.parametrize("id", ["x", "-1", "1.0", "9" * 5000])
def test_what_is_no_id_is_nobodys(face: Face, id: str) -> None:
    assert "error" in face.control("GET", f"customers/{id}/bills", status=404)
    assert "error" in face.control(
        "POST", f"subscriptions/{id}/charges", {"name": "Oil", "amount": "1"}, status=404
    )


@pytest.mark.parametrize("door", ["api", "control", "dryrun"])
def test_what_is_due_is_billed_before_anything_is_changed(face: Face, door: str) -> None:
    """A running clock may be past a recharge that nobody has got round to yet."""
    customer = face.customer()
    subscription = face.subscribe(customer)
    definition = subscription["billingPeriodDefinitionId"]
    face.server.call(lambda: face.server.mock.clock.move(parse_moment("2026-12-01T00:00:01Z")))
    if door == "api":
        moved = face.api("PUT", "billingPeriodDefinitions", {"id": definition, "invoiceDay": 6})
        assert moved["nextRechargeDate"] == "2027-01-06T00:00:00"
    elif door == "control":
        face.charge(subscription["id"], "31.00", "now")
    else:
        wish = {"billingPeriodDefinitionId": definition, "invoiceDay": 6}
        shown = face.control("POST", "dryrun", wish, 200)
        assert invoices(shown["after"])[0] == ("2026-12-01", "2027-01-06", 37, "30.00")
    assert face.bills(customer)[:2] == [("2026-11-01", ["30.00"]), ("2026-12-01", ["30.00"])]
    kinds = [entry["kind"] for entry in face.control("GET", f"customers/{customer}/timeline")["timeline"]]
    assert kinds.count("invoiced") == 2 + (door == "control")


def test_a_dry_run_keeps_the_month_that_is_not_given_as_the_move_does(face: Face) -> None:
    subscription = face.subscribe(face.customer(), "365.00", interval="Yearly")
    definition = subscription["billingPeriodDefinitionId"]
    shown = face.control("POST", "dryrun", {"billingPeriodDefinitionId": definition, "invoiceDay": 6}, 200)
    moved = face.api("PUT", "billingPeriodDefinitions", {"id": definition, "invoiceDay": 6})
    assert shown["after"][0]["at"][:10] == moved["nextRechargeDate"][:10] == "2027-11-06"
