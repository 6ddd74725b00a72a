"""examples/minimum_amount.py"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tallyhook import Client
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar, ReceiverClient

from .conftest import Load, hosted


@pytest.fixture
def catalog_file() -> str:
    return "metered.toml"


@pytest.fixture
def example(cheddar: Cheddar, load: Load) -> Any:
    module = load("minimum_amount")
    cheddar.listener(hosted(module))
    return module


@pytest.mark.usefixtures("example")
def test_a_small_bill_is_put_off_until_it_is_worth_sending(cheddar: Cheddar, client: Client) -> None:
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="billReminder"))  # so it comes twice
    dropped = cheddar.fault(Fault(FaultKind.DROP_AFTER, action="customers/edit-subscription"))
    cheddar.advance("1mo")
    cheddar.advance("1h")
    assert (lost.struck, dropped.struck) == (1, 1)
    _, bill = cheddar.bills("cem")
    assert (bill.state, bill.billing_at) == ("open", datetime(2026, 3, 1, tzinfo=UTC))
    client.add_item_quantity("cem", "GB", 20)
    cheddar.bill("cem")
    cheddar.assert_quantity("cem", "GB", 50)
    cheddar.assert_billed("cem", "5.00")  # both months
    assert cheddar.now == datetime(2026, 3, 1, 1, tzinfo=UTC)


@pytest.mark.usefixtures("example")
def test_a_bill_above_the_minimum_comes_in_time(cheddar: Cheddar, client: Client) -> None:
    client.set_item_quantity("cem", "GB", 50)
    cheddar.advance("1mo")
    cheddar.advance("1h")
    cheddar.assert_billed("cem", "5.00")


@pytest.mark.usefixtures("example")
def test_nothing_is_put_off_for_ever(cheddar: Cheddar) -> None:
    cheddar.advance("3mo")
    cheddar.advance("1h")
    cheddar.assert_billed("cem", "3.00")
    assert cheddar.now == datetime(2026, 4, 1, 1, tzinfo=UTC)
    assert [bill.total for bill in cheddar.bills("cem")[1:]] == [Decimal("3.00"), Decimal(0)]


@pytest.mark.usefixtures("example")
def test_one_that_comes_too_late_changes_nothing(cheddar: Cheddar, receiver_client: ReceiverClient) -> None:
    early = cheddar.hook("billReminder", "cem", at="2026-01-30T00:00:01Z")
    cheddar.advance("95d")
    before = cheddar.bills("cem")
    assert receiver_client.send(early).status_code == 200  # its date is over, and would bill at once
    cheddar.settle()
    assert [bill.state for bill in before] == ["paid", "paid", "open"]
    assert cheddar.bills("cem") == before


@pytest.mark.usefixtures("example")
def test_a_date_that_somebody_has_moved_stays(
    cheddar: Cheddar, client: Client, receiver_client: ReceiverClient
) -> None:
    hook = cheddar.hook("billReminder", "cem", at="2026-01-30T00:00:01Z")
    moved = datetime(2026, 6, 1, tzinfo=UTC)
    client.edit_subscription("cem", change_bill_date=moved)
    assert receiver_client.send(hook).status_code == 200
    assert cheddar.bills("cem")[1].billing_at == moved


def test_a_month_later(example: Any) -> None:
    def later(year: int, month: int, day: int) -> tuple[int, int, int]:
        moment = example.month_later(datetime(year, month, day, 9, tzinfo=UTC))
        assert moment.hour == 9
        return (moment.year, moment.month, moment.day)

    assert later(2026, 1, 31) == (2026, 2, 28)
    assert later(2028, 1, 30) == (2028, 2, 29)
    assert later(2026, 11, 30) == (2026, 12, 30)
    assert later(2026, 12, 1) == (2027, 1, 1)
