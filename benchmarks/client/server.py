"""A server in a separate process that answers every request with one customer's document.

It does as little as possible, so that the benchmark measures the client.
"""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["answering"]

DOCUMENT = Path(__file__).parents[2] / "tests" / "fixtures" / "customer.xml"


@contextmanager
def answering() -> Iterator[str]:
    """Run the server, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        command = [sys.executable, "-m", "benchmarks.client.server", str(listening.fileno())]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            process.terminate()
            process.wait(30)


class Answering(asyncio.Protocol):
    """One connection. A request with a body must have a Content-Length."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if end and len(rest) >= _length(head):
            self.received = rest[_length(head) :]
            self.transport.write(self.answer)


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


async def serve(number: int) -> None:
    document = DOCUMENT.read_bytes()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {len(document)}\r\n\r\n"
    listening = socket.socket(fileno=number)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(head.encode() + document), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
