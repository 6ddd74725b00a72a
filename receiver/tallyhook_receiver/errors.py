"""The exceptions of handlers, sources, inboxes and settings."""

import math
from collections.abc import Iterable


class NotYet(Exception):
    """Raised by a handler that can't do its work now. The hook waits in the inbox until it is delivered
    again.

    `retry_after` goes into `Retry-After`, in seconds; the sender may follow its own schedule instead. Raises
    ValueError if it is not finite.
    """

    def __init__(self, retry_after: float = 60.0) -> None:
        if not math.isfinite(retry_after):
            raise ValueError(f"a hook can't come again after {retry_after} s")
        super().__init__(f"not yet, again in {retry_after:g} s")
        self.retry_after = retry_after


class Unconfirmed(Exception):
    """Raised by a source's `confirm` if its system doesn't know what an unsigned request is about."""


class InboxUnavailable(Exception):
    """The inbox can't store anything now: the disk is full, the file is locked or gone, or the server is
    down.
    """


class LeaseLost(Exception):
    """This worker's lease has run out, so another worker may have taken the hook."""


class SettingsError(ValueError):
    """Settings are missing or wrong.

    `problems` has a line for each, with the variable's name and how to fix it, but without its value.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("; ".join(self.problems))
