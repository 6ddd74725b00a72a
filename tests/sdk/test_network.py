"""Connections on asyncio, with real sockets at the other end."""

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpcore
import pytest

from tallyhook import network
from tallyhook.network import Backend
from tallyhook_mock.tls import Identity, make_identity

LARGE = bytes(range(256)) * 20_000  # 5 MB: more than any buffer on the way

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No timer that would still go off; what is open shows as a ResourceWarning, which is an error."""
    yield
    await asyncio.sleep(0.01)
    loop: Any = asyncio.get_running_loop()
    assert not [timer for timer in loop._scheduled if not timer.cancelled()]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


async def connect(address: tuple[str, int], **options: Any) -> httpcore.AsyncNetworkStream:
    host, port = address
    return await Backend().connect_tcp(host, port, **options)


async def connected(listener: socket.socket) -> tuple[httpcore.AsyncNetworkStream, socket.socket]:
    """Both ends of a connection."""
    stream = await connect(listener.getsockname(), timeout=5)
    peer, _ = listener.accept()
    peer.settimeout(5)
    return stream, peer


@contextmanager
def unanswering() -> Iterator[tuple[str, int]]:
    """The address of one that has as many connections to accept as it will hold."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        yield listener.getsockname()


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


async def read_all(stream: httpcore.AsyncNetworkStream) -> bytes:
    received = b""
    while data := await stream.read(65536, timeout=5):
        assert len(data) <= 65536
        received += data
    return received


async def canceled(awaitable: Awaitable[object]) -> None:
    """Cancel it once it waits."""
    task = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0.02)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_little_is_kept_until_it_is_read_on(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        await stream.write(b"head ", timeout=5)
        await stream.write(b"")
        await stream.write(b"body")
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(100)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, timeout=0.01)
        assert peer.recv(100) == b"head body"
        peer.send(b"late")
        assert await stream.read(2, timeout=5) == b"la"
        assert await stream.read(100) == b"te"
        await stream.aclose()


async def test_much_leaves_at_once_and_the_rest_with_the_close(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        await stream.write(b"x" * 20_000)
        assert len(peer.recv(20_000, socket.MSG_WAITALL)) == 20_000
        await stream.write(b"farewell")
        await stream.aclose()
        await stream.aclose()
        await asyncio.sleep(0)
        assert peer.recv(100) == b"farewell"
        assert peer.recv(100) == b""
    with pytest.raises(httpcore.WriteError, match="closed"):
        await stream.write(b"more")
    with pytest.raises(httpcore.ReadError, match="closed"):
        await stream.read(100)
    assert stream.get_extra_info("is_readable")


async def test_the_other_end_may_stop_to_send_and_go_on_to_read(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        peer.send(b"all")
        peer.shutdown(socket.SHUT_WR)
        assert await read_all(stream) == b"all"
        await stream.write(b"heard")
        assert await stream.read(100) == b""
        assert peer.recv(100) == b"heard"
        await stream.aclose()


async def test_a_connection_that_breaks(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    reading = asyncio.ensure_future(stream.read(100, timeout=5))
    await asyncio.sleep(0.01)
    reset(peer)
    with pytest.raises(httpcore.ReadError, match="reset"):
        await reading
    with pytest.raises(httpcore.WriteError, match="reset"):
        await stream.write(b"x")
    await stream.aclose()


async def test_a_connection_that_breaks_under_a_large_body(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    writing = asyncio.ensure_future(stream.write(LARGE * 4, timeout=5))
    await asyncio.sleep(0.01)
    reset(peer)
    with pytest.raises(httpcore.WriteError):
        await writing
    with pytest.raises(httpcore.ReadError):
        await stream.read(100, timeout=5)
    await stream.aclose()


async def test_nobody_takes_a_large_body(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(LARGE * 4, timeout=0.02)
        await stream.aclose()
        await asyncio.sleep(0)
        taken = 0
        while data := peer.recv(1 << 20):
            taken += len(data)
        assert taken < len(LARGE) * 4


async def test_large_bodies_both_ways() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(LARGE)))
        await writer.drain()
        writer.close()

    async with serving(echo) as port:
        stream = await Backend().connect_tcp("127.0.0.1", port)
        await stream.write(LARGE[:100], timeout=5)
        await stream.write(LARGE[100:], timeout=5)
        assert await read_all(stream) == LARGE
        await stream.aclose()


async def test_what_comes_ahead_is_bounded(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        peer.setblocking(False)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(LARGE) * 20:
                sent += peer.send(LARGE)
                for _ in range(20):  # the loop reads what it wants to
                    await asyncio.sleep(0)
        assert sent < len(LARGE) * 20
        peer.shutdown(socket.SHUT_WR)
        assert len(await read_all(stream)) == sent
        await stream.aclose()


@pytest.mark.parametrize("act", [lambda peer: peer.send(b"unasked"), lambda peer: peer.close()])
async def test_what_nobody_asked_for_is_seen_before_the_loop_sees_it(
    listener: socket.socket, act: Callable[[socket.socket], object]
) -> None:
    stream, peer = await connected(listener)
    with peer:
        assert stream.get_extra_info("is_readable") is False
        act(peer)
        assert stream.get_extra_info("is_readable") is True
        await asyncio.sleep(0.01)
        assert stream.get_extra_info("is_readable") is True
        await stream.aclose()


async def test_what_a_stream_tells_of_itself(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        assert stream.get_extra_info("server_addr") == listener.getsockname()
        assert stream.get_extra_info("client_addr") == peer.getpeername()
        assert stream.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream.get_extra_info("ssl_object") is None
        assert stream.get_extra_info("weather") is None
        await stream.aclose()


async def test_options_of_a_socket(listener: socket.socket) -> None:
    address = listener.getsockname()
    stream = await connect(
        address, local_address="127.0.0.1", socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    )
    assert stream.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    await stream.aclose()
    with pytest.raises(httpcore.ConnectError):
        await connect(address, socket_options=[(socket.SOL_SOCKET, 9999, 1)])


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    """Let every name have these addresses, the first and the last of one family."""
    families = [socket.AF_INET, *[socket.AF_INET6] * (len(addresses) - 2), socket.AF_INET]
    found = [(family, None, 0, "", address) for family, address in zip(families, addresses, strict=False)]
    original = asyncio.get_running_loop().getaddrinfo

    async def getaddrinfo(host: str, port: int, **options: Any) -> Any:
        return found if host == "billing.test" else await original(host, port, **options)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_the_next_address_is_tried_when_one_fails(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        refusing = gone.getsockname()
    resolving(monkeypatch, refusing, refusing, listener.getsockname())
    began = time.monotonic()
    stream = await connect(("billing.test", 80), timeout=5)
    assert time.monotonic() - began < 0.2
    assert stream.get_extra_info("server_addr") == listener.getsockname()
    await stream.aclose()
    resolving(monkeypatch, refusing, refusing)
    with pytest.raises(httpcore.ConnectError, match=f"{refusing[1]}.*; .*{refusing[1]}"):
        await connect(("billing.test", 80), timeout=5)


async def test_the_next_address_is_tried_when_one_is_slow(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unanswering() as slow:
        resolving(monkeypatch, slow, listener.getsockname())
        stream = await connect(("billing.test", 80), timeout=5)
        assert stream.get_extra_info("server_addr") == listener.getsockname()
        await stream.aclose()


async def test_when_two_addresses_answer_one_is_left(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "_NEXT_ADDRESS", 0)
    resolving(monkeypatch, *[listener.getsockname()] * 3)
    stream = await connect(("billing.test", 80), timeout=5)
    await asyncio.sleep(0.01)
    listener.setblocking(False)
    peers = []
    with contextlib.suppress(BlockingIOError):
        while True:
            peers.append(listener.accept()[0])
    left = []
    for peer in peers:
        peer.setblocking(False)
        try:
            assert peer.recv(1) == b""
        except BlockingIOError:
            left.append(peer.getpeername())
        peer.close()
    assert left == [stream.get_extra_info("client_addr")]
    await stream.aclose()


@pytest.mark.parametrize("turns", range(12))
async def test_cancel_at_any_turn_of_connecting(listener: socket.socket, turns: int) -> None:
    connecting = asyncio.create_task(Backend().connect_tcp(*listener.getsockname()))
    for _ in range(turns):
        await asyncio.sleep(0)
    if connecting.cancel():
        await asyncio.wait([connecting])
        assert connecting.cancelled()
    else:
        await (await connecting).aclose()


async def test_servers_that_are_not_there(listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    with pytest.raises(httpcore.ConnectError, match=r"refused|failed"):
        await connect(address, timeout=5)
    with pytest.raises(httpcore.ConnectError):
        await Backend().connect_tcp("no..name", 80)
    with unanswering() as address, pytest.raises(httpcore.ConnectTimeout):
        await connect(address, timeout=0.05)


async def test_sleep() -> None:
    began = time.monotonic()
    await Backend().sleep(0.02)
    assert time.monotonic() - began >= 0.019


async def test_cancel_while_connecting() -> None:
    with unanswering() as address:
        await canceled(connect(address, timeout=5))


async def test_cancel_while_reading_and_writing(listener: socket.socket) -> None:
    stream, peer = await connected(listener)
    with peer:
        await canceled(stream.read(100, timeout=5))
        peer.send(b"still there")
        assert await stream.read(100, timeout=5) == b"still there"
        await canceled(stream.write(LARGE * 4, timeout=5))
        await stream.aclose()
        await asyncio.sleep(0)
        while peer.recv(1 << 20):
            pass


async def test_cancel_in_a_handshake(listener: socket.socket, identity: Identity) -> None:
    stream, peer = await connected(listener)
    with peer:
        await canceled(stream.start_tls(trusting(identity), "localhost", timeout=5))
        assert peer.recv(1 << 16)
        assert peer.recv(100) == b""


async def test_a_handshake_that_nobody_answers(listener: socket.socket, identity: Identity) -> None:
    stream, peer = await connected(listener)
    with peer:
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(trusting(identity), "localhost", timeout=0.02)
        await asyncio.sleep(0)
        assert peer.recv(1 << 16)
        assert peer.recv(100) == b""


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_server_that_speaks_no_tls(
    listener: socket.socket, identity: Identity, answer: bytes
) -> None:
    stream, peer = await connected(listener)
    peer.send(answer)
    peer.shutdown(socket.SHUT_WR)
    with peer, pytest.raises(httpcore.ConnectError):
        await stream.start_tls(trusting(identity), "localhost", timeout=5)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("tls"))


def trusting(identity: Identity) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=identity.authority)


def proving(identity: Identity) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)
    return context


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


async def secured(port: int, identity: Identity) -> httpcore.AsyncNetworkStream:
    stream = await Backend().connect_tcp("127.0.0.1", port, timeout=5)
    return await stream.start_tls(trusting(identity), "localhost", timeout=5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_large_bodies_by_tls(identity: Identity, version: ssl.TLSVersion) -> None:
    arrived = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(len(LARGE)))
        await writer.drain()
        await arrived.wait()
        writer.close()

    context = proving(identity)
    context.maximum_version = version
    async with serving(echo, context) as port:
        stream = await secured(port, identity)
        assert stream.get_extra_info("ssl_object").version() == version.name.replace("_", ".")
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        await stream.write(LARGE[:100], timeout=5)
        await stream.write(LARGE[100:], timeout=5)
        received = b""
        while len(received) < len(LARGE):
            received += await stream.read(65536, timeout=5)
        assert received == LARGE
        assert stream.get_extra_info("is_readable") is False
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, timeout=0.01)
        arrived.set()
        assert await stream.read(1, timeout=5) == b""
        assert stream.get_extra_info("is_readable")
        await stream.aclose()


async def test_a_farewell_that_came_with_the_answer_is_seen(identity: Identity) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"answer")
        writer.close()

    async with serving(answer, proving(identity)) as port:
        stream = await secured(port, identity)
        await stream.write(b"?")
        assert await stream.read(6, timeout=5) == b"answer"
        await asyncio.sleep(0.02)
        assert stream.get_extra_info("is_readable")
        assert await stream.read(6, timeout=5) == b""
        await stream.aclose()


async def test_servers_that_leave_tls_without_a_word(identity: Identity) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"answer")
        await asyncio.sleep(0)
        writer.transport.abort()

    async with serving(leave, proving(identity)) as port:
        stream = await secured(port, identity)
        await stream.write(b"?")
        assert await read_all(stream) == b"answer"
        await stream.aclose()


async def test_tls_that_is_tampered_with(identity: Identity, listener: socket.socket) -> None:
    stream, peer = await connected(listener)

    def serve() -> None:
        with proving(identity).wrap_socket(peer, server_side=True) as secure:
            secure.recv(100)
            with socket.socket(fileno=secure.detach()) as raw:
                raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)

    served = asyncio.ensure_future(asyncio.to_thread(serve))
    secure = await stream.start_tls(trusting(identity), "localhost", timeout=5)
    await secure.write(b"?")
    with pytest.raises(httpcore.ReadError):
        await secure.read(100, timeout=5)
    await secure.aclose()
    await served


async def test_certificates_are_verified(identity: Identity, tmp_path: Path) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with serving(serve, proving(identity)) as port:
        stream = await Backend().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await stream.start_tls(trusting(make_identity(tmp_path)), "localhost", timeout=5)
        stream = await Backend().connect_tcp("127.0.0.1", port)
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await stream.start_tls(trusting(identity), "elsewhere.test", timeout=5)
