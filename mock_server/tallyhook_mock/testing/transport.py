"""httpx transports that send requests to a test's mock instead of the network, and respx routes for them."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tallyhook_mock.systems.cheddar.api import ROUTES
from tallyhook_mock.testing.application import Application
from tallyhook_mock.testing.loop import Loop

if TYPE_CHECKING:
    import respx

__all__ = ["AsyncTransport", "Transport", "routes"]


class Transport(httpx.BaseTransport):
    """A transport for `httpx.Client`, for use in any thread. The mock answers in its own thread."""

    def __init__(self, application: Application, loop: Loop) -> None:
        self._application = application
        self._loop = loop

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        return self._loop.run(_call(self._application, request))


class AsyncTransport(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`, for use in any asyncio event loop."""

    def __init__(self, application: Application, loop: Loop) -> None:
        self._application = application
        self._loop = loop

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        return await self._loop.arun(_call(self._application, request))


@contextmanager
def routes(base_url: str, transport: httpx.BaseTransport) -> Iterator["respx.MockRouter"]:
    """A context in which the transport answers calls to `base_url`. Yields the respx router.

    The router has a route for each API call, such as `router["customers/add-charge"]`. With such a route, a
    test can count the calls or give another answer. Requests to other URLs go to the network.
    """
    import respx

    router = respx.MockRouter(assert_all_called=False)
    for controller, actions in ROUTES.items():
        for action in actions:
            name = f"{controller}/{action}"
            pattern = rf"^{re.escape(base_url)}/{name}(/|\?|$)"
            router.route(name=name, url__regex=pattern).mock(side_effect=transport.handle_request)
    router.route(name="elsewhere").pass_through()
    with router:
        yield router


async def _call(application: Application, request: httpx.Request) -> httpx.Response:
    within = request.extensions.get("timeout", {}).get("read")
    try:
        async with asyncio.timeout(within):
            return await application.call(request)
    except TimeoutError:
        raise httpx.ReadTimeout(f"no answer within {within:g} s") from None
