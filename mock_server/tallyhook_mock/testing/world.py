"""A running mock for one test, with listeners in this process."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from tallyhook_mock.app import create_app
from tallyhook_mock.catalog.reading import load_catalog
from tallyhook_mock.clock import parse_moment
from tallyhook_mock.core.hooks import CHEDDAR, Listener
from tallyhook_mock.core.money import exact
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.model import Customer
from tallyhook_mock.systems.cheddar.products import Product
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.testing.application import Application
from tallyhook_mock.testing.listeners import (
    AsgiListener,
    LocalListener,
    LocalSender,
    WsgiListener,
    is_answering,
    is_asgi,
)
from tallyhook_mock.testing.loop import Loop, here
from tallyhook_mock.testing.raised import Raised
from tallyhook_mock.testing.session import Session

__all__ = ["World"]

__tracebackhide__ = True  # pytest shows the line of the test

T = TypeVar("T")

# The host name that the frameworks' test clients use, so applications under test already allow it.
_HOST = "http://testserver"


class World:
    """A mock that runs until `close` is called. Call its methods in any thread except the mock's.

    `catalog` is a mapping, a catalogue file, or None for the small default catalogue. The clock starts at
    `start`. If `strict` is true, calls with unknown parameters are refused. Exceptions of listeners are
    logged, unless `quiet` is true. Raises CatalogError if the catalogue is invalid, and ValueError if `start`
    is invalid.
    """

    def __init__(
        self,
        session: Session,
        catalog: Mapping[str, object] | Path | str | None,
        start: str | datetime,
        *,
        strict: bool = True,
        quiet: bool = False,
    ) -> None:
        self._raised = Raised(quiet=quiet)
        self.session = session
        self.sender = LocalSender()
        self._catalog = load_catalog(Path(catalog)) if isinstance(catalog, (Path, str)) else catalog
        self._start = parse_moment(start) if isinstance(start, str) else start
        self._strict = strict
        self._applications: list[Application] = []
        self._guests: list[asyncio.AbstractEventLoop] = []  # event loops of tests in which listeners run
        session.loop.run(self._begin())
        self._raised.__enter__()

    async def _begin(self) -> None:
        self.mock = Mock(self._catalog, start=self._start, sender=self.sender, strict=self._strict, seed=0)
        self.app = create_app(self.mock)
        self.calls = Application(self.app)
        self._life = self.mock.running()
        await self._life.__aenter__()

    def close(self) -> None:
        """Stop sending hooks, then stop the listeners, which may still call the mock, then stop the mock."""
        self.call(self._pause)
        for application in self._applications:
            self.session.listeners.run(application.stop())
        self.session.loop.run(self._end())
        self._raised.__exit__()

    def _pause(self) -> None:
        for listener in self.mock.state.hooks.listeners.values():
            self.mock.pause(listener)

    async def _end(self) -> None:
        await self.calls.stop(patience=0)  # no caller is waiting for an answer
        await self._life.__aexit__(None, None, None)

    @property
    def product(self) -> Product:
        """The first product of the catalogue, which all methods use."""
        return next(iter(self.mock.state.products.values()))

    def customer(self, code: str) -> Customer:
        """Return the mock's own customer object, for use in the mock's thread.

        Raises LookupError if there is no such customer.
        """
        try:
            return self.mock.state.customer(self.product, code)
        except Refusal:
            known = [each.code for each in self.mock.state.customers(self.product)]
            there = ", ".join(known[:10]) + (", …" if len(known) > 10 else "") or "none"
            raise LookupError(f"there is no customer {code}; there is {there}") from None

    # -- listeners

    def listen(self, app: Callable[..., object], path: str, events: frozenset[str], *, lifespan: bool) -> str:
        """Register an application as a listener, and return its URL.

        An ASGI application runs in a separate thread, a WSGI application in worker threads.
        """
        if not is_asgi(app):
            return self._open(path, events, WsgiListener(app)).url
        application = Application(app)
        if lifespan:
            self.session.listeners.run(application.start())
        self._applications.append(application)
        return self._open(path, events, AsgiListener(application, self.session.listeners)).url

    @asynccontextmanager
    async def listening(
        self, app: Callable[..., object], path: str, events: frozenset[str], *, lifespan: bool
    ) -> AsyncIterator[str]:
        """Register an ASGI application as a listener that runs in the caller's event loop.

        After this context, the listener's hooks wait until a listener is registered at the same path.
        """
        if not is_asgi(app):
            raise TypeError("a WSGI application has no event loop to run in: use cheddar.listener(app)")
        guest = here()
        application = Application(app)
        if lifespan:
            await application.start()
        listener = self._open(path, events, AsgiListener(application, guest))
        self._guests.append(guest)
        try:
            yield listener.url
        finally:
            self.call(lambda: self._close(listener.url))
            await application.stop()
            del self.sender.by_url[listener.url]
            self._guests.remove(guest)

    def _open(self, path: str, events: frozenset[str], local: LocalListener) -> Listener:
        url = f"{_HOST}/{path.lstrip('/')}"
        if url in self.sender.by_url:
            raise ValueError(f"{path}: a listener is there already")
        self.sender.by_url[url] = local

        def opened() -> Listener:
            listener = self._registered().get((CHEDDAR, self.product.code, url))
            if listener is None:
                return self.mock.listen(self.product.code, url, events)
            listener.events = events
            self.mock.resume(listener)
            return listener

        return self.call(opened)

    def _close(self, url: str) -> None:
        """Pause the listener of an application that has ended."""
        listener = self._registered().get((CHEDDAR, self.product.code, url))
        if listener is not None:
            self.mock.pause(listener)

    def _registered(self) -> dict[tuple[str, str, str], Listener]:
        """Return the listeners by system, product and URL."""
        found = self.mock.state.hooks.listeners.values()
        return {(each.system, each.product, each.url): each for each in found}

    async def restore(self, snapshot: bytes) -> None:
        """Restore a snapshot, but keep the current listeners."""
        kept = self._registered()
        await self.mock.restore(snapshot)
        for place, listener in self._registered().items():
            if place not in kept:
                self.mock.forget(listener)
        restored = self._registered()
        for place, was in kept.items():
            listener = restored.get(place) or self.mock.state.hooks.listen(
                was.product, was.url, was.events, system=was.system, header=was.header, key=was.key
            )
            listener.events = was.events
            (self.mock.pause if was.is_paused else self.mock.resume)(listener)

    # -- waiting

    def call(self, function: Callable[[], T]) -> T:
        """Call a function in the mock's thread, and return its result.

        Nothing else runs in that thread during the call.
        """

        async def called() -> T:
            with exact():  # a task inherits the context of its caller
                return function()

        return _run(self.session.loop, called())

    def wait(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine that may wait for listeners, and return its result. `work` returns the coroutine.

        Raises RuntimeError where waiting would deadlock: in a listener, or in an event loop in which a
        listener runs.
        """
        self._check()
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            if running in self._guests:
                raise RuntimeError(
                    "the listener runs in this event loop, which can't wait for it: "
                    "await the method whose name begins with an a, such as abill"
                )
        return _run(self.session.loop, work())

    async def awaited(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Async version of `wait`."""
        self._check()
        return await self.session.loop.arun(work())

    def _check(self) -> None:
        if is_answering():
            raise RuntimeError("a listener can't wait for hooks: one of them is its own")
        if not all(loop.is_running() for loop in self._guests):
            raise RuntimeError("the event loop of a listener does not run: nothing would answer its hooks")


def _run(loop: Loop, work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in the loop, and return its result.

    The traceback of a ValueError or LookupError doesn't show the frames of the mock.
    """
    try:
        return loop.run(work)
    except (ValueError, LookupError) as error:
        raise error.with_traceback(None) from None
