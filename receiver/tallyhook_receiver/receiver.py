"""The receiver: sources, handlers and an inbox, composed into one application."""

import asyncio
import atexit
import dataclasses
import logging
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack, overload

from tallyhook import events
from tallyhook_receiver.asgi import ASGIApp
from tallyhook_receiver.attempt import Context
from tallyhook_receiver.background import PRUNED_EVERY, Pruning, Repeated
from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.handlers import Handlers, HookHandler, ReviewHandler
from tallyhook_receiver.health import Health
from tallyhook_receiver.inbox import Inbox, open_inbox
from tallyhook_receiver.intake import Intake
from tallyhook_receiver.loop_thread import LoopThread
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
    """Receives signed hooks, and acknowledges each only when its work is done.

        receiver = Receiver(Cheddar("ACME", key, client))

        @receiver.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", await used(review.customer.code, review.period))

    and `receiver.asgi` is the application to serve, or else `receiver.wsgi`: one of them in a process. With
    anything but a 2xx the sender comes again, and an invoice that is held for review stays held: the sender's
    own retries are the queue.

    Args:
        sources: who sends hooks: `Cheddar`, `StandardWebhooks`, `SharedKey`, `Fusebill`, `Cleverbridge`, or
            a `Source` of your own.
        options: the other arguments; `docs/operations.md` has them in a table, with their defaults.
    """

    def __init__(self, *sources: Source, **options: Unpack[Options]) -> None:
        self.options = given = complete(options)
        self.sources = {source.name: source for source in sources}
        if len(self.sources) != len(sources) or not sources:
            raise ValueError("name at least one source, and each one once")
        self._clients = {
            source.name: source.client
            for source in sources
            if isinstance(source, Cheddar | Cleverbridge) and source.client is not None
        }
        inbox = given["inbox"]
        self.inbox: Inbox = open_inbox(inbox) if isinstance(inbox, str | Path) else inbox
        self._handlers = Handlers()
        self._context = Context(
            inbox=self.inbox,
            owner="",
            unsigned={source.name: source for source in sources if isinstance(source, UnsignedSource)},
            handlers=self._handlers,
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
            Repeated("pruning the inbox", PRUNED_EVERY, Pruning(self.inbox, given["keep_days"]).prune),
            Repeated("a second look", LOOKED_EVERY, self.look_again),
        )
        self._made_clients = False
        self._is_closing = False
        self._opening: asyncio.Lock | None = None
        self._opening_loop: asyncio.AbstractEventLoop | None = None
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
        """A receiver whose arguments are variables: `answer_within` is `TALLYHOOK_ANSWER_WITHIN`, and so on.

        What is named here counts more than `environ`, which is the process's own if it is None, and names
        one product; docs/operations.md lists the variables. One that means nothing is logged. The client
        that is made for that product is the receiver's own: it has no connections while the receiver is
        closed. Raises SettingsError, with all that is missing or wrong.
        """
        settings = read_settings(os.environ if environ is None else environ, prefix)
        settings.warn()
        arguments: Options = {**settings.options(), **options}
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
        """Decorate the handler of a type of event: a class of `tallyhook.cheddar.hooks`, or the type's name.

        It is given Cheddar's typed hook, or the `Event` of any other source, and runs at least once for each
        event, until it has returned once. `source`: of that source only. Raises ValueError if the type has a
        handler.
        """
        name = type if isinstance(type, str) else type.TYPE

        def register(handler: HookHandler[Any]) -> HookHandler[Any]:
            self._handlers.add(self._name_of(source), name, handler)
            return handler

        return register

    @overload
    def review(self, handler: OnReview, /) -> OnReview: ...
    @overload
    def review(self, source: Source | str, /) -> Callable[[OnReview], OnReview]: ...
    def review(self, handler: OnReview | Source | str, /) -> OnReview | Callable[[OnReview], OnReview]:
        """Decorate the handler that declares what a held invoice should hold: `@receiver.review`.

        It is asked about the invoices of all sources that have some, and `review.product` tells whose one is;
        `@receiver.review("ACME")` is asked about those of that source. Each such source needs a client.
        """
        if not isinstance(handler, str | Source):
            self._handlers.add_review(None, handler)
            return handler
        name = self._name_of(handler)

        def register(decorated: OnReview) -> OnReview:
            self._handlers.add_review(name, decorated)
            return decorated

        return register

    def _name_of(self, source: Source | str | None) -> str | None:
        if source is None:
            return None
        name = source if isinstance(source, str) else source.name
        if name not in self.sources:
            raise ValueError(f"this receiver has no source {name}; it has {', '.join(self.sources)}")
        return name

    def page(self, *, check: Check) -> Page:
        """A read-only page about the inbox, as an ASGI application; it is served only where it is mounted.

        `check` is told the headers of each request, names in lower case, and lets it in by returning True,
        perhaps from a coroutine; anybody else gets a 403.
        """
        return Page(self._opened_inbox, check)

    async def open(self) -> None:
        """Open the inbox. The first request does it too, where nobody else has.

        Raises InboxUnavailable, and ValueError if there are reviews but a product has no client that can be
        used.
        """
        for source in self.sources.values():
            if self._handlers.review(source) is not None and source.name not in self._clients:
                raise ValueError(f"product {source.name} needs a client: its invoices are reviewed")
        if broken := self._broken():
            raise ValueError(f"the client of {' and '.join(broken)} is closed: open it before the receiver")
        self._is_closing = False
        await self._opened()

    async def _opened(self) -> Context:
        """What attempts need; opens the inbox in this process and event loop first."""
        if self._is_closing:
            raise InboxUnavailable("the receiver is closing")
        loop = asyncio.get_running_loop()
        if self._loop is loop and self._process == os.getpid():
            return self._context
        if self._loop is not None and self._process != os.getpid():
            raise InboxUnavailable("it was opened before this process was forked: open it in each worker")
        if self._loop is not None and self._loop.is_running():
            raise InboxUnavailable("it is open in another event loop: use one receiver in one loop")
        if self._opening is None or self._opening_loop is not loop:
            self._opening, self._opening_loop = asyncio.Lock(), loop
        async with self._opening:
            if self._loop is not loop:
                await self._open_here(loop)
        return self._context

    async def _open_here(self, loop: asyncio.AbstractEventLoop) -> None:
        await self.inbox.open()
        if self._is_closing:
            await self.inbox.close()
            raise InboxUnavailable("the receiver is closing")
        # Not before: a server may make the receiver once and fork its workers, each an owner of its own.
        self._context = dataclasses.replace(self._context, owner=uuid.uuid4().hex)
        self._loop, self._process = loop, os.getpid()
        self._intake.open()
        for work in self._background:
            work.start()

    async def _opened_inbox(self) -> Inbox:
        return (await self._opened()).inbox

    def _broken(self) -> list[str]:
        """The sources whose client is needed and closed."""
        return [
            name
            for name, client in self._clients.items()
            if client.is_closed and self._needs_client(self.sources[name])
        ]

    def _needs_client(self, source: Source) -> bool:
        return source.name in self._context.unsigned or self._handlers.review(source) is not None

    async def look_again(self) -> int:
        """Look once more at the reviews for which that is due by the receiver's clock; how many there were.

        An open receiver does it by itself every few seconds. Call it where time doesn't pass by itself: in a
        test on a virtual clock, or from cron where no process stays. Raises InboxUnavailable.
        """
        return await look_again(await self._opened(), self.sources)

    async def aclose(self, within: float | None = None) -> None:
        """Take no more hooks, let running handlers finish for so many seconds, and close the inbox.

        None is `close_within`. What is not finished then is canceled, and its hook let go for another worker.
        A client that was passed in stays as it is; `open` opens everything else anew.
        """
        self._is_closing = True
        if self._loop is None or self._process != os.getpid():
            return  # everything is the process's that this one was forked from
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
        """Receive one request, for any server: what the sender sent, and what to answer it.

        `peer` is the address at the other end of the connection, None if nobody can tell. The response is a
        2xx only if the hook's work is done, or there is no handler for it. Raises nothing on any input.
        """
        named = {name.lower(): value for name, value in headers.items()}
        refusal = self._intake.precheck(method, named, peer)
        return await self._intake.receive(named, body, peer) if refusal is None else refusal

    def answer(
        self, method: str, headers: Mapping[str, str], body: bytes, peer: str | None = None
    ) -> Response:
        """`handle` for callers without an event loop: a view of Flask or Django, AWS Lambda.

        The work is done in an event loop of the receiver's own, in a thread that goes on from call to call;
        handlers and clients run there too. `close` ends it, by itself when the process ends.
        """
        return self.run(self.handle(method, headers, body, peer))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that is run where `answer` does its work."""
        if not self._loop_thread.is_running:
            self._is_closing = False
            atexit.register(self.close)
        return self._loop_thread.run(work)

    def close(self, within: float | None = None) -> None:
        """`aclose` after `answer`, `run` or `wsgi`; harmless after neither.

        All connections of the products' clients are closed with the event loop that they belong to. The
        clients are not: they connect anew.
        """
        if self._loop_thread.is_running:
            atexit.unregister(self.close)
            self._loop_thread.run(self._end(within))
            self._loop_thread.stop()

    async def _end(self, within: float | None = None) -> None:
        """`aclose` where the event loop ends too, and with it the connections of the clients."""
        await self.aclose(within)
        await self._disconnect()

    async def _disconnect(self) -> None:
        for client in self._clients.values():
            await client.disconnect()
