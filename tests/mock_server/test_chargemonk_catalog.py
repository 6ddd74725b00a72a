"""The section `[chargemonk]` of a catalogue."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tallyhook_mock import Mock
from tallyhook_mock.catalog.table import CatalogError
from tallyhook_mock.systems.chargemonk.state import State
from tallyhook_mock.systems.chargemonk.state import State as Chargemonk

from .chargemonk_doors import ADD_ONS, PLANS, offering
from .loopback import catalog

START = datetime.fromisoformat("2026-03-10T00:00:00Z")


def chargemonk(section: dict[str, Any]) -> State:
    return Mock(catalog() | {"chargemonk": section}, start=START).systems.of(Chargemonk)


def test_plans_and_add_ons_are_read() -> None:
    state = chargemonk({"currency": "EUR", "plans": PLANS, "addOns": ADD_ONS})
    assert [(plan.price, plan.term_months, plan.billing_cycles) for plan in state.plans.values()] == [
        (Decimal("200.00"), 1, None),
        (Decimal("540.00"), 3, None),
        (Decimal("600.00"), 6, None),
        (Decimal("50.00"), 1, 4),
    ]
    assert [(add_on.name, add_on.period_months) for add_on in state.add_ons.values()] == [
        ("Setup fee", 1),
        ("Care", 2),
        ("Visit", None),
    ]
    assert state.currency == "EUR"


def test_a_subscription_begins_now_or_has_a_history() -> None:
    old = {
        "id": "old",
        "planCode": "MONTHLY",
        "startDate": "2025-12-31",
        "addOns": [{"code": "SETUP", "billingCycles": 3}],
    }
    mock = Mock(offering({"id": "new", "planCode": "HALF"}, old), start=START)
    state = mock.systems.of(Chargemonk)
    assert list(state.subscriptions) == ["old", "new"]
    assert [(bill.number, f"{bill.at:%Y-%m-%d}", bill.account, bill.total) for bill in state.bills] == [
        (1, "2025-12-31", "old", Decimal("300.00")),
        (2, "2026-01-31", "old", Decimal("300.00")),
        (3, "2026-02-28", "old", Decimal("300.00")),
        (4, "2026-03-10", "new", Decimal("600.00")),
    ]
    assert state.next_due() == datetime.fromisoformat("2026-03-31T00:00:00Z")
    assert [entry.kind for entry in mock.timeline.entries("new", system="chargemonk")] == [
        "newSubscription",
        "invoice",
    ]


def test_a_catalogue_is_added_to_what_there_is() -> None:
    mock = Mock(offering({"id": "mill", "planCode": "MONTHLY"}), start=START)
    mock.add_catalog(
        {
            "chargemonk": {
                "plans": [{"code": "MONTHLY", "price": "210.00"}],
                "subscriptions": [{"id": "quay", "planCode": "MONTHLY", "addOns": [{"code": "SETUP"}]}],
            }
        }
    )
    state = mock.systems.of(Chargemonk)
    assert len(state.plans) == len(PLANS)
    assert [bill.total for bill in state.bills] == [Decimal("200.00"), Decimal("310.00")]
    assert state.subscriptions["mill"].next_plan.price == Decimal("200.00")


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"plan": []}, "chargemonk.plan: unknown; did you mean 'plans'?"),
        ({"currency": "$"}, "chargemonk.currency: '$' is not the code of a currency"),
        ({"currency": "JPY"}, "chargemonk.currency: JPY isn't divided into 100 units"),
        ({"plans": [{"code": "A"}]}, "chargemonk.plans[0].price: a value is required"),
        ({"plans": [{"code": "A B", "price": "1"}]}, "chargemonk.plans[0].code: 'A B' is not 1 to 50"),
        (
            {"plans": [{"code": "A", "price": "1", "termMonths": 0}]},
            "chargemonk.plans[0].termMonths: at least 1",
        ),
        (
            {"plans": [{"code": "A", "price": "1", "billingCycles": 0}]},
            "chargemonk.plans[0].billingCycles: at least 1",
        ),
        (
            {"addOns": [{"code": "A", "price": "1", "periodMonths": 0}]},
            "chargemonk.addOns[0].periodMonths: at least 1",
        ),
        ({"addOns": [{"code": "MONTHLY", "price": "1"}]}, "addOns[0].code: a plan has the code 'MONTHLY'"),
        ({"plans": [{"code": "SETUP", "price": "1"}]}, "plans[0].code: an add-on has the code 'SETUP'"),
        (
            {"subscriptions": [{"id": "a", "planCode": "MONTHLY", "startDate": "2026-03-11"}]},
            "subscriptions[0].startDate: not later than now",
        ),
        (
            {"subscriptions": [{"id": "mill", "planCode": "MONTHLY"}]},
            "subscriptions[0].id: another subscription has the id 'mill'",
        ),
        (
            {"subscriptions": [{"id": "a", "planCode": "MONTHLY"}, {"id": "a", "planCode": "MONTHLY"}]},
            "subscriptions[1].id: another subscription has the id 'a'",
        ),
        (
            {"subscriptions": [{"id": "a", "planCode": "MONTHLY", "addOns": [{"code": "CARE"}]}]},
            "subscriptions[0].addOns: the 2-month period of the add-on CARE does not divide",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_place(section: dict[str, Any], why: str) -> None:
    mock = Mock(offering({"id": "mill", "planCode": "MONTHLY"}), start=START)
    state = mock.systems.of(Chargemonk)
    before = (dict(state.plans), dict(state.add_ons), list(state.subscriptions), list(state.bills))
    with pytest.raises(CatalogError) as error:
        mock.add_catalog({"chargemonk": section})
    assert why in str(error.value)
    assert (dict(state.plans), dict(state.add_ons), list(state.subscriptions), list(state.bills)) == before
