"""The billing server: a mock in a separate process, with a held invoice for every customer."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tallyhook import Id
from tallyhook_mock import Mock, create_app
from tallyhook_mock.sender import hook_headers
from tallyhook_mock.server import serving

__all__ = ["CREDIT", "PRODUCT", "SECRET", "Announced", "billing"]

PRODUCT = "ACME"
SECRET = "review-secret"
CREDIT = "SEAT_PRORATION"

_PLAN = {
    "code": "METERED",
    "recurringChargeAmount": "20.00",
    "items": [{"code": "GB", "quantityIncluded": "2", "overageAmount": "2.50", "isPeriodic": True}],
}
# Nothing listens at this address, so the hooks aren't acknowledged, and the invoices stay held.
_NOBODY = "http://127.0.0.1:9/hooks"


@dataclass(frozen=True)
class Announced:
    """The customer of a held invoice, and the hook for this invoice."""

    customer: Id
    headers: dict[str, str]
    body: bytes


@contextmanager
def billing(customers: int) -> Iterator[tuple[str, list[Announced]]]:
    """Run a new server, and yield the URL of its API and the hooks for one held invoice per customer."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.review.billing", str(customers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:  # closes the process's input at the end, and waits until the process has ended
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        announced = [
            Announced(Id(customer), headers, body.encode()) for customer, headers, body in said["announced"]
        ]
        yield said["url"], announced


def _catalog(customers: int) -> dict[str, Any]:
    people = [
        {"code": f"C{number}", "firstName": "Ida", "lastName": "Lamp", "email": "ida@example.com"}
        for number in range(customers)
    ]
    return {
        "users": [{"email": "ops@example.com", "password": "pass"}],
        "products": [
            {
                "code": PRODUCT,
                "secret": SECRET,
                "plans": [_PLAN],
                "customers": [person | {"planCode": "METERED"} for person in people],
            }
        ],
    }


async def _serve(customers: int) -> None:
    mock = Mock(_catalog(customers), start=datetime(2026, 1, 1, tzinfo=UTC))
    async with serving(create_app(mock)) as url:
        mock.listen(PRODUCT, _NOBODY, frozenset({"subscriptionBillable"}))
        await mock.advance(mock.clock.now() + timedelta(days=31, minutes=1))
        product = mock.state.products[PRODUCT]
        announced = [
            (
                json.loads(hook.body)["customer"]["id"],
                hook_headers(hook.body, product, hook.id),
                hook.body.decode(),
            )
            for hook in mock.state.hooks.log.values()
        ]
        sys.stdout.write(json.dumps({"url": f"{url}/xml", "announced": announced}) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)  # until the parent process closes the input


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
