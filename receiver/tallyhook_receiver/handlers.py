"""Find the handler for an event, and make it callable as a coroutine."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from tallyhook import events
from tallyhook.review import Review
from tallyhook_receiver.sources import Cheddar, Event, Source

T = TypeVar("T")

# A handler is a plain function, which runs in a thread, or a coroutine function.
HookHandler = Callable[[T], Awaitable[None] | None]
ReviewHandler = Callable[[Review], Awaitable[None] | None]
Handler = Callable[[Any], Awaitable[None]]

BILLABLE = events.SubscriptionBillable.TYPE


class Handlers:
    """One handler per type of event. Billable hooks may have a review handler instead.

    A handler belongs to one source, given by name, or to all sources, given as `None`. A handler for one
    source takes precedence.
    """

    def __init__(self) -> None:
        self._handlers: dict[tuple[str | None, str], Handler] = {}
        self._reviews: dict[str | None, Handler] = {}

    def add(self, source: str | None, type: str, handler: HookHandler[Any]) -> None:
        if not type:
            raise ValueError("pass a type of event, or one of the classes in tallyhook.events")
        if (source, type) in self._handlers or (type == BILLABLE and source in self._reviews):
            raise ValueError(f"{type} already has a handler")
        self._handlers[source, type] = _as_coroutine(handler)

    def add_review(self, source: str | None, handler: ReviewHandler) -> None:
        if source in self._reviews or (source, BILLABLE) in self._handlers:
            raise ValueError(f"{BILLABLE} already has a handler")
        self._reviews[source] = _as_coroutine(handler)

    def handler(self, source: Source, type: str) -> Handler | None:
        """The handler for a source's events of this type. None if a review takes precedence."""
        if (handler := self._handlers.get((source.name, type))) is not None:
            return handler
        return None if self._own_review(source, type) else self._handlers.get((None, type))

    def review(self, source: Source, type: str = BILLABLE) -> Handler | None:
        """The review handler for a source's invoices."""
        if type != BILLABLE or not has_invoices(source) or (source.name, type) in self._handlers:
            return None
        return self._reviews.get(source.name) or self._reviews.get(None)

    def wants(self, source: Source, type: str) -> bool:
        return self.handler(source, type) is not None or self.review(source, type) is not None

    def _own_review(self, source: Source, type: str) -> bool:
        return type == BILLABLE and source.name in self._reviews and has_invoices(source)


def has_invoices(source: Source) -> bool:
    """Whether the source's system holds each invoice until its hook is acknowledged."""
    return isinstance(source, Cheddar)


def argument(event: Event[object]) -> events.Hook | Event[object]:
    """What the handler is called with: Cheddar's typed hook, or the event of another source."""
    return event.payload if isinstance(event.payload, events.Hook) else event


def _as_coroutine(handler: Callable[[T], Awaitable[None] | None]) -> Callable[[T], Awaitable[None]]:
    """The handler as a coroutine function. A plain function runs in a thread."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        return cast(Callable[[T], Awaitable[None]], handler)

    async def in_thread(argument: T) -> None:
        result = await asyncio.to_thread(handler, argument)
        if result is not None:
            await result

    return in_thread
