"""Fusebill's API over real HTTP: definitions, and the subscriptions that move between them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Fault, FaultKind, serve

from .fusebill_face import CATALOG, KEY, Face


@pytest.fixture
def face() -> Iterator[Face]:
    with serve(CATALOG, start="2026-11-01T12:30:00Z") as server:
        face = Face(server)
        yield face
        face.http.close()


def ids(definitions: list[dict[str, Any]]) -> list[int]:
    return [definition["id"] for definition in definitions]


def test_a_definition_has_all_its_fields(face: Face) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, "29.90", planCode="GLOW", planName="Glow")
    definition = subscription["billingPeriodDefinitionId"]
    face.charge(subscription["id"], "30.00")
    pending = face.control("GET", "customers")["customers"][0]["billingPeriodDefinitions"][0]
    assert face.api("GET", f"billingPeriodDefinitions/{definition}") == {
        "id": definition,
        "uri": f"https://secure.fusebill.com/v1/billingPeriodDefinitions/{definition}",
        "customerId": customer,
        "cycle": "Monthly",
        "numberOfIntervals": 1,
        "billingPeriodType": "FirstSubscriptionActivation",
        "invoiceDay": 1,
        "invoiceWeekday": None,
        "invoiceMonth": None,
        "currentBillingPeriodStartDate": "2026-11-01T00:00:00",
        "currentBillingPeriodEndDate": "2026-12-01T00:00:00",
        "nextRechargeDate": "2026-12-01T00:00:00",
        "numberOfBillingPeriods": 1,
        "invoiceInAdvance": 0,
        "manuallyCreated": False,
        "paymentMethodId": None,
        "autoCollect": None,
        "autoPost": None,
        "term": "",
        "poNumber": None,
        "quickBooksLocationId": None,
        "paymentSchedules": [],
        "createdDate": "2026-11-01T12:30:00",
        "subscriptions": {
            "results": [
                {
                    "id": subscription["id"],
                    "uri": f"https://secure.fusebill.com/v1/subscriptions/{subscription['id']}",
                    "planCode": "GLOW",
                    "planName": "Glow",
                    "status": "Active",
                    "interval": "Monthly",
                    "amount": 29.90,
                    "activatedTimestamp": "2026-11-01T12:30:00",
                    "pendingCharges": [
                        {
                            "id": pending["subscriptions"][0]["pendingCharges"][0]["id"],
                            "name": "Oil",
                            "amount": 30.00,
                            "createdDate": "2026-11-01T12:30:00",
                            "startDate": "2026-11-01T00:00:00",
                            "endDate": "2026-12-01T00:00:00",
                        }
                    ],
                }
            ]
        },
    }


def test_amounts_are_exact_numbers(face: Face) -> None:
    subscription = face.subscribe(face.customer(), "29.90")
    path = f"/v1/billingPeriodDefinitions/{subscription['billingPeriodDefinitionId']}"
    assert '"amount":29.90,' in face.http.get(path, headers={"Authorization": f"Basic {KEY}"}).text


def test_a_customer_has_its_own_definitions(face: Face) -> None:
    ida, eve = face.customer(), face.customer("Eve Torch")
    first = face.subscribe(ida)["billingPeriodDefinitionId"]
    second = face.subscribe(ida, interval="Yearly")["billingPeriodDefinitionId"]
    third = face.subscribe(eve)["billingPeriodDefinitionId"]
    assert ids(face.api("GET", f"customers/{ida}/billingPeriodDefinitions")) == [first, second]
    assert ids(face.api("GET", f"customers/{eve}/billingPeriodDefinitions")) == [third]


def test_subscriptions_of_one_date_share_a_definition(face: Face) -> None:
    customer = face.customer()
    one, two = face.subscribe(customer), face.subscribe(customer, "9.99")
    assert one["billingPeriodDefinitionId"] == two["billingPeriodDefinitionId"]
    face.server.advance_to("2026-12-01T00:00:00Z")
    assert face.bills(customer)[2:] == [("2026-12-01", ["30.00", "9.99"])]
    found = face.api("GET", f"billingPeriodDefinitions/GetBySubscription/{two['id']}")
    assert ids(found["subscriptions"]["results"]) == [one["id"], two["id"]]


def test_capitals_make_no_difference_to_paths(face: Face) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer)
    for path in (
        f"Customers/{customer}/BILLINGPERIODDEFINITIONS",
        f"billingperioddefinitions/{subscription['billingPeriodDefinitionId']}",
        f"BillingPeriodDefinitions/getBySubscription/{subscription['id']}/",
    ):
        face.api("GET", path)
    moved = face.http.put(
        f"/V1/Subscriptions/{subscription['id']}/BillingPeriodDefinition",
        json={"invoiceDay": 6},
        headers={"Authorization": f"basic {KEY}"},
    )
    assert moved.json()["invoiceDay"] == 6


def test_a_new_definition_does_nothing_until_a_subscription_is_in_it(face: Face) -> None:
    customer = face.customer()
    made = face.api(
        "POST",
        "billingPeriodDefinitions",
        {
            "customerId": customer,
            "cycle": "Monthly",
            "numberOfIntervals": 1,
            "billingPeriodType": "SpecifiedDate",
            "invoiceDay": 15,
            "invoiceInAdvance": 0,
            "autoCollect": False,
            "autoPost": False,
            "term": "Net30",
            "poNumber": "PO 7",
            "paymentMethodId": 12,
        },
    )
    kept = ("autoCollect", "autoPost", "term", "poNumber", "paymentMethodId", "manuallyCreated")
    assert [made[name] for name in kept] == [False, False, "Net30", "PO 7", 12, True]
    assert made["currentBillingPeriodStartDate"] == "2026-11-01T00:00:00"
    assert made["nextRechargeDate"] == "2026-11-15T00:00:00"
    face.server.advance_to("2027-01-20T00:00:00Z")
    now = face.api("GET", f"billingPeriodDefinitions/{made['id']}")
    assert now["currentBillingPeriodStartDate"] == "2027-01-15T00:00:00"
    assert now["nextRechargeDate"] == "2027-02-15T00:00:00"
    assert now["numberOfBillingPeriods"] == 4
    assert face.bills(customer) == []


@pytest.mark.parametrize(
    ("kind", "day", "month"),
    [("CustomerActivation", 1, 11), ("FirstSubscriptionActivation", 15, 11)],
)
def test_the_date_may_be_that_of_an_activation(face: Face, kind: str, day: int, month: int) -> None:
    customer = face.customer()
    face.server.advance_to("2026-11-15T00:00:00Z")
    face.subscribe(customer)
    face.server.advance_to("2026-11-20T00:00:00Z")
    wish = {"customerId": customer, "cycle": "Yearly", "billingPeriodType": kind}
    made = face.api("POST", "billingPeriodDefinitions", wish)
    assert (made["invoiceDay"], made["invoiceMonth"], made["billingPeriodType"]) == (day, month, kind)
    assert made["nextRechargeDate"] == f"2027-{month}-{day:02}T00:00:00"


def test_an_answer_can_be_sent_back_with_a_change(face: Face) -> None:
    subscription = face.subscribe(face.customer(), interval="Yearly")
    path = f"billingPeriodDefinitions/{subscription['billingPeriodDefinitionId']}"
    whole = face.api("GET", path)
    assert face.api("PUT", "billingPeriodDefinitions", whole) == whole
    moved = face.api("PUT", "billingPeriodDefinitions", {**whole, "invoiceMonth": 12, "poNumber": "PO 8"})
    assert moved == {
        **whole,
        "invoiceMonth": 12,
        "poNumber": "PO 8",
        "billingPeriodType": "SpecifiedDate",
        "currentBillingPeriodEndDate": "2027-12-01T00:00:00",
        "nextRechargeDate": "2027-12-01T00:00:00",
    }
    assert (
        face.api("PUT", "billingPeriodDefinitions", {"id": whole["id"], "poNumber": None})["poNumber"] is None
    )
    assert face.api("GET", path)["invoiceMonth"] == 12


def test_in_arrears_a_period_is_billed_when_it_is_over(face: Face) -> None:
    customer = face.customer()
    wish = {"customerId": customer, "interval": "Monthly", "invoiceDay": 16}
    definition = face.api("POST", "billingPeriodDefinitions", wish)["id"]
    face.subscribe(customer, "31.00", billingPeriodDefinitionId=definition, chargeTiming="EndOfPeriod")
    assert face.bills(customer) == []
    face.server.advance_to("2026-12-16T00:00:00Z")
    # From November 1 to 16 are 15 of the 31 days that the period has when it is whole.
    assert face.bills(customer) == [("2026-11-16", ["15.00"]), ("2026-12-16", ["31.00"])]


def test_a_period_may_be_invoiced_some_days_ahead(face: Face) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
    face.server.advance_to("2027-01-31T00:00:00Z")
    # A change counts from the recharge after it on.
    assert [day for day, _ in face.bills(customer)] == [
        "2026-11-01",
        "2026-12-01",
        "2026-12-27",
        "2027-01-27",
    ]
    (newest, *_) = face.control("GET", f"customers/{customer}/bills")["bills"]
    assert newest["lines"][0]["start"][:10] == "2027-02-01"


@pytest.mark.parametrize("days", [0, 3, 20])
def test_a_change_of_the_days_in_advance_counts_from_the_recharge_after_it_on(face: Face, days: int) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
    face.server.advance_to("2026-12-24T00:00:00Z")
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": days})
    face.server.advance_to("2027-02-02T00:00:00Z")
    following = {0: "2027-02-01", 3: "2027-01-29", 20: "2027-01-12"}[days]
    assert [day for day, _ in face.bills(customer)][2:] == ["2026-12-27", following]


def test_a_move_does_not_date_an_invoice_in_advance_back(face: Face) -> None:
    customer = face.customer()
    first = face.subscribe(customer, "30.00", invoiceDay=30)
    definition = first["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
    face.server.advance_to("2026-12-20T09:00:00Z")
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceDay": 22})
    before = face.bills(customer)[:2]
    face.api("PUT", "subscriptionProducts", {"id": first["products"][0]["id"], "quantity": 2})
    face.server.advance_to("2027-01-02T00:00:00Z")
    # Five days before the 22nd were over, so the period is invoiced now; the other unit, when it begins.
    assert face.bills(customer) == [
        *before,
        ("2026-12-20", ["30.00"]),
        ("2026-12-20", ["2.00"]),
        ("2026-12-22", ["30.00"]),
    ]


def invoiced_ahead(face: Face, **wish: Any) -> tuple[int, dict[str, Any]]:
    """A customer, and its subscription whose January is invoiced on December 27, which is today."""
    customer = face.customer()
    subscription = face.subscribe(customer, **wish)
    definition = subscription["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
    face.server.advance_to("2026-12-27T00:00:00Z")
    return customer, subscription


def test_what_is_added_after_an_invoice_in_advance_is_billed_when_the_period_begins(face: Face) -> None:
    customer, first = invoiced_ahead(face)
    definition = first["billingPeriodDefinitionId"]
    face.subscribe(customer, "31.00", billingPeriodDefinitionId=definition)
    product = first["products"][0]["id"]
    face.api("PUT", "subscriptionProducts", {"id": product, "quantity": 3})
    other = face.subscribe(customer, "8.00", invoiceDay=20)
    path = f"subscriptions/{other['id']}/billingPeriodDefinition"
    face.api("PUT", path, {"billingPeriodDefinitionId": definition})
    before = face.bills(customer)
    face.server.advance_to("2027-01-20T00:00:00Z")
    assert face.bills(customer) == [*before, ("2027-01-01", ["60.00", "31.00", "8.00"])]
    face.server.advance_to("2027-01-31T00:00:00Z")
    assert face.bills(customer)[-1] == ("2027-01-27", ["90.00", "31.00", "8.00"])


def test_a_subscription_that_moves_after_its_invoice_in_advance_is_not_billed_again(face: Face) -> None:
    customer, subscription = invoiced_ahead(face)
    before = face.bills(customer)
    face.api("PUT", f"subscriptions/{subscription['id']}/billingPeriodDefinition", {"invoiceDay": 10})
    face.server.advance_to("2027-02-09T00:00:00Z")
    assert face.bills(customer) == before
    face.server.advance_to("2027-02-10T00:00:00Z")
    assert face.bills(customer) == [*before, ("2027-02-10", ["30.00"])]


@pytest.mark.parametrize("day", [10, 31])
@pytest.mark.parametrize("how", ["date", "new", "existing"])
def test_the_days_of_an_invoice_in_advance_follow_a_move(face: Face, how: str, day: int) -> None:
    customer, subscription = invoiced_ahead(face)
    definition, own = subscription["billingPeriodDefinitionId"], f"subscription {subscription['id']}"
    path = f"subscriptions/{subscription['id']}/billingPeriodDefinition"
    if how == "date":
        face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceDay": day})
    elif how == "new":
        face.api("PUT", path, {"invoiceDay": day})
    else:
        new = {"customerId": customer, "interval": "Monthly", "invoiceDay": day}
        place = face.api("POST", "billingPeriodDefinitions", new)["id"]
        face.api("PUT", path, {"billingPeriodDefinitionId": place})
    face.server.advance_to("2027-03-31T00:00:00Z")
    spans = [
        (line["start"][:10], line["end"][:10])
        for bill in reversed(face.control("GET", f"customers/{customer}/bills")["bills"])
        for line in bill["lines"]
        if line["item"] == own
    ]
    assert [start for start, _ in spans[1:]] == [end for _, end in spans[:-1]]


def test_a_customer_on_hold_on_the_day_of_an_invoice_in_advance_is_billed_at_the_recharge(face: Face) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    face.api("PUT", f"billingPeriodDefinitions/{definition}", {"invoiceInAdvance": 5})
    face.server.advance_to("2026-12-26T00:00:00Z")
    face.api("POST", f"customerHold/{customer}")
    face.server.advance_to("2026-12-28T00:00:00Z")
    face.api("POST", "customers/unhold", {"customerId": customer})
    face.server.advance_to("2027-01-02T00:00:00Z")
    assert [day for day, _ in face.bills(customer)] == ["2026-11-01", "2026-12-01", "2027-01-01"]


@pytest.mark.parametrize("reset", ["StartOfPeriod", "EndOfPeriod"])
def test_an_invoice_in_advance_has_the_quantity_after_the_reset(reset: str) -> None:
    seats = {"code": "SEATS", "price": "2.00", "quantity": 1, "quantityReset": reset}
    offered = {**CATALOG["fusebill"], "plans": [{"code": "DESK", "products": [seats]}]}
    with serve({**CATALOG, "fusebill": offered}, start="2026-11-01T00:00:00Z") as server:
        face = Face(server)
        customer = face.customer()
        made = face.control("POST", "subscriptions", {"customerId": customer, "planCode": "DESK"})
        path = f"billingPeriodDefinitions/{made['billingPeriodDefinitionId']}"
        face.api("PUT", path, {"invoiceInAdvance": 5})
        server.advance_to("2026-12-20T00:00:00Z")
        face.api("PUT", "subscriptionProducts", {"id": made["products"][0]["id"], "quantity": 10})
        server.advance_to("2027-01-02T00:00:00Z")
        assert face.bills(customer)[-1] == ("2026-12-27", ["2.00"])
        face.http.close()


def test_a_subscription_moves_to_a_definition_that_is_there(face: Face) -> None:
    customer = face.customer()
    stays, moves = face.subscribe(customer), face.subscribe(customer, "9.99", invoiceDay=20)
    target = stays["billingPeriodDefinitionId"]
    begun = face.bills(customer)
    face.charge(moves["id"], "31.00")  # 19 days of 31 up to the 20th
    path = f"subscriptions/{moves['id']}/billingPeriodDefinition"
    for _ in range(2):  # where it is already, it stays
        moved = face.api("PUT", path, {"billingPeriodDefinitionId": target})
        assert moved["id"] == target
        assert ids(moved["subscriptions"]["results"]) == [stays["id"], moves["id"]]
    left = face.api("GET", f"billingPeriodDefinitions/{moves['billingPeriodDefinitionId']}")
    assert left["subscriptions"]["results"] == []
    face.server.advance_to("2026-12-25T00:00:00Z")
    assert face.bills(customer) == [*begun, ("2026-12-01", ["19.00", "30.00", "9.99"])]


def test_a_subscription_moves_to_a_new_definition(face: Face) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, interval="Yearly")
    path = f"subscriptions/{subscription['id']}/billingPeriodDefinition"
    made = face.api("PUT", path, {"invoiceDay": 6, "invoiceMonth": 3})
    assert made["id"] != subscription["billingPeriodDefinitionId"]
    assert (made["cycle"], made["nextRechargeDate"]) == ("Yearly", "2027-03-06T00:00:00")
    face.server.advance_to("2028-03-05T00:00:00Z")
    assert face.bills(customer) == [("2026-11-01", ["30.00"]), ("2027-03-06", ["30.00"])]


def test_the_line_of_a_period_is_for_all_of_its_days(face: Face) -> None:
    customer = face.customer()
    definition = face.subscribe(customer)["billingPeriodDefinitionId"]
    face.api("PUT", "billingPeriodDefinitions", {"id": definition, "invoiceDay": 6})
    face.server.advance_to("2026-12-06T00:00:00Z")
    newer, older = face.control("GET", f"customers/{customer}/bills")["bills"]
    assert [(line["start"][:10], line["end"][:10]) for line in (*older["lines"], *newer["lines"])] == [
        ("2026-11-01", "2026-12-06"),
        ("2026-12-06", "2027-01-06"),
    ]


def test_an_empty_definition_is_deleted_for_good(face: Face) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer)
    definition = subscription["billingPeriodDefinitionId"]
    path = f"subscriptions/{subscription['id']}/billingPeriodDefinition"
    other = face.api("PUT", path, {"invoiceDay": 6})["id"]
    assert face.api("DELETE", f"billingPeriodDefinitions/{definition}", status=204) is None
    assert face.refused("GET", f"billingPeriodDefinitions/{definition}", None, 404)
    assert ids(face.api("GET", f"customers/{customer}/billingPeriodDefinitions")) == [other]
    face.server.advance_to("2026-12-06T00:00:00Z")
    assert [day for day, _ in face.bills(customer)] == ["2026-11-01", "2026-12-06"]


def test_faults_strike_calls_and_know_the_customer(face: Face) -> None:
    ida, eve = face.customer(), face.customer("Eve Torch")
    of_ida, of_eve = face.subscribe(ida), face.subscribe(eve)
    action = "billingPeriodDefinitions/edit"
    fault = face.server.fault(Fault(FaultKind.ERROR, action=action, customer=str(ida), retry_after=3))
    face.api("PUT", "billingPeriodDefinitions", {"id": of_eve["billingPeriodDefinitionId"], "invoiceDay": 9})
    wish = {"id": of_ida["billingPeriodDefinitionId"], "invoiceDay": 9}
    answer = face.http.put(
        "/v1/billingPeriodDefinitions", json=wish, headers={"Authorization": f"Basic {KEY}"}
    )
    assert (answer.status_code, answer.headers["Retry-After"], fault.struck) == (503, "3", 1)
    assert answer.json()["HttpStatusCode"] == 503
    kinds = [entry["kind"] for entry in face.control("GET", f"customers/{ida}/timeline")["timeline"]]
    assert kinds[-1] == "fault"
    lost = face.server.fault(Fault(FaultKind.DROP_AFTER, action="subscriptions/move", customer=str(ida)))
    with pytest.raises(httpx.RemoteProtocolError):
        face.api("PUT", f"subscriptions/{of_ida['id']}/billingPeriodDefinition", {"invoiceDay": 7})
    assert lost.struck == 1
    found = face.api("GET", f"billingPeriodDefinitions/GetBySubscription/{of_ida['id']}")
    assert found["invoiceDay"] == 7  # it was carried out
