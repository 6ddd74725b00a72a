"""Transports of httpx that lead into the mock of a test instead of a network."""

import asyncio

import httpx

from tallyhook_mock.testing.application import Application
from tallyhook_mock.testing.loop import Loop

__all__ = ["AsyncTransport", "Transport"]


class Transport(httpx.BaseTransport):
    """For `httpx.Client`, in any thread: the mock answers in its own."""

    def __init__(self, application: Application, loop: Loop) -> None:
        self._application = application
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._loop.run(_call(self._application, request))


class AsyncTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient`, in any event loop of asyncio."""

    def __init__(self, application: Application, loop: Loop) -> None:
        self._application = application
        self._loop = loop

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._loop.arun(_call(self._application, request))


async def _call(application: Application, request: httpx.Request) -> httpx.Response:
    within = request.extensions.get("timeout", {}).get("read")
    try:
        async with asyncio.timeout(within):
            return await application.call(request)
    except TimeoutError:
        raise httpx.ReadTimeout(f"no answer within {within:g} s") from None
