"""The health check reports the inbox's state, in ASGI and WSGI and on any path, and is cheap."""

import asyncio
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from tests.cheddar import KEY, FakeCheddar, signed
from tests.postgres import Postgres
from tests.receiver.conftest import Store
from tests.receiver.test_asgi import serving

from tallyhook import events
from tallyhook_receiver import Cheddar, InboxUnavailable, MemoryInbox, Receiver, SQLiteInbox
from tallyhook_receiver.inbox.postgres import PostgresInbox


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        (lambda asgi: [Mount("/", asgi)], "/healthz"),
        (lambda asgi: [Mount("/hooks", asgi)], "/hooks/healthz"),
        (lambda asgi: [Route("/hooks", asgi), Route("/healthz", asgi)], "/healthz"),
    ],
    ids=["alone", "mounted", "routed"],
)
def test_where_it_is_asked(tmp_path: Path, routes: Callable[[Any], list[BaseRoute]], path: str) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with receiver:
            yield

    with serving(Starlette(routes=routes(receiver.asgi), lifespan=lifespan)) as port:
        url = f"http://127.0.0.1:{port}{path}"
        well = httpx.get(url)
        assert (well.status_code, well.json()) == (200, {"health": "ok"})
        assert well.headers["cache-control"] == "no-store"
        assert (httpx.head(url).status_code, httpx.head(url).content) == (200, b"")
        assert httpx.post(url).status_code == 401  # only a GET is a health check


def test_nobody_may_ask(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", health_path=None)
    with serving(receiver.asgi) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 405


async def test_the_sender_list_does_not_keep_monitors_out(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", senders=["192.0.2.0/24"])
    with serving(receiver.asgi) as port:
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200


async def test_why_is_for_the_log_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "nowhere" / "inbox.sqlite")
    answer = await receiver._health.answer()
    assert (answer.status, answer.body) == (503, b'{"health": "no inbox"}\n')
    assert "nowhere" in caplog.text


async def test_many_who_ask_are_one_look() -> None:
    looks: list[None] = []

    class Slow(MemoryInbox):
        async def check(self) -> None:
            looks.append(None)
            await asyncio.sleep(0.05)

    async with Receiver(Cheddar("ACME", KEY), inbox=Slow()) as receiver, anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(receiver._health.answer)
        await asyncio.sleep(0.2)
        assert (await receiver._health.answer()).status == 200
    assert len(looks) == 1


async def test_it_ends_and_begins_with_the_receiver() -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=":memory:")
    begun, held = asyncio.Event(), asyncio.Event()
    body = FakeCheddar().hook(activityType="subscriptionChanged")

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        begun.set()
        await held.wait()

    first = asyncio.create_task(receiver.handle("POST", signed(body), body))
    await begun.wait()
    closing = asyncio.create_task(receiver.aclose())
    await asyncio.sleep(0)
    assert (await receiver._health.answer()).body == b'{"health": "closing"}\n'
    refused = await receiver.handle("POST", signed(body), body)
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (503, "60")
    held.set()
    assert (await first).status == 200
    await closing
    await receiver.open()
    await asyncio.sleep(1.1)  # a check is valid for a second
    assert (await receiver._health.answer()).status == 200
    await receiver.aclose()


async def test_check_leaves_no_trace(store: Store, opened: Callable[..., Any]) -> None:
    inbox = await opened(store)
    before = await inbox.stats()
    for _ in range(3):
        await inbox.check()
    assert await inbox.stats() == before
    await inbox.close()
    with pytest.raises(InboxUnavailable):
        await inbox.check()


async def test_check_finds_a_disk_that_is_full(tmp_path: Path) -> None:
    inbox = SQLiteInbox(tmp_path / "inbox.sqlite")
    await inbox.open()
    with no_file_longer_than((tmp_path / "inbox.sqlite-wal").stat().st_size), pytest.raises(InboxUnavailable):
        await inbox.check()
    await inbox.check()
    await inbox.close()


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """As on a full disk, files can't grow."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_check_finds_a_database_that_is_away() -> None:
    with Postgres() as server:
        inbox = PostgresInbox(server.url(), busy_seconds=0.5)
        await inbox.open()
        await inbox.check()
        server.stop()
        with pytest.raises(InboxUnavailable):
            await inbox.check()
        server.start()
        await inbox.check()
        await inbox.close()
