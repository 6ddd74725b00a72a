"""The receiver: products, handlers and an inbox, composed into one function from request to answer."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from tallyhook import events
from tallyhook_receiver.answers import IGNORED, TOO_OLD, UNDECODABLE, Answer, later
from tallyhook_receiver.asgi import Door
from tallyhook_receiver.attempt import RETRY_AFTER, Attempt
from tallyhook_receiver.care import Care
from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import Inbox, State, open_inbox
from tallyhook_receiver.page import Check, Page
from tallyhook_receiver.pipeline import Accepted, Undecodable, greet, inspect
from tallyhook_receiver.product import Product
from tallyhook_receiver.routes import HookHandler, ReviewHandler, Routes
from tallyhook_receiver.senders import Senders

__all__ = ["Receiver"]

log = logging.getLogger("tallyhook.receiver")

H = TypeVar("H", bound=events.Hook)
R = TypeVar("R", bound=Awaitable[None] | None)
OnReview = TypeVar("OnReview", bound=ReviewHandler)


class Receiver:
    """Receives signed hooks, and acknowledges each only when its work is done.

        receiver = Receiver(Product("ACME", key, client))

        @receiver.review
        async def audit(review: Review) -> None:
            review.set_quantity("GB", await used(review.customer.code, review.period))

    and `receiver.asgi` is the application to serve. With anything but a 2xx the sender comes again, and an
    invoice that is held for review stays held: the sender's own retries are the queue.

    Args:
        inbox: a file for SQLite, `":memory:"`, a URL such as `"postgresql://user@host/database"`, or another
            Inbox; see `open_inbox`.
        answer_within: seconds before a sender is told to come back, while the work goes on. Stay below the
            sender's timeout (inferred: 30 s).
        max_body: bytes of a body at the most.
        body_within: seconds that a sender may take over a body.
        lease: seconds after which another worker may take over from one that has died.
        max_age: how old a hook's `activityDatetime` may be when it is handled for the first time; None = any.
            A retry carries the old body, so a hook whose first attempt came in time stays welcome at any age,
            and one that did not stands in the inbox as failed. Set it no longer than `keep_days`.
        keep_days: how long the inbox keeps hooks that are done or ignored, 2 at least; None = for good. What
            failed or waits is kept until it is done.
        senders: the networks that hooks may come from, such as `["192.0.2.0/24"]`; None = all.
        trusted_proxies: the networks of one's own proxies, whose `X-Forwarded-For` is believed.
    """

    def __init__(
        self,
        *products: Product,
        inbox: str | Path | Inbox = "tallyhook.sqlite",
        answer_within: float = 25.0,
        max_body: int = 1_048_576,
        body_within: float = 10.0,
        lease: float = 60.0,
        max_age: timedelta | None = None,
        keep_days: float | None = 90.0,
        senders: Iterable[str] | None = None,
        trusted_proxies: Iterable[str] = (),
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
        self.lease = lease
        self.max_age = max_age
        self.senders = Senders(senders, trusted_proxies)
        self.asgi = Door(self)
        self._care = Care(self.inbox, keep_days)
        self._routes = Routes()
        self._owner = ""
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._is_open = False
        self._is_closing = False

    @overload
    def on(self, type: type[H], /) -> Callable[[Callable[[H], R]], Callable[[H], R]]: ...
    @overload
    def on(self, type: str, /) -> Callable[[Callable[[events.Hook], R]], Callable[[events.Hook], R]]: ...
    def on(self, type: type[events.Hook] | str, /) -> Callable[[HookHandler[Any]], HookHandler[Any]]:
        """Decorate the handler of a type of hook: a class of `tallyhook.events`, or the activityType's name.

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
            self._is_open = True
            self._care.start()

    async def _opened(self) -> Inbox:
        if self._is_closing:
            raise InboxUnavailable("the receiver is closing")
        await self._open_inbox()
        return self.inbox

    async def aclose(self, within: float = 30.0) -> None:
        """Take no more hooks, let running handlers finish for so many seconds, and close the inbox."""
        self._is_closing = True
        if running := set(self._running.values()):
            _, late = await asyncio.wait(running, timeout=within)
            for work in late:
                work.cancel()
            if late:
                await asyncio.wait(late)
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
        if refusal is not None:
            log.warning("a request was refused with %d", refusal.status)
        return refusal

    async def handle(
        self, method: str, headers: Mapping[str, str], body: bytes, peer: str | None = None
    ) -> Answer:
        """Receive one request, for any door: what the sender sent, and what to answer it.

        `peer` is the address at the other end of the connection, None if nobody can tell. The answer is a 2xx
        only if the hook's work is done, or nobody wants it. Raises nothing on any input.
        """
        if (refusal := self.greet(method, headers, peer)) is not None:
            return refusal
        seen = inspect(self.products, self.max_body, headers, body, datetime.now(UTC))
        if isinstance(seen, Answer):
            log.warning("a request was refused with %d", seen.status)
            return seen
        if self._is_closing:
            return later(RETRY_AFTER, "closing")
        try:
            await self._open_inbox()
            if isinstance(seen, Undecodable):
                await self.inbox.keep(seen.letter, State.UNDECODABLE, seen.reason)
                log.error("hook %s: undecodable, kept in the inbox", seen.letter.key[:16])
                return UNDECODABLE
            if not self._routes.wants(seen.letter.type):
                await self.inbox.keep(seen.letter, State.IGNORED)
                return IGNORED
            if self._is_old(seen.hook) and not await self._is_welcome(seen.letter.key):
                await self.inbox.keep(seen.letter, State.FAILED, f"came too late: max_age is {self.max_age}")
                log.error("hook %s: too old, kept in the inbox", seen.letter.key[:16])
                return TOO_OLD
        except InboxUnavailable as error:
            log.error("hook %s: the inbox is unavailable: %s", seen.letter.key[:16], error)
            return later(RETRY_AFTER, "no inbox")
        return await self._join(seen)

    def _is_old(self, hook: events.Hook) -> bool:
        """Whether a hook is over the age limit; one without a date could be of any age."""
        if self.max_age is None:
            return False
        happened = hook.activity_datetime
        return happened is None or datetime.now(UTC) - happened > self.max_age

    async def _is_welcome(self, key: str) -> bool:
        """Whether a hook may be of any age: its first attempt came in time, or an operator lets it in."""
        record = await self.inbox.get(key)
        return record is not None and (record.attempts > 0 or record.state is State.WAITING)

    async def _join(self, accepted: Accepted) -> Answer:
        """Wait for the attempt at this hook, which is started only if none is running."""
        key = accepted.letter.key
        work = self._running.get(key)
        if work is None or work.done():  # done: canceled before it began
            attempt = Attempt(accepted, self._routes, self.inbox, self._owner, self.lease)
            work = self._running[key] = asyncio.create_task(self._run(key, attempt))
        # `wait` leaves the work alone when the time is up, or when this sender has gone.
        done, _ = await asyncio.wait({work}, timeout=self.answer_within)
        if not done or work.cancelled():
            return later(self.answer_within, "at it")
        return work.result()

    async def _run(self, key: str, attempt: Attempt) -> Answer:
        try:
            return await attempt.run()
        finally:
            del self._running[key]
