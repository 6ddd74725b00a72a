"""A log of the latest calls to the billing APIs.

The log doesn't contain the calls' parameters, so it holds no card data and no passwords.
"""

from collections.abc import Callable, Iterator
from datetime import datetime

from tallyhook_mock.core.base import Value
from tallyhook_mock.faults import Fault
from tallyhook_mock.middleware import Aim, Watched

__all__ = ["CallLog", "CallMade"]

KEPT = 10_000


class CallMade(Value, frozen=True):
    """One call to a billing API.

    `at` is the time on the mock's clock. `seconds` is the real time that the call took. `status` is None if
    the connection was dropped. `reason` is the error text of a refused call. `fault` is the kind of the
    planned fault that was applied to the call, or empty. In systems other than Cheddar, `customer`
    is the account, which is a customer or a subscription.
    """

    number: int
    at: datetime
    system: str
    method: str
    action: str
    product: str
    customer: str
    status: int | None
    seconds: float
    reason: str = ""
    fault: str = ""

    @property
    def failed(self) -> bool:
        return self.status is None or self.status >= 400


class CallLog:
    """Keeps the latest calls, numbered from 1. Passes each new call to every function in `told`."""

    def __init__(self) -> None:
        self.told: list[Callable[[CallMade], None]] = []
        self.by_number: dict[int, CallMade] = {}
        self._count = 0

    def __iter__(self) -> Iterator[CallMade]:
        """Iterate over the calls, oldest first."""
        return iter(tuple(self.by_number.values()))

    def clear(self) -> None:
        """Delete all calls. Later calls continue the numbering."""
        self.by_number.clear()

    def add(
        self, aim: Aim, method: str, answer: Watched, seconds: float, fault: Fault | None, at: datetime
    ) -> None:
        """Log a call, whether it was answered or its connection was dropped."""
        self._count += 1
        made = CallMade(
            self._count,
            at,
            aim.system,
            method,
            aim.action,
            aim.product,
            aim.customer,
            answer.status,
            seconds,
            answer.reason,
            "" if fault is None else fault.kind,
        )
        self.by_number[made.number] = made
        if len(self.by_number) > KEPT:
            del self.by_number[next(iter(self.by_number))]
        for told in self.told:
            told(made)
