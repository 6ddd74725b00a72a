"""examples/django_app.py"""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar

from .conftest import EXAMPLES, process


@pytest.fixture
def url(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("DJANGO_SECRET_KEY", "anything")
    subprocess.run([sys.executable, EXAMPLES / "django_app.py"], check=True, timeout=60)
    serve = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), "django_app:application", "--port", "0")
    with process(*serve) as url:
        yield url


def test_it_bills_what_the_project_has_recorded(cheddar: Cheddar, url: str) -> None:
    cheddar.listener(f"{url}/hooks")
    assert httpx.get(f"{url}/healthz").json() == {"health": "ok"}
    for at, gigabytes in (
        ("2025-12-31T23:59:59Z", 100),  # before the period
        ("2026-01-01T00:00:00Z", 9),
        ("2026-01-31T23:59:59Z", 6),
        ("2026-02-01T00:00:00Z", 3),  # the next one
    ):
        used = {"gigabytes": gigabytes, "at": at}
        assert httpx.post(f"{url}/downloads/ada", data=used).status_code == 204
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))  # so it comes twice
    cheddar.bill("ada")
    assert lost.struck == 1
    cheddar.assert_quantity("ada", "GB", 15)
    cheddar.assert_billed("ada", "82.50")  # 20.00, 3 seats at 10.00, and 13 GB above the two included
    cheddar.bill("ada")
    cheddar.assert_billed("ada", "52.50")
