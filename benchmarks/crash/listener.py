"""The receiver under test, as a process of its own that dies by SIGKILL at a given point of its work."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from typing import Any, TypeVar

import httpx
import uvicorn

from benchmarks.crash.books import usage_of
from tallyhook import AsyncClient
from tallyhook.review import Review
from tallyhook.review.journal import Entry
from tallyhook_receiver import Claim, Inbox, Letter, Product, Receiver, State, open_inbox

__all__ = ["LEASE", "Settings", "listening_socket", "serve"]

T = TypeVar("T")

# Real seconds. The harness skips the pauses between retries, so a dead worker's lease has to end soon.
LEASE = 0.3


@dataclass(frozen=True)
class Settings:
    """What the process has to know. `dies_at` counts the points passed, 0 = never."""

    seed: int
    port: int
    api: str
    inbox: str
    secret: str
    dies_at: int = 0
    keeps_journal: bool = True


def listening_socket(port: int = 0) -> socket.socket:
    """A socket that shares its port, so that several receivers stand behind one address."""
    shared = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind(("127.0.0.1", port))
    return shared


def serve(settings: Settings, passed: "Synchronized[int]", is_ready: Any) -> None:
    """The process. `passed` tells the harness how many points were passed; `is_ready` is an Event."""
    logging.disable(logging.CRITICAL)
    asyncio.run(_serve(settings, _Fate(settings.dies_at, passed), is_ready))


async def _serve(settings: Settings, fate: "_Fate", is_ready: Any) -> None:
    network = _Network(httpx.AsyncHTTPTransport(), fate)
    client = AsyncClient(
        "ACME", "ops@example.com", "pass", base_url=settings.api, backoff=0, transport=network
    )
    inbox = _MortalInbox(open_inbox(settings.inbox), fate, settings.keeps_journal)
    receiver = Receiver(Product("ACME", settings.secret, client), inbox=inbox, lease=LEASE)

    @receiver.review
    async def audit(review: Review) -> None:
        usage = usage_of(settings.seed, review.customer.code)
        review.set_quantity("GB", usage.gigabytes)
        for adjustment in usage.adjustments:
            review.charge(adjustment.code, adjustment.amount, adjustment.description)
        if usage.runs_at_once:
            review.run_when_done()

    with listening_socket(settings.port) as shared:
        shared.listen(256)
        config = uvicorn.Config(_door(receiver.asgi, fate), log_config=None, access_log=False, ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve(sockets=[shared]))
        while not server.started:
            await asyncio.sleep(0.005)
        is_ready.set()
        await task


class _Fate:
    """Counts the points that the work passes; at the appointed one nobody gets to say another word."""

    def __init__(self, dies_at: int, passed: "Synchronized[int]") -> None:
        self._dies_at = dies_at
        self._passed = passed

    def point(self) -> None:
        self._passed.value += 1
        if self._passed.value == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


class _MortalInbox:
    """An inbox whose writes may be the last thing that happens, or the last thing that doesn't."""

    def __init__(self, inbox: Inbox, fate: _Fate, keeps_journal: bool) -> None:
        self._inbox = inbox
        self._fate = fate
        self._keeps_journal = keeps_journal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inbox, name)

    async def claim(self, letter: Letter, owner: str, seconds: float) -> Claim:
        return await self._mortal(self._inbox.claim(letter, owner, seconds))

    async def finish(self, key: str, owner: str, state: State, note: str = "") -> None:
        await self._mortal(self._inbox.finish(key, owner, state, note))

    async def append(self, key: str, owner: str, entry: Entry) -> None:
        if self._keeps_journal:
            await self._mortal(self._inbox.append(key, owner, entry))

    async def entries(self, key: str) -> Sequence[Entry]:
        return await self._inbox.entries(key) if self._keeps_journal else ()

    async def _mortal(self, write: Awaitable[T]) -> T:
        self._fate.point()
        written = await write
        self._fate.point()
        return written


class _Network(httpx.AsyncBaseTransport):
    """API calls that may never leave, or whose answer may never be read."""

    def __init__(self, network: httpx.AsyncBaseTransport, fate: _Fate) -> None:
        self._network = network
        self._fate = fate

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._fate.point()
        response = await self._network.handle_async_request(request)
        self._fate.point()
        return response


Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


def _door(app: Callable[..., Awaitable[None]], fate: _Fate) -> Callable[..., Awaitable[None]]:
    """The receiver's door, with answers that may never be sent, or be the last thing that is."""

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
