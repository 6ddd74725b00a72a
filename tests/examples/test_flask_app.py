"""examples/flask_app.py"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar

from .conftest import Load


@pytest.fixture
def example(load: Load) -> Iterator[Any]:
    module = load("flask_app")
    yield module
    module.receiver.close()


def test_it_bills_what_the_application_has_recorded(cheddar: Cheddar, example: Any) -> None:
    cheddar.listener(example.application)
    transport = httpx.WSGITransport(example.application)
    with httpx.Client(transport=transport, base_url="http://testserver") as browser:
        for at, gigabytes in (
            ("2025-12-31T23:59:59Z", 100),  # before the period
            ("2026-01-01T00:00:00Z", 9),
            ("2026-01-31T23:59:59Z", 6),
            ("2026-02-01T00:00:00Z", 3),  # the next one
        ):
            used = {"gigabytes": gigabytes, "at": at}
            assert browser.post("/downloads/ada", data=used).status_code == 204
        assert browser.get("/hooks/healthz").json() == {"health": "ok"}
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))  # so it comes twice
    cheddar.bill("ada")
    assert lost.struck == 1
    cheddar.assert_quantity("ada", "GB", 15)
    cheddar.assert_billed("ada", "82.50")  # 20.00, 3 seats at 10.00, and 13 GB above the two included
    cheddar.bill("ada")
    cheddar.assert_billed("ada", "52.50")
