"""`python -m benchmarks.world`: a large world saved, restored, looked at, and forecast.

Each world is made through the catalogue, with one open invoice a customer. The pages are asked for over ASGI
in this process, after a change to one customer, as the console does by itself at each change.
"""

import argparse
import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any

import httpx

from benchmarks.measure import report
from tallyhook_mock import Mock, create_app
from tallyhook_mock.systems.cheddar.forecast import forecast

SMALL, LARGE = 1_000, 100_000
LOOKS = 30
PAGES = ("/", "/console/customers", "/console/hooks", "/console/customer?code=C7")


def made(customers: int) -> Mock:
    plan = {
        "code": "GLOW",
        "recurringChargeAmount": "20.00",
        "items": [{"code": "OIL", "quantityIncluded": 2, "overageAmount": "2.50"}],
    }
    people = [{"code": f"C{number}", "planCode": "GLOW", "items": {"OIL": 5}} for number in range(customers)]
    product = {"code": "LANTERN", "secret": "dusk", "plans": [plan], "customers": people}
    users = [{"email": "ops@example.com", "password": "hunter2"}]
    return Mock({"users": users, "products": [product]}, start=datetime(2026, 1, 1, tzinfo=UTC))


def seconds(does: Callable[[], Any]) -> float:
    started = time.perf_counter()
    does()
    return time.perf_counter() - started


async def pages(mock: Mock) -> dict[str, float]:
    """The median seconds of each page after a change."""
    transport = httpx.ASGITransport(create_app(mock), client=("127.0.0.1", 1))
    taken: dict[str, list[float]] = {page: [] for page in PAGES}
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as browser:
        for look in range(LOOKS + 1):
            for page, times in taken.items():
                mock.decline(mock.state.customer(mock.product(), f"C{look}"), look)
                started = time.perf_counter()
                (await browser.get(page)).raise_for_status()
                times.append(time.perf_counter() - started)
    return {page: median(times[1:]) for page, times in taken.items()}  # the first look counts what there is


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.world", description=__doc__)
    parser.add_argument("--customers", type=int, default=LARGE)
    options = parser.parse_args()
    small, large = made(SMALL), made(options.customers)
    shown = {mock: asyncio.run(pages(mock)) for mock in (small, large)}
    growth = max(shown[large][page] / shown[small][page] for page in PAGES)
    customer = large.state.customer(large.product(), "C7")
    now = large.clock.now()
    ahead = median(seconds(lambda: forecast(large.state, customer, 3, now)) for _ in range(LOOKS))
    written: list[bytes] = []
    saved = seconds(lambda: written.append(large.save()))
    restored = seconds(lambda: asyncio.run(large.restore(written[0])))
    each = len(written[0]) / options.customers
    rows = [
        *((f"{page}, ms", *(f"{shown[mock][page] * 1e3:.1f}" for mock in (small, large))) for page in PAGES),
        ("forecast of one customer, ms", "", f"{ahead * 1e3:.1f}"),
        ("save, s", "", f"{saved:.2f}"),
        ("restore, s", "", f"{restored:.2f}"),
        ("bytes a customer", "", f"{each:,.0f}"),
    ]
    figures = {
        "page_growth": growth,
        "forecast_ms": ahead * 1e3,
        "save_seconds": saved,
        "restore_seconds": restored,
        "bytes_each": each,
    }
    columns = ("what", f"{SMALL:,} customers", f"{options.customers:,} customers")
    report("A mock's world", rows, columns, figures)


if __name__ == "__main__":
    main()
