"""examples/cleverbridge_usage.py with answers that the mock never gives."""

from datetime import UTC, datetime

import httpx
import pytest
from tests.examples.conftest import Load

from tallyhook.cleverbridge import Client

SUBSCRIPTION = {
    "Id": 1001,
    "SubscriptionStatus": 1,
    "NextBillingDate": "2026-04-17T00:00:00Z",
    "Items": [{"RunningNo": 2, "ProductId": 102, "Quantity": 0, "IsCurrent": True, "Status": 1}],
}


@pytest.mark.parametrize("price", [{}, {"NextBillingCustomerGrossPrice": None, "PriceCurrencyId": "EUR"}])
def test_a_price_that_is_not_told_is_said_to_be_unknown(load: Load, price: dict[str, object]) -> None:
    example = load("cleverbridge_usage")

    def answer(request: httpx.Request) -> httpx.Response:
        told = {"Subscription": SUBSCRIPTION} if request.method == "GET" else price
        return httpx.Response(200, json={"ResultMessage": "OK", **told})

    now = datetime(2026, 4, 16, tzinfo=UTC)
    line = example.Usage("S1001", "2", "700", "500", "25")
    with Client("grace", "hopper", transport=httpx.MockTransport(answer)) as client:
        outcomes = [
            example.set_quantity(client, line, line.quantity, now, dry_run=rehearsed)
            for rehearsed in (True, False)
        ]
    assert outcomes == ["would bill tomorrow, price unknown", "bills tomorrow, price unknown"]
