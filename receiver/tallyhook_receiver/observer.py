"""What a receiver reports about its work, for metrics and traces."""

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
    """Gets reports about requests and hooks. Override the methods that you need; the others do nothing.

    The methods run in the event loop, in the middle of the work, so they must return at once. What they raise
    is logged, and doesn't affect the hook. A `letter` holds the hook's body: pass on only its key, product
    and type.
    """

    def refused(self, response: Response) -> None:
        """A request was not a signed hook, was too large or too slow, or came from an unknown sender."""

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[object]:
        """Surrounds the work on a request, from its verified signature to its answer."""
        return nullcontext()

    def answered(self, response: Response, seconds: float) -> None:
        """A signed request gets this response, so many seconds after its signature was verified. Within
        `request`.
        """

    def repeated(self, product: str) -> None:
        """A hook of this product came again with a body that is done. Within `attempt`."""

    def attempt(self, letter: Letter) -> AbstractContextManager[object]:
        """Surrounds an attempt at a hook, which may continue after its request was answered."""
        return nullcontext()

    def step(self, name: Step) -> AbstractContextManager[object]:
        """Surrounds a part of an attempt: confirming an unsigned event, the handler, or applying a review."""
        return nullcontext()

    def wrote(self, entry: Entry) -> None:
        """A review's journal has a new entry. `Declared` follows the comparison. Within the step `apply`."""

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        """A review was applied, or had nothing to do. Within `attempt`."""

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        """An attempt ended in this state after so many seconds, and the inbox has stored that. Within
        `attempt`.

        It is not called if the inbox is unavailable, or if the attempt was canceled while a charge was on its
        way.
        """

    def looked_again(self, letter: Letter, state: State) -> None:
        """A review had its second look. Its hook is in this state now."""


class Observers:
    """Several observers as one. It is false if there are none."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, fact: Callable[[Observer], None]) -> None:
        """Report to each observer."""
        for observer in self._observers:
            try:
                fact(observer)
            except Exception as error:
                _log(error)

    def around(
        self, part: Callable[[Observer], AbstractContextManager[object]]
    ) -> AbstractContextManager[object]:
        """Run a part of the work within every observer's context."""
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
    """Keeps a context from swallowing the work's exceptions, and from raising its own."""
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
    """Log an observer's exception without the one that was being handled, which may quote the customer."""
    error.__context__ = error.__cause__ = None
    log.error("an observer failed", exc_info=error)
