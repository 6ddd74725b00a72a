"""Observers are told about a receiver's work, for metrics and traces."""

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
    """Is told about requests and hooks. Override the methods that you need; the others do nothing.

    The methods run in the event loop and must not block. Their exceptions are logged, and don't affect the
    hook. A `letter` contains the hook's body, so export only the letter's key, product and type.
    """

    def refused(self, response: Response) -> None:
        """A request was refused: not a signed hook, too large, too slow, or from an unknown sender."""

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[object]:
        """Return a context manager for the work on a request, from the verified signature to the response."""
        return nullcontext()

    def answered(self, response: Response, seconds: float) -> None:
        """A signed request gets this response, `seconds` after its signature was verified.

        Called within `request`.
        """

    def repeated(self, product: str) -> None:
        """A hook of this product was delivered again, with a body whose work is done.

        Called within `attempt`.
        """

    def attempt(self, letter: Letter) -> AbstractContextManager[object]:
        """Return a context manager for an attempt at a hook. The attempt may continue after the response."""
        return nullcontext()

    def step(self, name: Step) -> AbstractContextManager[object]:
        """Return a context manager for one step of an attempt.

        The steps are confirming an unsigned event, running the handler, and applying a review.
        """
        return nullcontext()

    def wrote(self, entry: Entry) -> None:
        """A review's journal has a new entry. Called within the step `apply`."""

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        """A review was applied, or had nothing to do. Called within `attempt`."""

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        """An attempt ended after `seconds`, and the inbox has stored the hook's state.

        Called within `attempt`.

        Not called if the inbox is unavailable, or if the attempt was canceled while adding a charge.
        """

    def looked_again(self, letter: Letter, state: State) -> None:
        """A review got its second look. The review's hook is now in this state."""


class Observers:
    """Calls several observers. The object is falsy if there are no observers."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, fact: Callable[[Observer], None]) -> None:
        """Call `fact` with each observer, and log exceptions."""
        for observer in self._observers:
            try:
                fact(observer)
            except Exception as error:
                _log(error)

    def around(
        self, part: Callable[[Observer], AbstractContextManager[object]]
    ) -> AbstractContextManager[object]:
        """Return a context manager that enters the context manager of every observer."""
        return self._around(part) if self._observers else _NOTHING

    @contextmanager
    def _around(self, part: Callable[[Observer], AbstractContextManager[object]]) -> Iterator[None]:
        with ExitStack() as stack:
            for observer in self._observers:
                try:
                    stack.enter_context(_harmless(part(observer)))
                except Exception as error:
                    _log(error)
            yield


_NOTHING = nullcontext()


@contextmanager
def _harmless(part: AbstractContextManager[object]) -> Iterator[None]:
    """Enter a context manager, but keep it from swallowing exceptions and from raising its own when it
    exits.
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
