"""examples/tiered_pricing.py"""

from decimal import Decimal

import pytest

from tallyhook import Client
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar

from .conftest import Load, hosted


@pytest.fixture
def catalog_file() -> str:
    return "metered.toml"


@pytest.mark.parametrize(
    ("used", "costs"),
    [
        ("0", "0.00"),
        ("100", "0.00"),
        ("100.0499", "0.00"),
        ("100.05", "0.01"),  # half a cent, up
        ("101", "0.10"),
        ("500", "40.00"),
        ("500.1", "40.01"),  # 40.005
        ("612", "45.60"),
        ("1000500", "50040.00"),
    ],
)
def test_the_tiers(load: Load, used: str, costs: str) -> None:
    assert str(load("tiered_pricing").price(Decimal(used))) == costs


def test_one_charge_for_all_tiers(cheddar: Cheddar, client: Client, load: Load) -> None:
    cheddar.listener(hosted(load("tiered_pricing")))
    dropped = cheddar.fault(Fault(FaultKind.DROP_AFTER, action="customers/add-charge"))
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))
    bill = cheddar.bill("bea")
    assert (lost.struck, dropped.struck) == (1, 1)
    cheddar.assert_charged("bea", "TRAFFIC", "45.60")
    assert bill.custom("TRAFFIC")[0].description.startswith("612 GB (ref ")
    cheddar.assert_billed("bea", "45.60")

    client.set_item_quantity("bea", "GB", 100)
    cheddar.bill("bea")
    cheddar.assert_charged("bea", "TRAFFIC", "0.00", times=0)
    cheddar.assert_billed("bea", "0.00")


def test_other_plans_are_left_alone(cheddar: Cheddar, client: Client, load: Load) -> None:
    client.set_item_quantity("cem", "GB", 200)
    cheddar.listener(hosted(load("tiered_pricing")))
    cheddar.bill("cem")
    cheddar.assert_billed("cem", "20.00")
