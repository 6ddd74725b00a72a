"""Measure saving and restoring a mock with many customers, and a forecast for one customer."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from benchmarks.measure import median
from tallyhook_mock import Mock
from tallyhook_mock.systems.cheddar.forecast import forecast

__all__ = ["measure_saved"]

_LOOKS = 30


def measure_saved(customers: int) -> dict[str, float]:
    """Return the results for a mock that was created from a catalogue, with one open invoice per customer."""
    mock = _made(customers)
    customer, now = mock.state.customer(mock.product(), "C7"), mock.clock.now()
    written: list[bytes] = []
    return {
        "forecast_ms": 1000
        * median(_seconds(lambda: forecast(mock.state, customer, 3, now)) for _ in range(_LOOKS)),
        "save_seconds": _seconds(lambda: written.append(mock.save())),
        "restore_seconds": _seconds(lambda: asyncio.run(mock.restore(written[0]))),
        "bytes_each": len(written[0]) / customers,
    }


def _made(customers: int) -> Mock:
    plan = {
        "code": "GLOW",
        "recurringChargeAmount": "20.00",
        "items": [{"code": "OIL", "quantityIncluded": 2, "overageAmount": "2.50"}],
    }
    people = [{"code": f"C{number}", "planCode": "GLOW", "items": {"OIL": 5}} for number in range(customers)]
    product = {"code": "LANTERN", "secret": "dusk", "plans": [plan], "customers": people}
    users = [{"email": "ops@example.com", "password": "hunter2"}]
    return Mock({"users": users, "products": [product]}, start=datetime(2026, 1, 1, tzinfo=UTC))


def _seconds(does: Callable[[], Any]) -> float:
    started = time.perf_counter()
    does()
    return time.perf_counter() - started
