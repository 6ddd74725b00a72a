"""Ownership of clients: a receiver closes the connections of a client that it made, and of no other."""

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cheddar import KEY

from tallyhook import AsyncClient
from tallyhook_receiver import Cheddar, Receiver

PLANS = (Path(__file__).parents[1] / "fixtures" / "plans.xml").read_bytes()


class API(ThreadingHTTPServer):
    """Answers all requests alike, and counts all connections and the open ones."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.made = self.open = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/xml"

    def is_left(self) -> bool:
        """Wait until no connection is open. False if one still is after a minute."""
        deadline = time.monotonic() + 60
        while self.open and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.open == 0


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: API

    def setup(self) -> None:
        super().setup()
        self.server.made += 1
        self.server.open += 1

    def finish(self) -> None:
        super().finish()
        self.server.open -= 1

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(PLANS)))
        self.end_headers()
        self.wfile.write(PLANS)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[API]:
    with API() as api:
        thread = threading.Thread(target=api.serve_forever, args=(0.01,))
        thread.start()
        yield api
        api.shutdown()
        thread.join()


@pytest.fixture
def receiver(api: API) -> Receiver:
    variables = {
        "TALLYHOOK_PRODUCT_CODE": "ACME",
        "TALLYHOOK_KEYS": KEY,
        "TALLYHOOK_USER": "ops@example.com",
        "TALLYHOOK_PASSWORD": "wick",
        "TALLYHOOK_BASE_URL": api.url,
        "TALLYHOOK_INBOX": ":memory:",
    }
    return Receiver.from_environment(environ=variables)


async def call(receiver: Receiver) -> None:
    """Make a call, as a handler or a review does."""
    for product in receiver.sources.values():
        assert product.client is not None
        assert await product.client.get_plans()


async def test_its_own_is_let_go_and_taken_up_again(receiver: Receiver, api: API) -> None:
    for number in (1, 2):
        async with receiver:
            await call(receiver)
            await call(receiver)
            assert (api.made, api.open) == (number, 1)
        assert api.is_left()


@pytest.mark.parametrize("is_its_own", [True, False])
async def test_with_the_lifespan_of_a_server(receiver: Receiver, api: API, is_its_own: bool) -> None:
    """The event loop ends with the server, so the receiver must disconnect all clients."""
    if not is_its_own:
        receiver = Receiver(*receiver.sources.values(), inbox=":memory:")
    orders: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: asyncio.Queue[Any] = asyncio.Queue()
    served = asyncio.create_task(receiver.asgi({"type": "lifespan"}, orders.get, told.put))
    await orders.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    await call(receiver)
    await orders.put({"type": "lifespan.shutdown"})
    await served
    assert api.is_left()


def test_without_an_event_loop_of_ones_own(receiver: Receiver, api: API) -> None:
    for number in (1, 2):
        receiver.run(call(receiver))
        assert (api.made, api.open) == (number, 1)
        receiver.close()
        assert api.is_left()


async def test_one_that_was_passed_in_stays_connected(api: API) -> None:
    async with AsyncClient("ACME", "ops@example.com", "wick", base_url=api.url) as client:
        async with Receiver(Cheddar("ACME", KEY, client), inbox=":memory:") as receiver:
            await call(receiver)
        await call(receiver)
        receiver = Receiver.from_environment(*receiver.sources.values(), inbox=":memory:", environ={})
        async with receiver:
            await call(receiver)
        assert (api.made, api.open) == (1, 1)
    assert api.is_left()


def test_one_that_was_passed_in_outlives_the_loop_of_its_connections(api: API) -> None:
    client = AsyncClient("ACME", "ops@example.com", "wick", base_url=api.url)
    receiver = Receiver(Cheddar("ACME", KEY, client), inbox=":memory:")
    receiver.run(call(receiver))
    receiver.close()
    assert api.is_left()
    receiver.run(call(receiver))
    receiver.close()
    assert (api.made, api.is_left()) == (2, True)
