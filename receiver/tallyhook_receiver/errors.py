"""The exceptions that handlers, sources, inboxes and settings raise."""

import math
from collections.abc import Iterable


class NotYet(Exception):
    """Raise this in a handler that can't do its work yet. The hook is handled again at its next delivery.

    `retry_after` is the number of seconds in the response's `Retry-After` header, which the sender may
    ignore. Raises ValueError if `retry_after` is not finite.
    """

    def __init__(self, retry_after: float = 60.0) -> None:
        if not math.isfinite(retry_after):
            raise ValueError(f"retry_after must be a finite number of seconds: {retry_after}")
        super().__init__(f"not yet, retry in {retry_after:g} s")
        self.retry_after = retry_after


class Unconfirmed(Exception):
    """Raised by `UnsignedSource.confirm` if the sender's system doesn't know the event."""


class WrongSource(Exception):
    """Raised by `Source.read` if the body belongs to a source other than the one that verified it."""


class InboxUnavailable(Exception):
    """The inbox can't be used now, for example because the disk is full or the server is down."""


class LeaseLost(Exception):
    """This worker's lease on a hook has run out, so another worker may have taken the hook."""


class OptionError(ValueError):
    """An argument of a receiver is invalid. `option` is the argument's name."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(problem)
        self.option = option


class SettingsError(ValueError):
    """Settings are missing or wrong.

    `problems` has a line for each problem, which names the variable and says how to fix the problem, but
    never quotes the variable's value.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("; ".join(self.problems))
