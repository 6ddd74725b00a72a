"""Planned faults: which call or hook fails, how, when, and how often."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Any

from msgspec.structs import fields

from tallyhook_mock.core.base import Value

__all__ = ["OPTIONS", "Armed", "Fault", "FaultKind", "Faults"]

_LONGEST = 600.0  # real seconds
_FARTHEST = timedelta(days=1000)


class FaultKind(StrEnum):
    """The kinds of planned faults.

    LATENCY, ERROR, DROP_BEFORE, DROP_AFTER and TRUNCATE apply to API calls. DUPLICATE, REORDER, TIMEOUT and
    LOSE_ANSWER apply to deliveries of hooks. LOCK applies to API calls that concern an outstanding invoice,
    and to the execution of that invoice.
    """

    LATENCY = "latency"
    ERROR = "error"
    DROP_BEFORE = "dropBefore"
    DROP_AFTER = "dropAfter"
    TRUNCATE = "truncate"
    LOCK = "lock"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    TIMEOUT = "timeout"
    LOSE_ANSWER = "loseAnswer"


# The options that not every kind has. All kinds have `customer`, `nth`, `times`, `probability` and `seed`.
OPTIONS: dict[FaultKind, tuple[str, ...]] = {
    FaultKind.LATENCY: ("action", "seconds"),
    FaultKind.ERROR: ("action", "status", "retry_after"),
    FaultKind.DROP_BEFORE: ("action",),
    FaultKind.DROP_AFTER: ("action",),
    FaultKind.TRUNCATE: ("action",),
    FaultKind.LOCK: (),
    FaultKind.DUPLICATE: ("type",),
    FaultKind.REORDER: ("type", "by"),
    FaultKind.TIMEOUT: ("type", "seconds"),
    FaultKind.LOSE_ANSWER: ("type",),
}
_CALLS = frozenset(kind for kind, options in OPTIONS.items() if "action" in options)
_HOOKS = frozenset(kind for kind, options in OPTIONS.items() if "type" in options)


def _made(fields: Mapping[str, Any]) -> "Fault":
    return Fault(**fields)


class _OfKind(Value, frozen=True):
    """Base class of `Fault`, with its only positional field."""

    kind: FaultKind


class Fault(_OfKind, frozen=True, kw_only=True):
    """One planned fault, which applies to API calls or to deliveries of hooks.

    By default, it applies once, to the first call or delivery that matches. `nth` makes it start with a later
    match, and `times` makes it apply more than once. With a `probability`, it applies to each match
    with that probability, without a limit unless `times` is given. The random draws depend only on `seed` and
    `kind`, so the same calls fail in every run. Raises ValueError for invalid values.

    Args:
        action: the action of a matching call, such as `customers/add-charge`. If empty, every call matches.
        type: the type of a matching hook, such as `subscriptionBillable`. If empty, every hook matches.
        customer: the customer's code. If empty, every call and every hook matches, even a call without a
            customer.
        seconds: how long a call is delayed (LATENCY), or how long a listener has to answer (TIMEOUT), in real
            seconds.
        status: the HTTP status of an ERROR: 500, 502 or 503.
        retry_after: the Retry-After header of an ERROR with status 503, in seconds.
        by: how long a REORDER holds the hook back, on the mock's clock.
    """

    action: str = ""
    type: str = ""
    customer: str = ""
    nth: int = 1
    times: int | None = None
    probability: float | None = None
    seed: int = 0
    seconds: float = 0.2
    status: int = 503
    retry_after: int = 1
    by: timedelta = timedelta(minutes=1)

    def __reduce__(self) -> tuple[Any, ...]:
        # Snapshots contain faults, and the function that msgspec names in a pickle depends on its version.
        return _made, ({name: getattr(self, name) for name in self.__struct_fields__},)

    def __post_init__(self) -> None:
        for option in fields(self):
            if option.name in _SPECIAL and option.name not in OPTIONS[self.kind]:
                _require(getattr(self, option.name) == option.default, f"{option.name}: not for {self.kind}")
        _require(self.nth >= 1, "nth: at least 1, which is the next one")
        _require(self.times is None or self.times >= 1, "times: at least 1")
        _require(self.probability is None or 0 <= self.probability <= 1, "probability: from 0 to 1")
        _require(0 < self.seconds <= _LONGEST, f"seconds: more than 0, and at most {_LONGEST:g}")
        _require(self.status in (500, 502, 503), "status: 500, 502 or 503")
        _require(0 <= self.retry_after <= _LONGEST, f"retry_after: from 0 to {_LONGEST:g}")
        _require(self.retry_after == 1 or self.status == 503, "retry_after: only with status 503")
        _require(timedelta(0) < self.by <= _FARTHEST, f"by: more than 0, and at most {_FARTHEST.days} days")

    @property
    def most(self) -> int | None:
        """The maximum number of times that the fault applies. None if there is no limit."""
        return 1 if self.times is None and self.probability is None else self.times


_SPECIAL = frozenset(name for options in OPTIONS.values() for name in options)


class Armed:
    """A planned fault with its counts.

    `met` counts the calls or deliveries that matched the fault before it reached its limit. `struck` counts
    those to which it was applied.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.met = 0
        self.struck = 0
        self._random = Random(f"{fault.seed} {fault.kind}")

    @property
    def is_over(self) -> bool:
        return self.fault.most is not None and self.struck >= self.fault.most

    def meet(self) -> bool:
        """Count a matching call or delivery. Returns whether the fault applies to it."""
        self.met += 1
        # Drawn for every match, so that the nth draw always belongs to the nth match.
        is_drawn = self.fault.probability is None or self._random.random() < self.fault.probability
        return is_drawn and self.met >= self.fault.nth


class Faults:
    """All planned faults. If several apply to a call or delivery, only the one planned first is used."""

    def __init__(self) -> None:
        self._armed: list[Armed] = []

    def __iter__(self) -> Iterator[Armed]:
        """Iterate over all faults in the order of planning, including those that reached their limit."""
        return iter(self._armed)

    def add(self, fault: Fault) -> Armed:
        self._armed.append(Armed(fault))
        return self._armed[-1]

    def clear(self) -> None:
        self._armed.clear()

    @property
    def are_over(self) -> bool:
        return all(armed.is_over for armed in self._armed)

    def for_call(self, action: str, customer: str, *, on_outstanding: bool) -> Fault | None:
        """Return the fault to apply to a call, or None.

        If `on_outstanding` is true, the call concerns an outstanding invoice, so a LOCK fault can apply, too.
        """
        kinds = _CALLS | {FaultKind.LOCK} if on_outstanding else _CALLS
        return self._strike(kinds, customer, lambda fault: fault.action in ("", action))

    def for_delivery(self, type: str, customer: str) -> Fault | None:
        """Return the fault to apply to the delivery of a hook, or None."""
        return self._strike(_HOOKS, customer, lambda fault: fault.type in ("", type))

    def for_execution(self, customer: str) -> Fault | None:
        """Return the LOCK fault that prevents the execution of a customer's invoice, or None."""
        return self._strike(frozenset({FaultKind.LOCK}), customer, lambda _: True)

    def _strike(
        self, kinds: frozenset[FaultKind], customer: str, fits: Callable[[Fault], bool]
    ) -> Fault | None:
        struck = None
        for armed in self._armed:
            fault = armed.fault
            if (
                armed.is_over
                or fault.kind not in kinds
                or fault.customer not in ("", customer)
                or not fits(fault)
            ):
                continue
            if armed.meet() and struck is None:
                armed.struck += 1
                struck = fault
        return struck


def _require(is_fine: bool, why: str) -> None:
    if not is_fine:
        raise ValueError(why)
