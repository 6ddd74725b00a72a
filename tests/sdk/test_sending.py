"""Sending calls: headers, proxies, compression, connections."""

import gzip
import inspect
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from tallyhook import AsyncClient, Client, NoAnswer, UnusableClient, cleverbridge, fusebill

CUSTOMER = (Path(__file__).parents[1] / "fixtures" / "customer.xml").read_bytes()
CUSTOMER = CUSTOMER.replace(b"harbour/42+b", b"C1")


@pytest.fixture(params=[Client, AsyncClient], ids=lambda client: client.__name__)
def client(request: pytest.FixtureRequest) -> type[Client] | type[AsyncClient]:
    kind: type[Client] | type[AsyncClient] = request.param
    return kind


async def customer(client: Client | AsyncClient) -> Any:
    result = client.get_customer("C1")
    return await result if inspect.iscoroutine(result) else result


async def close(client: Client | AsyncClient) -> None:
    await client.aclose() if isinstance(client, AsyncClient) else client.close()


async def disconnect(client: Client | AsyncClient) -> None:
    await client.disconnect() if isinstance(client, AsyncClient) else client.disconnect()


@contextmanager
def listening(body: bytes, *headers: str) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives this answer once per connection. Yields its host and the requests it got."""
    requests: list[bytes] = []
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", "Connection: close", *headers])
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                requests.append(_received(connection))
                connection.sendall(f"{head}\r\n\r\n".encode() + body)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}", requests
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _received(connection: socket.socket) -> bytes:
    """One request, its body included."""
    request = b""
    while chunk := connection.recv(65536):
        request += chunk
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if end and len(body) == (int(length[1]) if length else 0):
            break
    return request


async def test_the_request_as_it_is_written(client: type[Client] | type[AsyncClient]) -> None:
    with listening(CUSTOMER) as (host, sent):
        made = client("ACME", "u", "p", base_url=f"http://{host}/xml/")
        await customer(made)
        await close(made)
    (request,) = sent
    first, *headers = request.decode().removesuffix("\r\n\r\n").split("\r\n")
    assert first == "GET /xml/customers/get?productCode=ACME&code=C1 HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Authorization: Basic dTpw",
        "Connection: keep-alive",
        f"Host: {host}",
        "User-Agent: tallyhook",
    ]


async def test_a_form_as_it_is_written(client: type[Client] | type[AsyncClient]) -> None:
    with listening(CUSTOMER) as (host, sent):
        made = client("ACME", "u", "p", base_url=f"http://{host}/xml")
        result = made.set_item_quantity("C1", "GB", 12)
        if inspect.iscoroutine(result):
            await result
        await close(made)
    form = b"quantity=12&invoicePeriod=current"
    target = b"/xml/customers/set-item-quantity?productCode=ACME&code=C1&itemCode=GB"
    assert sent[0].startswith(b"POST %s HTTP/1.1\r\n" % target)
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in sent[0]
    assert b"\r\nContent-Length: %d\r\n" % len(form) in sent[0]
    assert sent[0].endswith(b"\r\n\r\n" + form)


async def test_compressed_answers(client: type[Client] | type[AsyncClient]) -> None:
    with listening(gzip.compress(CUSTOMER), "Content-Encoding: gzip") as (host, _):
        made = client("ACME", "u", "p", base_url=f"http://{host}")
        assert (await customer(made)).code == "C1"
        await close(made)
    with listening(b"not compressed", "Content-Encoding: gzip") as (host, _):
        made = client("ACME", "u", "p", base_url=f"http://{host}", retries=0)
        with pytest.raises(NoAnswer):
            await customer(made)
        await close(made)


@pytest.mark.parametrize("named", ["http_proxy", "all_proxy"])
async def test_a_proxy_of_the_environment(
    client: type[Client] | type[AsyncClient], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(CUSTOMER) as (proxy, sent):
        for name in ("http_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setenv(named, proxy)
        made = client("ACME", "u", "p", base_url="http://billing.example/xml")
        assert (await customer(made)).code == "C1"
        await close(made)
        assert sent[0].startswith(b"GET http://billing.example/xml/customers/get?")
        with listening(CUSTOMER) as (direct, asked):
            monkeypatch.setenv("no_proxy", direct)
            made = client("ACME", "u", "p", base_url=f"http://{direct}/xml")
            await customer(made)
            await close(made)
            assert (len(sent), len(asked)) == (1, 1)


async def test_respx_stands_in(client: type[Client] | type[AsyncClient]) -> None:
    with respx.mock(base_url="https://getcheddar.com/xml") as router:
        route = router.get("/customers/get").respond(content=CUSTOMER)
        made = client("ACME", "u", "p")
        assert (await customer(made)).code == "C1"
        await close(made)
    assert route.call_count == 1


async def test_connections_are_used_again(client: type[Client] | type[AsyncClient]) -> None:
    accepted = 0

    def serve() -> None:
        nonlocal accepted
        connection, _ = listener.accept()
        accepted += 1
        with connection:
            while connection.recv(65536):
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CUSTOMER), CUSTOMER)
                )

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        made = client("ACME", "u", "p", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=5)
        for _ in range(3):
            await customer(made)
        await close(made)
        thread.join()
    assert accepted == 1


async def test_a_disconnected_client_connects_anew(client: type[Client] | type[AsyncClient]) -> None:
    connected, left = [], []
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(CUSTOMER), CUSTOMER)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for _ in range(2):
                connection, peer = listener.accept()
                connected.append(peer)
                with connection:
                    while _received(connection):
                        connection.sendall(answer)
                left.append(peer)

        thread = threading.Thread(target=serve)
        thread.start()
        made = client("ACME", "u", "p", base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=5)
        for _ in range(2):
            await customer(made)
            await customer(made)
            await disconnect(made)
        thread.join(5)
        await close(made)
    assert len(connected) == 2
    assert left == connected


async def test_a_closed_client_is_of_no_use(client: type[Client] | type[AsyncClient]) -> None:
    with listening(CUSTOMER) as (host, requests):
        made = client("ACME", "u", "p", base_url=f"http://{host}")
        await customer(made)
        await close(made)
        with pytest.raises(UnusableClient, match="closed"):
            await customer(made)
        await close(made)  # closing twice is harmless
    assert len(requests) == 1


@pytest.mark.parametrize("base_url", ["getcheddar.com/xml", "ftp://getcheddar.com"])
def test_addresses_that_nobody_can_reach(client: type[Client] | type[AsyncClient], base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        client("ACME", "u", "p", base_url=base_url)


@pytest.mark.parametrize(
    "twins",
    [
        (Client, AsyncClient),
        (cleverbridge.Client, cleverbridge.AsyncClient),
        (fusebill.Client, fusebill.AsyncClient),
    ],
)
def test_twins_are_made_alike_and_do_the_same(twins: tuple[type, type]) -> None:
    ours, theirs = (inspect.signature(kind).parameters for kind in twins)
    assert list(ours) == list(theirs)
    assert [p.default for p in ours.values()] == [p.default for p in theirs.values()]
    methods, awaited = ({name for name in dir(kind) if not name.startswith("_")} for kind in twins)
    assert methods ^ awaited == {"close", "aclose"}


@pytest.mark.parametrize("kind", [cleverbridge.Client, fusebill.AsyncClient])
def test_methods_show_what_they_take_and_return(kind: type[Any]) -> None:
    made = kind(
        *["secret"] * (2 if kind is cleverbridge.Client else 1), transport=httpx.MockTransport(lambda _: None)
    )
    name = "get_subscription" if kind is cleverbridge.Client else "get_billing_period_definition"
    method = getattr(made, name)
    signature = inspect.signature(method)
    assert "self" not in signature.parameters
    assert signature.return_annotation.__module__ == f"{kind.__module__.rpartition('.')[0]}.models"
    assert method.__name__ == name
    assert method.__doc__ == getattr(kind, name).__doc__
    assert "secret" not in repr(made) + repr(method)
