"""The protocol of sources, and helpers for the built-in ones."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import msgspec

from tallyhook.errors import DecodeError

P_co = TypeVar("P_co", covariant=True)

Keys = str | bytes | Iterable[str | bytes] | None


class Event(msgspec.Struct, Generic[P_co], frozen=True, kw_only=True):
    """An event, read from a request.

    Attributes:
        key: identifies the event, and is the same for all its deliveries; the sender's id, if it has one.
        type: selects the handler.
        payload: the decoded body; for most sources its JSON. Give its type in the handler's annotation, such
            as `Event[Invoice]` with a TypedDict `Invoice`.
        at: when the event happened or was sent; None if unknown.
        source: the name of its source; the receiver sets it.
    """

    key: str
    type: str
    payload: P_co
    at: datetime | None = None
    source: str = ""


@runtime_checkable
class Source(Protocol):
    """A sender of hooks. Both methods get headers with lower-case names."""

    @property
    def name(self) -> str:
        """The name of the source in logs, metrics and the inbox. It is unique in a receiver."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this sender signed the request. Must not raise, whatever the headers and body are."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[object]:
        """Read the event from a verified request.

        Raises DecodeError if the body can't be read; the inbox then keeps it, and the answer is 400. Raises
        WrongSource if the body belongs to another source than the signature; the answer is then 401.
        """


@runtime_checkable
class UnsignedSource(Source, Protocol):
    """A sender that doesn't sign. Its networks identify it, and its system's API confirms each event.

    The receiver tries such a source only for requests that no other source has signed.
    """

    @property
    def networks(self) -> Iterable[str]:
        """The networks that it sends from, such as `["192.0.2.0/24"]`."""

    async def confirm(self, event: Event[object]) -> Event[object]:
        """Confirm an event with the sender's system, and return what the handler gets.

        Called in each attempt, before the handler. Raises Unconfirmed if the system doesn't know the event;
        the answer is then 401. Raises NotYet to try again later.
        """


class WrongSource(Exception):
    """A body belongs to another product than the key that signed it."""


def keys_of(keys: Keys, owner: str) -> tuple[str | bytes, ...]:
    """Return the keys as a tuple. Raises ValueError if there are no keys, or if a key is empty.

    Raises TypeError for a key that is neither str nor bytes.
    """
    listed = (keys,) if keys is None or isinstance(keys, str | bytes) else tuple(keys)
    if not listed:
        raise ValueError(f"{owner} needs a key: pass the secret key that signs its hooks")
    plain: list[str | bytes] = []
    for key in listed:
        if key is None:
            raise ValueError(f"{owner} needs a key and got None: is its environment variable set?")
        if not isinstance(key, str | bytes):
            raise TypeError(f"a key of {owner} must be str or bytes, not {type(key).__name__}")
        if not key.strip():
            raise ValueError(f"{owner} needs a key and got an empty one: is the variable or file empty?")
        plain.append(_plain(key))
    return tuple(plain)


def _plain(key: str | bytes) -> str | bytes:
    """The key without the byte order mark that some editors put at the start of a file."""
    return key.removeprefix("\ufeff") if isinstance(key, str) else key.removeprefix(b"\xef\xbb\xbf")


def parsed(body: bytes) -> dict[str, Any]:
    """Decode a body that must be a JSON object. Raises DecodeError."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("the body is not valid JSON") from None
    if not isinstance(content, dict):
        raise DecodeError("an object was expected")
    return content


def event_type(content: Mapping[str, Any], field: str, *, within: str = "") -> str:
    """Return the type of an event, from a field of its body. Raises DecodeError if the type is missing.

    `within` is put before the field's name in the error message.
    """
    kind = content.get(field)
    if not isinstance(kind, str) or not kind:
        raise DecodeError("the event's type was expected", within + field)
    return kind


def body_key(body: bytes) -> str:
    """The key for an event without an id: the hash of its body, since retries have the same body."""
    return f"body {hashlib.sha256(body).hexdigest()}"


def inbox_key(source: str, event: str) -> str:
    """The inbox key for an event of a source: 64 hex digits."""
    return hashlib.sha256(json.dumps([source, event]).encode()).hexdigest()
