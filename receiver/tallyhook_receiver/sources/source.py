"""The protocol of sources, and what the built-in ones share."""

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
    """What a request says happened.

    Attributes:
        key: the same for all deliveries of an event: the sender's own id, if there is one.
        type: selects the handler.
        payload: what the source has read; for most sources the JSON of the body. Say what it is in the
            handler's annotation, such as `Event[Invoice]` with a TypedDict `Invoice`.
        at: when it happened or was sent; None if unknown.
        source: the name of its source, which the receiver fills in.
    """

    key: str
    type: str
    payload: P_co
    at: datetime | None = None
    source: str = ""


@runtime_checkable
class Source(Protocol):
    """A sender of hooks. Both methods get the headers with lower-case names."""

    @property
    def name(self) -> str:
        """Its name in logs, metrics and the inbox, unique in a receiver."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this sender signed the request. Nothing in headers or body may raise."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[object]:
        """What the verified request says.

        Raises DecodeError if it can't be read; it is then kept, and answered with 400. Raises WrongSource if
        the body is about somebody else than the one who signed it; it is then refused with 401.
        """


@runtime_checkable
class UnsignedSource(Source, Protocol):
    """A sender without signatures. It is known by its networks, and its system confirms each event.

    It gets only requests that no other source has signed.
    """

    @property
    def networks(self) -> Iterable[str]:
        """The networks it sends from, such as `["192.0.2.0/24"]`. Other requests are not its own."""

    async def confirm(self, event: Event[object]) -> Event[object]:
        """The event as its system knows it. Each attempt calls this before its handler.

        Raises Unconfirmed if the system doesn't know the event; the answer is then 401. Raises NotYet to
        delay it.
        """


class WrongSource(Exception):
    """A body names another product than the one whose key signed it."""


def keys_of(keys: Keys, owner: str) -> tuple[str | bytes, ...]:
    """The keys as a tuple. Raises ValueError, with advice, if there are none or one is empty."""
    listed = (keys,) if keys is None or isinstance(keys, str | bytes) else tuple(keys)
    if not listed:
        raise ValueError(f"{owner} needs a key: pass the secret key that its hooks are signed with")
    plain: list[str | bytes] = []
    for key in listed:
        if key is None:
            raise ValueError(
                f"{owner} needs a key and got None: is the environment variable set that it is read from?"
            )
        if not isinstance(key, str | bytes):
            raise TypeError(f"a key of {owner} is str or bytes, not {type(key).__name__}")
        if not key.strip():
            raise ValueError(f"{owner} needs a key and got an empty one: is the variable or file empty?")
        plain.append(_plain(key))
    return tuple(plain)


def _plain(key: str | bytes) -> str | bytes:
    """The key without the byte order mark that some editors put at the start of a file."""
    return key.removeprefix("\ufeff") if isinstance(key, str) else key.removeprefix(b"\xef\xbb\xbf")


def parsed(body: bytes) -> dict[str, Any]:
    """A body that is a JSON object. Raises DecodeError."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("the body is not valid JSON") from None
    if not isinstance(content, dict):
        raise DecodeError("an object was expected")
    return content


def event_type(content: Mapping[str, Any], field: str, *, within: str = "") -> str:
    """The type of an event, from a field of its body. Raises DecodeError if there is none."""
    kind = content.get(field)
    if not isinstance(kind, str) or not kind:
        raise DecodeError("the event's type was expected", within + field)
    return kind


def body_key(body: bytes) -> str:
    """The key of an event without an id: the hash of its body, which is the same in retries."""
    return f"body {hashlib.sha256(body).hexdigest()}"


def inbox_key(source: str, event: str) -> str:
    """The inbox key of a source's event: 64 hex digits, different for each source."""
    return hashlib.sha256(json.dumps([source, event]).encode()).hexdigest()
