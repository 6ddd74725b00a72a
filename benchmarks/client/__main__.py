"""`python -m benchmarks.client`: a call by AsyncClient beside a bare post by httpx, and both imports."""

import argparse
import asyncio
import base64
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

import httpx

from benchmarks.client.server import answering
from benchmarks.measure import alternate, median, ratio, report
from tallyhook import AsyncClient, calls

USER, PASSWORD = "ops@example.com", "cheddar"
CREDENTIALS = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
# What `set_item_quantity` sends below, byte for byte.
CALL = calls.set_item_quantity("C1", "GB", "12.5")
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
    call, bare = median(sent["ours"]), median(sent["bare"])
    httpx_import, ours, client = (median(imports[name]) for name in ("httpx", "tallyhook", "client"))
    of_bare = ratio(sent["ours"], sent["bare"])
    report(
        f"The client beside httpx (medians of {options.rounds} rounds)",
        [
            ("httpx.AsyncClient.post, bytes", microseconds(bare), "1.00"),
            ("AsyncClient.set_item_quantity, a typed Customer", microseconds(call), f"{of_bare:.2f}"),
            ("import httpx", milliseconds(httpx_import), "1.00"),
            ("import tallyhook", milliseconds(ours), f"{ours / httpx_import:.2f}"),
            ("from tallyhook import Client", milliseconds(client), f"{client / httpx_import:.2f}"),
        ],
        ("what", "time", "of httpx's"),
        {
            "ratio_call": of_bare,
            "ratio_import": ratio(imports["tallyhook"], imports["httpx"]),
            "ratio_import_client": ratio(imports["client"], imports["httpx"]),
            "call_us": call * 1e6,
            "bare_us": bare * 1e6,
        },
    )


def measured_calls(rounds: int, count: int) -> dict[str, list[float]]:
    """Seconds for each call, of either kind, on connections that stay open."""
    with answering() as url, asyncio.Runner() as runner:

        async def make() -> tuple[AsyncClient, httpx.AsyncClient]:
            return AsyncClient("ACME", USER, PASSWORD, base_url=url), httpx.AsyncClient(headers=HEADERS)

        client, http = runner.run(make())

        async def post() -> bytes:
            answer = await http.post(url + PATH, content=CALL.content)
            return answer.raise_for_status().content

        def each(call: Call) -> float:
            return runner.run(in_turn(call, count)) / count

        try:
            return alternate(
                rounds,
                bare=lambda: each(post),
                ours=lambda: each(lambda: client.set_item_quantity("C1", "GB", "12.5")),
            )
        finally:
            runner.run(client.aclose())
            runner.run(http.aclose())


async def in_turn(call: Call, count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        await call()
    return time.perf_counter() - began


def seconds_of(statement: str) -> float:
    """How long a fresh interpreter takes for an import, its own start not counted."""
    code = f"import time; began = time.perf_counter(); {statement}; print(time.perf_counter() - began)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(ended.stdout)


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms"


if __name__ == "__main__":
    main()
