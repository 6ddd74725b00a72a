"""What the systems with a JSON API have in common: a call before it is sent, and how bodies are read.

Numbers stay exact both ways. Names are read in any case, since nothing but examples tells how they are
written (inferred); `raw` and `extra` of the models show known names in their usual spelling.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar, get_args

import msgspec

from tallyhook.errors import APIError, DecodeError
from tallyhook.inputs import Pairs
from tallyhook.nodes import Model

__all__ = ["JSON", "Call", "Reader", "whole"]

JSON = "application/json"

T_co = TypeVar("T_co", covariant=True)

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


@dataclass(frozen=True, slots=True, repr=False)
class Call(Generic[T_co]):
    """One call of a JSON API, before it is sent.

    Attributes:
        method: the HTTP method.
        path: under the API's base.
        action: what the log names: the path, without whom it is about.
        read: makes the result out of the answer's body.
        refusal: makes the exception out of the status and the body of a refusal.
        query: the query string's pairs.
        body: what is sent as JSON; None for nothing.
        repeatable: whether doing it twice comes to the same as doing it once.
    """

    method: str
    path: str
    action: str
    read: Callable[[bytes], T_co]
    refusal: Callable[[int, bytes], APIError]
    query: Pairs = ()
    body: Mapping[str, object] | None = None
    repeatable: bool = False

    @property
    def content(self) -> bytes | None:
        """The body as it is sent."""
        return None if self.body is None else _ENCODER.encode(self.body)

    def result(self, status: int, body: bytes) -> T_co:
        """What the answer holds.

        Raises:
            APIError: it is a refusal.
            DecodeError: it is not the document that it should be.
        """
        if 200 <= status < 300:
            return self.read(body)
        raise self.refusal(status, body)

    def masked(self, refusal: APIError) -> str:
        """The refusal's message: these calls hold no secrets."""
        return refusal.message

    def __repr__(self) -> str:
        shown = [f"{name}={value}" for name, value in self.query]
        shown += [f"{name}={_plain(value)}" for name, value in (self.body or {}).items()]
        return f"Call({' '.join((self.method, self.path, *shown))})"


class Reader:
    """Reads a system's bodies into nodes, the names of its models in the spelling that these have."""

    def __init__(self, *models: type[Model]) -> None:
        self._names = {name.lower(): name for model in models for name in _names(model)}

    def node(self, body: bytes) -> Any:
        """The node of a body; see `tallyhook.nodes` for what it looks like.

        Raises:
            DecodeError: it is not JSON.
        """
        try:
            return self._respelled(_DECODER.decode(body))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
            raise DecodeError("the body is not valid JSON") from None

    def object(self, body: bytes) -> dict[str, Any]:
        """The node of a body that has to be an object."""
        node = self.node(body)
        if not isinstance(node, dict):
            raise DecodeError("an object was expected")
        return node

    def _respelled(self, node: Any) -> Any:
        if isinstance(node, dict):
            return {
                self._names.get(name.lower(), name): self._respelled(value) for name, value in node.items()
            }
        return [self._respelled(entry) for entry in node] if isinstance(node, list) else node


def whole(value: int, what: str, least: int = 0) -> int:
    """The value, if it is a whole number that may be sent.

    Raises:
        TypeError: for anything but an int.
        ValueError: for less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{what} is an int, not {type(value).__name__}")
    if value < least:
        raise ValueError(f"{what} is at least {least}")
    return value


def _names(model: type[Model]) -> Iterator[str]:
    """The names that a model and the models in it know."""
    for field in msgspec.structs.fields(model):
        yield field.encode_name
        for part in (field.type, *get_args(field.type)):
            if isinstance(part, type) and issubclass(part, Model):
                yield from _names(part)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
