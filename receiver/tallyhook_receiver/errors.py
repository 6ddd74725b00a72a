"""The exceptions of handlers, sources, inboxes and settings."""

import math
from collections.abc import Iterable


class NotYet(Exception):
    """Raised by a handler that can't do its work now: the hook waits in the inbox until it comes again.

    `retry_after`, in seconds, goes into `Retry-After`; the sender may follow its own schedule instead.
    ValueError if it is not finite.
    """

    def __init__(self, retry_after: float = 60.0) -> None:
        if not math.isfinite(retry_after):
            raise ValueError(f"a hook can't come again after {retry_after} s")
        super().__init__(f"not yet, again in {retry_after:g} s")
        self.retry_after = retry_after


class Unconfirmed(Exception):
    """Raised by a source's `confirm`: its system doesn't know what an unsigned request tells of."""


class InboxUnavailable(Exception):
    """The inbox can't store anything now: the disk is full, the file locked or gone, the server away."""


class LeaseLost(Exception):
    """Another worker may have taken the hook: this one's lease has run out."""


class SettingsError(ValueError):
    """The environment lacks something, or something in it makes no sense.

    `problems` is a line for each, with the variable's name and what to do about it, and without its value.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("; ".join(self.problems))
