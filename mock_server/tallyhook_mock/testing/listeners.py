"""Listeners in this process, called without a socket."""

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeGuard

import httpx
from starlette.types import ASGIApp

from tallyhook_mock.sender import KEPT_OF_ANSWER, Answer, Sender
from tallyhook_mock.testing.application import Application
from tallyhook_mock.testing.loop import Loop

__all__ = ["AsgiListener", "LocalListener", "LocalSender", "WsgiListener", "is_answering", "is_asgi"]

__tracebackhide__ = True  # pytest shows the line of the test

logger = logging.getLogger("tallyhook_mock.testing.applications")

_answering: contextvars.ContextVar[bool] = contextvars.ContextVar("answering a hook", default=False)


class LocalListener(Protocol):
    async def answer(self, request: httpx.Request) -> httpx.Response: ...


class AsgiListener:
    """A listener that is an ASGI application. Its event loop is not the mock's."""

    def __init__(self, application: Application, loop: Loop | asyncio.AbstractEventLoop) -> None:
        self._application = application
        self._loop = loop

    async def answer(self, request: httpx.Request) -> httpx.Response:
        work = self._application.call(request)
        if isinstance(self._loop, Loop):
            return await self._loop.arun(work)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class WsgiListener:
    """A listener that is a WSGI application. Each call runs in a worker thread."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._transport = httpx.WSGITransport(app, remote_addr="127.0.0.1")

    async def answer(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.to_thread(self._call, request)

    def _call(self, request: httpx.Request) -> httpx.Response:
        try:
            response = self._transport.handle_request(request)
            response.read()
        except Exception as error:  # a server would answer 500 too
            place = f"{request.method} {request.url.path}"
            logger.debug("%s: %s: %s", place, type(error).__name__, error, extra={"raised": error})
            return httpx.Response(500, text="Internal Server Error")
        return response


class LocalSender(Sender):
    """Sends hooks to listeners in this process without a socket, and to other listeners over HTTP."""

    remedy = "hand in the application itself, or serve a mock with Sender(allow_remote=True)"

    def __init__(self) -> None:
        # The timeout is short, because a listener that hangs probably hangs at every attempt.
        super().__init__(timeout=5.0)
        self.by_url: dict[str, LocalListener] = {}

    def check(self, url: str) -> None:
        if url not in self.by_url:
            super().check(url)

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], *, timeout: float | None = None
    ) -> Answer:
        if url not in self.by_url:
            return await super().send(url, body, headers, timeout=timeout)
        within = self.timeout if timeout is None else timeout
        started = time.perf_counter()
        status: int | None
        try:
            async with asyncio.timeout(within):
                response = await self.post(url, body, headers)
            status, text = response.status_code, response.text[:KEPT_OF_ANSWER]
        except TimeoutError:
            status, text = None, f"no answer within {within:g} s"
        return Answer(status, time.perf_counter() - started, text)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Post a hook once to a listener in this process, and return the response."""
        marked = _answering.set(True)
        try:
            request = httpx.Request("POST", url, content=body, headers=headers)
            return await self.by_url[url].answer(request)
        finally:
            _answering.reset(marked)


def is_answering() -> bool:
    """Return whether the caller is a listener that is handling a hook, and so must not wait for hooks."""
    return _answering.get()


def is_asgi(app: object) -> TypeGuard[ASGIApp]:
    """Return whether an application is ASGI, not WSGI. Raises TypeError if it is neither."""
    if not callable(app):
        raise TypeError(f"{app!r} is no application: ASGI and WSGI applications can be called")
    if inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(app.__call__):
        return True
    try:
        positional = [
            each
            for each in inspect.signature(app).parameters.values()
            if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD) and each.default is each.empty
        ]
    except ValueError:  # written in C
        positional = []
    if len(positional) in (2, 3):
        return len(positional) == 3
    raise TypeError(
        f"{app!r} looks neither like ASGI (scope, receive, send) nor WSGI (environ, start_response)"
    )
