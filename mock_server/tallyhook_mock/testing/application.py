"""Calls an ASGI application without a socket, as a server would."""

import asyncio
import logging
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Scope

from tallyhook_mock.connection import droppable

__all__ = ["Application"]

logger = logging.getLogger("tallyhook_mock.testing")
raised = logging.getLogger("tallyhook_mock.testing.applications")

_ASGI = {"version": "3.0", "spec_version": "2.4"}
# Real seconds to wait for unfinished work at the end, before it is cancelled.
_PATIENCE = 5.0


class Application:
    """An ASGI application, bound to the event loop in which `start` or the first call runs.

    A call returns once the response is complete. As with a real server, the application may keep working
    after that, so tests can catch an application that acknowledges before its work is done.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._calls: set[asyncio.Task[None]] = set()
        self._lifespan: _Lifespan | None = None

    async def start(self) -> None:
        """Run the lifespan startup, if the application supports lifespan.

        Raises RuntimeError if the startup fails.
        """
        self._lifespan = _Lifespan(self._app)
        await self._lifespan.start()

    async def stop(self, patience: float = _PATIENCE) -> None:
        """Wait up to `patience` real seconds for running calls, then run the lifespan shutdown."""
        await _ended(self._calls, patience)
        if self._lifespan is not None:
            await self._lifespan.stop()

    async def call(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the response, which is a 500 if the application raised an exception.

        Raises httpx.RemoteProtocolError if the application drops the connection. Cancelling this call does
        not stop the application.
        """
        exchange = _Exchange(request, self._lifespan.state if self._lifespan else {})
        task = asyncio.ensure_future(self._app(exchange.scope, exchange.receive, exchange.send))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        task.add_done_callback(lambda _: self._ended(task, exchange))
        try:
            return await exchange.answer
        finally:
            exchange.over.set()

    def _ended(self, task: asyncio.Task[None], exchange: "_Exchange") -> None:
        """Log the exception that the application raised, if any. If it did not answer, answer 500."""
        error = None if task.cancelled() else task.exception()
        if error is None and not exchange.over.is_set():
            error = RuntimeError("the application returned without an answer")
        if error is not None:
            raised.debug("%s: %s: %s", exchange.place, type(error).__name__, error, extra={"raised": error})
        exchange.settle(httpx.Response(500, text="Internal Server Error"))


class _Exchange:
    """One request and its answer."""

    def __init__(self, request: httpx.Request, state: dict[str, Any]) -> None:
        self.answer: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        self.over = asyncio.Event()
        self.place = f"{request.method} {request.url.path}"
        self._body: bytes | None = request.read()
        self._status: int | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._content = bytearray()
        url = request.url
        scope: Scope = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "server": (url.host, url.port or (443 if url.scheme == "https" else 80)),
            "client": ("127.0.0.1", 49152),
            "state": dict(state),
        }
        self.scope = droppable(scope, self._drop)

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body" and not self.over.is_set():
            self._content += message.get("body", b"")
            if not message.get("more_body", False):
                assert self._status is not None, "a body came before its status"
                self.settle(httpx.Response(self._status, headers=self._headers, content=bytes(self._content)))

    def _drop(self) -> None:
        what = "without sending a response" if self._status is None else "in the middle of its response"
        self.settle(httpx.RemoteProtocolError(f"Server disconnected {what}."))

    def settle(self, outcome: httpx.Response | httpx.RemoteProtocolError) -> None:
        self.over.set()
        if self.answer.done():  # already set, or the caller stopped waiting
            return
        if isinstance(outcome, httpx.Response):
            self.answer.set_result(outcome)
        else:
            self.answer.set_exception(outcome)


class _Lifespan:
    """Runs the lifespan startup and shutdown of an ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": _ASGI, "state": self.state}
        self._task = asyncio.ensure_future(self._app(scope, self._inbox.get, self._outbox.put))
        answer = await self._tell("lifespan.startup")
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            (cause,) = await asyncio.gather(self._task, return_exceptions=True)
            raise RuntimeError(f"the application's startup failed: {answer.get('message', '')}") from cause

    async def stop(self) -> None:
        assert self._task is not None  # it was started
        answer = await self._tell("lifespan.shutdown")
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            logger.error("the application's shutdown failed: %s", answer.get("message", ""))
        await _ended({self._task}, _PATIENCE)

    async def _tell(self, type: str) -> Message | None:
        """Send a lifespan message to the application, and return its reply.

        Returns None if the application has ended or does not reply in time.
        """
        assert self._task is not None
        if self._task.done():
            return None
        await self._inbox.put({"type": type})
        answering = asyncio.ensure_future(self._outbox.get())
        try:
            within = None if type == "lifespan.startup" else _PATIENCE
            done, _ = await asyncio.wait(
                {answering, self._task}, timeout=within, return_when=asyncio.FIRST_COMPLETED
            )
            return answering.result() if answering in done else None
        finally:
            answering.cancel()


async def _ended(tasks: set[asyncio.Task[None]], patience: float) -> None:
    """Wait up to `patience` real seconds for the tasks, then cancel the unfinished ones.

    Exceptions of the tasks are ignored, because they were already logged.
    """
    waiting = set(tasks)
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
