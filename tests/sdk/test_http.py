"""The clients on httpx: your own httpx client, instrumentation, life cycle, and malformed answers."""

import asyncio
import contextlib
import gc
import gzip
import inspect
import logging
import multiprocessing
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import trio
import vcr
from httpx_aiohttp import HttpxAiohttpClient
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock

from tallyhook import AsyncClient, Client, DecodeError, Error, NoAnswer, UnusableClient, calls
from tallyhook.errors import APIError

DOCUMENT = b'<customers><customer id="1" code="C1"><email>ada@example.com</email></customer></customers>'
URL = "https://getcheddar.com/xml/customers/get"
Kind = type[Client] | type[AsyncClient]


@pytest.fixture(params=[Client, AsyncClient], ids=lambda kind: kind.__name__)
def kind(request: pytest.FixtureRequest) -> Kind:
    made: Kind = request.param
    return made


def own(kind: Kind, **options: Any) -> Any:
    """An httpx client for this kind of client."""
    return httpx.Client(**options) if kind is Client else httpx.AsyncClient(**options)


async def done(result: Any) -> Any:
    return await result if inspect.iscoroutine(result) else result


async def close(client: Any) -> None:
    await done((getattr(client, "aclose", None) or client.close)())


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body


def received(connection: socket.socket) -> bytes:
    """One request, its body included; empty at the end."""
    request = b""
    while piece := connection.recv(65536):
        request += piece
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        if end and len(body) >= (int(length[1]) if length else 0):
            return request
    return b""


class Server:
    """Answers the requests of each connection with what `script` yields, and counts both."""

    def __init__(self, script: Callable[[int], Iterator[bytes]]) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while request := received(connection):
                self.requests.append(request)
                for piece in self.script(len(self.requests)):
                    connection.sendall(piece)


def always(*pieces: bytes) -> Server:
    return Server(lambda _: iter(pieces))


# Your own httpx client, and httpx's options.


async def test_a_client_of_ones_own(kind: Kind) -> None:
    with always(answer(DOCUMENT)) as server:
        http = own(kind, headers={"X-Gateway": "7"}, cookies={"a": "b"}, follow_redirects=True)
        client = kind("ACME", "u", "p", base_url=server.url, http=http)
        assert (await done(client.get_customer("C1"))).email == "ada@example.com"
        assert b"x-gateway: 7" in server.requests[0].lower()
        assert b"authorization: basic dtpw" in server.requests[0].lower()
        await close(client)
        assert not http.is_closed
        await close(http)


async def test_the_credentials_are_the_clients_own(kind: Kind) -> None:
    http = own(
        kind, transport=httpx.MockTransport(lambda _: httpx.Response(200, content=DOCUMENT)), auth=("x", "y")
    )
    seen = []
    hook = {"request": [_seeing(kind, seen)]}
    http.event_hooks = hook
    await done(kind("ACME", "u", "p", http=http).get_customer("C1"))
    assert seen[0].headers["Authorization"] == "Basic dTpw"
    await close(http)


async def test_nothing_of_an_http_client_replaces_what_a_call_says(kind: Kind) -> None:
    headers = {"Authorization": "Bearer x", "Content-Type": "application/json", "Accept": "application/json"}
    with always(answer(DOCUMENT)) as server:
        http = own(kind, headers=headers, base_url=server.url)
        client = kind("ACME", "u", "p", base_url=f"{server.url}/xml", http=http)
        await done(client.add_charge("C1", "FEE", 1, 5))
        (request,) = server.requests
        assert request.startswith(b"POST /xml/customers/add-charge?productCode=ACME&code=C1 HTTP/1.1")
        lines = [line.lower() for line in request.splitlines()]
        assert b"content-type: application/x-www-form-urlencoded" in lines
        assert b"accept: application/xml" in lines or b"accept: */*" in lines
        assert b"authorization: basic dtpw" in lines
        assert len([line for line in lines if line.startswith((b"content-type", b"authorization"))]) == 2
        await close(http)


@pytest.mark.parametrize("call", ["get", "add"])
async def test_params_of_an_http_client_are_refused(kind: Kind, call: str) -> None:
    """httpx sends them in place of the query of a call: it would name nobody, or somebody else."""
    with always(answer(DOCUMENT)) as server:
        http = own(kind, params={"code": "C2", "gateway": "7"})
        with pytest.raises(ValueError, match="params"):
            kind("ACME", "u", "p", base_url=server.url, http=http)
        http.params = {}
        client = kind("ACME", "u", "p", base_url=server.url, http=http)
        http.params = {"code": "C2"}
        with pytest.raises(UnusableClient) as caught:
            await done(client.get_customer("C1") if call == "get" else client.add_charge("C1", "FEE", 1, 5))
        assert not caught.value.maybe_applied
        assert server.requests == []
        await close(http)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:9/xml", "http://127.0.0.1/xm", "https://127.0.0.1/xml"]
)
async def test_another_base_url_of_an_http_client_is_refused(kind: Kind, base_url: str) -> None:
    """Calls meant for a test server would go to the real one."""
    http: Any = own(kind, base_url=base_url)
    with pytest.raises(ValueError, match="base_url"):
        kind("ACME", "u", "p", http=http)
    with pytest.raises(ValueError, match="base_url"):
        kind("ACME", "u", "p", base_url="http://127.0.0.1/xml", http=http)
    assert kind("ACME", "u", "p", base_url=f"{base_url}/", http=http)
    await close(http)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "/xml",
        "127.0.0.1/xml",
        "ftp://127.0.0.1/xml",
        "http:///xml",
        "http://x:y@127.0.0.1/xml",
        "http://127.0.0.1/xml?key=1",
        "http://127.0.0.1/xml#",
        "http://127.0.0.1:x/xml",
    ],
)
def test_a_base_url_that_calls_cannot_be_put_below(kind: Kind, base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        kind("ACME", "u", "p", base_url=base_url)


def _seeing(kind: Kind, seen: list[Any]) -> Any:
    def see(what: Any) -> None:
        seen.append(what)

    async def see_async(what: Any) -> None:
        seen.append(what)

    return see if kind is Client else see_async


async def test_event_hooks(kind: Kind) -> None:
    requests: list[Any] = []
    responses: list[Any] = []
    hooks = {"request": [_seeing(kind, requests)], "response": [_seeing(kind, responses)]}
    with always(answer(DOCUMENT)) as server:
        client = kind("ACME", "u", "p", base_url=server.url, event_hooks=hooks)
        await done(client.get_customer("C1"))
        await close(client)
    assert [each.url.path for each in requests] == ["/customers/get"]
    assert [each.status_code for each in responses] == [200]


async def test_redirects_are_not_followed(kind: Kind) -> None:
    with always(answer(b"", "Location: /elsewhere", status="302 Found")) as server:
        for http in (None, own(kind, follow_redirects=True)):
            client = kind("ACME", "u", "p", base_url=server.url, http=http, retries=0)
            with pytest.raises(APIError) as caught:
                await done(client.add_charge("C1", "FEE", 1, 5))
            assert caught.value.status == 302
            assert not caught.value.documented
            await close(client)
            if http is not None:
                await close(http)
    assert len(server.requests) == 2


async def test_limits_and_verify_go_to_httpx(kind: Kind) -> None:
    client = kind(
        "ACME", "u", "p", verify=False, limits=httpx.Limits(max_connections=1), proxy="http://127.0.0.1:9"
    )
    with pytest.raises(NoAnswer) as caught:
        await done(client.send(calls.add_charge("C1", "FEE", 1, 5)))
    assert not caught.value.maybe_applied
    await close(client)


def test_options_that_contradict(kind: Kind) -> None:
    http: Any = own(kind, transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    with pytest.raises(TypeError, match="verify"):
        kind("ACME", "u", "p", http=http, verify=False)
    with pytest.raises(TypeError):
        kind("ACME", "u", "p", tiemout=3)  # type: ignore[call-arg]  # what is tested


async def test_timeouts(kind: Kind) -> None:
    assert kind("ACME", "u", "p").timeout == 30
    assert kind("ACME", "u", "p", timeout=3).timeout == 3
    http: Any = own(kind, timeout=httpx.Timeout(5, read=7))
    assert kind("ACME", "u", "p", http=http).timeout == 7
    assert kind("ACME", "u", "p", http=http, timeout=2).timeout == 2
    http = own(kind, timeout=None)
    assert kind("ACME", "u", "p", http=http).timeout == float("inf")


# Instrumentation of httpx.


@pytest.mark.parametrize("using", ["httpcore", "httpx"])
async def test_respx(kind: Kind, using: str) -> None:
    with respx.mock(using=using) as router:
        route = router.get(URL).respond(content=DOCUMENT)
        client = kind("ACME", "u", "p")
        assert (await done(client.get_customer("C1"))).code == "C1"
        await close(client)
    assert route.call_count == 1
    assert route.calls[0].request.url.params["code"] == "C1"


async def test_respx_as_a_transport(kind: Kind) -> None:
    router = respx.Router()
    route = router.get(URL).respond(content=DOCUMENT)
    handler: Any = router.handler if kind is Client else router.async_handler
    client = kind("ACME", "u", "p", transport=httpx.MockTransport(handler))
    assert (await done(client.get_customer("C1"))).code == "C1"
    assert route.call_count == 1
    await close(client)


async def test_respx_lets_calls_pass(kind: Kind) -> None:
    with always(answer(DOCUMENT)) as server, respx.mock(using="httpcore") as router:
        router.route(host="127.0.0.1").pass_through()
        client = kind("ACME", "u", "p", base_url=server.url)
        assert (await done(client.get_customer("C1"))).code == "C1"
        await close(client)


async def test_pytest_httpx(kind: Kind, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(content=DOCUMENT)
    client = kind("ACME", "u", "p")
    assert (await done(client.get_customer("C1"))).code == "C1"
    (request,) = httpx_mock.get_requests()
    assert request.url.path == "/xml/customers/get"
    await close(client)


async def test_vcrpy(kind: Kind, tmp_path: Path) -> None:
    cassette = str(tmp_path / "cassette.yaml")
    with always(answer(DOCUMENT)) as server:
        for _ in range(2):  # recorded, then played
            with vcr.use_cassette(cassette, record_mode="once") as played:
                client = kind("ACME", "u", "p", base_url=server.url)
                assert (await done(client.get_customer("C1"))).code == "C1"
                await close(client)
                assert len(played.requests) == 1
        assert len(server.requests) == 1


SENTRY = """
import asyncio, sys
import sentry_sdk
from sentry_sdk.integrations.httpx import HttpxIntegration
from tallyhook import AsyncClient, Client

spans = []
sentry_sdk.init(
    dsn="http://key@127.0.0.1:9/1",
    traces_sample_rate=1.0,
    before_send_transaction=lambda event, hint: spans.extend(event["spans"]),
    default_integrations=False,
    integrations=[HttpxIntegration()],
    shutdown_timeout=0,
)

async def call():
    async with AsyncClient("ACME", "u", "p", base_url=sys.argv[1]) as client:
        await client.get_customer("C1")

with sentry_sdk.start_transaction(name="t"), Client("ACME", "u", "p", base_url=sys.argv[1]) as client:
    client.get_customer("C1")
    asyncio.run(call())
assert [span["op"] for span in spans] == ["http.client"] * 2, spans
"""


def test_sentry() -> None:
    # In a separate process, because Sentry can't be removed from httpx again.
    with always(answer(DOCUMENT)) as server:
        command = [sys.executable, "-c", SENTRY, server.url]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr


async def test_opentelemetry(kind: Kind) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    HTTPXClientInstrumentor().instrument(tracer_provider=provider)
    try:
        with always(answer(DOCUMENT)) as server:
            client = kind("ACME", "u", "p", base_url=server.url)
            await done(client.get_customer("C1"))
            await close(client)
    finally:
        HTTPXClientInstrumentor().uninstrument()
    assert [span.name for span in exporter.get_finished_spans()] == ["GET"]


async def test_httpx_logs_no_line_of_ours(kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    with always(answer(DOCUMENT)) as server, caplog.at_level(logging.DEBUG):
        client = kind("ACME", "u", "p", base_url=server.url)
        await done(client.get_customer("C1"))
        await close(client)
        assert "C1" not in caplog.text
        assert "customers/get: 200" in caplog.text
        http: Any = own(kind)
        await done(http.get(server.url + "/of-somebody-else"))
        await close(http)
    assert "of-somebody-else" in caplog.text


# Other networks.


async def test_aiohttp() -> None:
    with always(answer(DOCUMENT)) as server:
        async with HttpxAiohttpClient() as http:
            client = AsyncClient("ACME", "u", "p", base_url=server.url, http=http)
            found = await asyncio.gather(*(client.get_customer("C1") for _ in range(8)))
    assert {customer.code for customer in found} == {"C1"}


async def test_aiohttp_loses_answers_as_httpx_does() -> None:
    with Server(lambda n: iter([answer(DOCUMENT)[:-20]])) as server:
        async with HttpxAiohttpClient(timeout=0.5) as http:
            client = AsyncClient("ACME", "u", "p", base_url=server.url, http=http)
            with pytest.raises(NoAnswer) as caught:
                await client.add_charge("C1", "FEE", 1, 5)
            assert caught.value.maybe_applied


def test_trio() -> None:
    async def calling(url: str) -> None:
        async with AsyncClient("ACME", "u", "p", base_url=url, backoff=0) as client:
            assert (await client.get_customer("C1")).code == "C1"
            assert (await client.set_item_quantity("C1", "GB", 1)).code == "C1"

    with Server(lambda n: iter([answer(b"", status="503 Later") if n == 1 else answer(DOCUMENT)])) as server:
        trio.run(calling, server.url)
    assert len(server.requests) == 3


def test_bytes_left_over_in_trio() -> None:
    async def calling(url: str) -> None:
        async with AsyncClient("ACME", "u", "p", base_url=url, backoff=0) as client:
            for _ in range(3):
                assert (await client.get_customer("C1")).email == "ada@example.com"

    stale = answer(DOCUMENT.replace(b"ada@", b"stale@"))
    with Server(lambda n: iter([answer(DOCUMENT) + stale if n == 1 else answer(DOCUMENT)])) as server:
        trio.run(calling, server.url)
    assert server.connections == 2


# Event loops, forks and closing.


def test_one_event_loop_after_the_other() -> None:
    async def call(client: AsyncClient) -> str:
        return (await client.get_customer("C1")).code

    with always(answer(DOCUMENT)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the first loop left a connection open
        client = AsyncClient("ACME", "u", "p", base_url=server.url)
        assert [asyncio.run(call(client)) for _ in range(3)] == ["C1"] * 3
        asyncio.run(client.aclose())
        del client
        gc.collect()
    assert len(server.requests) == 3


def test_a_client_of_ones_own_stays_in_its_loop() -> None:
    with always(answer(DOCUMENT)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        http = httpx.AsyncClient()
        client = AsyncClient("ACME", "u", "p", base_url=server.url, http=http)

        async def add(client: AsyncClient) -> None:
            await client.add_charge("C1", "FEE", 1, 5)

        asyncio.run(add(client))
        with pytest.raises(UnusableClient) as caught:
            asyncio.run(add(client))
        assert not caught.value.maybe_applied
        assert isinstance(caught.value, Error)
        del client, http, caught
        gc.collect()
    assert len(server.requests) == 1


async def test_a_closed_client_opens_again_when_it_is_entered(kind: Kind) -> None:
    with always(answer(DOCUMENT)) as server:
        client: Any = kind("ACME", "u", "p", base_url=server.url)
        for _ in range(2):
            assert not client.is_closed
            await done(client.get_customer("C1"))
            await close(client)
            assert client.is_closed
            with pytest.raises(UnusableClient):
                await done(client.add_charge("C1", "FEE", 1, 5))
            if kind is Client:
                client.__enter__()
            else:
                await client.__aenter__()
        await close(client)
    assert len(server.requests) == 2


async def test_a_client_that_disconnects_is_never_closed(kind: Kind) -> None:
    """Other threads and tasks may call it in the meantime."""
    seen: list[bool] = []

    class Transport(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=DOCUMENT)

        def close(self) -> None:
            seen.append(client.is_closed)
            assert client.get_customer("C1").code == "C1"

    class AsyncTransport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=DOCUMENT)

        async def aclose(self) -> None:
            seen.append(client.is_closed)
            assert (await client.get_customer("C1")).code == "C1"

    through: Any = Transport() if kind is Client else AsyncTransport()
    client: Any = kind("ACME", "u", "p", transport=through)
    await done(client.get_customer("C1"))
    await done(client.disconnect())
    assert seen == [False]


async def test_a_closed_client_of_ones_own(kind: Kind) -> None:
    http: Any = own(kind)
    client = kind("ACME", "u", "p", base_url="http://127.0.0.1:9", http=http)
    await close(http)
    assert client.is_closed
    with pytest.raises(UnusableClient, match="closed"):
        await done(client.add_charge("C1", "FEE", 1, 5))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_after_a_fork_nobody_reads_the_answers_of_another() -> None:
    def about(code: bytes) -> bytes:
        return answer(DOCUMENT.replace(b"C1", code))

    def script(request: bytes) -> bytes:
        return about(request.partition(b"code=")[2].split(b" ")[0])

    class Echo(Server):
        def _serve(self, connection: socket.socket) -> None:
            with connection, contextlib.suppress(OSError):
                while request := received(connection):
                    self.requests.append(request)
                    connection.sendall(script(request))

    with Echo(lambda _: iter(())) as server:
        client = Client("ACME", "u", "p", base_url=server.url)
        http = httpx.Client()
        handed = Client("ACME", "u", "p", base_url=server.url, http=http)
        client.get_customer("P")
        context = multiprocessing.get_context("fork")
        results = context.SimpleQueue()

        def child(name: str) -> None:
            try:
                handed.add_charge(name, "FEE", 1, 5)
                refused = False
            except UnusableClient:
                refused = True
            results.put((refused, {client.get_customer(name).code for _ in range(20)} == {name}))
            os._exit(0)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # a fork beside threads
            children = [context.Process(target=child, args=(f"child{n}",)) for n in range(3)]
            for each in children:
                each.start()
        mine = {client.get_customer("P").code for _ in range(20)}
        for each in children:
            each.join(30)
        assert mine == {"P"}
        assert [results.get() for _ in children] == [(True, True)] * 3
        client.close()
        http.close()


# Malformed answers.


async def test_bytes_left_over_are_nobodys_answer(kind: Kind) -> None:
    stale = answer(DOCUMENT.replace(b"ada@", b"stale@"))
    with Server(lambda n: iter([answer(DOCUMENT) + stale if n == 1 else answer(DOCUMENT)])) as server:
        client = kind("ACME", "u", "p", base_url=server.url, timeout=5)
        for _ in range(3):
            assert (await done(client.get_customer("C1"))).email == "ada@example.com"
        await close(client)
    assert server.connections == 2


async def test_bytes_left_over_behind_chunks(kind: Kind) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
        len(DOCUMENT),
        DOCUMENT,
    )
    stale = answer(DOCUMENT.replace(b"ada@", b"stale@"))
    with Server(lambda n: iter([chunks + stale[:40] if n == 1 else chunks])) as server:
        client = kind("ACME", "u", "p", base_url=server.url, timeout=5)
        for _ in range(3):
            assert (await done(client.get_customer("C1"))).email == "ada@example.com"
        await close(client)
    assert server.connections == 2


def endless(n: int) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n<customers>"
    while True:
        yield b" " * 65536


BOMB = gzip.compress(b"<customers>" + b" " * 50_000_000)
TWICE = gzip.compress(gzip.compress(b" " * 20_000_000))
TOO_LARGE = {
    "without an end": endless,
    "said ahead": lambda n: iter([b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"]),
    "a bomb": lambda n: iter([answer(BOMB, "Content-Encoding: gzip")]),
    "a bomb in a bomb": lambda n: iter([answer(TWICE, "Content-Encoding: gzip, gzip")]),
    "deflated": lambda n: iter([answer(zlib.compress(b" " * 50_000_000), "Content-Encoding: deflate")]),
    "another encoding": lambda n: iter([answer(b"x", "Content-Encoding: zstd")]),
}


@pytest.mark.parametrize("script", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_answers_have_a_bound(kind: Kind, script: Any) -> None:
    with Server(script) as server:
        client = kind("ACME", "u", "p", base_url=server.url, max_answer=1_000_000, backoff=0)
        with pytest.raises(DecodeError) as caught:
            await done(client.get_customer("C1"))
        assert str(caught.value)
        await close(client)
    assert len(server.requests) == 1


async def test_an_answer_as_large_as_it_may_be(kind: Kind) -> None:
    body = DOCUMENT + b" " * (100_000 - len(DOCUMENT))
    with always(answer(gzip.compress(body), "Content-Encoding: gzip")) as server:
        client = kind("ACME", "u", "p", base_url=server.url, max_answer=100_000)
        assert (await done(client.get_customer("C1"))).code == "C1"
        await close(client)


@pytest.mark.parametrize(
    ("headers", "start", "piece"),
    [
        ("", b"", b" "),
        # Nothing comes out of these: the name of the compressed file goes on and on, or empty blocks follow.
        ("Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x08\0\0\0\0\0\xff", b"n"),
        ("Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\0\0\0\xff\xff"),
        ("Content-Encoding: deflate\r\n", b"\x78\x9c", b"\0\0\0\xff\xff"),
    ],
)
async def test_a_whole_call_has_a_deadline(kind: Kind, headers: str, start: bytes, piece: bytes) -> None:
    with Server(lambda n: _slowly(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + start, piece)) as server:
        client = kind("ACME", "u", "p", base_url=server.url, timeout=5, deadline=0.5, backoff=0)
        began = time.monotonic()
        with pytest.raises(NoAnswer, match=r"within 0\.5 seconds") as caught:
            await done(client.add_charge("C1", "FEE", 1, 5))
        assert caught.value.maybe_applied
        assert time.monotonic() - began < 20
        await close(client)
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", [None, 502, 503])
@pytest.mark.parametrize("ending", ["closed", "refused", "moved"])
async def test_the_last_attempt_tells_what_an_earlier_one_may_have_done(
    kind: Kind, first: int | None, ending: str
) -> None:
    """The first attempt reaches the system. The second one can't be sent."""
    reached = 0

    def attempt(request: httpx.Request) -> httpx.Response:
        nonlocal reached
        if reached and ending == "refused":
            raise httpx.ConnectError("refused", request=request)
        reached += 1
        if ending == "moved":
            http.base_url = "http://elsewhere.example"
            http.params = {"code": "C2"}
        if first is None:
            raise httpx.ReadError("cut off", request=request)
        return httpx.Response(first)

    async def and_close(request: httpx.Request) -> httpx.Response:
        if ending == "closed":
            await close(client)
        return attempt(request)

    def then_close(request: httpx.Request) -> httpx.Response:
        if ending == "closed":
            client.close()
        return attempt(request)

    through: Any = then_close if kind is Client else and_close
    http = own(kind, transport=httpx.MockTransport(through))
    client: Any = kind("ACME", "u", "p", base_url="http://x.example", http=http, backoff=0)
    with pytest.raises(NoAnswer) as caught:
        await done(client.set_item_quantity("C1", "GB", 5))
    assert (reached, caught.value.maybe_applied) == (1, True)
    assert pickle.loads(pickle.dumps(caught.value)).maybe_applied
    await close(http)


def _slowly(head: bytes, piece: bytes) -> Iterator[bytes]:
    yield head
    for _ in range(2000):
        time.sleep(0.02)
        yield piece


async def test_a_deadline_ends_the_attempts(kind: Kind) -> None:
    with Server(lambda _: iter([answer(b"", "Retry-After: 30", status="503 Later")])) as server:
        client = kind("ACME", "u", "p", base_url=server.url, deadline=2, backoff=0)
        with pytest.raises(APIError) as caught:
            await done(client.get_customer("C1"))
        assert caught.value.status == 503
        await close(client)
    assert len(server.requests) == 1


LONE = "\ud83d"


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get_customer(LONE),
        lambda client: client.add_charge("C1", "FEE", 1, 5, LONE),
        lambda client: client.edit_customer("C1", notes=LONE),
        lambda client: client.search_customers(LONE),
    ],
)
async def test_a_lone_surrogate_is_refused_before_anything_is_sent(
    kind: Kind, call: Callable[[Any], Awaitable[Any]]
) -> None:
    with always(answer(DOCUMENT)) as server:
        client = kind("ACME", "u", "p", base_url=server.url)
        with pytest.raises(ValueError, match="surrogate") as caught:
            await done(call(client))
        assert LONE not in str(caught.value)
        await close(client)
    assert server.requests == []
    with pytest.raises(ValueError, match="surrogate"):
        kind("ACME", "u", LONE)
