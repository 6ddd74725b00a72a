"""The receiver, which combines sources, handlers and an inbox into one application."""

import asyncio
import atexit
import dataclasses
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack, overload

from tallyhook import events
from tallyhook_receiver.asgi import ASGIApp
from tallyhook_receiver.attempt import Context
from tallyhook_receiver.background import PRUNED_EVERY, Repeated, prune
from tallyhook_receiver.errors import InboxUnavailable, OptionError
from tallyhook_receiver.handlers import BILLABLE, Handlers, HookHandler, ReviewHandler, type_name
from tallyhook_receiver.health import Health
from tallyhook_receiver.inbox import Inbox, open_inbox
from tallyhook_receiver.intake import Intake
from tallyhook_receiver.loop_thread import LoopLock, LoopThread
from tallyhook_receiver.observer import Observers
from tallyhook_receiver.options import Options, complete, gone_after_of, lease_of, unknown_for_of
from tallyhook_receiver.page import Check, Page
from tallyhook_receiver.responses import Response
from tallyhook_receiver.second_look import LOOKED_EVERY, look_again
from tallyhook_receiver.settings import PREFIX
from tallyhook_receiver.settings import read as read_settings
from tallyhook_receiver.sources import Cheddar, Cleverbridge, Source, UnsignedSource
from tallyhook_receiver.wsgi import WSGIApp

log = logging.getLogger("tallyhook.receiver")

H = TypeVar("H", bound=events.Hook)
R = TypeVar("R", bound=Awaitable[None] | None)
T = TypeVar("T")
OnReview = TypeVar("OnReview", bound=ReviewHandler)
OnEvent = TypeVar("OnEvent", bound=Callable[[Any], Awaitable[None] | None])


class Receiver:
    """Receives signed hooks, and acknowledges a hook only after your handler has finished its work.

        receiver = Receiver(Cheddar("ACME", key, client))

        @receiver.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", await used(review.customer.code, review.period))

    The sender delivers a hook again until it gets a 2xx, and a held invoice remains held until then. So you
    need no queue of your own.

    In each process, serve either `receiver.asgi` or `receiver.wsgi`, not both.

    Args:
        sources: the senders of hooks: `Cheddar`, `StandardWebhooks`, `SharedKey`, `Fusebill`, `Cleverbridge`,
            or your own `Source`.
        options: all other arguments. `docs/operations.md` lists them with their defaults.
    """

    def __init__(self, *sources: Source, **options: Unpack[Options]) -> None:
        self.options = given = complete(options)
        self.sources = {source.name: source for source in sources}
        if len(self.sources) != len(sources) or not sources:
            raise ValueError("pass at least one source, each with its own name")
        self._clients = {
            source.name: source.client
            for source in sources
            if isinstance(source, Cheddar | Cleverbridge) and source.client is not None
        }
        inbox = given["inbox"]
        try:
            self.inbox: Inbox = open_inbox(inbox) if isinstance(inbox, str | Path) else inbox
        except ValueError as error:
            raise OptionError("inbox", str(error)) from None
        self._handlers = Handlers()
        self._context = Context(
            inbox=self.inbox,
            owner="",
            observers=Observers(given["observers"]),
            clock=given["clock"],
            lease=lease_of(given, sources),
            unknown_for=unknown_for_of(given, sources),
            gone_after=gone_after_of(given),
            marks=given["marks"],
            handle_within=given["handle_within"],
        )
        self._intake = Intake(
            sources,
            self._handlers,
            self._opened,
            lambda: self._is_closing,
            self._context.observers,
            given,
        )
        self._health = Health(
            given["health_path"], self._opened_inbox, self._broken, lambda: self._is_closing
        )
        self.asgi: ASGIApp = ASGIApp(self._intake, self._health, given["body_within"], self.open, self._end)
        self.wsgi: WSGIApp = WSGIApp(self._intake, self._health, self.run)
        self._loop_thread = LoopThread()
        self._background = (
            Repeated("pruning the inbox", PRUNED_EVERY, partial(prune, self.inbox, given["keep_days"])),
            Repeated("a second look", LOOKED_EVERY, self.look_again),
        )
        self._made_clients = False
        self._is_closing = False
        self._opening = LoopLock()
        self._process = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def from_environment(
        cls,
        *sources: Source,
        prefix: str = PREFIX,
        environ: Mapping[str, str] | None = None,
        **options: Unpack[Options],
    ) -> Self:
        """Create a receiver from environment variables.

        For example, `TALLYHOOK_ANSWER_WITHIN` sets the argument `answer_within`. docs/operations.md lists the
        variables. Their names start with `prefix`. Arguments that you pass take precedence. `environ`
        defaults to the process's environment. Unknown variables are logged.

        If you pass no `sources`, the variables must define one product. In this case, the receiver creates
        the product's client, and closes the client's connections when the receiver closes.

        Raises SettingsError, which lists all problems.
        """
        settings = read_settings(os.environ if environ is None else environ, prefix)
        settings.warn()
        given = settings.options()
        arguments: Options = {**given, **options}
        with settings.naming(given.keys() - options.keys()):
            receiver = cls(*(sources or (settings.product(),)), **arguments)
        receiver._made_clients = not sources
        return receiver

    @overload
    def on(
        self, type: type[H], /, *, source: Source | str | None = None
    ) -> Callable[[Callable[[H], R]], Callable[[H], R]]: ...
    @overload
    def on(self, type: str, /, *, source: Source | str | None = None) -> Callable[[OnEvent], OnEvent]: ...
    def on(
        self, type: type[events.Hook] | str, /, *, source: Source | str | None = None
    ) -> Callable[[HookHandler[Any]], HookHandler[Any]]:
        """Register the decorated function as the handler for a type of event.

        `type` is a class of `tallyhook.cheddar.hooks`, or the type's name. The handler gets Cheddar's typed
        hook, or the `Event` of another source. It may run several times for the same event, until it returns
        without an exception. If `source` is given, the handler gets only events from this source. Raises
        ValueError if the type already has a handler, or looks like a misspelt Cheddar type.
        """
        its_source = self._name_of(source)
        sources = self.sources.values() if its_source is None else [self.sources[its_source]]
        name = type_name(type, sources) if isinstance(type, str) else type.TYPE

        def register(handler: HookHandler[Any]) -> HookHandler[Any]:
            self._handlers.add(its_source, name, handler)
            return handler

        return register

    @overload
    def review(self, handler: OnReview, /) -> OnReview: ...
    @overload
    def review(self, source: Source | str, /) -> Callable[[OnReview], OnReview]: ...
    def review(self, handler: OnReview | Source | str, /) -> OnReview | Callable[[OnReview], OnReview]:
        """Register the decorated function as the handler that declares what a held invoice should contain.

        With `@receiver.review`, the handler gets the invoices of all Cheddar sources, and `review.product`
        names the source. With `@receiver.review("ACME")`, it gets only the invoices of the source ACME. Every
        source whose invoices are reviewed needs a client.
        """
        if not isinstance(handler, str | Source):
            self._handlers.add(None, BILLABLE, handler, is_review=True)
            return handler
        name = self._name_of(handler)

        def register(decorated: OnReview) -> OnReview:
            self._handlers.add(name, BILLABLE, decorated, is_review=True)
            return decorated

        return register

    def _name_of(self, source: Source | str | None) -> str | None:
        if source is None:
            return None
        name = source if isinstance(source, str) else source.name
        if name not in self.sources:
            raise ValueError(f"this receiver has no source {name}, only {', '.join(self.sources)}")
        return name

    def page(self, *, check: Check) -> Page:
        """Return a read-only page that shows the inbox, as an ASGI application for you to mount.

        `check` gets the headers of each request, with lower-case names. It may be a coroutine function. If
        `check` returns anything but True, the response is a 403.
        """
        return Page(self._opened_inbox, check)

    async def open(self) -> None:
        """Open the inbox. If you don't call this method, the first request opens the inbox.

        Raises InboxUnavailable. Raises ValueError if a source with reviews has no client, or a closed one.
        """
        for source in self.sources.values():
            if self._handlers.has_review(source) and source.name not in self._clients:
                raise ValueError(f"product {source.name} needs a client, because its invoices are reviewed")
        if broken := self._broken():
            raise ValueError(f"the client of {' and '.join(broken)} is closed: open it before the receiver")
        self._is_closing = False
        await self._opened()

    async def _opened(self) -> Context:
        """Return the `Context` that all attempts share.

        Opens the inbox if it isn't open in this process and event loop.
        """
        if self._is_closing:
            raise InboxUnavailable("the receiver is closing")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise RuntimeError("the receiver runs on asyncio only, and this is another event loop") from None
        if self._loop is loop and self._process == os.getpid():
            return self._context
        if self._loop is not None and self._process != os.getpid():
            raise InboxUnavailable("the receiver was opened before the fork: open it in each worker process")
        if self._loop is not None and self._loop.is_running():
            raise InboxUnavailable("the receiver is open in another event loop: use it in one loop only")
        async with self._opening.here():
            if self._loop is not loop:
                await self._open_here(loop)
        return self._context

    async def _open_here(self, loop: asyncio.AbstractEventLoop) -> None:
        await self.inbox.open()
        if self._is_closing:
            await self.inbox.close()
            raise InboxUnavailable("the receiver is closing")
        # Set the owner here and not in __init__, because a server may create the receiver and then fork its
        # workers, and each worker needs its own owner.
        self._context = dataclasses.replace(self._context, owner=uuid.uuid4().hex)
        self._loop, self._process = loop, os.getpid()
        self._intake.open()
        for work in self._background:
            work.start()

    async def _opened_inbox(self) -> Inbox:
        return (await self._opened()).inbox

    def _broken(self) -> list[str]:
        """Return the names of the sources whose client is needed but closed."""
        return [
            name
            for name, client in self._clients.items()
            if client.is_closed and self._needs_client(self.sources[name])
        ]

    def _needs_client(self, source: Source) -> bool:
        return isinstance(source, UnsignedSource) or self._handlers.has_review(source)

    async def look_again(self) -> int:
        """Take all second looks that are due, and return their number. Raises InboxUnavailable.

        If a request got no answer, the receiver later takes a second look at the invoice, and corrects the
        invoice if the request arrived late. Every ten seconds, an open receiver takes the second looks that
        are due. Call this method yourself in a test with a virtual clock, or from cron if no receiver keeps
        running.
        """
        return await look_again(await self._opened(), self.sources)

    async def aclose(self, within: float | None = None) -> None:
        """Accept no more hooks, wait up to `within` seconds for running handlers, then close the inbox.

        If `within` is None, the receiver's `close_within` is used. Handlers that are still running after this
        time are canceled, and other workers may take over their hooks. Clients that you passed remain open.
        You can `open` the receiver again.
        """
        self._is_closing = True
        if self._loop is None or self._process != os.getpid():
            return  # not open in this process; a parent process must close what it opened
        await self._intake.close(self.options["close_within"] if within is None else within)
        for work in self._background:
            await work.stop()
        if self._made_clients:
            await self._disconnect()
        self._loop = None
        await self.inbox.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def handle(
        self, method: str, headers: Mapping[str, str], body: bytes, peer: str | None = None
    ) -> Response:
        """Handle one request from any kind of server, and return the response for the sender.

        `peer` is the address that connected to the server, or None if unknown. The response is a 2xx only if
        the hook's work is done, if the hook has no handler, or if its invoice was postponed, in which case
        another hook will follow. This method never raises an exception, whatever the input is.
        """
        named = {name.lower(): value for name, value in headers.items()}
        refusal = self._intake.precheck(method, named, peer)
        return await self._intake.receive(named, body, peer) if refusal is None else refusal

    def answer(
        self, method: str, headers: Mapping[str, str], body: bytes, peer: str | None = None
    ) -> Response:
        """Do the same as `handle`, for callers without an event loop, such as Flask, Django or AWS Lambda.

        Handlers and clients run in an event loop in a separate thread, which the receiver keeps between
        calls. `close` ends the thread. When the process exits, `close` is called automatically.
        """
        return self.run(self.handle(method, headers, body, peer))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop that `answer` uses, and return its result."""
        if not self._loop_thread.is_running:
            self._is_closing = False
            atexit.register(self.close)
        return self._loop_thread.run(work)

    def close(self, within: float | None = None) -> None:
        """Do the same as `aclose`, for a receiver that was used through `answer`, `run` or `wsgi`.

        Does nothing for any other receiver. Also closes the connections of the sources' clients, because
        their event loop ends. The clients themselves remain open, and reconnect when needed.
        """
        if self._loop_thread.is_running:
            atexit.unregister(self.close)
            self._loop_thread.run(self._end(within))
            self._loop_thread.stop()

    async def _end(self, within: float | None = None) -> None:
        """Call `aclose`, then close the clients' connections, because their event loop is about to end."""
        await self.aclose(within)
        await self._disconnect()

    async def _disconnect(self) -> None:
        for client in self._clients.values():
            await client.disconnect()
