"""examples/replicas.py"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tallyhook_mock.testing import Cheddar

from .conftest import EXAMPLES, process


@pytest.fixture
def replicas(
    environment: dict[str, str], postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[str]]:
    monkeypatch.setenv("TALLYHOOK_INBOX", postgres_database)
    command = (str(EXAMPLES / "replicas.py"), "--port", "0")
    with process(*command) as one, process(*command) as other:
        yield [f"{one}/hooks", f"{other}/hooks"]


def test_both_hear_of_an_invoice_and_one_bills_it(cheddar: Cheddar, replicas: list[str]) -> None:
    for url in replicas:
        cheddar.listener(url, events=["subscriptionBillable"])
    for _ in range(2):
        cheddar.bill("ada")
        cheddar.assert_acknowledged("ada")
        cheddar.assert_charged("ada", "SUPPORT", "7.00")
        cheddar.assert_billed("ada", "89.50")  # 20.00, 3 seats at 10.00, 13 GB above the two included, 7.00


def test_many_deliveries_at_once(cheddar: Cheddar, replicas: list[str]) -> None:
    cheddar.listener("http://127.0.0.1:9/hooks")  # nobody is there, and the invoice is held
    cheddar.advance("1mo")
    hook = cheddar.hook("subscriptionBillable", "ada")

    def deliver(url: str) -> int:
        return httpx.post(url, content=hook.body, headers=dict(hook.headers), timeout=60).status_code

    with ThreadPoolExecutor(8) as threads:
        first = Counter(threads.map(deliver, replicas * 4))
        again = Counter(threads.map(deliver, replicas * 4))
    assert set(first) <= {200, 503}  # done, or another one is at it
    assert first[200] > 0
    assert again == {200: 8}
    cheddar.assert_held("ada")
    cheddar.assert_quantity("ada", "GB", 15)
    cheddar.assert_charged("ada", "SUPPORT", "7.00")
