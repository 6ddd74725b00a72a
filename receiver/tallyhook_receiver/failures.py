"""The cause of a failed attempt, without the exception's text, which may contain customer data."""

import logging
import traceback
from types import FrameType
from typing import NamedTuple

from tallyhook import Error
from tallyhook.review import ReviewFailed

log = logging.getLogger("tallyhook.receiver")

# Packages whose frames may come between the attempt and the handler in a traceback.
_BELOW = frozenset(("tallyhook", "tallyhook_receiver", "asyncio", "concurrent"))


class Cause(NamedTuple):
    """The cause of a failed attempt, for the log.

    `exception` is the exception's type. `place` is the place in the handler, as `file:line in function`, or
    empty if `tallyhook` raised the exception while a review was applied. `reason` says why a review failed.
    For any other failure, `reason` is empty, because the exception's text might contain customer data.
    """

    exception: str
    place: str
    reason: str

    @property
    def about(self) -> dict[str, str]:
        """The fields of this cause that aren't empty, by name."""
        return {name: value for name, value in self._asdict().items() if value}

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.exception}{reason}" + (f" at {self.place}" if self.place else "")


def cause_of(error: Exception) -> Cause:
    """Return the cause of a failed attempt, from the exception that was caught.

    The cause's place is in the handler's own file, even if a library that the handler called raised the
    exception: it is the last line of the traceback that belongs to that file. If no handler was running, the
    place is the line that raised the exception, or empty for a `tallyhook.Error`.

    Also logs the traceback at DEBUG, without the exception's text, which may contain customer data. The log
    record's attribute `raised` is the exception.
    """
    trail = "".join(traceback.format_tb(error.__traceback__))
    log.debug("a handler raised %s\n%s", type(error).__name__, trail, extra={"raised": error})
    passed = [(frame.f_code, line, _package(frame)) for frame, line in traceback.walk_tb(error.__traceback__)]
    files = [code.co_filename for code, _, package in passed if package not in _BELOW]
    code, line, _ = [each for each in passed if not files or each[0].co_filename == files[0]][-1]
    place = (
        f"{code.co_filename}:{line} in {code.co_qualname}" if files or not isinstance(error, Error) else ""
    )
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    reason = error.reason if isinstance(error, ReviewFailed) else ""
    return Cause(f"{module}{kind.__qualname__}", place, reason)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]
