"""The arguments of the receiver, and the variables that give them, its source and its client."""

import difflib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypedDict, cast, get_type_hints

from tallyhook import signing
from tallyhook.cheddar.client import BASE_URL, AsyncClient
from tallyhook_receiver.errors import SettingsError
from tallyhook_receiver.inbox import Inbox
from tallyhook_receiver.observer import Observer
from tallyhook_receiver.sources.cheddar import Cheddar

log = logging.getLogger("tallyhook.receiver")

PREFIX = "TALLYHOOK_"

_FILE = "_FILE"

# Read by the command line, of a mock.
_OTHERS = {"CONSOLE_TOKEN", "MOCK"}


class Setting(NamedTuple):
    """A variable: how its text is read, what it holds, what that means, and the argument that it gives.

    `read` raises ValueError or KeyError; it is None for an argument that no text can give. `missing` says
    what to set where the variable has to be there. `name` is without the prefix.
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


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def _scheme(text: str) -> signing.Scheme:
    if text not in signing.SCHEMES:
        raise ValueError
    return signing.SCHEMES[text]


class Options(TypedDict, total=False):
    """The arguments of a Receiver besides its sources: the one table of them."""

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
            "until a sender is told to come back, while the work goes on; stay below the sender's timeout"
            " (inferred: 30 s)",
            25.0,
        ),
    ]
    handle_within: Annotated[
        float | None,
        Setting(
            _or_none(_number),
            "seconds, or none",
            "until a handler and its review are cut, and the hook has failed; a handler that runs in a thread"
            " can't be stopped, and is no longer waited for",
            300.0,
        ),
    ]
    max_body: Annotated[int, Setting(_count, "a number of bytes", "the longest body", 1_048_576)]
    body_within: Annotated[float, Setting(_number, "seconds", "that a sender may take over a body", 10.0)]
    close_within: Annotated[
        float,
        Setting(_number, "seconds", "that running handlers may take when the receiver is closed", 30.0),
    ]
    lease: Annotated[
        float | None,
        Setting(
            _number,
            "seconds",
            "until another worker may take over from one that has died, no less than the client's timeout; a"
            " lease is renewed while the work takes, and nothing is sent unless a quarter of it is left; by"
            " default 60, or that timeout if it is longer",
        ),
    ]
    unknown_for: Annotated[
        timedelta | float | None,
        Setting(
            _number,
            "seconds",
            "that a charge whose request got no answer is [waited for](inbox.md#what-nobody-can-tell) before"
            " it is added again: longer than the client's timeout, and half an hour at the most; by default"
            " five minutes, or that timeout and a minute",
        ),
    ]
    gone_after: Annotated[
        timedelta | float,
        Setting(
            _number,
            "seconds",
            "that a customer or invoice which wasn't found has to be missing still before its hook is done",
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
            "the greatest age of an event that comes for the first time; later it stays welcome, since a"
            " retry carries the old body; no longer than `keep_days`",
        ),
    ]
    keep_days: Annotated[
        float | None,
        Setting(
            _or_none(_number),
            "a number of days, or none",
            "that hooks which are done or ignored are kept, 2 at least; others are kept until they are done",
            90.0,
        ),
    ]
    senders: Annotated[
        Iterable[str] | None,
        Setting(
            _or_none(_list),
            "networks separated by commas, or none",
            "where hooks may come from, such as `192.0.2.0/24`; none lets everybody send",
        ),
    ]
    trusted_proxies: Annotated[
        Iterable[str],
        Setting(
            _list,
            "networks separated by commas",
            "of your own proxies, whose `X-Forwarded-For` is believed",
            (),
        ),
    ]
    health_path: Annotated[
        str | None,
        Setting(
            _or_none(str),
            "a path such as /healthz, or none",
            "a GET of a path that ends so asks whether hooks can be handled",
            "/healthz",
        ),
    ]
    observers: Annotated[Iterable[Observer], Setting(None, "", "told about the work: metrics, traces", ())]
    clock: Annotated[
        Callable[[], datetime],
        Setting(None, "", "the present, as an aware datetime; for tests on a virtual clock", _utc_now),
    ]


ARGUMENTS: Mapping[str, Setting] = {
    name: hint.__metadata__[0]._replace(name=name.upper(), argument=name)
    for name, hint in get_type_hints(Options, include_extras=True).items()
}
DEFAULTS = cast(Options, {name: setting.default for name, setting in ARGUMENTS.items()})

SETTINGS = (
    Setting(
        str,
        "a product's code",
        "the product",
        name="PRODUCT_CODE",
        argument="Cheddar(code)",
        missing="the code of the product whose hooks are received",
    ),
    Setting(
        _list,
        "keys separated by commas or line breaks",
        "any of them may sign",
        name="KEYS",
        argument="Cheddar(keys)",
        missing="the product's secret key, and while it is being changed the old one too",
    ),
    Setting(
        _scheme,
        f"one of {', '.join(signing.SCHEMES)}",
        "how hooks are signed",
        "cheddar",
        name="SCHEME",
        argument="Cheddar(scheme)",
    ),
    Setting(
        str,
        "the email of a user of the product",
        "with the password; reviews need both",
        name="USER",
        argument="AsyncClient(user)",
    ),
    Setting(
        str,
        "the password or API key of that user",
        "with the user",
        name="PASSWORD",
        argument="AsyncClient(password)",
    ),
    Setting(
        str,
        "the address of the API",
        "where calls go",
        BASE_URL,
        name="BASE_URL",
        argument="AsyncClient(base_url)",
    ),
    *(setting for setting in ARGUMENTS.values() if setting.read is not None),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an environment holds: values by the setting's name, and a line for each thing that is wrong.

    `unknown` are variables with the prefix that mean nothing, each with the name that was probably meant.
    """

    prefix: str
    values: Mapping[str, Any]
    problems: tuple[str, ...]
    unknown: Mapping[str, str]

    def product(self, *, connects: bool = True) -> Cheddar:
        """The product, with a client if there is a user and it `connects`.

        Raises SettingsError with all that is wrong.
        """
        problems = [*self.problems, *self._missing()]
        if problems:
            raise SettingsError(problems)
        code, keys = self.values["PRODUCT_CODE"], self.values["KEYS"]
        client = None
        if connects and "USER" in self.values:
            user, password = self.values["USER"], self.values["PASSWORD"]
            client = AsyncClient(code, user, password, base_url=self.values.get("BASE_URL", BASE_URL))
        try:
            return Cheddar(code, keys, client, scheme=self.values.get("SCHEME", signing.CHEDDAR))
        except ValueError as error:
            raise SettingsError([f"{self.prefix}KEYS: {error}"]) from None

    def options(self) -> Options:
        """The receiver's arguments that are set. Raises SettingsError with all that is wrong."""
        if self.problems:
            raise SettingsError(self.problems)
        given = ((name, setting.name) for name, setting in ARGUMENTS.items() if setting.name in self.values)
        return cast(Options, {name: self.values[variable] for name, variable in given})

    def warn(self) -> None:
        """Log the variables that mean nothing."""
        for name, meant in self.unknown.items():
            log.warning("%s means nothing%s", name, f": {meant} was meant?" if meant else "")

    def _missing(self) -> Iterator[str]:
        for setting in SETTINGS:
            if setting.missing and setting.name not in self.values and not self._is_wrong(setting):
                yield f"{self.prefix}{setting.name} is not set: {setting.missing}"
        for one, other in (("USER", "PASSWORD"), ("PASSWORD", "USER")):
            if one in self.values and other not in self.values:
                yield f"{self.prefix}{one} is set, and {self.prefix}{other} is not: the API wants both"

    def _is_wrong(self, setting: Setting) -> bool:
        return any(problem.startswith(f"{self.prefix}{setting.name}") for problem in self.problems)


def read(environ: Mapping[str, str], prefix: str = PREFIX) -> Settings:
    """Read the variables of this prefix. An empty one counts as not set.

    Each may be given as `…_FILE` instead, which names the file that holds the value: that is how secrets come
    into containers and services. No problem quotes a value.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        name = prefix + setting.name
        try:
            text = _text(environ, name)
            if text and setting.read is not None:
                values[setting.name] = setting.read(text)
        except SettingsError as error:
            problems += error.problems
        except (ValueError, KeyError):
            problems.append(f"{name} is not {setting.what}")
    known = {prefix + setting.name + end for setting in SETTINGS for end in ("", _FILE)}
    known |= {prefix + name for name in _OTHERS}
    unknown = {
        name: next(iter(difflib.get_close_matches(name, sorted(known), 1, 0.8)), "")
        for name in sorted(environ)
        if name.startswith(prefix) and name not in known
    }
    return Settings(prefix, values, tuple(problems), unknown)


def _text(environ: Mapping[str, str], name: str) -> str:
    text, file = environ.get(name, ""), environ.get(name + _FILE, "")
    if not file:
        return text.strip().removeprefix("\ufeff").strip()
    if text:
        raise SettingsError([f"{name} and {name}{_FILE} are both set: drop one"])
    try:
        return Path(file).read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError([f"{name}{_FILE}: {file} can't be read: {reason}"]) from None
