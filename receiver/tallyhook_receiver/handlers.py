"""Register handlers, and find the handler for an event."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from tallyhook import events
from tallyhook.review import Review
from tallyhook_receiver.sources import Cheddar, Event, Source

T = TypeVar("T")

# A handler is a plain function, which runs in a thread, or a coroutine function.
HookHandler = Callable[[T], Awaitable[None] | None]
ReviewHandler = Callable[[Review], Awaitable[None] | None]
Handler = Callable[[Any], Awaitable[None]]

# How similar a misspelt type is to the real one: one or two letters of twenty may differ.
_NEARLY = 0.9

BILLABLE = events.SubscriptionBillable.TYPE


class Registered(NamedTuple):
    """A registered handler. If `is_review` is True, it gets an invoice's `Review`, otherwise the event."""

    call: Handler
    is_review: bool


class Handlers:
    """The registered handlers.

    Each type of event has one handler. Billable hooks may have a review handler instead. A handler is
    registered for one source, given by name, or for all sources, given as `None`. A handler for one source
    takes precedence over a handler for all sources.
    """

    def __init__(self) -> None:
        self._registered: dict[tuple[str | None, str], Registered] = {}

    def add(
        self, source: str | None, type: str, handler: HookHandler[Any], *, is_review: bool = False
    ) -> None:
        if not type:
            raise ValueError("pass a type of event, or one of the classes in tallyhook.events")
        if (source, type) in self._registered:
            raise ValueError(f"{type} already has a handler")
        self._registered[source, type] = Registered(_as_coroutine(handler), is_review)

    def find(self, source: Source, type: str) -> Registered | None:
        """Return the handler for events of this type from this source, or None if there is none.

        Only Cheddar's sources have review handlers, because only Cheddar holds an invoice until its hook is
        acknowledged.
        """
        for name in (source.name, None):
            found = self._registered.get((name, type))
            if found is not None and (isinstance(source, Cheddar) or not found.is_review):
                return found
        return None

    def has_review(self, source: Source) -> bool:
        """Return whether the source's invoices are reviewed."""
        found = self.find(source, BILLABLE)
        return found is not None and found.is_review


def type_name(type: str, sources: Iterable[Source]) -> str:
    """Return an event type in the spelling that its source uses.

    Cheddar's types may be given in any combination of upper and lower case. Raises ValueError if `type` looks
    like a misspelt Cheddar type, because events of the real type would then be acknowledged without being
    handled. Also raises ValueError if `type` differs from a Cheddar type only in upper and lower case, and
    the receiver has other sources, because `type` could be a type of another source.
    """
    names = {name.lower(): name for name in events.TYPES}
    known = names.get(type.strip().lower())
    is_cheddars = [isinstance(source, Cheddar) for source in sources]
    if not any(is_cheddars) or known == type:
        return type
    if not all(is_cheddars):
        if known is not None:
            raise ValueError(f"Cheddar writes {known!r}: name the source if you mean another's {type!r}")
        return type
    if known is None and (near := get_close_matches(type, names.values(), 1, _NEARLY)):
        raise ValueError(f"{type!r} is no type of Cheddar's: did you mean {near[0]!r}?")
    return known or type


def argument(event: Event[object]) -> events.Hook | Event[object]:
    """Return the argument that the handler gets: Cheddar's typed hook, or another source's `Event`."""
    return event.payload if isinstance(event.payload, events.Hook) else event


def _as_coroutine(handler: Callable[[T], Awaitable[None] | None]) -> Callable[[T], Awaitable[None]]:
    """Return a coroutine function that calls the handler. A plain function runs in a thread.

    Raises TypeError if the handler is a generator function, because calling it would run none of its code.
    """
    kinds = (handler, type(handler).__call__)
    if any(inspect.isgeneratorfunction(it) or inspect.isasyncgenfunction(it) for it in kinds):
        raise TypeError("a handler can't yield")
    in_loop = any(map(inspect.iscoroutinefunction, kinds))

    def guarded(argument: T) -> object:
        try:
            return handler(argument)
        except StopIteration as error:  # a future can't hold it
            raise _failure(error) from error

    async def call(argument: T) -> None:
        result: object = None
        try:
            result = handler(argument) if in_loop else await asyncio.to_thread(guarded, argument)
            while inspect.isawaitable(result):  # a plain function may also return an awaitable
                result = await result
        except (Exception, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            # A SystemExit would end the event loop, and the receiver with it. A CancelledError may come from
            # the handler itself.
            if not _is_canceled():
                raise _failure(error) from error
        if _is_canceled():
            raise asyncio.CancelledError  # the handler may have caught it, so its work may not be done
        if result is not None:
            raise TypeError(
                f"a handler returns None, not {type(result).__name__}: raise an exception if it isn't done"
            )

    return call


def _is_canceled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failure(error: BaseException) -> RuntimeError:
    """Return an ordinary exception to raise in place of one that isn't an error, such as SystemExit."""
    failure = RuntimeError(f"the handler raised {type(error).__name__}")
    return failure.with_traceback(error.__traceback__)
