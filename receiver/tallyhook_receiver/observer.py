"""Observers are notified of a receiver's work, for example to record metrics or traces."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Literal

from tallyhook.review import Outcome
from tallyhook.review.journal import Entry
from tallyhook_receiver.inbox import Letter, State
from tallyhook_receiver.responses import Response

log = logging.getLogger("tallyhook.receiver")

Step = Literal["confirm", "handle", "apply"]


class Observer:
    """The base class of observers. Override the methods that you need. By default, all methods do nothing.

    The receiver calls the methods in its event loop, so they must not block. Their exceptions are logged, and
    don't affect the hook. A `letter` contains the hook's body, which may contain customer data, so export
    only the letter's key, product and type.
    """

    def refused(self, response: Response) -> None:
        """Called when a request was refused.

        A request is refused if it isn't a signed hook, is too large or too slow, or comes from an unknown
        sender.
        """

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return a context manager for the receiver's work on a request.

        The receiver enters it after verifying the signature, and exits it when the response is ready.
        """
        return nullcontext()

    def answered(self, response: Response, seconds: float) -> None:
        """Called when the response to a signed request is ready, `seconds` after its signature was verified.

        Called within the context manager that `request` returned.
        """

    def repeated(self, product: str) -> None:
        """Called when a hook of this product was delivered again with a body that has already been handled.

        Called within the context manager that `attempt` returned.
        """

    def attempt(self, letter: Letter) -> AbstractContextManager[object]:
        """Return a context manager for an attempt to handle a hook.

        The attempt may continue after the response.
        """
        return nullcontext()

    def step(self, name: Step) -> AbstractContextManager[object]:
        """Return a context manager for one step of an attempt.

        The steps are `confirm` (confirm an unsigned event), `handle` (run the handler) and `apply` (apply a
        review).
        """
        return nullcontext()

    def wrote(self, entry: Entry) -> None:
        """Called when an entry was added to a review's journal, during the step `apply` or a second look."""

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        """Called when a review was applied, or had nothing to do.

        Called within the context manager that `attempt` returned.
        """

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        """Called when an attempt, which took `seconds`, has ended and the hook's state has been stored.

        Called within the context manager that `attempt` returned.

        Not called if the state can't be stored, if the receiver closes during the attempt, or if the attempt
        takes too long while it adds a charge.
        """

    def looked_again(self, letter: Letter, state: State) -> None:
        """Called after a second look at an invoice. `state` is the state of the hook afterwards."""


class Observers:
    """A group of observers that are called together."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def tell(self, fact: Callable[[Observer], None]) -> None:
        """Call `fact` with each observer. If an observer raises an exception, log it."""
        for observer in self._observers:
            try:
                fact(observer)
            except Exception as error:
                _log(error)

    @contextmanager
    def around(self, part: Callable[[Observer], AbstractContextManager[object]]) -> Iterator[None]:
        """Enter the context managers of all observers. `part` returns the context manager of an observer."""
        with ExitStack() as stack:
            for observer in self._observers:
                try:
                    stack.enter_context(_harmless(part(observer)))
                except Exception as error:
                    _log(error)
            yield


@contextmanager
def _harmless(part: AbstractContextManager[object]) -> Iterator[None]:
    """Enter an observer's context manager, but don't let it swallow exceptions.

    If it raises an exception of its own on exit, the exception is only logged.
    """
    part.__enter__()
    try:
        yield
    except BaseException as error:
        _leave(part, error)
        raise
    _leave(part, None)


def _leave(part: AbstractContextManager[object], error: BaseException | None) -> None:
    try:
        part.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
    except Exception as own:
        if own is not error:
            _log(own)


def _log(error: Exception) -> None:
    """Log an observer's exception without its context and cause, which may contain customer data."""
    error.__context__ = error.__cause__ = None
    log.error("an observer failed", exc_info=error)
