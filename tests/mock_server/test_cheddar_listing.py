"""The list of customers: filters, search and order."""

from datetime import timedelta

import pytest

from .cheddar_face import DAY, NEW, Face


@pytest.fixture
def fleet() -> Face:
    face = Face()
    people = [
        ("Ada", "Young", "Zeta", "QUAY"),
        ("Bo", "adams", "yonder", "JETTY"),
        ("Cy", "Adams", "Xeno", "BUOY"),
    ]
    for number, (first, last, company, plan) in enumerate(people):
        fields = {**NEW, "code": first, "firstName": first, "lastName": last, "company": company}
        face.post("customers/new", {**fields, "subscription[planCode]": plan})
        face.now += DAY + timedelta(hours=number)
    face.on("customers/cancel", "Cy")
    return face


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["Bo", "Cy", "Ada"]),
        ({"orderBy": "name", "orderByDirection": "desc"}, ["Ada", "Cy", "Bo"]),
        ({"orderBy": "company"}, ["Cy", "Bo", "Ada"]),
        ({"orderBy": "plan"}, ["Cy", "Bo", "Ada"]),
        ({"orderBy": "createdDatetime"}, ["Ada", "Bo", "Cy"]),
        ({"orderBy": "createdDatetime", "orderByDirection": "desc"}, ["Cy", "Bo", "Ada"]),
        ({"orderBy": "billingDatetime"}, ["Ada", "Bo", "Cy"]),
        ({"subscriptionStatus": "activeOnly"}, ["Bo", "Ada"]),
        ({"subscriptionStatus": "canceledOnly"}, ["Cy"]),
        ({"planCode": "QUAY"}, ["Ada"]),
        ({"planCode[0]": "QUAY", "planCode[1]": "BUOY"}, ["Cy", "Ada"]),
        ({"planCode": ""}, ["Bo", "Cy", "Ada"]),
        ({"createdAfterDate": "2026-03-02"}, ["Bo", "Cy"]),
        ({"createdBeforeDate": "2026-03-02"}, ["Bo", "Ada"]),
        ({"createdAfterDate": "2026-03-02", "createdBeforeDate": "2026-03-02"}, ["Bo"]),
        ({"canceledAfterDate": "2026-03-04"}, ["Cy"]),
        ({"canceledBeforeDate": "2026-03-04"}, ["Cy"]),
        ({"transactedAfterDate": "2026-03-02", "subscriptionStatus": "activeOnly"}, ["Bo"]),
        ({"transactedBeforeDate": "2026-03-01"}, ["Ada"]),
        ({"search": "ADAMS"}, ["Bo", "Cy"]),
        ({"search": "bo adams"}, ["Bo"]),
        ({"search": "xen"}, ["Cy"]),
        ({"search": "harbour.example"}, ["Bo", "Cy", "Ada"]),
        ({"search": "1111"}, ["Bo", "Cy", "Ada"]),
    ],
)
def test_filters_and_order(fleet: Face, filters: dict[str, str], expected: list[str]) -> None:
    assert fleet.post("customers/get", filters).texts("//customer/@code") == expected
    assert fleet.get("customers/get/productCode/HARBOUR", filters).texts("//customer/@code") == expected


def test_a_plan_filter_can_be_repeated(fleet: Face) -> None:
    form = b"productCode=HARBOUR&planCode[]=QUAY&planCode[]=BUOY"
    assert fleet.send(b"/xml/customers/get", form=form).texts("//customer/@code") == ["Cy", "Ada"]
