"""Calls at one time have connections of their own, and one after the other shares one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tallyhook import AsyncClient
from tallyhook.lanes import Lanes

DOCUMENT = (Path(__file__).parents[1] / "fixtures" / "customer.xml").read_bytes()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT) + DOCUMENT


class Billing:
    """A server that answers once as many calls as are expected are under way."""

    def __init__(self) -> None:
        self.url = ""
        self.opened = self.open = 0
        self.expected = 1
        self._asked = 0
        self._all_asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self._asked += 1
                if self._asked == self.expected:
                    self._asked = 0
                    self._all_asked.set()
                    self._all_asked = asyncio.Event()
                else:
                    await self._all_asked.wait()
                writer.write(ANSWER)
        except asyncio.IncompleteReadError:
            pass
        finally:
            self.open -= 1
            writer.close()


@pytest.fixture
async def billing() -> AsyncIterator[Billing]:
    billing = Billing()
    async with await asyncio.start_server(billing.serve, "127.0.0.1", 0) as server:
        billing.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield billing


async def read(client: AsyncClient, times: int) -> None:
    customers = await asyncio.gather(*(client.get_customer("C1") for _ in range(times)))
    assert len(customers) == times


@pytest.mark.parametrize("at_once", [1, 5, 40])
async def test_no_more_connections_than_calls_at_one_time(billing: Billing, at_once: int) -> None:
    billing.expected = at_once
    async with AsyncClient("ACME", "ops@example.com", "pass", base_url=billing.url) as client:
        await read(client, at_once)
        assert billing.opened == at_once
        billing.expected = 1
        for _ in range(3):
            await read(client, 1)
        assert billing.opened == at_once
        await client.disconnect()
        await asyncio.sleep(0.05)
        assert billing.open == 0
        await read(client, 1)
        assert billing.opened == at_once + 1
    await asyncio.sleep(0.05)
    assert billing.open == 0


async def test_a_free_transport_is_taken_before_another_is_made() -> None:
    made: list[httpx.AsyncHTTPTransport] = []

    def make() -> httpx.AsyncHTTPTransport:
        made.append(httpx.AsyncHTTPTransport(verify=False))
        return made[-1]

    lanes = Lanes(make, 2)
    with lanes.free() as first, lanes.free() as second:
        assert made == [first, second]
        with lanes.free() as third:  # there are no more of them: the one that has least to do
            assert third in made
    with contextlib.suppress(RuntimeError), lanes.free():
        raise RuntimeError
    with lanes.free() as again:
        assert again is first
    await lanes.aclose()
