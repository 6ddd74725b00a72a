"""The fields of a call's JSON body, each checked as it is taken."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from tallyhook_mock.systems.fusebill.model import invalid

__all__ = ["DIGITS", "Fields"]

Choice = TypeVar("Choice", bound=StrEnum)
Default = TypeVar("Default", bound=int | None)

DIGITS = 18  # of an id at the most, in a path as in a body
_MOST = 10**DIGITS - 1


class Fields:
    """`null` is taken for a field that is not given. Refusal, with its name, for one that can't be read."""

    def __init__(self, body: bytes, known: Collection[str]) -> None:
        """A name that is not `known` is refused: a slip of the pen must not pass for a wish fulfilled."""
        try:
            values = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid("body", f"not JSON: {error}") from None
        if not isinstance(values, dict):
            raise invalid("body", "a JSON object is required")
        for name in values:
            if name not in known:
                raise invalid(name[:100], f"unknown; known here: {', '.join(known)}")
        self._values: dict[str, Any] = values

    def __contains__(self, name: str) -> bool:
        """Whether it is given, and be it as `null`."""
        return name in self._values

    def whole(self, name: str, default: Default, *, least: int = 0, most: int = _MOST) -> int | Default:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise invalid(name, f"a whole number from {least} to {most} is required")
        return value

    def id(self, name: str) -> int:
        """A number that has to be there."""
        value = self.whole(name, None)
        if value is None:
            raise invalid(name, "required")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise invalid(name, "true or false is required")
        return value

    def text(self, name: str, *, most: int = 255) -> str | None:
        value = self._values.get(name)
        if value is not None and not (isinstance(value, str) and len(value) <= most):
            raise invalid(name, f"a text of {most} characters at the most is required")
        return value

    def choice(self, name: str, choices: type[Choice]) -> Choice | None:
        value = self._values.get(name)
        if value is None:
            return None
        if value not in tuple(choices):
            raise invalid(name, f"one of {', '.join(choices)} is required")
        return choices(value)
