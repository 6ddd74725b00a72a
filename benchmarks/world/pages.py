"""Measure the console's pages on a mock with few customers and on one with many."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from benchmarks.measure import alternate
from benchmarks.mock.side import free_port

__all__ = ["PAGES", "measure_pages"]

PAGES = {"overview": "/", "customers": "/console/customers", "hooks": "/console/hooks"}
_PATIENCE = 600.0  # seconds until a mock with many customers must have answered
_LOOKS = 5


def measure_pages(sizes: tuple[int, int], rounds: int) -> dict[str, dict[int, list[float]]]:
    """Return the seconds for each page at each size, with one value per round."""
    with _serving(sizes[0]) as small, _serving(sizes[1]) as large:
        sides = {str(sizes[0]): small, str(sizes[1]): large}
        measured = {}
        for name, path in PAGES.items():
            seconds = alternate(rounds, **{size: _looks(client, path) for size, client in sides.items()})
            measured[name] = {int(size): values for size, values in seconds.items()}
        deep = {size: _looks(client, _deep(client)) for size, client in sides.items()}
        seconds = alternate(rounds, **deep)
        measured["hooks, deep in the list"] = {int(size): values for size, values in seconds.items()}
        return measured


def _looks(client: httpx.Client, path: str) -> Callable[[], float]:
    def look() -> float:
        started = time.perf_counter()
        for _ in range(_LOOKS):
            client.get(path).raise_for_status()
        return (time.perf_counter() - started) / _LOOKS

    return look


def _deep(client: httpx.Client) -> str:
    """Return the path of a page of hooks that is far from the first page."""
    count = len(client.get("/_mock/hooks").json()["hooks"])
    wanted = {"order": "newest", "limit": min(count // 2, 10_000)}
    return f"/console/hooks?after={client.get('/_mock/hooks', params=wanted).json()['next']}"


@contextmanager
def _serving(customers: int) -> Iterator[httpx.Client]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.world.served", str(port), str(customers)],
        stdout=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE, trust_env=False) as client:
            _wait_for(client, process)
            yield client
    finally:
        process.terminate()
        process.wait()


def _wait_for(client: httpx.Client, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and process.poll() is None:
        try:
            client.get("/_mock/clock").raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"no answer from {process.args!r}")
