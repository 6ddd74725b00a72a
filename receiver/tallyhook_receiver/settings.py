"""The environment variables that set up a receiver, its source and its client."""

import difflib
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tallyhook import signing
from tallyhook.cheddar import BASE_URL
from tallyhook_receiver.errors import OptionError, SettingsError
from tallyhook_receiver.options import ARGUMENTS, Options, Setting, listed
from tallyhook_receiver.sources.cheddar import Cheddar

log = logging.getLogger("tallyhook.receiver")

PREFIX = "TALLYHOOK_"

_FILE = "_FILE"

# Variables of the mock's commands. A receiver doesn't use them.
_OTHERS = {"CONSOLE_TOKEN", "MOCK"}


def _scheme(text: str) -> signing.Scheme:
    if text not in signing.SCHEMES:
        raise ValueError
    return signing.SCHEMES[text]


SETTINGS = (
    Setting(
        str,
        "a product's code",
        "the product that sends the hooks",
        name="PRODUCT_CODE",
        argument="Cheddar(code)",
        missing="the code of the product that sends the hooks",
    ),
    Setting(
        listed,
        "keys separated by commas or line breaks",
        "the secret keys that may sign hooks",
        name="KEYS",
        argument="Cheddar(keys)",
        missing="the product's secret key, or the old and the new one while you change it",
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
        "who makes the API calls; reviews need a user and a password",
        name="USER",
        argument="AsyncClient(user)",
    ),
    Setting(
        str,
        "the password or API key of that user",
        "needed if a user is set",
        name="PASSWORD",
        argument="AsyncClient(password)",
    ),
    Setting(
        str,
        "a URL",
        "the address of the API",
        BASE_URL,
        name="BASE_URL",
        argument="AsyncClient(base_url)",
    ),
    *(setting for setting in ARGUMENTS.values() if setting.read is not None),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A receiver's settings, read from environment variables.

    Attributes:
        prefix: the start of the variables' names.
        values: the values, by the variable's name without the prefix.
        problems: a line for each invalid variable, by the variable's name without the prefix.
        unknown: the variables with this prefix that aren't settings, each with the name that was probably
            meant, or `""`.
    """

    prefix: str
    values: Mapping[str, Any]
    problems: Mapping[str, str]
    unknown: Mapping[str, str]

    def product(self, *, connects: bool = True) -> Cheddar:
        """Return the product that the settings describe.

        The product has a client if `connects` is True and the settings name a user. Raises SettingsError,
        which lists all problems.
        """
        problems = [*self.problems.values(), *self._missing()]
        if problems:
            raise SettingsError(problems)
        code, keys = self.values["PRODUCT_CODE"], self.values["KEYS"]
        client = None
        if connects and "USER" in self.values:
            # Imported only here, because the import is slow and commands that read the inbox don't need it.
            from tallyhook.cheddar.client import AsyncClient

            user, password = self.values["USER"], self.values["PASSWORD"]
            try:
                client = AsyncClient(code, user, password, base_url=self.values.get("BASE_URL", BASE_URL))
            except ValueError as error:
                raise SettingsError([f"{self.prefix}BASE_URL: {error}"]) from None
        try:
            return Cheddar(code, keys, client, scheme=self.values.get("SCHEME", signing.CHEDDAR))
        except ValueError as error:
            raise SettingsError([f"{self.prefix}KEYS: {error}"]) from None

    def options(self) -> Options:
        """Return the arguments of the receiver that are set by variables.

        Raises SettingsError, which lists all problems.
        """
        if self.problems:
            raise SettingsError(self.problems.values())
        given = ((name, setting.name) for name, setting in ARGUMENTS.items() if setting.name in self.values)
        return cast(Options, {name: self.values[variable] for name, variable in given})

    @contextmanager
    def naming(self, options: Collection[str]) -> Iterator[None]:
        """Raise SettingsError, which names the variable, if the block refuses one of these arguments."""
        try:
            yield
        except OptionError as error:
            if error.option not in options:
                raise
            raise SettingsError([f"{self.prefix}{ARGUMENTS[error.option].name}: {error}"]) from None

    def warn(self) -> None:
        """Log a warning for each unknown variable."""
        for name, meant in self.unknown.items():
            log.warning("%s is not a setting%s", name, f": did you mean {meant}?" if meant else "")

    def _missing(self) -> Iterator[str]:
        for setting in SETTINGS:
            if setting.missing and setting.name not in {*self.values, *self.problems}:
                yield f"{self.prefix}{setting.name} is not set: {setting.missing}"
        for one, other in (("USER", "PASSWORD"), ("PASSWORD", "USER")):
            if one in self.values and other not in self.values:
                yield f"{self.prefix}{one} is set but {self.prefix}{other} is not: the API needs both"


def read(environ: Mapping[str, str], prefix: str = PREFIX) -> Settings:
    """Read a receiver's settings from the variables whose names start with `prefix`.

    An empty variable is treated as not set. Docker and systemd provide secrets as files. So instead of a
    variable `NAME`, you can set `NAME_FILE` to the path of a file that contains the value. The problems in
    the result never quote a value.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for setting in SETTINGS:
        name = prefix + setting.name
        try:
            text = _text(environ, name)
            if text and setting.read is not None:
                values[setting.name] = setting.read(text)
        except SettingsError as error:
            problems[setting.name] = str(error)
        except (ValueError, KeyError):
            problems[setting.name] = f"{name} is not {setting.what}"
    known = {prefix + setting.name + end for setting in SETTINGS for end in ("", _FILE)}
    known |= {prefix + name for name in _OTHERS}
    unknown = {
        name: next(iter(difflib.get_close_matches(name, sorted(known), 1, 0.8)), "")
        for name in sorted(environ)
        if name.startswith(prefix) and name not in known
    }
    return Settings(prefix, values, problems, unknown)


def _text(environ: Mapping[str, str], name: str) -> str:
    text, file = environ.get(name, ""), environ.get(name + _FILE, "")
    if not file:
        if not _is_text(text):
            raise SettingsError([f"{name} is not text in UTF-8"])
        return text.strip().removeprefix("\ufeff").strip()
    if text:
        raise SettingsError([f"{name} and {name}{_FILE} are both set: unset one"])
    try:
        return Path(file).read_text("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingsError([f"{name}{_FILE}: {file} can't be read: {reason}"]) from None


def _is_text(value: str) -> bool:
    """Return whether a variable was valid UTF-8. Python represents other bytes as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
