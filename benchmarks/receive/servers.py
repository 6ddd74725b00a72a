"""The servers to compare: a receiver, a route that only reads, and a hand-written listener.

Each runs with uvicorn in a separate process.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from sqlalchemy import Column, LargeBinary, MetaData, String, Table, create_engine, event, insert, select
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.receive.hooks import PRODUCT, SECRET
from tallyhook import signing
from tallyhook.cheddar.hooks import SubscriptionBillable
from tallyhook_receiver import Cheddar, Receiver

__all__ = ["Server", "serving"]


@dataclass(frozen=True)
class Server:
    """A server's process id, and the local port that it listens on."""

    port: int
    process: int

    @property
    def cpu(self) -> float:
        """The CPU time that the server has used, in seconds."""
        user, system = self._read("stat").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @property
    def resident(self) -> int:
        """The server's resident memory in bytes."""
        return int(self._read("statm").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _read(self, file: str) -> str:
        return Path(f"/proc/{self.process}/{file}").read_text()


@contextmanager
def serving(inbox: str) -> Iterator[Server]:
    """Run a server, and yield it.

    If `inbox` is empty, this is the route that only reads. If it is `by-hand:` and a path, this is the
    hand-written listener with a database at this path. Otherwise, it is a receiver with this inbox.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(256)
        command = [sys.executable, "-m", "benchmarks.receive.servers", str(listening.fileno()), inbox]
        process = subprocess.Popen(command, pass_fds=[listening.fileno()])
        try:
            yield Server(listening.getsockname()[1], process.pid)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def receiver(inbox: str) -> Any:
    """Return a receiver that verifies, decodes, stores and acknowledges hooks. Its handler does nothing."""
    receiver = Receiver(Cheddar(PRODUCT, SECRET), inbox=inbox)

    @receiver.on(SubscriptionBillable)
    async def acknowledge(hook: SubscriptionBillable) -> None:
        pass

    return receiver.asgi


def by_hand(path: str) -> Any:
    """Return a listener with FastAPI and SQLAlchemy that verifies each hook and stores it only once."""
    engine = create_engine(f"sqlite:///{path}")
    hooks_table = Table(
        "hooks", MetaData(), Column("key", String, primary_key=True), Column("body", LargeBinary)
    )
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        hooks_table.create(connection, checkfirst=True)
    event.listen(engine, "connect", lambda made, _: made.execute("PRAGMA synchronous = FULL"))
    app = FastAPI()

    def keep(body: bytes) -> None:
        hook = json.loads(body)
        key = f"{hook['customer']['id']} {hook['subscription']['invoice']['id']}"
        with engine.begin() as connection:
            known = connection.execute(select(hooks_table.c.key).where(hooks_table.c.key == key)).first()
            if known is None:
                connection.execute(insert(hooks_table).values(key=key, body=body))

    @app.post("/hooks")
    async def receive(request: Request) -> Response:
        body = await request.body()
        if not signing.verify(body, request.headers.get(signing.SIGNATURE_HEADER, ""), SECRET):
            return Response(status_code=401)
        await run_in_threadpool(keep, body)
        return Response()

    return app


def rival() -> Any:
    """Return the route that only reads hooks."""

    async def hooks(request: Request) -> Response:
        await request.body()
        return Response()

    return Starlette(routes=[Route("/hooks", hooks, methods=["POST"])])


def main() -> None:
    number, inbox = int(sys.argv[1]), sys.argv[2]
    if inbox.startswith("by-hand:"):
        app = by_hand(inbox.removeprefix("by-hand:"))
    else:
        app = receiver(inbox) if inbox else rival()
    # Use the parser that `tallyhook[receiver]` installs, even if another one is installed.
    config = uvicorn.Config(app, http="h11", log_level="warning", access_log=False)
    # After the server has ended, uvicorn raises the signal again.
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([socket.socket(fileno=number)])


if __name__ == "__main__":
    main()
