"""A mock of the three systems beside Cheddar with some months behind it, the same in every run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from tallyhook_mock import Server, serve

START = "2026-03-17T00:00:00Z"

CATALOG: dict[str, Any] = {
    "cleverbridge": {
        "users": [{"name": "grace", "password": "hopper"}],
        "products": [
            {"id": 101, "name": "Base", "price": "50.00"},
            {"id": 102, "name": "Excess", "price": "1.00"},
            {"id": 103, "name": "Big base", "price": "80.00"},
        ],
        "coupons": [{"code": "TEN", "percent": "10"}],
        "subscriptions": [
            {
                "id": "S1001",
                "customerId": "harbour",
                "items": [{"productId": 101}, {"productId": 102, "billingMode": "ARREARS"}],
            },
            {"id": "S1002", "customerId": "north-mill", "vatPercent": 19, "items": [{"productId": 103}]},
        ],
    },
    "fusebill": {
        "apiKeys": ["wick-and-oil"],
        "customers": [
            {
                "id": 1,
                "name": "Ida Lamp",
                "subscriptions": [
                    {"id": 11, "planCode": "GLOW", "planName": "Glow", "amount": "30.00"},
                    {"id": 12, "planCode": "OIL", "planName": "Oil", "amount": "9.90", "invoiceDay": 20},
                ],
            },
            {
                "id": 2,
                "name": "Jonas Mill",
                "currency": "EUR",
                "subscriptions": [
                    {"id": 21, "planCode": "BEACON", "amount": "900.00", "interval": "Yearly"},
                ],
            },
        ],
    },
    "chargemonk": {
        "plans": [
            {"code": "MONTHLY", "name": "Monthly", "price": "200.00"},
            {"code": "QUARTERLY", "name": "Quarterly", "price": "540.00", "termMonths": 3},
        ],
        "addOns": [
            {"code": "SETUP", "name": "Setup fee", "price": "100.00", "periodMonths": 1},
            {"code": "VISIT", "name": "Visit", "price": "80.00"},
        ],
        "subscriptions": [
            {
                "id": "mill",
                "planCode": "MONTHLY",
                "addOns": [{"code": "SETUP", "billingCycles": 8}, {"code": "VISIT"}],
            }
        ],
    },
}


class Doors:
    """What the story goes through: the two APIs, and the control API."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def cleverbridge(self, call: str, **body: Any) -> None:
        answer = self._client.post(f"/subscription/{call}", json=body, auth=("grace", "hopper"))
        assert answer.status_code == 200, answer.text

    def fusebill(self, method: str, path: str, body: Mapping[str, Any]) -> None:
        headers = {"Authorization": "Basic wick-and-oil"}
        answer = self._client.request(method, f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    def control(self, path: str, **wish: Any) -> None:
        answer = self._client.post(f"/_mock/{path}", json=wish)
        assert answer.is_success, answer.text

    def definitions(self) -> list[int]:
        """Fusebill's billing period definitions of customer 1."""
        customer = self._client.get("/_mock/fusebill/customers").json()["customers"][0]
        return [definition["id"] for definition in customer["billingPeriodDefinitions"]]


@contextmanager
def played(**cheddar: Any) -> Iterator[Server]:
    """Nearly five months of usage, moves, cancellations and advance invoices; `cheddar` is its catalogue."""
    with serve(cheddar | CATALOG, start=START) as server, httpx.Client(base_url=server.url) as client:
        doors = Doors(client)
        excess = {"SubscriptionId": "S1001", "RunningNumber": 2, "ProductId": 102}
        glow = "fusebill/subscriptions/11/charges"
        monthly, _ = doors.definitions()

        server.advance_to("2026-04-16T12:00:00Z")
        doors.cleverbridge("updatesubscriptionitem", **excess, Quantity=8)
        doors.control(
            "fusebill/subscriptions/12/charges", name="Wick", amount="5.00", prorate=False, when="now"
        )

        server.advance_to("2026-04-20T12:00:00Z")
        doors.control(glow, name="Shade", amount="12.00")

        server.advance_to("2026-05-03T12:00:00Z")
        doors.fusebill("PUT", "billingPeriodDefinitions", {"id": monthly, "invoiceDay": 24})

        server.advance_to("2026-05-15T12:00:00Z")
        doors.cleverbridge("updatesubscriptionitem", **excess, Quantity=3)
        doors.control("chargemonk/subscriptions/mill/cancel")

        server.advance_to("2026-06-02T12:00:00Z")
        doors.cleverbridge(
            "updatesubscriptionitem",
            SubscriptionId="S1001",
            RunningNumber=1,
            ProductId=103,
            Quantity=1,
            AlignmentSettings={"AlignToCurrentInterval": True},
        )
        doors.control("chargemonk/subscriptions/mill/reactivate")
        doors.control("chargemonk/subscriptions/mill/cycles", code="SETUP", billingCycles=4)

        server.advance_to("2026-06-20T12:00:00Z")
        doors.cleverbridge(
            "increasesubscriptionitemquantity", SubscriptionId="S1001", RunningNumber=2, Quantity=9
        )
        doors.control("chargemonk/subscriptions/mill/advance-invoice", terms=2)

        server.advance_to("2026-07-08T12:00:00Z")
        wish = {"billingPeriodDefinitionId": monthly}
        doors.fusebill("PUT", "subscriptions/12/billingPeriodDefinition", wish)
        cycles = [{"code": "SETUP", "billingCycles": 2}]
        doors.control("chargemonk/subscriptions/mill/term", planCode="QUARTERLY", addOns=cycles)

        server.advance_to("2026-08-09T12:00:00Z")
        doors.control(glow, name="Mirror", amount="62.00")
        yield server
