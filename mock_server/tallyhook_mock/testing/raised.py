"""Logs exceptions that applications raise while they handle a hook, so that a failing test shows them.

Without this module the exception would be lost, because a receiver answers 500 and logs only at DEBUG.
"""

import logging
import traceback
from types import TracebackType

__all__ = ["Raised"]

_SOURCES = ("tallyhook.receiver", "tallyhook_mock.testing.applications")
# Packages whose frames come before the application's in a traceback.
_BELOW = frozenset(
    (
        "anyio",
        "asyncio",
        "concurrent",
        "contextlib",
        "httpx",
        "starlette",
        "tallyhook",
        "tallyhook_mock",
        "tallyhook_receiver",
        "threading",
    )
)

logger = logging.getLogger("tallyhook_mock.testing")


class Raised(logging.Filter):
    """A context in which each exception is logged once as an ERROR, with only the application's frames.

    If `quiet` is true, no exceptions are logged.
    """

    def __init__(self, *, quiet: bool) -> None:
        super().__init__()
        self._quiet = quiet
        self._told: set[str] = set()
        self._levels: dict[str, int] = {}
        self._shown = {name: logging.getLogger(name).getEffectiveLevel() for name in _SOURCES}

    def __enter__(self) -> "Raised":
        for name in _SOURCES:
            source = logging.getLogger(name)
            self._levels[name] = source.level
            source.setLevel(logging.DEBUG)
            source.addFilter(self)
        return self

    def __exit__(self, *_: object) -> None:
        for name, level in self._levels.items():
            source = logging.getLogger(name)
            source.removeFilter(self)
            source.setLevel(level)

    def filter(self, record: logging.LogRecord) -> bool:
        error = getattr(record, "raised", None)
        if error is not None:
            self._tell(record.getMessage().partition("\n")[0], error)
        return record.levelno >= self._shown[record.name]

    def _tell(self, what: str, error: BaseException) -> None:
        text = "".join(traceback.format_exception(type(error), error, _trimmed(error.__traceback__))).rstrip()
        if text not in self._told and not self._quiet:
            self._told.add(text)
            logger.error("%s\n%s", what, text)


def _trimmed(trail: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the application's first frame on, or all of it if it has no such frame."""
    rest = trail
    while rest is not None:
        package = str(rest.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _BELOW:
            return rest
        rest = rest.tb_next
    return trail
