"""The receiver: products, handlers and an inbox, composed into one function from request to answer."""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from tallyhook import events
from tallyhook_receiver.answers import IGNORED, UNDECODABLE, Answer, later
from tallyhook_receiver.asgi import Door
from tallyhook_receiver.attempt import RETRY_AFTER, Attempt
from tallyhook_receiver.errors import InboxUnavailable
from tallyhook_receiver.inbox import Inbox, SQLiteInbox, State
from tallyhook_receiver.pipeline import Accepted, Undecodable, inspect
from tallyhook_receiver.product import Product
from tallyhook_receiver.routes import HookHandler, ReviewHandler, Routes

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
        inbox: a file for SQLite, `":memory:"`, or another Inbox.
        answer_within: seconds before a sender is told to come back, while the work goes on. Stay below the
            sender's timeout (inferred: 30 s).
        max_body: bytes of a body at the most.
        body_within: seconds that a sender may take over a body.
        lease: seconds after which another worker may take over from one that has died.
    """

    def __init__(
        self,
        *products: Product,
        inbox: str | Path | Inbox = "tallyhook.sqlite",
        answer_within: float = 25.0,
        max_body: int = 1_048_576,
        body_within: float = 10.0,
        lease: float = 60.0,
    ) -> None:
        if len({product.code for product in products}) != len(products) or not products:
            raise ValueError("name at least one product, and each one once")
        self.products = products
        self.inbox: Inbox = SQLiteInbox(inbox) if isinstance(inbox, str | Path) else inbox
        self.answer_within = answer_within
        self.max_body = max_body
        self.body_within = body_within
        self.lease = lease
        self.asgi = Door(self)
        self._routes = Routes()
        self._owner = uuid.uuid4().hex
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
            await self.inbox.open()
            self._is_open = True

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
            await self.inbox.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    async def handle(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Receive one request, for any door: what the sender sent, and what to answer it.

        The answer is a 2xx only if the hook's work is done, or nobody wants it. Raises nothing on any input.
        """
        seen = inspect(self.products, self.max_body, method, headers, body)
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
        except InboxUnavailable as error:
            log.error("hook %s: the inbox is unavailable: %s", seen.letter.key[:16], error)
            return later(RETRY_AFTER, "no inbox")
        return await self._join(seen)

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
