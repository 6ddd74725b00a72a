"""The receiver: products, handlers and an inbox, composed into one function from request to answer."""

import asyncio
import atexit
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, Unpack, overload

from tallyhook import events
from tallyhook_receiver.answers import DONE, IGNORED, TOO_OLD, UNDECODABLE, Answer, later
from tallyhook_receiver.asgi import Door
from tallyhook_receiver.attempt import RETRY_AFTER, Attempt
from tallyhook_receiver.background import Background
from tallyhook_receiver.care import Care
from tallyhook_receiver.deadlines import Deadlines
from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.health import Health
from tallyhook_receiver.here import process
from tallyhook_receiver.inbox import Inbox, Letter, State, open_inbox
from tallyhook_receiver.lease import Lease
from tallyhook_receiver.page import Check, Page
from tallyhook_receiver.pipeline import Accepted, Undecodable, greet, read, recognize, signers
from tallyhook_receiver.product import Product
from tallyhook_receiver.routes import HookHandler, ReviewHandler, Routes
from tallyhook_receiver.senders import Senders
from tallyhook_receiver.settings import PREFIX, Options
from tallyhook_receiver.settings import read as read_settings
from tallyhook_receiver.watch import Watch, Watches
from tallyhook_receiver.work import Work
from tallyhook_receiver.wsgi import Door as WSGIDoor

__all__ = ["Receiver"]

log = logging.getLogger("tallyhook.receiver")

H = TypeVar("H", bound=events.Hook)
R = TypeVar("R", bound=Awaitable[None] | None)
T = TypeVar("T")
OnReview = TypeVar("OnReview", bound=ReviewHandler)


class Receiver:
    """Receives signed hooks, and acknowledges each only when its work is done.

        receiver = Receiver(Product("ACME", key, client))

        @receiver.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", await used(review.customer.code, review.period))

    and `receiver.asgi` is the application to serve, or else `receiver.wsgi`: one of them in a process. With
    anything but a 2xx the sender comes again, and an invoice that is held for review stays held: the sender's
    own retries are the queue.

    Args:
        inbox: a file for SQLite, `":memory:"`, a URL such as `"postgresql://user@host/database"`, or another
            Inbox; see `open_inbox`.
        answer_within: seconds before a sender is told to come back, while the work goes on. Stay below the
            sender's timeout (inferred: 30 s).
        max_body: bytes of a body at the most.
        body_within: seconds that a sender may take over a body.
        close_within: seconds that running handlers may take to finish when the receiver is closed.
        lease: seconds after which another worker may take over from one that has died.
        max_age: how old a hook's `activityDatetime` may be when it is handled for the first time; None = any.
            A retry carries the old body, so a hook whose first attempt came in time stays welcome at any age,
            and one that did not stands in the inbox as failed. Set it no longer than `keep_days`.
        keep_days: how long the inbox keeps hooks that are done or ignored, 2 at least; None = for good. What
            failed or waits is kept until it is done.
        senders: the networks that hooks may come from, such as `["192.0.2.0/24"]`; None = all.
        trusted_proxies: the networks of one's own proxies, whose `X-Forwarded-For` is believed.
        health_path: a GET of a path that ends so asks whether hooks can be taken in; None = nobody may ask.
        watches: what is told about the work, for metrics and traces.
    """

    def __init__(
        self,
        *products: Product,
        inbox: str | Path | Inbox = "tallyhook.sqlite",
        answer_within: float = 25.0,
        max_body: int = 1_048_576,
        body_within: float = 10.0,
        close_within: float = 30.0,
        lease: float = 60.0,
        max_age: timedelta | None = None,
        keep_days: float | None = 90.0,
        senders: Iterable[str] | None = None,
        trusted_proxies: Iterable[str] = (),
        health_path: str | None = "/healthz",
        watches: Iterable[Watch] = (),
    ) -> None:
        if len({product.code for product in products}) != len(products) or not products:
            raise ValueError("name at least one product, and each one once")
        if lease <= 0:
            raise ValueError(f"a lease lasts longer than no time at all: {lease}")
        self.products = products
        self.inbox: Inbox = open_inbox(inbox) if isinstance(inbox, str | Path) else inbox
        self.answer_within = answer_within
        self.max_body = max_body
        self.body_within = body_within
        self.close_within = close_within
        self.lease = lease
        self.max_age = max_age
        self.senders: Senders = Senders(senders, trusted_proxies)
        self.health: Health = Health(health_path, self._opened, lambda: self._is_closing)
        self.asgi: Door = Door(self)
        self.wsgi: WSGIDoor = WSGIDoor(self)
        self._background = Background()
        self._watches = Watches(watches)
        self._care = Care(self.inbox, keep_days)
        self._routes = Routes()
        self._made_clients = False
        self._owner = ""
        self._answers = Deadlines()
        self._renewals = Deadlines()
        self._running: dict[str, Work] = {}
        self._is_open = False
        self._is_closing = False
        self._process = 0

    @classmethod
    def from_environment(
        cls,
        *products: Product,
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
        receiver = cls(*(products or (settings.product(),)), **arguments)
        receiver._made_clients = not products
        return receiver

    @overload
    def on(self, type: type[H], /) -> Callable[[Callable[[H], R]], Callable[[H], R]]: ...
    @overload
    def on(self, type: str, /) -> Callable[[Callable[[events.Hook], R]], Callable[[events.Hook], R]]: ...
    def on(self, type: type[events.Hook] | str, /) -> Callable[[HookHandler[Any]], HookHandler[Any]]:
        """Decorate the handler of a type of hook: a class in `events`, or an activityType.

        It runs at least once for each hook, until it has returned once. Raises ValueError if the type has a
        handler.
        """
        name = type if isinstance(type, str) else type.TYPE

        def register(handler: HookHandler[Any]) -> HookHandler[Any]:
            self._routes.add(name, handler)
            return handler

        return register

    def review(self, handler: OnReview) -> OnReview:
        """Decorate the handler that declares what a held invoice should hold. Products need a client then."""
        self._routes.add_review(handler)
        return handler

    def page(self, *, check: Check) -> Page:
        """A read-only page about the inbox, as an ASGI application; it is served only where it is mounted.

        `check` is told the headers of each request, names in lower case, and lets it in by returning True,
        perhaps from a coroutine; anybody else gets a 403.
        """
        return Page(self._opened, check)

    async def open(self) -> None:
        """Open the inbox. The first request does it too, where nobody else has.

        Raises InboxUnavailable, and ValueError if there are reviews but a product has no client.
        """
        if self._routes.review is not None:
            for product in self.products:
                if product.client is None:
                    raise ValueError(f"product {product.code} needs a client: its invoices are reviewed")
        self._is_closing = False
        await self._open_inbox()

    async def _open_inbox(self) -> None:
        if not self._is_open:
            # Not before: a server may make the receiver once and fork its workers, each an owner of its own.
            self._owner = uuid.uuid4().hex
            await self.inbox.open()
            if self._is_closing:
                await self.inbox.close()
                raise InboxUnavailable("the receiver is closing")
            self._is_open = True
            self._process = process()
            self._care.start()
        elif self._process != process():
            raise InboxUnavailable("it was opened before this process was forked: open it in each worker")

    async def _opened(self) -> Inbox:
        if self._is_closing:
            raise InboxUnavailable("the receiver is closing")
        await self._open_inbox()
        return self.inbox

    async def aclose(self, within: float | None = None) -> None:
        """Take no more hooks, let running handlers finish for so many seconds, and close the inbox.

        None is `close_within`. What is not finished then is canceled, and its hook let go for another worker.
        A client that was passed in stays as it is; `open` opens everything else anew.
        """
        self._is_closing = True
        if self._is_open and self._process != process():
            return  # everything is the process's that this one was forked from
        if running := {work.task for work in self._running.values()}:
            seconds = self.close_within if within is None else within
            _, late = await asyncio.wait(running, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        if self._made_clients:
            await self._disconnect()
        if self._is_open:
            self._is_open = False
            await self._care.stop()
            await self.inbox.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    def greet(self, method: str, headers: Mapping[str, str], peer: str | None) -> Answer | None:
        """What refuses a request already before its body, for a door that can spare itself the reading."""
        refusal = greet(self.senders, self.max_body, method, headers, peer)
        return None if refusal is None else self.refused(refusal)

    def refused(self, answer: Answer) -> Answer:
        """This refusal, once it is known that it was given; for doors."""
        _warn(answer)
        self._watches.tell(lambda watch: watch.refused(answer))
        return answer

    async def handle(
        self, method: str, headers: Mapping[str, str], body: bytes, peer: str | None = None
    ) -> Answer:
        """Receive one request, for any door: what the sender sent, and what to answer it.

        `peer` is the address at the other end of the connection, None if nobody can tell. The answer is a 2xx
        only if the hook's work is done, or nobody wants it. Raises nothing on any input.
        """
        refusal = self.greet(method, headers, peer)
        return await self.accept(headers, body) if refusal is None else refusal

    def answer(self, method: str, headers: Mapping[str, str], body: bytes, peer: str | None = None) -> Answer:
        """`handle` for callers without an event loop: a view of Flask or Django, AWS Lambda.

        The work is done in an event loop of the receiver's own, in a thread that goes on from call to call;
        handlers and clients run there too. `close` ends it, by itself when the process ends.
        """
        return self.run(self.handle(method, headers, body, peer))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that is run where `answer` does its work."""
        if not self._background.is_running:
            self._is_closing = False
            atexit.register(self.close)
        return self._background.run(work)

    def close(self, within: float | None = None) -> None:
        """`aclose` after `answer`, `run` or `wsgi`; harmless after neither.

        All connections of the products' clients are closed with the event loop that they belong to. The
        clients are not: they connect anew.
        """
        if self._background.is_running:
            atexit.unregister(self.close)
            self._background.run(self.end(within))
            self._background.stop()

    async def end(self, within: float | None = None) -> None:
        """`aclose`, and the products' clients are disconnected: for doors whose event loop ends with it."""
        await self.aclose(within)
        await self._disconnect()

    async def _disconnect(self) -> None:
        for product in self.products:
            if product.client is not None:
                await product.client.disconnect()

    async def accept(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """What follows in `handle` once a request has been greeted."""
        signed = signers(self.products, self.max_body, headers, body, datetime.now(UTC))
        if isinstance(signed, Answer):
            return self.refused(signed)
        if not self._watches:
            return await self._take_in(signed, body)
        with self._watches.around(lambda watch: watch.request(headers)):
            began = time.perf_counter()
            answer = await self._take_in(signed, body)
            seconds = time.perf_counter() - began
            self._watches.tell(lambda watch: watch.answered(answer, seconds))
            return answer

    async def _take_in(self, signed: Sequence[Product], body: bytes) -> Answer:
        if self._is_closing:
            return later(RETRY_AFTER, "closing")
        # The age limit asks for more than a glance tells.
        hook = (recognize(signed, body) if self.max_age is None else None) or read(signed, body)
        if isinstance(hook, Answer):
            _warn(hook)
            return hook
        try:
            await self._open_inbox()
            return await self._receive(hook)
        except InboxUnavailable as error:
            return _no_inbox(hook.letter.key, error)

    async def _receive(self, hook: Accepted | Undecodable) -> Answer:
        letter = hook.letter
        if isinstance(hook, Undecodable):
            await self.inbox.keep(letter, State.UNDECODABLE, hook.reason)
            log.error("hook %s: undecodable, kept in the inbox", letter.key[:16], extra=_about(letter))
            return UNDECODABLE
        if await self.inbox.repeated(letter.key):
            self._watches.tell(lambda watch: watch.repeated(letter.product))
            return DONE
        if not self._routes.wants(letter.type):
            await self.inbox.keep(letter, State.IGNORED)
            return IGNORED
        if self._is_old(hook.hook) and not await self._is_welcome(letter.key):
            await self.inbox.keep(letter, State.FAILED, f"came too late: max_age is {self.max_age}")
            log.error("hook %s: too old, kept in the inbox", letter.key[:16], extra=_about(letter))
            return TOO_OLD
        return await self._join(hook)

    def _is_old(self, hook: events.Hook | None) -> bool:
        """Whether a hook is over the age limit; one without a date could be of any age."""
        if self.max_age is None:
            return False
        happened = None if hook is None else hook.activity_datetime
        return happened is None or datetime.now(UTC) - happened > self.max_age

    async def _is_welcome(self, key: str) -> bool:
        """Whether a hook may be of any age: its first attempt came in time, or an operator lets it in."""
        record = await self.inbox.get(key)
        return record is not None and (record.attempts > 0 or record.state is State.WAITING)

    async def _join(self, accepted: Accepted) -> Answer:
        """Wait for the attempt at this hook, which is started only if none is running."""
        if self._is_closing:  # since the request came
            return later(RETRY_AFTER, "closing")
        key = accepted.letter.key
        work = self._running.get(key)
        if work is None or work.task.done():  # done: canceled before it began
            # The age limit goes by whether there was an attempt: a retry that comes late must find it.
            durably = self.max_age is not None
            lease = Lease(
                self.inbox, accepted.letter, self._owner, self.lease, self._renewals, durably=durably
            )
            attempt = Attempt(accepted, self._routes, self.inbox, self._owner, lease, self._watches)
            work = self._running[key] = Work(self._run(key, attempt))
        answer = await work.answer(self._answers, self.answer_within)
        return later(self.answer_within, "at it") if answer is None else answer

    async def _run(self, key: str, attempt: Attempt) -> Answer:
        try:
            return await attempt.run()
        finally:
            del self._running[key]


def _about(letter: Letter) -> dict[str, str]:
    return {"hook": letter.key[:16], "product": letter.product, "type": letter.type}


def _warn(refusal: Answer) -> None:
    log.warning("a request was refused with %d", refusal.status, extra={"status": refusal.status})


def _no_inbox(key: str, error: InboxUnavailable) -> Answer:
    log.error("hook %s: the inbox is unavailable: %s", key[:16], error, extra={"hook": key[:16]})
    return later(RETRY_AFTER, "no inbox")
