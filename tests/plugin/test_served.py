"""The mock of a test at an address, and at Cheddar's own."""

import ssl
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from tallyhook import AsyncClient, Client, NoAnswer, ServiceUnavailable
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar, CheddarServer, Session


def test_it_is_the_same_cheddar(cheddar: Cheddar, cheddar_server: CheddarServer, client: Client) -> None:
    cheddar_server.customer("C1", plan="SMALL")
    with Client("ACME", cheddar.user, cheddar.password, base_url=cheddar_server.xml) as served:
        served.add_charge("C1", "SETUP", 1, Decimal("5.00"))
    cheddar.assert_charged("C1", "SETUP", "5.00", current=True)
    assert client.get_customer("C1").code == "C1"
    assert httpx.get(f"{cheddar_server.url}/_mock/clock").json()["mode"] == "frozen"
    assert cheddar_server.authority is None


def test_connections_are_dropped(cheddar_server: CheddarServer) -> None:
    fault = cheddar_server.fault(Fault(FaultKind.DROP_BEFORE))
    with (
        Client("ACME", "u", "p", base_url=cheddar_server.xml, retries=0) as client,
        pytest.raises(NoAnswer),
    ):
        client.get_plans()
    assert fault.struck == 1


def test_over_tls(cheddar_server_tls: CheddarServer, cheddar_server: CheddarServer) -> None:
    assert cheddar_server_tls.url.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=cheddar_server_tls.authority)
    assert httpx.get(f"{cheddar_server_tls.url}/_mock/clock", verify=context).status_code == 200
    assert httpx.get(f"{cheddar_server.url}/_mock/clock").status_code == 200


def test_nobody_is_there_between_tests(tmp_path: Path) -> None:
    threads = threading.active_count()
    session = Session(lambda: tmp_path)
    address = session.address(tls=False)
    assert address is session.address(tls=False)
    assert httpx.get(f"{address.url}/_mock/clock").status_code == 503
    session.close()
    assert threading.active_count() == threads
    with pytest.raises(httpx.ConnectError):
        httpx.get(address.url)


class TestSettings:
    @pytest.fixture
    def cheddar_catalog(self) -> dict[str, Any]:
        product = {"code": "ONE", "secret": "s", "plans": [{"code": "P", "recurringChargeAmount": "7.00"}]}
        return {"users": [{"email": "a@b.example", "password": "x"}], "products": [product]}

    @pytest.mark.parametrize("cheddar_start", ["2030-06-30T12:00:00Z"])
    def test_they_are_overridden(self, cheddar: Cheddar, client: Client) -> None:
        assert (cheddar.product, cheddar.secret, cheddar.user) == ("ONE", "s", "a@b.example")
        assert cheddar.now.isoformat() == "2030-06-30T12:00:00+00:00"
        cheddar.customer("C1", plan="P")
        cheddar.bill("C1")
        cheddar.assert_billed("C1", "7.00")


def test_the_real_address_is_answered(cheddar: Cheddar, cheddar_routes: respx.MockRouter) -> None:
    cheddar.customer("C1", plan="SMALL")
    with Client("ACME", cheddar.user, cheddar.password, backoff=0) as client:
        client.set_item_quantity("C1", "GB", 3)
        cheddar.assert_quantity("C1", "GB", 3, current=True)
        assert cheddar_routes["customers/set-item-quantity"].call_count == 1
        assert not cheddar_routes["customers/add-item-quantity"].called
        cheddar_routes["customers/get"].respond(503)
        with pytest.raises(ServiceUnavailable):
            client.get_customer("C1")


async def test_the_real_address_is_answered_to_async_clients(
    cheddar: Cheddar, cheddar_server: CheddarServer, cheddar_routes: respx.MockRouter
) -> None:
    cheddar.customer("C1", plan="SMALL")
    async with AsyncClient("ACME", cheddar.user, cheddar.password) as client:
        assert (await client.get_customer("C1")).code == "C1"
    async with httpx.AsyncClient() as other:  # what is not Cheddar's goes its way
        assert (await other.get(f"{cheddar_server.url}/_mock/clock")).status_code == 200
    assert cheddar_routes["customers/get"].call_count == 1
