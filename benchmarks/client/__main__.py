"""`python -m benchmarks.client`: compare calls and imports with plain httpx, whose answers lxml parses."""

import argparse
import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import httpx
from httpx_aiohttp import HttpxAiohttpClient
from lxml import etree

from benchmarks.client.server import answering
from benchmarks.measure import alternate, median, ratio, report
from tallyhook import AsyncClient, calls

USER, PASSWORD = "ops@example.com", "cheddar"
CREDENTIALS = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CUSTOMER = "harbour/42+b"
# The request that `set_item_quantity` sends below, byte for byte.
CALL = calls.set_item_quantity(CUSTOMER, "GB", "12.5")
PATH = f"/{CALL.path}?{urlencode((('productCode', 'ACME'), *CALL.query))}"
HEADERS = {"Authorization": f"Basic {CREDENTIALS}", "Content-Type": "application/x-www-form-urlencoded"}

Call = Callable[[], Awaitable[object]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--calls", type=int, default=100, help="in each round, one after the other")
    options = parser.parse_args()
    sent = measured_calls(options.rounds, options.calls)
    imports = alternate(
        options.rounds,
        httpx=lambda: seconds_of("import httpx"),
        tallyhook=lambda: seconds_of("import tallyhook"),
        client=lambda: seconds_of("from tallyhook import Client"),
    )
    seconds = {name: median(values) for name, values in sent.items()}
    of_httpx = {
        name: ratio(sent[name], sent["bare_sixteen" if "sixteen" in name else "bare"]) for name in sent
    }
    httpx_import, ours, client = (median(imports[name]) for name in ("httpx", "tallyhook", "client"))
    report(
        f"The client beside httpx (medians of {options.rounds} rounds)",
        [
            *(
                (what, microseconds(seconds[name]), f"{of_httpx[name]:.2f}")
                for name, what in {
                    "bare": "httpx.AsyncClient.post, parsed by lxml",
                    "ours": "AsyncClient.set_item_quantity, a typed Customer",
                    "bare_sixteen": "sixteen posts at once, for each",
                    "ours_sixteen": "sixteen calls at once, for each",
                    "aiohttp_sixteen": "the same through tallyhook[aiohttp]",
                }.items()
            ),
            ("import httpx", milliseconds(httpx_import), "1.00"),
            ("import tallyhook", milliseconds(ours), f"{ours / httpx_import:.2f}"),
            ("from tallyhook import Client", milliseconds(client), f"{client / httpx_import:.2f}"),
        ],
        ("what", "time", "of httpx's"),
        {
            "ratio_call": of_httpx["ours"],
            "ratio_sixteen": of_httpx["ours_sixteen"],
            "ratio_aiohttp": of_httpx["aiohttp_sixteen"],
            "ratio_import": ratio(imports["tallyhook"], imports["httpx"]),
            "ratio_import_client": ratio(imports["client"], imports["httpx"]),
            **{f"{name}_us": each * 1e6 for name, each in seconds.items()},
        },
    )


def measured_calls(rounds: int, count: int) -> dict[str, list[float]]:
    """Return the seconds per call for each client, on connections that stay open."""
    with answering() as url, asyncio.Runner() as runner:

        async def make() -> tuple[AsyncClient, httpx.AsyncClient, httpx.AsyncClient]:
            client = AsyncClient("ACME", USER, PASSWORD, base_url=url)
            return client, httpx.AsyncClient(headers=HEADERS), HttpxAiohttpClient()

        client, http, aiohttp = runner.run(make())
        by_aiohttp = AsyncClient("ACME", USER, PASSWORD, base_url=url, http=aiohttp)

        async def post() -> object:
            answer = await http.post(url + PATH, content=CALL.content)
            return etree.fromstring(answer.raise_for_status().content)

        def call(client: AsyncClient) -> Call:
            return lambda: client.set_item_quantity(CUSTOMER, "GB", "12.5")

        def each(call: Call, at_once: int = 1) -> float:
            return runner.run(in_turn(call, count, at_once)) / count

        try:
            return alternate(
                rounds,
                bare=lambda: each(post),
                ours=lambda: each(call(client)),
                bare_sixteen=lambda: each(post, 16),
                ours_sixteen=lambda: each(call(client), 16),
                aiohttp_sixteen=lambda: each(call(by_aiohttp), 16),
            )
        finally:
            for each_client in (client, http, aiohttp):
                runner.run(each_client.aclose())


async def in_turn(call: Call, count: int, at_once: int) -> float:
    """Return the seconds for `count` calls. `at_once` tasks each make one call after another."""

    async def make(number: int) -> None:
        for _ in range(number, count, at_once):
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(make(number) for number in range(at_once)))
    return time.perf_counter() - began


def seconds_of(statement: str) -> float:
    """Return how many seconds a new interpreter takes for a statement, without the interpreter's start."""
    code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(ended.stdout)


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"


if __name__ == "__main__":
    main()
