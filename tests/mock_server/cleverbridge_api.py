"""Cleverbridge's API and its control over real HTTP, as a client without any cleverness sees them."""

from decimal import Decimal
from typing import Any

import httpx

from tallyhook_mock import Server

CATALOG: dict[str, Any] = {
    "users": [{"email": "desk@lantern.example", "password": "a pass word"}],
    "cleverbridge": {
        "users": [{"name": "grace", "password": "let: me in"}],
        "products": [
            {"id": 101, "name": "Storage, 500 GB", "price": "50.00"},
            {"id": 102, "name": "25 GB more", "price": "1.00"},
            {"id": 103, "name": "Storage, 1 TB", "price": "80.00"},
        ],
        "coupons": [{"code": "TEN", "percent": 10}],
        "subscriptions": [
            {
                "customerId": "harbour",
                "items": [{"productId": 101}, {"productId": 102, "billingMode": "ARREARS"}],
            }
        ],
    },
}
START = "2026-03-17T00:00:00Z"
USER = ("grace", "let: me in")
# What an update needs; item 2 is the one in arrears.
UPDATE: dict[str, Any] = {"SubscriptionId": "S1001", "RunningNumber": 2, "ProductId": 102, "Quantity": 8}


class Api:
    def __init__(self, server: Server) -> None:
        self._server = server
        headers = {"Accept": "application/json"}
        self._http = httpx.Client(
            base_url=server.url, auth=USER, headers=headers, timeout=60, trust_env=False
        )

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self._http.request(method, path, **options)

    def get(self, id: str = "S1001") -> dict[str, Any]:
        answer = self.send("GET", "/subscription/getsubscription", params={"subscriptionId": id})
        return self._fine(answer)["Subscription"]

    def item(self, number: int) -> dict[str, Any]:
        """The version of an item that counts."""
        (found,) = [each for each in self.get()["Items"] if each["RunningNo"] == number and each["IsCurrent"]]
        return found

    def update(self, call: str = "updatesubscriptionitem", /, **changes: Any) -> dict[str, Any]:
        """An update of the item in arrears, unless told otherwise; a field that is None is left out."""
        return self.post(call, **{**UPDATE, **changes})

    def preview(self, call: str = "updatesubscriptionitem", /, **changes: Any) -> dict[str, Any]:
        """The same, asking for prices only."""
        alignment = {**changes.pop("AlignmentSettings", {}), "GetCustomerPricePreviewOnly": True}
        return self.update(call, AlignmentSettings=alignment, **changes)

    def post(self, call: str, /, **fields: Any) -> dict[str, Any]:
        given = {name: value for name, value in fields.items() if value is not None}
        return self._fine(self.send("POST", f"/subscription/{call}", json=given))

    def search(self, call: str, /, **query: Any) -> list[dict[str, Any]]:
        return self._fine(self.send("GET", f"/subscription/{call}", params=query))["Subscriptions"]

    def control(self, path: str = "") -> dict[str, Any]:
        answer = self._http.get(f"/_mock/cleverbridge/subscriptions{path}", auth=None)
        return self._fine(answer)

    def bills(self, id: str = "S1001") -> list[tuple[str, str]]:
        """Day and total of each, oldest first."""
        return [(bill["at"][:10], bill["total"]) for bill in reversed(self.control(f"/{id}")["bills"])]

    def everything(self) -> list[dict[str, Any]]:
        """All that is known of all subscriptions, their timelines too."""
        return [
            {**self.control(f"/{each['id']}"), **self.control(f"/{each['id']}/timeline")}
            for each in self.control()["subscriptions"]
        ]

    def close(self) -> None:
        self._http.close()

    @staticmethod
    def _fine(answer: httpx.Response) -> Any:
        assert answer.status_code == 200, answer.text
        return answer.json(parse_float=Decimal)


def gross(answer: dict[str, Any]) -> tuple[str, str]:
    """What an update costs now, and what the next renewal will bill."""
    return str(answer["AlignmentCustomerGrossPrice"]), str(answer["NextBillingCustomerGrossPrice"])
