"""What is forecast then happens, and a forecast changes nothing."""

import json
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve

from .command import Command
from .loopback import catalog, listening

CATALOG: dict[str, Any] = {
    **catalog(customers=[{"code": "ada", "planCode": "GLOW", "items": {"OIL": 5}}]),
    "cleverbridge": {"products": [{"id": 1, "name": "Lamp", "price": "9.00"}]},
    "fusebill": {"customers": [{"id": 1, "name": "Ida"}]},
    "chargemonk": {"plans": [{"code": "MILL", "name": "Mill", "price": "30.00", "termMonths": 1}]},
}


class Api:
    """The control API, each call by a connection of its own."""

    def __init__(self, server: Server) -> None:
        self._url = f"{server.url}/_mock"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self._url}{path}")

    def post(self, path: str, json: object) -> httpx.Response:
        return httpx.post(f"{self._url}{path}", json=json)


def test_of_a_cheddar_customer_whatever_state_the_invoice_is_in() -> None:
    with listening(lambda _: 500) as busy, serve(CATALOG, start="2026-01-01T00:00:00Z") as server:
        control = Api(server)
        coming = forecast(control, "customers/ada", 3)
        assert [each["total"] for each in coming] == ["27.50", "20.00", "20.00"]
        assert [each["at"][:10] for each in coming] == ["2026-02-01", "2026-03-01", "2026-04-01"]
        listener = server.listen(busy.url, ["subscriptionBillable"])
        server.advance("1mo")
        before = server.call(server.mock.save)
        held = forecast(control, "customers/ada", 2)
        assert (held[0]["number"], held[0]["total"], held[0]["at"][:16]) == (2, "27.50", "2026-02-01T01:00")
        assert held[1]["at"][:10] == "2026-03-01"
        assert server.call(server.mock.save) == before
        server.call(lambda: server.mock.forget(listener))
        server.decline("ada", 1)
        server.advance("1h")
        unpaid = forecast(control, "customers/ada", 2)
        assert [each["at"][:10] for each in unpaid] == ["2026-02-03", "2026-03-01"]
        server.advance("10d")
        assert invoices(control, "ada")[1]["transactions"][-1]["at"][:10] == "2026-02-03"


def test_the_next_twelve_are_billed_as_forecast() -> None:
    with serve(CATALOG, start="2026-01-31T00:00:00Z") as server:
        control = Api(server)
        coming = forecast(control, "customers/ada", 12)
        server.advance("13mo")
        billed = [each for each in reversed(invoices(control, "ada")) if each["state"] == "paid"][1:13]
        assert [each["total"] for each in coming] == [each["total"] for each in billed]
        assert [each["at"] for each in coming] == [each["transactions"][0]["at"] for each in billed]


def test_of_the_other_systems() -> None:
    with serve(CATALOG, start="2026-01-01T00:00:00Z") as server:
        control = Api(server)
        bought = {"id": "mill", "planCode": "MILL"}
        control.post("/chargemonk/subscriptions", json=bought).raise_for_status()
        before = server.call(server.mock.save)
        coming = forecast(control, "chargemonk/subscriptions/mill", 2)
        assert [(each["at"][:10], each["total"]) for each in coming] == [
            ("2026-02-01", "30.00"),
            ("2026-03-01", "30.00"),
        ]
        assert forecast(control, "fusebill/customers/1", 2) == []
        assert server.call(server.mock.save) == before
        for path in ("cleverbridge/subscriptions/S9", "fusebill/customers/x", "chargemonk/subscriptions/q"):
            assert control.get(f"/{path}/forecast").status_code == 404


def test_charges_that_wait_for_chargemonks_next_invoice_are_forecast_once() -> None:
    with serve(CATALOG, start="2026-01-01T00:00:00Z") as server:
        control = Api(server)
        control.post("/chargemonk/subscriptions", {"id": "mill", "planCode": "MILL"}).raise_for_status()
        visit = {"description": "Visit", "amount": "7.00"}
        control.post("/chargemonk/subscriptions/mill/charges", visit).raise_for_status()
        for _ in range(2):  # a forecast bills nothing
            coming = forecast(control, "chargemonk/subscriptions/mill", 2)
            assert [each["total"] for each in coming] == ["37.00", "30.00"]


@pytest.mark.parametrize("count", ["0", "61", "x", "²", ""])
def test_a_count_that_is_none_is_refused(count: str) -> None:
    with serve(CATALOG) as server:
        assert Api(server).get(f"/customers/ada/forecast?invoices={count}").status_code == 400


def test_the_command() -> None:
    with serve(CATALOG, start="2026-01-01T00:00:00Z") as server:
        said = Command(server.url).says("forecast", "ada", "--invoices", "2")
        assert "27.50" in said
        assert "2026-03-01" in said
        assert len(json.loads(Command(server.url).says("forecast", "ada", "--json"))) == 3


def forecast(control: Api, account: str, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control.get(f"/{account}/forecast?invoices={count}").json()["invoices"]
    return found


def invoices(control: Api, customer: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = control.get(f"/customers/{customer}/invoices").json()["invoices"]
    return sorted(found, key=lambda each: -int(each["number"]))
