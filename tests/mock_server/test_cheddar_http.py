"""The XML API over a real socket, through the whole server."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from lxml import etree

from tallyhook_mock import Server, serve

from .cheddar_face import CATALOG, EMAIL, PASSWORD, new


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(CATALOG, start="2026-03-01T12:00:00Z") as server:
        yield server


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.xml, auth=(EMAIL, PASSWORD), trust_env=False) as client:
        yield client


def test_a_customer_from_beginning_to_end(http: httpx.Client, server: Server) -> None:
    assert http.post("/customers/new/productCode/HARBOUR", data=new(code="a/b@c")).status_code == 200
    quantity = {"productCode": "HARBOUR", "code": "a/b@c", "itemCode": "crane", "quantity": "15"}
    assert http.get("/customers/set-item-quantity", params=quantity).status_code == 200
    server.advance("1mo")
    answer = http.get("/customers/get/productCode/HARBOUR/code/a%2Fb%40c")
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    document = etree.fromstring(answer.content)
    assert document.findtext(".//invoice[number='2']/transactions/transaction/amount") == "52.50"
    assert http.post("/customers/delete/productCode/HARBOUR", data={"code": "a/b@c"}).status_code == 200
    assert http.get("/customers/get/productCode/HARBOUR/code/a%2Fb%40c").status_code == 404


def test_a_long_body_is_answered(http: httpx.Client) -> None:
    answer = http.post("/customers/new/productCode/HARBOUR", data={"notes": "x" * 10_000_000})
    assert answer.status_code == 413
    assert etree.fromstring(answer.content).get("code") == "413"


def test_credentials_are_asked_for(server: Server) -> None:
    answer = httpx.get(f"{server.xml}/plans/get/productCode/HARBOUR", trust_env=False)
    assert answer.status_code == 401
    assert etree.fromstring(answer.content).text == "Authentication required"


@pytest.mark.parametrize(
    "path",
    [
        b"/xml/plans/get/%zz/x",
        b"/xml/plans/get/productCode/%ff%00",
        b"/xml/%",
        b"/xml/plans/get/productCode/HARBOUR/code/" + "é".encode(),
        b"/xml/plans/get/productCode/\xff\x00",
        b"/xml/plans/get/productCode/A B",
    ],
)
def test_broken_paths_as_no_client_would_send_them(server: Server, path: bytes) -> None:
    address = urlsplit(server.url)
    request = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    request += b"Authorization: " + httpx.BasicAuth(EMAIL, PASSWORD)._auth_header.encode() + b"\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"text/xml" in head
    assert etree.fromstring(body).get("code") == "400"


def test_head_and_put_are_refused_with_a_document(http: httpx.Client) -> None:
    for method in ("PUT", "HEAD"):
        answer = http.request(method, "/plans/get/productCode/HARBOUR")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
