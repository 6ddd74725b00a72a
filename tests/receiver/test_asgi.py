"""The ASGI application in a real server: limits, mounting, startup and shutdown."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from tests.cheddar import KEY, FakeCheddar, signed

from tallyhook import events
from tallyhook_receiver import Cheddar, Receiver

BODY = FakeCheddar().hook(activityType="subscriptionChanged")


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[int]:
    """Run a server in a thread and yield its port. Then shut it down as a signal would."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="critical", lifespan="auto", ws="none", **options)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            deadline = time.monotonic() + 60
            while not server.started and thread.is_alive():
                assert time.monotonic() < deadline
                time.sleep(0.005)
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def post(port: int, path: str = "/", body: bytes = BODY) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{port}{path}", content=body, headers=signed(body))


def raw(port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Send raw bytes, which a normal client would not send, and return the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        return connection.recv(65536)


@pytest.fixture
def receiver(tmp_path: Path) -> Receiver:
    # On a busy machine, it may take seconds until the body arrives.
    receiver = Receiver(
        Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", max_body=10_000, body_within=60
    )

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        await asyncio.sleep(0.01)

    return receiver


@pytest.fixture
def port(receiver: Receiver) -> Iterator[int]:
    with serving(receiver.asgi) as port:
        yield port


def test_receives(port: int) -> None:
    answer = post(port, "/any/path?at=all")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "0"


def test_another_method(port: int) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port}/")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_not_signed(port: int) -> None:
    assert httpx.post(f"http://127.0.0.1:{port}/", content=BODY).status_code == 401


def test_two_signatures_are_none(port: int) -> None:
    ((name, value), _) = signed(BODY).items()
    headers = [(name, value), (name, value)]
    assert httpx.post(f"http://127.0.0.1:{port}/", content=BODY, headers=headers).status_code == 401


def test_undecodable(port: int) -> None:
    assert post(port, body=b"{}").status_code == 400


def test_an_announced_length_over_the_limit_is_refused_before_the_body_comes(port: int) -> None:
    answer = raw(port, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


def test_a_body_over_the_limit_is_refused_while_it_comes(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    answer = raw(port, head, chunk, chunk, chunk)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()


def test_a_slow_body(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", body_within=0.3)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    started = time.monotonic()
    with serving(receiver.asgi) as port:
        answer = raw(port, head, b"{", b" ", b" ", pause=0.05)
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - started < 30


def test_a_sender_that_leaves_within_the_body(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert post(port).status_code == 200


@pytest.mark.parametrize(
    "route", [lambda app: Mount("/hooks", app=app), lambda app: Route("/hooks/cheddar", app)]
)
def test_mounted_in_another_application(receiver: Receiver, route: Any) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        yield
        await receiver.aclose()

    with serving(Starlette(routes=[route(receiver.asgi)], lifespan=lifespan)) as port:
        assert post(port, "/hooks/cheddar").status_code == 200


def test_ends_only_when_the_work_is_done(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", answer_within=0.05)
    ended: list[str] = []

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        await asyncio.sleep(0.3)
        ended.append(hook.customer.code)

    with serving(receiver.asgi) as port:
        answer = post(port)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert ended == []
    assert ended == ["NORA"]


def test_does_not_start_without_an_inbox(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "nowhere" / "inbox.sqlite")
    config = uvicorn.Config(receiver.asgi, log_level="critical", port=0, host="127.0.0.1")
    server = uvicorn.Server(config)
    with contextlib.suppress(SystemExit):
        server.run()
    assert not server.started


def test_a_server_on_trio_is_told_why_it_cannot_start(receiver: Receiver) -> None:
    told: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        told.append(message)

    trio.run(receiver.asgi, {"type": "lifespan"}, receive, send)
    (failed,) = told
    assert failed["type"] == "lifespan.startup.failed"
    assert "asyncio only" in failed["message"]


def test_many_senders_at_once(receiver: Receiver, port: int) -> None:
    async def senders() -> list[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            url, headers = f"http://127.0.0.1:{port}/", signed(BODY)
            answers = await asyncio.gather(
                *(client.post(url, content=BODY, headers=headers) for _ in range(50))
            )
            return [answer.status_code for answer in answers]

    assert asyncio.run(senders()) == [200] * 50
