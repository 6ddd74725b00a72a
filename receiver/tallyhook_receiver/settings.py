"""Settings from the environment: a variable for each argument of the receiver, its source and its client."""

import difflib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, cast

from tallyhook import signing
from tallyhook.cheddar.client import BASE_URL, AsyncClient
from tallyhook_receiver.errors import SettingsError
from tallyhook_receiver.inbox import Inbox
from tallyhook_receiver.observer import Observer
from tallyhook_receiver.sources.cheddar import Cheddar

__all__ = ["PREFIX", "SETTINGS", "Options", "Setting", "Settings", "read"]

log = logging.getLogger("tallyhook.receiver")

PREFIX = "TALLYHOOK_"

_FILE = "_FILE"

# Read by the command line, of a mock.
_OTHERS = {"CONSOLE_TOKEN", "MOCK"}


class Options(TypedDict, total=False):
    """The arguments of a Receiver but its sources, by name."""

    inbox: str | Path | Inbox
    answer_within: float
    handle_within: float | None
    max_body: int
    body_within: float
    close_within: float
    lease: float | None
    unknown_for: timedelta | float | None
    gone_after: timedelta | float
    marks: bool
    max_age: timedelta | None
    keep_days: float | None
    senders: Iterable[str] | None
    trusted_proxies: Iterable[str]
    health_path: str | None
    observers: Iterable[Observer]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Setting:
    """A variable, by its name without the prefix; `argument` is whose value it is, and of what.

    `read` raises ValueError. `missing` says what to set where the variable has to be there.
    """

    name: str
    argument: str
    read: Callable[[str], Any]
    what: str
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


SETTINGS = (
    Setting(
        "PRODUCT_CODE",
        "Cheddar(code)",
        str,
        "a product's code",
        "the code of the product whose hooks are received",
    ),
    Setting(
        "KEYS",
        "Cheddar(keys)",
        _list,
        "keys separated by commas or line breaks",
        "the product's secret key, and while it is being changed the old one too",
    ),
    Setting("SCHEME", "Cheddar(scheme)", _scheme, f"one of {', '.join(signing.SCHEMES)}"),
    Setting("USER", "AsyncClient(user)", str, "the email of a user of the product"),
    Setting("PASSWORD", "AsyncClient(password)", str, "the password or API key of that user"),
    Setting("BASE_URL", "AsyncClient(base_url)", str, "the address of the API"),
    Setting("INBOX", "inbox", str, "a path, or postgresql://user:password@host/database"),
    Setting("ANSWER_WITHIN", "answer_within", _number, "seconds"),
    Setting("HANDLE_WITHIN", "handle_within", _or_none(_number), "seconds, or none"),
    Setting("MAX_BODY", "max_body", _count, "a number of bytes"),
    Setting("BODY_WITHIN", "body_within", _number, "seconds"),
    Setting("CLOSE_WITHIN", "close_within", _number, "seconds"),
    Setting("LEASE", "lease", _number, "seconds"),
    Setting("UNKNOWN_FOR", "unknown_for", _number, "seconds"),
    Setting("GONE_AFTER", "gone_after", _number, "seconds"),
    Setting("MARKS", "marks", _switch, "yes or no"),
    Setting("MAX_AGE", "max_age", _or_none(_days), "a number of days, or none"),
    Setting("KEEP_DAYS", "keep_days", _or_none(_number), "a number of days, or none"),
    Setting("SENDERS", "senders", _or_none(_list), "networks separated by commas, or none"),
    Setting("TRUSTED_PROXIES", "trusted_proxies", _list, "networks separated by commas"),
    Setting("HEALTH_PATH", "health_path", _or_none(str), "a path such as /healthz, or none"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What an environment says: values by the setting's name, and what is wrong with it, a line for each.

    `unknown` are variables with the prefix that mean nothing, each with the name that was probably meant.
    """

    prefix: str
    values: Mapping[str, Any]
    problems: tuple[str, ...]
    unknown: Mapping[str, str]

    def product(self) -> Cheddar:
        """The product, with a client if there is a user. Raises SettingsError with all that is wrong."""
        problems = [*self.problems, *self._missing()]
        if problems:
            raise SettingsError(problems)
        code, keys = self.values["PRODUCT_CODE"], self.values["KEYS"]
        client = None
        if "USER" in self.values:
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
        named = {setting.argument: setting.name for setting in SETTINGS}
        arguments = Options.__annotations__.keys() & named.keys()
        return cast(
            Options, {name: self.values[named[name]] for name in arguments if named[name] in self.values}
        )

    def warn(self) -> None:
        """Log what means nothing."""
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
            if text:
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
