"""The request log: kept without secrets, listed and followed by a command, and printed by the mock."""

import json
import re
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tallyhook_mock import Fault, FaultKind, Server, serve

from .command import ENVIRONMENT, SCRIPT, Command
from .loopback import EMAIL, PASSWORD, Api, catalog

CARD = "4111111111111111"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


def _log(server: Server, **wanted: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = httpx.get(f"{server.url}/_mock/calls", params=wanted).json()["calls"]
    return found


def test_calls_are_kept_without_cards_and_passwords(server: Server) -> None:
    api = Api(server)
    api.subscribe("ida")
    api.call("customers/add-charge", code="ida", chargeCode="A", quantity="1", eachAmount="1.00")
    refused = httpx.post(
        f"{server.xml}/customers/edit/productCode/LANTERN/code/ida",
        data={"subscription[ccNumber]": f"{CARD}9", "subscription[ccCardCode]": "9876"},
        auth=(EMAIL, PASSWORD),
    )
    assert refused.status_code == 412
    httpx.get(f"{server.xml}/plans/get/productCode/LANTERN", auth=(EMAIL, "a wrong word"))
    server.fault(Fault(FaultKind.DROP_AFTER, action="customers/get"))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.xml}/customers/get/productCode/LANTERN/code/ida", auth=(EMAIL, PASSWORD))
    log = _log(server)
    assert [(call["action"], call["customer"], call["status"]) for call in log] == [
        ("customers/new", "ida", 200),
        ("customers/add-charge", "ida", 200),
        ("customers/edit", "ida", 412),
        ("plans/get", "", 401),
        ("customers/get", "ida", None),
    ]
    assert {call["product"] for call in log} == {"LANTERN"}
    assert [call["fault"] for call in log] == [None, None, None, None, "dropAfter"]
    assert log[2]["reason"].startswith("subscription[ccNumber]: ")
    assert [call["number"] for call in _log(server, failed="true", customer="ida")] == [3, 5]
    assert [call["number"] for call in _log(server, order="newest", limit="2")] == [5, 4]
    assert [call["number"] for call in _log(server, after="4")] == [5]
    written = json.dumps(log)
    for secret in (CARD, "9876", PASSWORD, "a wrong word", EMAIL):
        assert secret not in written
    assert httpx.get(f"{server.url}/_mock/calls", params={"failed": "maybe"}).status_code == 400
    server.reset()
    assert _log(server) == []


def test_calls_of_the_other_systems_are_there_too(server: Server) -> None:
    httpx.get(f"{server.url}/v1/customers/7")
    httpx.get(f"{server.url}/subscription/getsubscription", params={"SubscriptionId": "S1"})
    assert [(call["system"], call["action"]) for call in _log(server)] == [
        ("fusebill", "customers/get"),
        ("cleverbridge", "subscription/getsubscription"),
    ]


def test_the_command_lists_and_follows_calls(server: Server) -> None:
    command, api = Command(server.url), Api(server)
    assert command.says("calls") == "There are no such calls.\n"
    api.subscribe("ida")
    api.subscribe("ben")
    httpx.get(f"{server.xml}/customers/get/productCode/LANTERN/code/eve", auth=(EMAIL, PASSWORD))
    told = command.says("calls")
    assert re.search(r"2026-01-01 00:00:00 +POST +customers/new +ida +200 +[\d,]+", told)
    assert re.search(r"GET +customers/get +eve +404 +[\d,]+ +Customer not found", told)
    assert [call["customer"] for call in command.gives("calls", "--limit", "2")] == ["ben", "eve"]
    assert [call["customer"] for call in command.gives("calls", "--failed")] == ["eve"]
    assert [call["action"] for call in command.gives("calls", "--customer", "ida")] == ["customers/new"]
    with subprocess.Popen(
        [SCRIPT, "calls", "--follow", "--customer", "ida", "--json", "--mock", server.url],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        try:
            assert json.loads(process.stdout.readline())["action"] == "customers/new"
            api.subscribe("cleo")
            api.call("customers/get", code="ida")
            assert json.loads(process.stdout.readline())["action"] == "customers/get"
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.parametrize("quiet", [True, False])
def test_the_mock_prints_a_line_for_each_call(quiet: bool) -> None:
    more = ["--quiet"] if quiet else []
    with subprocess.Popen(
        [SCRIPT, "mock", "--port", "0", "--frozen", "--start", "2026-01-01", *more],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        assert process.stdout is not None
        try:
            banner = ""
            while "╰" not in banner:
                line = process.stdout.readline()
                assert line, banner
                banner += line
            for system in ("Cheddar", "Cleverbridge", "Fusebill", "Chargemonk"):
                assert re.search(rf"{system} +http://127.0.0.1:\d+", banner)
            (url,) = re.findall(r"(http\S+)/_mock", banner)
            path = "/xml/customers/get/productCode/ACME/code/eve"
            client = httpx.Client(base_url=url, auth=("ops@example.com", "cheddar"))
            with client:
                for _ in range(50):  # it may not listen yet
                    try:
                        client.get(path)
                        break
                    except httpx.ConnectError:
                        continue
        finally:
            process.terminate()
            rest = process.stdout.read()
            process.wait(60)
    pattern = r"2026-01-01 00:00:00  GET  customers/get  eve  ACME  404  [\d,]+ ms  Customer not found\n"
    assert bool(re.search(pattern, rest)) is not quiet
