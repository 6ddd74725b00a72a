"""Describe a call to any billing system, and read JSON answers.

Numbers in JSON are sent and read exactly. The names in an answer are case-insensitive, because their spelling
is shown only in examples (inferred). In a model's `raw` and `extra`, a name that the model knows is spelled
as in the model.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Generic, Literal, Protocol, SupportsIndex, TypeVar, get_args, get_origin
from urllib.parse import urlencode

import msgspec

from tallyhook import money
from tallyhook._model import Model
from tallyhook.errors import MASK, APIError, DecodeError, WrongDocument

Pairs = tuple[tuple[str, str], ...]

T_co = TypeVar("T_co", covariant=True)

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
# What is accepted for a keyword argument of a type. A bool is accepted only as a bool.
_ACCEPTED: dict[type, Any] = {
    str: str,
    bool: bool,
    int: SupportsIndex,
    Decimal: Decimal | int | str,
    datetime: date,
    Mapping: Mapping,
}
_SECRET_WORDS = frozenset({"ccNumber", "ccCardCode", "api_token"})


class Subject(Protocol):
    """Identifies the object that a call is about."""

    def is_of(self, found: Any) -> bool:
        """Return whether the document `found` is about this object.

        The result may be True for a document that doesn't say which object it is about.
        """


@dataclass(frozen=True, slots=True)
class Named:
    """Matches a document if its `field` has this `value`, and a list if all of its documents match.

    If `may_lack` is True, a document in which the field is empty or missing matches too.
    """

    field: str
    value: object
    may_lack: bool = False

    def is_of(self, found: Any) -> bool:
        """Return whether `found` matches: a document, or all documents of a list."""
        return all(map(self._fits, found if isinstance(found, tuple) else (found,)))

    def _fits(self, found: object) -> bool:
        shown = getattr(found, self.field, None)
        return shown == self.value or (self.may_lack and shown in (None, ""))


@dataclass(frozen=True, slots=True, repr=False)
class Call(Generic[T_co]):
    """A call that is ready to be sent.

    Attributes:
        method: the HTTP method.
        path: the path below the API's base URL.
        action: the call's name in the log, which is the path without codes and ids.
        read: turns the answer's body into the result.
        refusal: turns a refusal's status and body into the exception.
        query: the names and values in the query string; a client may add more.
        body: the object that is sent as JSON; None for a call without JSON.
        repeatable: whether sending the call twice has the same effect as sending it once.
        form: the names and values that a POST without JSON sends; a name may occur twice.
        subject: the object that the answer must be about; None if this isn't checked.
    """

    method: str
    path: str
    action: str
    read: Callable[[bytes], T_co]
    refusal: Callable[[int, bytes], APIError]
    query: Pairs = ()
    body: Mapping[str, object] | None = None
    repeatable: bool = False
    form: Pairs = ()
    subject: Subject | None = None

    @property
    def content(self) -> bytes | None:
        """The request's body, or None if there is none.

        Raises ValueError if a string contains a lone surrogate.
        """
        if self.body is not None:
            with no_lone_surrogates():
                return _ENCODER.encode(self.body)
        return encoded(self.form).encode("ascii") if self.method == "POST" else None

    @property
    def content_type(self) -> str:
        """The media type of the request's body."""
        return "application/x-www-form-urlencoded" if self.body is None else "application/json"

    def result(self, status: int, body: bytes) -> T_co:
        """Return the result that an answer contains.

        Raises:
            APIError: the answer is a refusal.
            DecodeError: the answer is not the expected document.
            WrongDocument: the answer is about another object.
        """
        if 200 <= status < 300:
            try:
                found = self.read(body)
            except APIError as error:
                self._check(error.customer)
                raise
            self._check(found)
            return found
        refusal = self.refusal(status, body)
        self._check(refusal.customer)
        raise refusal

    def _check(self, found: object) -> None:
        if self.subject is not None and found is not None and not self.subject.is_of(found):
            raise WrongDocument("the answer is about another object than the request")

    def masked(self, refusal: APIError) -> str:
        """Return a refusal's message, with the secrets in the call's form masked.

        For example, Cheddar quotes an invalid card number in its message (documented).
        """
        message = refusal.message
        for name, value in self.form:
            if is_secret(name):
                for spelling in (value, re.sub(r"\D", "", value)):
                    if len(spelling) > 2:
                        message = message.replace(spelling, MASK)
        return re.sub("'.*'", f"'{MASK}'", message) if is_secret(refusal.field) else message

    def __repr__(self) -> str:
        given = (*self.query, *self.form, *(self.body or {}).items())
        shown = (f"{name}={MASK if is_secret(name) else _plain(value)}" for name, value in given)
        return f"Call({' '.join((self.method, self.path, *shown))})"


def encoded(pairs: Pairs) -> str:
    """Return names and values encoded as a query string or form.

    Raises ValueError if one of them contains a lone surrogate.
    """
    with no_lone_surrogates():
        return urlencode(pairs)


@contextmanager
def no_lone_surrogates() -> Iterator[None]:
    """Raise ValueError if the `with` block can't encode a string because it contains a lone surrogate."""
    try:
        yield
    except UnicodeEncodeError:
        raise ValueError("A lone surrogate can't be sent: UTF-8 has no encoding for it") from None


def text(value: str, what: str) -> str:
    """Return `value` as a plain str: a member of a string enum becomes its value, not its name.

    Raises TypeError if it is not a str. `what` names the value in the error's message.
    """
    if not isinstance(value, str):
        raise wrong_type(value, what, "a str")
    return str.__str__(value)


def flag(value: bool, what: str) -> bool:
    """Return `value`. Raises TypeError if it is not a bool: any non-empty str would count as true."""
    if not isinstance(value, bool):
        raise wrong_type(value, what, "a bool")
    return value


def present(value: str, what: str) -> str:
    """Return a code, id or number as a plain str.

    Raises TypeError if it is not a str, and ValueError if it is empty or white space, because a server may
    match it with any object. `what` names the value in the error's message.
    """
    plain = text(value, f"The {what}")
    if not plain.strip():
        raise ValueError(f"The {what} is empty")
    return plain


def wrong_type(value: object, what: str, wanted: str) -> TypeError:
    """Return the exception for a value of the wrong type. It doesn't quote the value."""
    return TypeError(f"{what} must be {wanted}, not {type(value).__name__}")


def is_secret(name: str) -> bool:
    """Return whether a form field has a secret value. The name may be in brackets, as in `a[ccNumber]`."""
    return name.rpartition("[")[2].rstrip("]") in _SECRET_WORDS


class Reader:
    """Reads a billing system's JSON, and changes names to the spelling in the system's models."""

    def __init__(self, *models: type[Model]) -> None:
        self._names = {name.lower(): name for model in models for name in _names(model)}

    def node(self, body: bytes) -> Any:
        """Return the body as a tree; see `tallyhook._model`.

        Raises DecodeError if the body is not JSON, or has a known name in two spellings in one object.
        """
        try:
            node = _DECODER.decode(body)
            return self._respelled(node) if self._names else node
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
            raise DecodeError("the body is not valid JSON") from None

    def object(self, body: bytes) -> dict[str, Any]:
        """Return the JSON object in the body as a dict. Raises DecodeError if the body is anything else."""
        return as_object(self.node(body))

    def _respelled(self, node: Any) -> Any:
        if isinstance(node, dict):
            respelled = {
                self._names.get(name.lower(), name): self._respelled(value) for name, value in node.items()
            }
            if len(respelled) < len(node):
                raise DecodeError("an object has the same name twice")
            return respelled
        return [self._respelled(entry) for entry in node] if isinstance(node, list) else node


def as_object(node: Any) -> dict[str, Any]:
    """Return a node that is a JSON object. Raises DecodeError if it is anything else."""
    if not isinstance(node, dict):
        raise DecodeError("an object was expected")
    return node


def whole(value: int, what: str, least: int = 0) -> int:
    """Return `value`. Raises TypeError if it is not an int, and ValueError if it is less than `least`.

    `what` names the value in the error's message.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong_type(value, what, "an int")
    if value < least:
        raise ValueError(f"{what} must be at least {least}")
    return value


def only(kind: type, fields: Mapping[str, Any]) -> dict[str, object]:
    """Return the keyword arguments `fields`. The value of each may be None, whatever its type.

    Raises:
        TypeError: the TypedDict `kind` lacks an argument, or a value has another type.
        ValueError: a number isn't finite.
    """
    checked: dict[str, object] = {}
    for name, value in fields.items():
        if name not in kind.__annotations__:
            raise TypeError(f"unexpected keyword argument {name!r}")
        wanted = _type_of(kind.__annotations__[name])
        if value is not None:
            is_stray_bool = isinstance(value, bool) and wanted is not bool
            if is_stray_bool or not isinstance(value, _ACCEPTED[wanted]):
                raise wrong_type(value, name, f"a {wanted.__name__}")
            if wanted is Decimal:
                value = money.exact_number(value, name)
        checked[name] = value
    return checked


def _type_of(annotation: Any) -> type:
    """Return the type of an annotation such as `Decimal | None` or `Mapping[str, str]`."""
    origin = get_origin(annotation)
    if origin is Literal:
        return str
    if origin is UnionType:
        (annotation,) = (each for each in get_args(annotation) if each is not NoneType)
    found: type = get_origin(annotation) or annotation
    return found


def camel(name: str) -> str:
    """Return a name such as `po_number` as `poNumber`."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _names(model: type[Model]) -> Iterator[str]:
    """Yield the JSON names of a model's fields and of its nested models' fields."""
    for field in msgspec.structs.fields(model):
        yield field.encode_name
        for part in (field.type, *get_args(field.type)):
            if isinstance(part, type) and issubclass(part, Model):
                yield from _names(part)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else value
