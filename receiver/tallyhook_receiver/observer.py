"""What a receiver reports about its work, for metrics, traces and the like."""

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
    """Receives reports about requests and hooks, and ignores them: override the methods that you need.

    The methods are called in the event loop and in the middle of the work, so they return at once. What they
    raise is logged, and changes nothing for the hook. A `letter` holds the hook's body: pass on its key,
    product and type, and no more.
    """

    def refused(self, response: Response) -> None:
        """A request was no signed hook, or was too large, too slow, or from somebody else."""

    def request(self, headers: Mapping[str, str]) -> AbstractContextManager[object]:
        """Around what follows once a request's signature has been verified, up to its answer."""
        return nullcontext()

    def answered(self, response: Response, seconds: float) -> None:
        """A signed request gets this response, so long after its signature was verified. Within `request`."""

    def repeated(self, product: str) -> None:
        """A hook of this product came again in a body that is done. Within `attempt`."""

    def attempt(self, letter: Letter) -> AbstractContextManager[object]:
        """Around an attempt at a hook. It may go on when its request has been answered."""
        return nullcontext()

    def step(self, name: Step) -> AbstractContextManager[object]:
        """Around a part of an attempt: confirming what is unsigned, the handler, or applying a review."""
        return nullcontext()

    def wrote(self, entry: Entry) -> None:
        """A review's journal has a new entry; `Declared` follows the comparison. Within the step `apply`."""

    def reviewed(self, letter: Letter, outcome: Outcome) -> None:
        """A review was applied, or there was nothing to do. Within `attempt`."""

    def finished(self, letter: Letter, state: State, seconds: float) -> None:
        """An attempt ended so after so many seconds, and the inbox knows it. Within `attempt`.

        Not told of an attempt whose inbox is unavailable, or that was cut while a charge was on its way.
        """

    def looked_again(self, letter: Letter, state: State) -> None:
        """A review was looked at a second time; its hook is in this state now."""


class Observers:
    """Several as one, false if there are none."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, fact: Callable[[Observer], None]) -> None:
        """Report to each one."""
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
    """Keeps a context from swallowing the work's exceptions and from raising its own."""
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
    """Leave out the exception that was being handled: a handler's may quote the customer."""
    error.__context__ = error.__cause__ = None
    log.error("an observer failed", exc_info=error)
