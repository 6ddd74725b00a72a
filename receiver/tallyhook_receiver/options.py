"""The arguments of a receiver: one table of names, types, defaults and meanings."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict, cast, get_type_hints

from tallyhook_receiver.inbox import Inbox
from tallyhook_receiver.observer import Observer
from tallyhook_receiver.sources import Cheddar, Source

_LEASE = 60.0  # seconds
_UNKNOWN_FOR, _MARGIN = timedelta(minutes=5), timedelta(minutes=1)
_LONGEST_UNKNOWN = timedelta(minutes=30)


class Setting(NamedTuple):
    """An environment variable, and the argument that it sets.

    Attributes:
        read: reads the variable's text, and raises ValueError or KeyError; None if no text can express it.
        what: what the variable holds, in words.
        meaning: what it is for.
        default: the value if it is not set.
        name: the variable's name, without the prefix.
        argument: the argument's name.
        missing: what to set, if the variable is required.
    """

    read: Callable[[str], Any] | None
    what: str
    meaning: str
    default: Any = None
    name: str = ""
    argument: str = ""
    missing: str = ""


def _number(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


def _count(text: str) -> int:
    count = int(text)
    if count <= 0:
        raise ValueError
    return count


def _days(text: str) -> timedelta:
    return timedelta(days=_number(text))


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    return lambda text: None if text.lower() == "none" else read(text)


def _switch(text: str) -> bool:
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[text.lower()]


def listed(text: str) -> list[str]:
    """The parts of a text that commas or line breaks separate."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


class Options(TypedDict, total=False):
    """The arguments of a Receiver besides its sources."""

    inbox: Annotated[
        str | Path | Inbox,
        Setting(
            str,
            "a path, or postgresql://user:password@host/database",
            "a file for SQLite, `:memory:`, a URL, or in code an `Inbox`; see [what it may be](inbox.md)",
            "tallyhook.sqlite",
        ),
    ]
    answer_within: Annotated[
        float,
        Setting(
            _number,
            "seconds",
            "after which a sender is told to come back while the work goes on; keep it below the sender's"
            " timeout (inferred: 30 s)",
            25.0,
        ),
    ]
    handle_within: Annotated[
        float | None,
        Setting(
            _or_none(_number),
            "seconds, or none",
            "after which a handler and its review are canceled and the hook has failed; a handler in a thread"
            " can't be stopped, but the receiver no longer waits for it",
            300.0,
        ),
    ]
    max_body: Annotated[int, Setting(_count, "a number of bytes", "the longest body", 1_048_576)]
    body_within: Annotated[
        float, Setting(_number, "seconds", "the longest time in which a sender may send a body", 10.0)
    ]
    close_within: Annotated[
        float,
        Setting(_number, "seconds", "how long running handlers may take when the receiver is closed", 30.0),
    ]
    lease: Annotated[
        float | None,
        Setting(
            _number,
            "seconds",
            "after which another worker may take over from one that has died, at least the client's timeout;"
            " a lease is renewed during the work, and nothing is sent unless a quarter of it is left; the"
            " default is 60, or that timeout if it is longer",
        ),
    ]
    unknown_for: Annotated[
        timedelta | float | None,
        Setting(
            _number,
            "seconds",
            "how long a charge whose request got no answer is [waited for](inbox.md#unknown-outcomes)"
            " before it is added again: longer than the client's timeout, and at most half an hour; the"
            " default is five minutes, or that timeout plus a minute",
        ),
    ]
    gone_after: Annotated[
        timedelta | float,
        Setting(
            _number,
            "seconds",
            "after which a customer or invoice that wasn't found has to be missing again before its hook is"
            " done",
            60.0,
        ),
    ]
    marks: Annotated[
        bool,
        Setting(_switch, "yes or no", "whether charges carry a mark in their description", True),
    ]
    max_age: Annotated[
        timedelta | None,
        Setting(
            _or_none(_days),
            "a number of days, or none",
            "the greatest age of an event at its first delivery, at most `keep_days`; later deliveries may be"
            " older, since a retry carries the old body",
        ),
    ]
    keep_days: Annotated[
        float | None,
        Setting(
            _or_none(_number),
            "a number of days, or none",
            "how long hooks that are done or ignored are kept, at least 2; others are kept until they are"
            " done",
            90.0,
        ),
    ]
    senders: Annotated[
        Iterable[str] | None,
        Setting(
            _or_none(listed),
            "networks separated by commas, or none",
            "where hooks may come from, such as `192.0.2.0/24`; none lets everybody send",
        ),
    ]
    trusted_proxies: Annotated[
        Iterable[str],
        Setting(
            listed,
            "networks separated by commas",
            "your own proxies, whose `X-Forwarded-For` is trusted",
            (),
        ),
    ]
    health_path: Annotated[
        str | None,
        Setting(
            _or_none(str),
            "a path such as /healthz, or none",
            "a GET of a path with this ending asks whether hooks can be handled",
            "/healthz",
        ),
    ]
    observers: Annotated[
        Iterable[Observer], Setting(None, "", "get reports of the work: metrics, traces", ())
    ]
    clock: Annotated[
        Callable[[], datetime],
        Setting(None, "", "gives the present as an aware datetime; for tests on a virtual clock", _utc_now),
    ]


ARGUMENTS: Mapping[str, Setting] = {
    name: hint.__metadata__[0]._replace(name=name.upper(), argument=name)
    for name, hint in get_type_hints(Options, include_extras=True).items()
}
DEFAULTS = cast(Options, {name: setting.default for name, setting in ARGUMENTS.items()})


def complete(given: Options) -> Options:
    """The arguments with all defaults. Raises TypeError for an unknown name, and ValueError."""
    for name in given:
        if name not in ARGUMENTS:
            raise TypeError(f"unexpected keyword argument {name!r}")
    options = DEFAULTS | given
    if options["handle_within"] is not None and options["handle_within"] <= 0:
        raise ValueError(f"handle_within is a number of seconds, or None: {options['handle_within']}")
    return options


def lease_of(options: Options, sources: Iterable[Source]) -> float:
    """The lease in seconds.

    Raises ValueError if it is shorter than a client's timeout: when a worker dies during a call, the next one
    must not start before that call is over.
    """
    asked, timeout = options["lease"], _timeout(sources)
    if asked is None:
        return max(_LEASE, timeout)
    if asked <= 0:
        raise ValueError(f"a lease is longer than 0 seconds: {asked}")
    if asked < timeout:
        raise ValueError(
            f"lease is {asked:g} s: it can't be shorter than a client's timeout ({timeout:g} s), or another"
            " worker would take over while a call is on its way"
        )
    return asked


def unknown_for_of(options: Options, sources: Iterable[Source]) -> timedelta:
    """`unknown_for`. Raises ValueError if it is no longer than a client's timeout, or over half an hour."""
    asked, timeout = options["unknown_for"], timedelta(seconds=_timeout(sources))
    if asked is None:
        return max(_UNKNOWN_FOR, timeout + _MARGIN)
    unknown_for = _span(asked)
    if not timeout < unknown_for <= _LONGEST_UNKNOWN:
        raise ValueError(
            f"unknown_for is {unknown_for}: it has to be longer than a client's timeout ({timeout}), and at"
            f" most {_LONGEST_UNKNOWN}, since an invoice is held for only an hour"
        )
    return unknown_for


def gone_after_of(options: Options) -> timedelta:
    """`gone_after`. Raises ValueError if it is negative."""
    span = _span(options["gone_after"])
    if span < timedelta(0):
        raise ValueError(f"gone_after can't be negative: {options['gone_after']}")
    return span


def _span(asked: timedelta | float) -> timedelta:
    return asked if isinstance(asked, timedelta) else timedelta(seconds=asked)


def _timeout(sources: Iterable[Source]) -> float:
    """The longest timeout of a Cheddar client, in seconds; the deadline bounds a client without a timeout."""
    clients = [it.client for it in sources if isinstance(it, Cheddar) and it.client is not None]
    timeouts = [min(client.timeout, client.deadline or math.inf) for client in clients]
    return max((it for it in timeouts if it < math.inf), default=0.0)
