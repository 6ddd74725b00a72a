"""examples/sql_usage.py"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar

from .conftest import Load, hosted


@pytest.fixture(params=["sqlite", "postgresql"])
def example(request: pytest.FixtureRequest, load: Load) -> Iterator[Any]:
    url = "sqlite:///transfers.sqlite"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_database").replace("postgresql://", "postgresql+psycopg://")
    module = load("sql_usage", DATABASE_URL=url)
    yield module
    module.engine.dispose()


def transfer(example: Any, at: datetime, amount: int, customer: str = "ada") -> None:
    with Session(example.engine) as session:
        session.add(example.Transfer(customer=customer, at=at, bytes=amount))
        session.commit()


def test_it_bills_the_bytes_of_the_period(cheddar: Cheddar, example: Any) -> None:
    cheddar.listener(hosted(example))
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))  # so it comes twice
    transfer(example, datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 10**12)
    transfer(example, datetime(2026, 1, 1, tzinfo=UTC), 10**10)
    transfer(example, datetime(2026, 1, 16, tzinfo=UTC), 9_000_000_000_000, "bea")
    transfer(example, datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC), 4_812_349_999)
    transfer(example, datetime(2026, 2, 1, tzinfo=UTC), 3 * 10**9)
    cheddar.bill("ada")
    assert lost.struck == 1
    cheddar.assert_quantity("ada", "GB", "14.8123")
    cheddar.assert_billed("ada", "82.03")  # 50.00, and 12.8123 GB at 2.50: 32.03075
    cheddar.bill("ada")
    cheddar.assert_billed("ada", "52.50")


def test_whoever_uses_nothing_pays_the_plan(cheddar: Cheddar, example: Any) -> None:
    cheddar.listener(hosted(example))
    cheddar.bill("ada")
    cheddar.assert_billed("ada", "50.00")
