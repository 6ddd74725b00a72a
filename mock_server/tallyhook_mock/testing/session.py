"""Threads and ports that all tests of a run share, because they take time to create."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.server import serving
from tallyhook_mock.testing.loop import Loop
from tallyhook_mock.tls import make_identity

__all__ = ["Address", "Session"]

__tracebackhide__ = True  # pytest shows the line of the test


class Address:
    """A port that listens until `close` is called. While it serves no application, every call gets a 503.

    If `directory` is given, the port uses TLS with a certificate that is stored there. Then `authority` is
    the CA file that clients have to trust.
    """

    def __init__(self, loop: Loop, directory: Path | None = None) -> None:
        """Start listening. Raises RuntimeError if the server can't be started."""
        identity = None if directory is None else make_identity(directory)
        self.authority = identity.authority if identity else None
        self._app: ASGIApp = _nobody
        self._loop = loop
        self._life = serving(self, identity=identity)
        self.url = loop.run(self._life.__aenter__())

    @contextmanager
    def serving(self, app: ASGIApp) -> Iterator[None]:
        """Serve an application inside this context."""
        self._app = app
        try:
            yield
        finally:
            self._app = _nobody

    def close(self) -> None:
        self._loop.run(self._life.__aexit__(None, None, None))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # the mock of a test runs its own lifespan
            for word in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{word}.complete"})
        else:
            await self._app(scope, receive, send)


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("no test has this mock now", 503)(scope, receive, send)


class Session:
    """Two threads, each with an event loop: one for the mock, one for listeners.

    Because the loops are separate, a listener that blocks its own loop while it calls the mock still gets an
    answer. A port is opened when it is first needed, and stays open until `close` is called. `make_directory`
    is called at most once, and returns a directory for the certificate.
    """

    def __init__(self, make_directory: Callable[[], Path]) -> None:
        self.loop = Loop("tallyhook-mock")
        self.listeners = Loop("tallyhook-listeners")
        self._make_directory = make_directory
        self._addresses: dict[bool, Address] = {}

    def address(self, *, tls: bool) -> Address:
        """Return the session's port on 127.0.0.1, with or without TLS. Every call returns the same port."""
        if tls not in self._addresses:
            self._addresses[tls] = Address(self.loop, self._make_directory() if tls else None)
        return self._addresses[tls]

    def close(self) -> None:
        for address in self._addresses.values():
            address.close()
        self.listeners.close()
        self.loop.close()
