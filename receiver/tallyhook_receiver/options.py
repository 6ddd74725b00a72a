"""The arguments of a receiver, with their types, defaults and meanings."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict, cast, get_type_hints

from tallyhook_receiver.allowlist import networks
from tallyhook_receiver.errors import OptionError
from tallyhook_receiver.inbox import FRESH, Inbox
from tallyhook_receiver.observer import Observer
from tallyhook_receiver.sources import Cheddar, Source

DEFAULT_INBOX = "tallyhook.sqlite"

_LEASE = 60.0  # seconds
_UNKNOWN_FOR, _MARGIN = timedelta(minutes=5), timedelta(minutes=1)
_LONGEST_UNKNOWN = timedelta(minutes=30)
_LARGEST = timedelta.max.days  # timedelta can't contain more days; also used as a limit for seconds


class Setting(NamedTuple):
    """An environment variable, and the argument that it sets.

    Attributes:
        read: parses the variable's text, and raises ValueError or KeyError if it is invalid; None for
            arguments that have no variable.
        what: the variable's format, in words.
        meaning: what the argument does.
        default: the value if the variable is not set.
        name: the variable's name, without the prefix.
        argument: the argument's name.
        missing: what a required variable must be set to, in words; empty if the variable is optional.
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
    if not 0 < number <= _LARGEST:
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
    """Split a string at commas and line breaks, and return the parts that aren't empty."""
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def _listed_networks(text: str) -> list[str]:
    texts = listed(text)
    if not networks(texts):
        raise ValueError
    return texts


class Options(TypedDict, total=False):
    """The arguments of a `Receiver` other than its sources."""

    inbox: Annotated[
        str | Path | Inbox,
        Setting(
            str,
            "a path, or postgresql://user:password@host/database",
            "a file for SQLite, `:memory:`, a URL, or in code an `Inbox`; see [the inbox](inbox.md)",
            DEFAULT_INBOX,
        ),
    ]
    answer_within: Annotated[
        float,
        Setting(
            _number,
            "seconds",
            "how long a sender waits for the work; then it is told to retry while the work goes on; keep it"
            " below the sender's timeout (inferred: 30 s)",
            25.0,
        ),
    ]
    handle_within: Annotated[
        float | None,
        Setting(
            _or_none(_number),
            "seconds, or none",
            "how long a handler and its review may take before they are canceled and the hook fails; a"
            " handler in a thread can't be stopped, but the receiver no longer waits for it",
            300.0,
        ),
    ]
    max_body: Annotated[int, Setting(_count, "a number of bytes", "the maximum size of a body", 1_048_576)]
    body_within: Annotated[
        float, Setting(_number, "seconds", "how long a sender may take to send a body", 10.0)
    ]
    close_within: Annotated[
        float,
        Setting(_number, "seconds", "how long running handlers may take when the receiver closes", 30.0),
    ]
    lease: Annotated[
        float | None,
        Setting(
            _number,
            "seconds",
            "how long a lease lasts: if its worker dies, another may then take over the hook. At least the"
            " client's timeout. A lease is renewed during the work, and a request is sent only while at least"
            " a quarter of the lease is left. The default is 60, or the client's timeout if that is longer",
        ),
    ]
    unknown_for: Annotated[
        timedelta | float | None,
        Setting(
            _number,
            "seconds",
            "how long to [wait for a charge](inbox.md#unknown-outcomes) whose request got no answer, before"
            " adding it again: longer than the client's timeout, and at most half an hour; the default is"
            " five minutes, or that timeout plus a minute if that is longer",
        ),
    ]
    gone_after: Annotated[
        timedelta | float,
        Setting(
            _number,
            "seconds",
            "how long a customer or invoice must be missing before it counts as gone; the hook is then done",
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
            "the maximum age of an event at its first delivery; at most `keep_days`; later deliveries"
            " may be older, since a retry has the same body",
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
            _or_none(_listed_networks),
            "networks separated by commas, or none",
            "where hooks may come from, such as `192.0.2.0/24`; none means anywhere",
        ),
    ]
    trusted_proxies: Annotated[
        Iterable[str],
        Setting(
            _listed_networks,
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
            "a GET of any path that ends with this is a health check",
            "/healthz",
        ),
    ]
    observers: Annotated[
        Iterable[Observer], Setting(None, "", "told about the work, for metrics and traces", ())
    ]
    clock: Annotated[
        Callable[[], datetime],
        Setting(None, "", "returns the current time as an aware datetime; set it in tests", _utc_now),
    ]


ARGUMENTS: Mapping[str, Setting] = {
    name: hint.__metadata__[0]._replace(name=name.upper(), argument=name)
    for name, hint in get_type_hints(Options, include_extras=True).items()
}
DEFAULTS = cast(Options, {name: setting.default for name, setting in ARGUMENTS.items()})


def complete(given: Options) -> Options:
    """Return the arguments with all defaults filled in.

    Raises TypeError for an unknown argument, and OptionError for an invalid `handle_within` or `keep_days`.
    """
    for name in given:
        if name not in ARGUMENTS:
            raise TypeError(f"unexpected keyword argument {name!r}")
    options = DEFAULTS | given
    if options["handle_within"] is not None and options["handle_within"] <= 0:
        raise OptionError(
            "handle_within", f"handle_within must be positive or None: {options['handle_within']}"
        )
    if options["keep_days"] is not None and not options["keep_days"] >= FRESH.days:  # also refuses NaN
        raise OptionError(
            "keep_days", f"keep_days must be at least {FRESH.days}: until then, a done hook may come again"
        )
    return options


def lease_of(options: Options, sources: Iterable[Source]) -> float:
    """Return the length of a lease in seconds.

    Raises OptionError if the lease is shorter than a client's timeout. With such a lease, if a worker died
    during a call, another worker could take over the hook before the call ended.
    """
    asked, timeout = options["lease"], _timeout(sources)
    if asked is None:
        return max(_LEASE, timeout)
    if asked <= 0:
        raise OptionError("lease", f"lease must be longer than 0 seconds: {asked}")
    if asked < timeout:
        raise OptionError(
            "lease",
            f"lease must be at least a client's timeout ({timeout:g} s), not {asked:g} s; otherwise another"
            " worker could take over during a call",
        )
    return asked


def unknown_for_of(options: Options, sources: Iterable[Source]) -> timedelta:
    """Return the argument `unknown_for`, or its default.

    Raises OptionError unless it is longer than every client's timeout and at most half an hour.
    """
    asked, timeout = options["unknown_for"], timedelta(seconds=_timeout(sources))
    if asked is None:
        return max(_UNKNOWN_FOR, timeout + _MARGIN)
    unknown_for = _span(asked)
    if not timeout < unknown_for <= _LONGEST_UNKNOWN:
        raise OptionError(
            "unknown_for",
            f"unknown_for is {unknown_for}, but must be longer than a client's timeout ({timeout}), and at"
            f" most {_LONGEST_UNKNOWN}, since an invoice is held for only an hour",
        )
    return unknown_for


def gone_after_of(options: Options) -> timedelta:
    """Return the argument `gone_after` as a timedelta. Raises OptionError if it is negative."""
    span = _span(options["gone_after"])
    if span < timedelta(0):
        raise OptionError("gone_after", f"gone_after can't be negative: {options['gone_after']}")
    return span


def _span(asked: timedelta | float) -> timedelta:
    return asked if isinstance(asked, timedelta) else timedelta(seconds=asked)


def _timeout(sources: Iterable[Source]) -> float:
    """Return the longest timeout of the Cheddar clients, in seconds.

    If a client's deadline is shorter than its timeout, the deadline is used instead.
    """
    clients = [it.client for it in sources if isinstance(it, Cheddar) and it.client is not None]
    timeouts = [min(client.timeout, client.deadline or math.inf) for client in clients]
    return max((it for it in timeouts if it < math.inf), default=0.0)
