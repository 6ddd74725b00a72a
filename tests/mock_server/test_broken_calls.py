"""What a client gets when an API breaks: a 500 in the system's own format, and a mock that goes on."""

import socket
from base64 import b64encode
from collections.abc import Iterator
from typing import Any, NoReturn
from urllib.parse import urlsplit

import httpx
import pytest
from lxml import etree

from tallyhook_mock import Server, serve
from tallyhook_mock.systems.chargemonk.state import State as Chargemonk
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cleverbridge.state import State as Cleverbridge
from tallyhook_mock.systems.fusebill.state import State as Fusebill

from .loopback import EMAIL, PASSWORD, catalog
from .systems_world import CATALOG, START


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(catalog() | CATALOG, start=START) as running:
        yield running


def cheddar(server: Server) -> httpx.Response:
    path = f"{server.xml}/plans/get/productCode/LANTERN"
    return httpx.get(path, auth=(EMAIL, PASSWORD), trust_env=False, timeout=60)


def cleverbridge(server: Server) -> httpx.Response:
    path = f"{server.url}/subscription/getsubscription?subscriptionId=S1001"
    headers = {"Accept": "application/json"}
    return httpx.get(path, headers=headers, auth=("grace", "hopper"), trust_env=False, timeout=60)


def fusebill(server: Server) -> httpx.Response:
    headers = {"Authorization": "Basic wick-and-oil"}
    return httpx.get(f"{server.url}/v1/subscriptions/11", headers=headers, trust_env=False, timeout=60)


def chargemonk(server: Server) -> httpx.Response:
    return httpx.post(
        f"{server.url}/listInvoices", data={"api_token": "test_chargemonk"}, trust_env=False, timeout=60
    )


def said(answer: httpx.Response) -> Any:
    if answer.headers["content-type"].startswith("text/xml"):
        error = etree.fromstring(answer.content)
        return error.tag, error.get("code"), error.get("auxCode"), error.text
    shown = answer.json()
    shown.pop("ErrorId", None)
    return shown


@pytest.mark.parametrize(
    ("call", "broken", "expected"),
    [
        (
            cheddar,
            (Product, "plans"),
            ("error", "500", "1000", "An unexpected error occured.  Please try again later."),
        ),
        (
            cleverbridge,
            (Cleverbridge, "subscription"),
            {"ResultMessage": "The server broke; the call may have been carried out or not"},
        ),
        (
            fusebill,
            (Fusebill, "catch_up"),
            {
                "HttpStatusCode": 500,
                "Errors": [{"Key": "server", "Value": "something broke; the mock's log says what"}],
            },
        ),
        (
            chargemonk,
            (Chargemonk, "catch_up"),
            {"status": "error", "message": "the server broke"},
        ),
    ],
)
def test_a_call_that_breaks(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    call: Any,
    broken: tuple[type, str],
    expected: Any,
) -> None:
    def fail(*_: object) -> NoReturn:
        raise RuntimeError("a bug")

    before = call(server)
    assert before.status_code == 200, before.text
    with monkeypatch.context() as patch:
        patch.setattr(*broken, fail)
        answer = call(server)
    assert (answer.status_code, said(answer)) == (500, expected)
    assert answer.headers["content-type"] == before.headers["content-type"]
    assert [record.exc_info is not None for record in caplog.records] == [True]
    after = call(server)
    assert (after.status_code, after.content) == (200, before.content)


@pytest.mark.parametrize(
    "path",
    [
        "/xml/customers/new/productCode/LANTERN",
        "/subscription/renewsubscription",
        "/v1/customers",
        "/createCustomer",
        "/_mock/clock",
        "/console/clock/advance",
    ],
)
def test_a_client_that_leaves_within_its_request(
    server: Server, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = cheddar(server).content
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=60) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 99\r\n"
        access = b64encode(f"{EMAIL}:{PASSWORD}".encode()).decode()
        connection.sendall(f"{head}Authorization: Basic {access}\r\n\r\n{{".encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert cheddar(server).content == before
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
