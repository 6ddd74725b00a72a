"""The receiver under test, in a separate process that dies or stops at a given point of its work.

A point is a moment before or after a write to the inbox, an API call or an answer. Points are counted.
"""

import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from ctypes import c_double, c_int
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn

from benchmarks.crash.books import usage_of
from benchmarks.crash.disk import record_flushes
from benchmarks.crash.mutants import Mutant
from tallyhook import AsyncClient
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Receiver, open_inbox
from tallyhook_receiver.inbox.sqlite import SQLiteInbox

__all__ = ["LEASE", "TIMEOUT", "UNKNOWN_FOR", "Settings", "Shared", "listening_socket", "serve"]

T = TypeVar("T")

# In real seconds. The lease of a dead worker must end soon, because the harness skips the pauses between
# retries. But even on a busy machine, a lease must be long enough for an attempt.
LEASE = 2.0
# The timeout of a call. The proxy holds some calls back for longer.
TIMEOUT = 1.0
# By the receivers' clock, which the harness sets forward when no request is on its way.
UNKNOWN_FOR = timedelta(minutes=5)

_WRITES = ("claim", "finish", "append", "plan")


@dataclass(frozen=True)
class Settings:
    """The settings of a receiver's process.

    The process dies after `dies_at` points, and stops each time after `stops_at` more points; 0 means never.
    `sleeps_at` is the name of a point at which one of the receivers stops. `harness` is the id of the
    harness's process; if that process ends, this process ends too.
    """

    seed: int
    port: int
    api: str
    inbox: str
    secret: str
    harness: int
    dies_at: int = 0
    stops_at: int = 0
    sleeps_at: str = ""
    mutant: str = ""
    flushes: bool = False
    marks: bool = True


@dataclass(frozen=True)
class Shared:
    """The values that a receiver's process shares with the harness.

    `passed` counts the points that the process has passed. `is_stopped` is 1 while the process has stopped
    itself, and `is_ready` is 1 when it listens. `sleeps` is how many receivers may still stop at the point
    `sleeps_at`. `ahead` is how many seconds the receivers' clock is ahead, and `version` is the version of
    the usage that they declare. There are no locks, because a killed process would never release its lock.
    """

    passed: c_int
    is_stopped: c_int
    is_ready: c_int
    sleeps: c_int
    ahead: c_double
    version: c_int


def listening_socket(port: int = 0) -> socket.socket:
    """Return a socket that shares its port, so that several receivers can listen at one address."""
    shared = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind(("127.0.0.1", port))
    return shared


def serve(settings: Settings, shared: Shared) -> None:
    """Run a receiver. This is the main function of its process."""
    logging.disable(logging.CRITICAL)
    threading.Thread(target=_end_with, args=(settings.harness,), daemon=True).start()
    if settings.flushes:
        record_flushes(Path(settings.inbox).parent)
    asyncio.run(_serve(settings, shared, _Fate(settings, shared)))


def _end_with(harness: int) -> None:
    while Path(f"/proc/{harness}").exists():
        time.sleep(1)
    os._exit(1)


def _tell_where() -> None:
    for task in asyncio.all_tasks():
        task.print_stack(file=sys.stderr)


async def _serve(settings: Settings, shared: Shared, fate: "_Fate") -> None:
    # On SIGUSR1, the process prints where it hangs, in Python or in a library.
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _tell_where)
    faulthandler.register(signal.SIGUSR1, chain=True)

    def unix() -> float:
        return time.time() + shared.ahead.value

    mutant = Mutant(settings.mutant)
    transport = mutant.network(httpx.AsyncHTTPTransport(verify=False), TIMEOUT)
    client = AsyncClient(
        "ACME",
        "ops@example.com",
        "pass",
        base_url=settings.api,
        backoff=0,
        timeout=TIMEOUT,
        transport=_Network(transport, fate),
    )
    is_file = not settings.inbox.startswith("postgresql")
    inbox = SQLiteInbox(settings.inbox, clock=unix) if is_file else open_inbox(settings.inbox)
    receiver = Receiver(
        Cheddar("ACME", settings.secret, client),
        inbox=mutant.inbox(_MortalInbox(inbox, fate)),
        lease=LEASE,
        unknown_for=UNKNOWN_FOR,
        marks=settings.marks,
        clock=lambda: datetime.fromtimestamp(unix(), UTC),
    )

    @receiver.review
    async def audit(review: Review) -> None:
        usage = usage_of(settings.seed, review.customer.code, shared.version.value)
        if mutant.name != "no-quantities":
            review.set_quantity("GB", usage.gigabytes)
        for adjustment in usage.adjustments:
            review.charge(adjustment.code, adjustment.amount, adjustment.description)
        if usage.runs_at_once:
            review.run_when_done()

    with listening_socket(settings.port) as listening:
        listening.listen(256)
        config = uvicorn.Config(
            mutant.door(_door(receiver.asgi, fate)), log_config=None, access_log=False, ws="none"
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        shared.is_ready.value = 1
        looking = asyncio.create_task(_look_again(receiver))
        await task
        looking.cancel()


async def _look_again(receiver: Receiver) -> None:
    """Take second looks more often than the receiver does by itself."""
    while True:
        await asyncio.sleep(0.2)
        with suppress(Exception):  # the next round tries again
            await receiver.look_again()


class _Fate:
    """Counts the points that the work passes, and kills or stops the process at the chosen points."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self._settings = settings
        self._shared = shared
        self._stops_at = settings.stops_at

    def point(self, name: str = "") -> None:
        passed = self._shared.passed
        passed.value += 1
        if passed.value == self._stops_at:
            self._stops_at += self._settings.stops_at
            self._stop()
        if name and name == self._settings.sleeps_at and self._shared.sleeps.value:
            self._shared.sleeps.value -= 1
            self._stop()
        if passed.value == self._settings.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def _stop(self) -> None:
        self._shared.is_stopped.value = 1
        os.kill(os.getpid(), signal.SIGSTOP)
        self._shared.is_stopped.value = 0


class _MortalInbox:
    """An inbox that has a point before and after each write, so that the process can die there."""

    def __init__(self, inbox: Any, fate: _Fate) -> None:
        self._inbox = inbox
        self._fate = fate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inbox, name)
        if name not in _WRITES:
            return method

        async def mortal(*arguments: Any, **options: Any) -> Any:
            what = f"{name} {type(arguments[-1]).__name__}"
            self._fate.point(f"before {what}")
            written = await method(*arguments, **options)
            self._fate.point(f"after {what}")
            return written

        return mortal


class _Network(httpx.AsyncBaseTransport):
    """A transport that has a point before each call, after its request is sent, and after its answer."""

    def __init__(self, network: httpx.AsyncBaseTransport, fate: _Fate) -> None:
        self._network = network
        self._fate = fate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._fate.point()
        sent = asyncio.ensure_future(self._network.handle_async_request(request))
        try:
            # By now the request is sent but usually not answered yet.
            await asyncio.wait([sent], timeout=0.002)
            self._fate.point()
            response = await sent
        finally:
            sent.cancel()
        self._fate.point()
        return response

    async def aclose(self) -> None:
        await self._network.aclose()


Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def _door(app: Callable[..., Awaitable[None]], fate: _Fate) -> Callable[..., Awaitable[None]]:
    """Return the receiver's ASGI application with a point before and after each message of an answer."""

    async def door(scope: Message, receive: Any, send: Send) -> None:
        async def answer(message: Message) -> None:
            is_answer = message["type"].startswith("http.response")
            if is_answer:
                fate.point()
            await send(message)
            if is_answer:
                fate.point()

        await app(scope, receive, answer)

    return door
