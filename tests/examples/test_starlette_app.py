"""examples/starlette_app.py"""

from decimal import Decimal

import httpx

from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar, ReceiverClient

from .conftest import Load


def test_it_bills_the_usage_once(cheddar: Cheddar, load: Load) -> None:
    cheddar.listener(load("starlette_app").app)
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))  # so it comes twice
    cheddar.bill("ada")
    assert lost.struck == 1
    cheddar.assert_billed("ada", "82.50")  # 20.00, 3 seats at 10.00, and 13 GB above the two included
    cheddar.bill("ada")
    assert [bill.total for bill in cheddar.bills("ada")[1:3]] == [Decimal("82.50")] * 2


async def test_what_else_it_serves(cheddar: Cheddar, receiver_client: ReceiverClient, load: Load) -> None:
    app = load("starlette_app").app
    async with (
        cheddar.listening(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client,
    ):
        assert (await client.get("/healthz")).json() == {"health": "ok"}
        assert (await client.get("/ops/inbox/")).status_code == 403
        forged = cheddar.hook("subscriptionBillable", "ada").forged()
        assert (await receiver_client.asend(forged)).status_code == 401
