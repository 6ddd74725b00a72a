"""The connections of an AsyncClient: how many, for how long, by which way, and that none is left behind."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
import respx

from tallyhook import AsyncClient, NoAnswer, pool
from tallyhook_mock.tls import Identity, make_identity

DOCUMENT = (
    (Path(__file__).parents[1] / "fixtures" / "customer.xml").read_bytes().replace(b"harbour/42+b", b"C1")
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT)


class Billing:
    """A server that answers once as many calls as are expected are under way."""

    def __init__(self) -> None:
        self.port = 0
        self.opened = self.open = self.most = self.asked = 0
        self.expected = 1
        self.answer: Callable[[asyncio.Transport], object] = lambda asking: asking.write(HEAD + DOCUMENT)
        self.asking: list[asyncio.Transport] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def nobody(self) -> None:
        """Until no connection is open."""
        async with asyncio.timeout(5):
            while self.open:
                await asyncio.sleep(0.005)


class Connection(asyncio.Protocol):
    def __init__(self, billing: Billing) -> None:
        self.billing = billing
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.billing.opened += 1
        self.billing.open += 1
        self.billing.most = max(self.billing.most, self.billing.open)

    def data_received(self, data: bytes) -> None:
        self.received += data
        if b"\r\n\r\n" in self.received:
            self.received = b""
            self.billing.asked += 1
            self.billing.asking.append(self.transport)
            if len(self.billing.asking) == self.billing.expected:
                asking, self.billing.asking = self.billing.asking, []
                for transport in asking:
                    self.billing.answer(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.billing.open -= 1
        if self.transport in self.billing.asking:
            self.billing.asking.remove(self.transport)


@asynccontextmanager
async def started(tls: ssl.SSLContext | None = None) -> AsyncIterator[Billing]:
    billing, loop = Billing(), asyncio.get_running_loop()
    async with await loop.create_server(lambda: Connection(billing), "127.0.0.1", 0, ssl=tls) as server:
        billing.port = server.sockets[0].getsockname()[1]
        yield billing
        await billing.nobody()


@pytest.fixture
async def billing() -> AsyncIterator[Billing]:
    async with started() as billing:
        yield billing


def made(url: str, **options: Any) -> AsyncClient:
    return AsyncClient(
        "ACME", "ops@example.com", "pass", base_url=url, **{"retries": 0, "timeout": 5, **options}
    )


async def read(client: AsyncClient, times: int = 1) -> None:
    customers = await asyncio.gather(*(client.get_customer("C1") for _ in range(times)))
    assert len(customers) == times


@pytest.mark.parametrize("at_once", [1, 5, 40])
async def test_no_more_connections_than_calls_at_one_time(billing: Billing, at_once: int) -> None:
    billing.expected = at_once
    async with made(billing.url) as client:
        await read(client, at_once)
        assert billing.opened == at_once
        billing.expected = 1
        for _ in range(3):
            await read(client)
        assert billing.opened == at_once
        assert billing.open == min(at_once, 20)
        await client.disconnect()
        await billing.nobody()
        await read(client)
        assert billing.opened == at_once + 1


async def test_more_calls_than_connections(billing: Billing) -> None:
    billing.expected = 50
    async with made(billing.url) as client:
        await read(client, 150)
    assert (billing.asked, billing.most) == (150, 100)


async def test_a_call_waits_for_a_connection(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MOST", 1)
    billing.expected = 2
    async with made(billing.url, timeout=0.5) as client:
        outcomes = await asyncio.gather(
            *(client.get_customer("C1") for _ in range(3)), return_exceptions=True
        )
        told = sorted(str(outcome) for outcome in outcomes)
        assert told[0].startswith("no answer: PoolTimeout")
        assert told[-1].startswith("no answer: ReadTimeout")
        await billing.nobody()
        billing.expected = 1
        await read(client, 3)


async def test_connections_expire(billing: Billing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_EXPIRY", 0.1)
    billing.expected = 3
    async with made(billing.url) as client:
        await read(client, 3)
        billing.expected = 1
        for _ in range(6):  # the one that is used stays, and those behind it go
            await asyncio.sleep(0.05)
            await read(client)
        assert (billing.opened, billing.open) == (3, 1)
        await asyncio.sleep(0.15)
        await read(client)
        assert (billing.opened, billing.most) == (4, 3)


@pytest.mark.parametrize(
    "also",
    [
        lambda asking: asking.close(),
        lambda asking: asking.abort(),
        lambda asking: asking.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n"),
    ],
    ids=["closes", "resets", "goes on"],
)
async def test_a_server_that_is_done_after_an_answer(
    billing: Billing, also: Callable[[asyncio.Transport], object]
) -> None:
    def answer(asking: asyncio.Transport) -> None:
        asking.write(HEAD + DOCUMENT)
        asyncio.get_running_loop().call_later(0.01, also, asking)

    billing.answer = answer
    async with made(billing.url) as client:
        for calls in range(1, 4):
            await read(client)
            await asyncio.sleep(0.03)
            assert billing.opened == calls


@pytest.mark.parametrize("sent", [b"", HEAD[:20], HEAD, HEAD + DOCUMENT[:100]])
async def test_a_server_that_dies_in_the_middle(billing: Billing, sent: bytes) -> None:
    def die(asking: asyncio.Transport) -> None:
        asking.write(sent)
        asking.close()

    alive, billing.answer = billing.answer, die
    async with made(billing.url) as client:
        with pytest.raises(NoAnswer) as caught:
            await client.add_charge("C1", "FEE", 1, 5)
        assert caught.value.maybe_applied
        await billing.nobody()
        billing.answer = alive
        await read(client)


@pytest.mark.parametrize("sent", [b"", HEAD[:20], HEAD + DOCUMENT[:100]])
async def test_a_canceled_call(billing: Billing, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MOST", 1)
    alive = billing.answer
    billing.answer = lambda asking: asking.write(sent)
    async with made(billing.url) as client:
        for _ in range(3):
            call = asyncio.create_task(client.get_customer("C1"))
            waiting = asyncio.create_task(client.get_customer("C1"))
            await asyncio.sleep(0.03)
            assert billing.open == 1
            waiting.cancel()
            call.cancel()
            await asyncio.wait([call, waiting])
            assert call.cancelled()
            assert waiting.cancelled()
            await billing.nobody()
        billing.answer = alive
        await read(client)


@pytest.mark.parametrize("turns", range(12))
async def test_a_call_canceled_at_any_turn(
    billing: Billing, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_MOST", 1)
    async with made(billing.url) as client:
        for _ in range(2):  # on a connection that has to be made, and on one that is there
            call = asyncio.create_task(client.get_customer("C1"))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await read(client)


@pytest.mark.parametrize("turns", range(4))
async def test_an_answer_whose_closing_is_canceled(
    billing: Billing, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_MOST", 1)
    transport = pool.Transport(httpx.create_ssl_context())
    for _ in range(3):
        answer = await transport.handle_async_request(httpx.Request("GET", billing.url))
        closing = asyncio.create_task(answer.aclose())
        for _ in range(turns):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait([closing])
        await answer.aclose()
        if turns:  # otherwise it has not begun
            assert billing.open <= 1
    await transport.aclose()


async def test_calls_under_way_at_a_disconnect(billing: Billing) -> None:
    billing.expected = 9
    async with made(billing.url) as client:
        calls = [asyncio.create_task(client.get_customer("C1")) for _ in range(3)]
        await asyncio.sleep(0.05)
        await client.disconnect()
        await billing.nobody()
        for call in calls:
            with pytest.raises(NoAnswer):
                await call
        billing.expected = 1
        await read(client)


async def test_a_disconnect_before_a_call_has_left_is_no_matter(billing: Billing) -> None:
    async with made(billing.url) as client:
        await read(client)
        call = asyncio.create_task(client.add_charge("C1", "FEE", 1, 5))
        await asyncio.sleep(0)  # it has its connection, and has sent nothing
        await client.disconnect()
        await call
        assert (billing.opened, billing.asked) == (2, 2)


async def test_a_connection_that_can_not_be_made_leaves_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_MOST", 1)
    async with started() as billing:
        gone = billing.url
    connections = pool.Pool(httpx.create_ssl_context())
    request = httpcore.Request("GET", gone, extensions={"timeout": {"pool": 0.05}})
    for _ in range(2):
        with pytest.raises(httpcore.ConnectError):
            await connections.handle_async_request(request)
        assert connections.connections == []
    with monkeypatch.context() as patched:
        patched.setattr(pool.Pool, "create_connection", None)
        with pytest.raises(TypeError):
            await connections.handle_async_request(request)
    with pytest.raises(httpcore.ConnectError):
        await connections.handle_async_request(request)


def test_one_event_loop_after_the_other() -> None:
    """Calls wait for connections in both, since that is what ties a semaphore to its loop."""
    ready, port = threading.Event(), 0
    stop: Callable[[], object] = ready.set

    async def serve() -> None:
        nonlocal port, stop
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop = lambda: loop.call_soon_threadsafe(done.set)  # noqa: E731 - it closes over what runs here
        async with started() as billing:
            port = billing.port
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(5)
    client = made(f"http://127.0.0.1:{port}")
    try:
        for _ in range(2):
            with asyncio.Runner() as runner:
                runner.run(read(client, 150))
                runner.run(client.disconnect())
    finally:
        stop()
        thread.join()


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"), ["billing.test"])


def proving(identity: Identity) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


class Proxy:
    """A proxy that carries whatever is asked to one server, wherever that is said to be."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[bytes] = []
        self.answer = b"HTTP/1.1 200 Connection established\r\n\r\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        writer.write(self.answer)
        if b" 200 " in self.answer:
            theirs, to_them = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.gather(carry(reader, to_them), carry(theirs, writer))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.fixture(params=["http", "https"])
async def tunnel(
    request: pytest.FixtureRequest, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Billing, Proxy]]:
    """A server by TLS that is only reached by a proxy, which for https means TLS within TLS."""
    for name in ("all_proxy", "no_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.authority))
    tls = proving(identity)
    async with started(tls) as billing:
        proxy = Proxy(billing.port)
        proven = tls if request.param == "https" else None
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0, ssl=proven) as server:
            port = server.sockets[0].getsockname()[1]
            monkeypatch.setenv("https_proxy", f"{request.param}://us%40er:word@127.0.0.1:{port}")
            yield billing, proxy
            await billing.nobody()
            await asyncio.sleep(0.05)


async def test_tls(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(identity.authority))
    async with started(proving(identity)) as billing:
        async with made(f"https://localhost:{billing.port}") as client:
            for _ in range(3):
                await read(client)
            assert billing.opened == 1
        monkeypatch.delenv("SSL_CERT_FILE")
        async with made(f"https://localhost:{billing.port}") as client:
            with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED") as caught:
                await read(client)
            assert not caught.value.maybe_applied


async def test_a_tunnel_through_a_proxy(tunnel: tuple[Billing, Proxy]) -> None:
    billing, proxy = tunnel
    async with made("https://billing.test/xml") as client:
        await read(client)
        await read(client)
        assert (billing.opened, billing.asked) == (1, 2)
    (asked,) = proxy.asked
    assert asked.startswith(b"CONNECT billing.test:443 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic dXNAZXI6d29yZA==\r\n" in asked


async def test_a_certificate_at_the_end_of_a_tunnel(tunnel: tuple[Billing, Proxy]) -> None:
    async with made("https://elsewhere.test/xml") as client:
        with pytest.raises(NoAnswer, match="CERTIFICATE_VERIFY_FAILED") as caught:
            await read(client)
        assert not caught.value.maybe_applied


async def test_a_proxy_that_refuses(tunnel: tuple[Billing, Proxy]) -> None:
    _, proxy = tunnel
    proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with made("https://billing.test/xml") as client:
        with pytest.raises(NoAnswer, match=r"ProxyError \(407") as caught:
            await read(client)
        assert not caught.value.maybe_applied


async def test_a_call_canceled_in_a_tunnel(
    tunnel: tuple[Billing, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_MOST", 1)
    billing, _ = tunnel
    async with made("https://billing.test/xml") as client:
        for turns in range(0, 60, 3):
            call = asyncio.create_task(client.get_customer("C1"))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.wait([call])
            await client.disconnect()
        await billing.nobody()
        await read(client)


async def test_respx_sees_the_call_and_not_the_proxy(tunnel: tuple[Billing, Proxy]) -> None:
    billing, proxy = tunnel
    with respx.mock(base_url="https://billing.test/xml") as router:
        route = router.get("/customers/get").respond(content=DOCUMENT)
        async with made("https://billing.test/xml") as client:
            await read(client, 3)
            assert route.call_count == 3
    assert (billing.opened, proxy.asked) == (0, [])


async def test_respx_lets_calls_pass(billing: Billing) -> None:
    with respx.mock() as router:
        route = router.get(url__startswith=billing.url).pass_through()
        async with made(billing.url) as client:
            await read(client, 3)
    assert route.called
    assert billing.asked == 3


async def test_those_who_patch_the_transport_of_httpx_see_every_call(
    billing: Billing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pytest-httpx and OpenTelemetry's instrumentation do."""
    seen: list[httpx.URL] = []

    async def handle(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return httpx.Response(200, content=DOCUMENT)

    async with made(billing.url) as client:
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", handle)
        await read(client)
    assert [url.path for url in seen] == ["/customers/get"]
    assert billing.opened == 0


async def test_a_proxy_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "gopher://127.0.0.1")
    with pytest.raises(ValueError, match="gopher"):
        made("http://billing.test")
