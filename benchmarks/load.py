"""A simple load generator: raw requests over persistent connections, one at a time on each."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Load", "post", "press"]

_LENGTH = b"content-length:"


@dataclass(frozen=True)
class Load:
    """The result of a load: requests per second, and the latency of each request in seconds."""

    rate: float
    latencies: Sequence[float]

    @property
    def p99(self) -> float:
        """The 99th percentile of the latencies, in seconds."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


def post(path: str, form: str, headers: str = "") -> bytes:
    """Return the bytes of a request that posts a form. `headers` must be complete lines."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"{headers}Content-Length: {len(form.encode())}\r\n\r\n{form}"
    ).encode()


def press(port: int, requests: Sequence[bytes], connections: int) -> Load:
    """Send each request once to a local server. Raises RuntimeError for any response but a 200."""
    return asyncio.run(_press(port, requests, connections))


async def _press(port: int, requests: Sequence[bytes], connections: int) -> Load:
    loop = asyncio.get_running_loop()
    waiting, latencies = iter(requests), list[float]()
    senders = [_Sender(waiting, latencies, loop.create_future()) for _ in range(connections)]
    for sender in senders:
        await loop.create_connection(sender.itself, "127.0.0.1", port)
    started = time.perf_counter()
    for sender in senders:
        sender.send_next()
    await asyncio.gather(*(sender.ended for sender in senders))
    return Load(len(requests) / (time.perf_counter() - started), latencies)


class _Sender(asyncio.Protocol):
    """One connection, which sends the next request as soon as the previous one is answered."""

    def __init__(
        self, waiting: Iterator[bytes], latencies: list[float], ended: "asyncio.Future[None]"
    ) -> None:
        self.ended = ended
        self._waiting = waiting
        self._latencies = latencies
        self._answer = b""
        self._sent_at = 0.0

    def itself(self) -> "_Sender":
        """Return this object. This method is the protocol factory for asyncio."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send_next(self) -> None:
        request = next(self._waiting, None)
        if request is not None:
            self._sent_at = time.perf_counter()
            self._transport.write(request)
        else:
            self.ended.set_result(None)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if not _is_whole(self._answer):
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        if self._answer.startswith(b"HTTP/1.1 200 "):
            self._answer = b""
            self.send_next()
        else:
            self._fail(f"answered with {self._answer[:500]!r}")

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was lost: {error}")

    def _fail(self, why: str) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(why))
        self._transport.abort()


def _is_whole(answer: bytes) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = answer[:end].lower() + b"\r\n"
    start = head.index(_LENGTH) + len(_LENGTH)
    return len(answer) >= end + 4 + int(head[start : head.index(b"\r\n", start)])
