"""The section `[fusebill]` of a catalogue."""

from typing import Any

import pytest

from tallyhook_mock import CatalogError, serve

from .fusebill_face import Face


def customers(*given: dict[str, Any]) -> dict[str, Any]:
    return {"fusebill": {"customers": list(given)}}


def test_without_a_section_there_is_one_key_and_nobody() -> None:
    with serve() as server:
        face = Face(server)
        assert face.control("GET", "customers") == {"customers": []}
        answer = face.http.get(
            "/v1/billingPeriodDefinitions/1", headers={"Authorization": "Basic fusebill-key"}
        )
        assert answer.status_code == 404
        face.http.close()


def test_keys_replace_the_default_one() -> None:
    with serve({"fusebill": {"apiKeys": ["first", "second"]}}) as server:
        face = Face(server)
        for key, status in (("first", 404), ("second", 404), ("fusebill-key", 401)):
            headers = {"Authorization": f"Basic {key}"}
            assert face.http.get("/v1/billingPeriodDefinitions/1", headers=headers).status_code == status
        face.http.close()


def test_who_came_earlier_is_billed_for_it() -> None:
    subscriptions = [
        {"id": 7, "planCode": "GLOW", "amount": "30.00", "invoiceDay": 15},
        {"id": 8, "planCode": "BLAZE", "amount": "300.00", "interval": "Yearly"},
        {"id": 9, "planCode": "GLOW", "amount": "6.00", "invoiceDay": 15, "prorate": False},
    ]
    ida = {"id": 4, "name": "Ida Lamp", "startDate": "2026-01-01T08:00:00Z", "subscriptions": subscriptions}
    eve = {
        "id": 5,
        "name": "Eve",
        "startDate": "2025-12-20",
        "subscriptions": [{"planCode": "G", "amount": 1}],
    }
    with serve(customers(ida, eve), start="2026-03-01T00:00:00Z") as server:
        face = Face(server)
        assert face.bills(4) == [
            ("2026-01-01", ["13.55"]),  # 14 of 31 days
            ("2026-01-01", ["300.00"]),
            ("2026-01-01", ["6.00"]),
            ("2026-01-15", ["30.00", "6.00"]),
            ("2026-02-15", ["30.00", "6.00"]),
        ]
        assert [day for day, _ in face.bills(5)] == ["2025-12-20", "2026-01-20", "2026-02-20"]
        numbers = [
            (bill["at"], bill["number"])
            for customer in (4, 5)
            for bill in face.control("GET", f"customers/{customer}/bills")["bills"]
        ]
        assert [number for _, number in sorted(numbers)] == list(range(1, 9))  # in the order of time
        told = face.control("GET", "customers/4/timeline")["timeline"]
        assert (told[0]["kind"], told[0]["at"]) == ("customerCreated", "2026-01-01T08:00:00+00:00")
        face.http.close()


def test_an_addition_counts_on_and_a_reset_takes_it_away() -> None:
    with serve(customers({"id": 4, "name": "Ida Lamp"})) as server:
        face = Face(server)
        before = face.dump()
        addition = customers({"id": 300, "name": "Eve"}, {"name": "Bob"}, {"id": 301, "name": "Mary"})
        assert face.http.post("/_mock/catalog", json=addition).status_code == 200
        shown = face.control("GET", "customers")["customers"]
        assert [customer["id"] for customer in shown] == [4, 300, 302, 301]
        again = face.http.post("/_mock/catalog", json=customers({"id": 301, "name": "Mary"}))
        assert again.json() == {"error": "fusebill.customers: the id 301 is taken"}
        server.reset()
        assert face.dump() == before
        face.http.close()


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"apiKey": []}, "fusebill.apiKey: unknown; did you mean 'apiKeys'?"),
        ({"apiKeys": []}, "fusebill.apiKeys: at least one is needed"),
        ({"customers": [{}]}, "fusebill.customers[0].name: a value is required"),
        ({"customers": [{"name": "I", "id": -1}]}, "fusebill.customers[0].id: -1 is not a whole number"),
        ({"customers": [{"name": "I", "id": 0}]}, "fusebill.customers[0].id: at least 1"),
        ({"customers": [{"name": "I", "id": 1}] * 2}, "fusebill.customers: the id 1 is taken"),
        ({"customers": [{"name": "I", "currency": "$"}]}, "fusebill.customers[0].currency: '$'"),
        ({"customers": [{"name": "I", "currency": "TND"}]}, "fusebill.customers[0].currency: TND isn't"),
        ({"customers": [{"name": "I", "startDate": "2026-01-02"}]}, "startDate: not later than now"),
        ({"customers": [{"name": "I", "startDate": "1999-12-31"}]}, "startDate: not before 2000"),
        (
            {"customers": [{"name": "I", "subscriptions": [{"id": 1, "planCode": "G", "amount": 1}] * 2}]},
            "the id 1 is taken",
        ),
        ({"customers": [{"name": "I", "subscriptions": [{"amount": 1}]}]}, "subscriptions[0].planCode"),
        (
            {
                "customers": [
                    {"name": "I", "subscriptions": [{"planCode": "G", "amount": 1, "invoiceDay": 0}]}
                ]
            },
            "fusebill.customers[0].subscriptions[0].invoiceDay: from 1 to 31",
        ),
        (
            {
                "customers": [
                    {
                        "name": "I",
                        "subscriptions": [
                            {"planCode": "G", "amount": 1, "invoiceDay": 1, "interval": "Yearly"}
                        ],
                    }
                ]
            },
            "subscriptions[0].invoiceMonth: a yearly period needs its month, from 1 to 12",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(section: Any, complaint: str) -> None:
    with pytest.raises(CatalogError) as caught, serve({"fusebill": section}):
        pass
    assert complaint in str(caught.value)
