"""Fusebill's API and its control as a client without any cleverness sees them."""

from decimal import Decimal
from typing import Any

import httpx

from tallyhook_mock import Server
from tallyhook_mock.systems.fusebill.dates import Cycle
from tallyhook_mock.systems.fusebill.model import Frequency, PlanProduct, Timing
from tallyhook_mock.systems.fusebill.state import State
from tallyhook_mock.systems.fusebill.state import State as Fusebill

KEY = "wick-and-oil"
CATALOG = {
    "users": [{"email": "desk@lantern.example", "password": "a pass word"}],
    "products": [{"code": "LANTERN", "secret": "wick"}],
    "fusebill": {"apiKeys": [KEY]},
}


class Face:
    """`api` for calls of the API, `control` for those under `/_mock/fusebill`; both expect a status."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.http = httpx.Client(base_url=server.url, trust_env=False, timeout=60)

    def api(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        headers = {"Authorization": f"Basic {KEY}"}
        answer = self.http.request(method, f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, body: Any, status: int) -> tuple[str, str]:
        """Field and message of the one error, and nothing may have changed."""
        before = self.dump()
        document = self.api(method, path, body, status)
        assert self.dump() == before
        (error,) = document.pop("Errors")
        assert document == {"ErrorId": 0, "HttpStatusCode": status}
        assert list(error) == ["Key", "Value"]
        return error["Key"], error["Value"]

    def control(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        answer = self.http.request(method, f"/_mock/fusebill/{path}", json=body)
        assert answer.status_code == (status or (201 if body else 200)), answer.text
        return answer.json()

    def customer(self, name: str = "Ida Lamp") -> int:
        return int(self.control("POST", "customers", {"name": name})["id"])

    def subscribe(self, customer: int, amount: str = "30.00", **more: Any) -> dict[str, Any]:
        """What is answered: `id` and `billingPeriodDefinitionId` are in it."""
        wish = {"customerId": customer, "planCode": "GLOW", "amount": amount, **more}
        answer: dict[str, Any] = self.control("POST", "subscriptions", wish)
        return answer

    def charge(self, subscription: int, amount: str, when: str = "periodEnd", **more: Any) -> str:
        wish = {"name": "Oil", "amount": amount, "when": when, **more}
        return str(self.control("POST", f"subscriptions/{subscription}/charges", wish)["amount"])

    def bills(self, customer: int) -> list[tuple[str, list[str]]]:
        """Day and amounts of each, oldest first."""
        found = self.control("GET", f"customers/{customer}/bills")["bills"]
        return [(bill["at"][:10], [line["amount"] for line in bill["lines"]]) for bill in reversed(found)]

    def dump(self) -> object:
        return self.server.call(lambda: dump(self.server.mock.systems.of(Fusebill)))


def plan(cycle: Cycle, amount: Decimal, timing: Timing = Timing.START) -> Frequency:
    """A plan of one product, for an amount a period."""
    return Frequency(0, "GLOW", "Glow", cycle, 1, (PlanProduct(0, "GLOW", "Glow", amount, timing=timing),))


def dump(state: State) -> object:
    """Everything that a command could change; a circle of objects is written once around."""
    accounts = [repr(customer) for customer in state.accounts().values()]
    ids = state.ids.last, state.product_ids.last, state.invoice_ids.last
    return accounts, state.next_due(), ids, state.last_bill, repr(state.purchases)
