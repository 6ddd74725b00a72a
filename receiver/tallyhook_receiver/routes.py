"""Which handler a hook goes to, and how it is called."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from tallyhook import events
from tallyhook.review import Review

__all__ = ["HookHandler", "ReviewHandler", "Routes"]

H = TypeVar("H", bound=events.Hook)
T = TypeVar("T")

# A handler is a plain function, which runs in a thread, or a coroutine function.
HookHandler = Callable[[H], Awaitable[None] | None]
ReviewHandler = Callable[[Review], Awaitable[None] | None]

BILLABLE = events.SubscriptionBillable.TYPE


class Routes:
    """One handler per type of hook; billable hooks may have a review handler instead."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.review: Callable[[Review], Awaitable[None]] | None = None

    def add(self, type: str, handler: HookHandler[Any]) -> None:
        if not type:
            raise ValueError("name a type of hook, or one of its classes in tallyhook.events")
        if type in self.handlers or (type == BILLABLE and self.review is not None):
            raise ValueError(f"{type} has a handler already")
        self.handlers[type] = _as_coroutine(handler)

    def add_review(self, handler: ReviewHandler) -> None:
        if self.review is not None or BILLABLE in self.handlers:
            raise ValueError(f"{BILLABLE} has a handler already")
        self.review = _as_coroutine(handler)

    def wants(self, type: str) -> bool:
        return type in self.handlers or (type == BILLABLE and self.review is not None)


def _as_coroutine(handler: Callable[[T], Awaitable[None] | None]) -> Callable[[T], Awaitable[None]]:
    """The handler to be awaited: a coroutine function is run here, anything else in a thread."""
    if inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(type(handler).__call__):
        return cast(Callable[[T], Awaitable[None]], handler)

    async def in_thread(argument: T) -> None:
        result = await asyncio.to_thread(handler, argument)
        if result is not None:
            await result

    return in_thread
