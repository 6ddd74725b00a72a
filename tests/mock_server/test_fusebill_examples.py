"""The money rules of the source, each through the wire, for monthly and yearly periods."""

from collections.abc import Iterator
from typing import Any

import pytest

from tallyhook_mock import serve

from .fusebill_face import CATALOG, Face


@pytest.fixture(params=["Monthly", "Yearly"])
def interval(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def face(interval: str) -> Iterator[Face]:
    """On November 1 or, with yearly periods, eleven months before that: the same December ends both."""
    start = "2026-11-01T00:00:00Z" if interval == "Monthly" else "2025-12-01T00:00:00Z"
    with serve(CATALOG, start=start) as server:
        face = Face(server)
        yield face
        face.http.close()


def date(interval: str, day: int) -> dict[str, int]:
    return {"invoiceDay": day} if interval == "Monthly" else {"invoiceDay": day, "invoiceMonth": 12}


def period(definition: dict[str, Any]) -> tuple[str, str]:
    """First day and day of the recharge, which is the last one as the source counts."""
    assert definition["currentBillingPeriodEndDate"] == definition["nextRechargeDate"]
    return definition["currentBillingPeriodStartDate"][:10], definition["nextRechargeDate"][:10]


def days_counted(face: Face) -> int:
    (customer,) = face.control("GET", "customers")["customers"]
    (definition,) = customer["billingPeriodDefinitions"]
    assert definition["daysCounted"] == definition["days"] + 1
    return int(definition["daysCounted"])


def test_a_charge_prorates_to_the_date_as_it_was_when_it_was_added(face: Face, interval: str) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, "30.00", interval=interval)
    first = face.bills(customer)
    face.server.advance_to("2026-11-15T00:00:00Z")
    length = 30 if interval == "Monthly" else 365
    face.charge(subscription["id"], f"{length}.00")  # 1.00 a day, of which 16 are left: 15 to 30
    definition = subscription["billingPeriodDefinitionId"]
    face.server.advance_to("2026-11-20T00:00:00Z")
    moved = face.api("PUT", "billingPeriodDefinitions", {"id": definition, **date(interval, 6)})
    assert period(moved)[1] == "2026-12-06"
    assert moved["subscriptions"]["results"][0]["pendingCharges"][0]["amount"] == 16
    face.server.advance_to("2026-12-05T23:59:59Z")
    assert face.bills(customer) == first
    face.server.advance_to("2026-12-06T00:00:00Z")
    assert face.bills(customer) == [*first, ("2026-12-06", ["16.00", "30.00"])]


def test_from_the_1st_to_the_6th_is_longer_and_costs_nothing(face: Face, interval: str) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, "30.00", interval=interval)
    begun = "2026-11-01" if interval == "Monthly" else "2025-12-01"
    face.server.advance_to("2026-11-20T00:00:00Z")
    unmoved = days_counted(face)
    definition = subscription["billingPeriodDefinitionId"]
    moved = face.api("PUT", "billingPeriodDefinitions", {"id": definition, **date(interval, 6)})
    assert period(moved) == (begun, "2026-12-06")
    assert days_counted(face) == unmoved + 5
    if interval == "Monthly":
        assert days_counted(face) == 36  # for a month of 30 days: its first day and its last are counted
    face.server.advance_to("2026-12-31T00:00:00Z")
    assert face.bills(customer) == [(begun, ["30.00"]), ("2026-12-06", ["30.00"])]
    following = face.api("GET", f"billingPeriodDefinitions/{definition}")
    assert period(following) == ("2026-12-06", "2027-01-06" if interval == "Monthly" else "2027-12-06")


def test_from_the_30th_to_the_22nd_is_shorter_and_gives_nothing_back(interval: str) -> None:
    begun = "2026-10-30" if interval == "Monthly" else "2025-11-30"
    month = {} if interval == "Monthly" else {"invoiceMonth": 11}
    with serve(CATALOG, start=f"{begun}T00:00:00Z") as server:
        face = Face(server)
        customer = face.customer()
        subscription = face.subscribe(customer, "30.00", interval=interval, invoiceDay=30, **month)
        server.advance_to("2026-11-20T00:00:00Z")
        unmoved = days_counted(face)
        wish = {"id": subscription["billingPeriodDefinitionId"], "invoiceDay": 22}
        assert period(face.api("PUT", "billingPeriodDefinitions", wish)) == (begun, "2026-11-22")
        assert days_counted(face) == unmoved - 8
        server.advance_to("2026-11-30T00:00:00Z")
        assert face.bills(customer) == [(begun, ["30.00"]), ("2026-11-22", ["30.00"])]
        face.http.close()


def test_a_charge_that_is_added_after_the_move_prorates_to_the_new_date(face: Face, interval: str) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, "30.00", interval=interval)
    definition = subscription["billingPeriodDefinitionId"]
    face.server.advance_to("2026-11-15T00:00:00Z")
    face.api("PUT", "billingPeriodDefinitions", {"id": definition, **date(interval, 6)})
    length = 30 if interval == "Monthly" else 365
    assert face.charge(subscription["id"], f"{length}.00") == "21.00"  # 16 days, and the 5 more
    assert face.charge(subscription["id"], f"{length}.00", when="now") == "21.00"
    assert face.bills(customer)[-1] == ("2026-11-15", ["21.00"])
    face.server.advance_to("2026-12-31T00:00:00Z")
    assert face.bills(customer)[2:] == [("2026-12-06", ["21.00", "30.00"])]


def test_a_charge_that_does_not_prorate_is_billed_whole(face: Face, interval: str) -> None:
    customer = face.customer()
    subscription = face.subscribe(customer, "30.00", interval=interval)
    face.server.advance_to("2026-11-15T00:00:00Z")
    assert face.charge(subscription["id"], "7.77", prorate=False) == "7.77"
    assert face.charge(subscription["id"], "1.11", prorate=False, when="now") == "1.11"
    face.server.advance_to("2026-12-02T00:00:00Z")
    assert face.bills(customer)[1:] == [("2026-11-15", ["1.11"]), ("2026-12-01", ["7.77", "30.00"])]


def test_a_date_that_is_past_is_that_of_the_next_month_or_year(face: Face, interval: str) -> None:
    subscription = face.subscribe(face.customer(), "30.00", interval=interval, **date(interval, 30))
    definition = subscription["billingPeriodDefinitionId"]
    face.server.advance_to("2026-12-25T00:00:00Z")
    moved = face.api("PUT", "billingPeriodDefinitions", {"id": definition, **date(interval, 22)})
    assert period(moved)[1] == ("2027-01-22" if interval == "Monthly" else "2027-12-22")


def test_a_short_month_bills_on_its_last_day_and_the_31st_comes_back() -> None:
    with serve(CATALOG, start="2027-01-31T00:00:00Z") as server:
        face = Face(server)
        customer = face.customer()
        face.subscribe(customer, "30.00")
        server.advance_to("2027-05-31T00:00:00Z")
        billed = [day for day, _ in face.bills(customer)]
        assert billed == ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]
        face.http.close()


def test_february_29_comes_back_in_leap_years() -> None:
    with serve(CATALOG, start="2028-02-29T10:00:00Z") as server:
        face = Face(server)
        customer = face.customer()
        face.subscribe(customer, "300.00", interval="Yearly")
        server.advance_to("2032-03-01T00:00:00Z")
        billed = [day for day, _ in face.bills(customer)]
        assert billed == ["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]
        face.http.close()
