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
        key: what makes two deliveries the same event: the sender's own id where there is one.
        type: which handler it goes to.
        payload: what the source has read; for most it is the body's JSON. A handler's annotation says what
            it is, such as `Event[Invoice]` with a TypedDict `Invoice`.
        at: when it happened, or was sent; None if it doesn't say.
        source: the name of its source; the receiver fills it in.
    """

    key: str
    type: str
    payload: P_co
    at: datetime | None = None
    source: str = ""


@runtime_checkable
class Source(Protocol):
    """A sender whose hooks are received. Both methods get the headers with their names in lower case."""

    @property
    def name(self) -> str:
        """What logs, metrics and the inbox call it; different for each source of a receiver."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether this sender signed the request. Nothing in headers or body may raise."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[object]:
        """What the verified request says.

        Raises DecodeError for what can't be read: it is kept, and answered 400. Raises WrongSource if the
        body speaks for somebody else than the one who signed it: it is refused with 401.
        """


@runtime_checkable
class UnsignedSource(Source, Protocol):
    """A sender whose requests prove nothing: it is known by its networks, and its system confirms each event.

    It gets only requests that no other source has signed.
    """

    @property
    def networks(self) -> Iterable[str]:
        """Where it sends from, such as `["192.0.2.0/24"]`; requests from elsewhere are not its own."""

    async def confirm(self, event: Event[object]) -> Event[object]:
        """The event as its system knows it. Each attempt asks, and gives it to the handler.

        Raises Unconfirmed if the system doesn't know it: the answer is 401. NotYet puts it off.
        """


class WrongSource(Exception):
    """A body names another product than the one whose key signed it."""


def keys_of(keys: Keys, owner: str) -> tuple[str | bytes, ...]:
    """The keys as a tuple. Raises ValueError, with what to do about it, if there are none or one is empty."""
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
    """Without the byte order mark that some editors put in front of a file."""
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
    """The type that a field of a body names. Raises DecodeError if it names none."""
    kind = content.get(field)
    if not isinstance(kind, str) or not kind:
        raise DecodeError("the event's type was expected", within + field)
    return kind


def body_key(body: bytes) -> str:
    """The key of an event that has no id: retries carry the same body."""
    return f"body {hashlib.sha256(body).hexdigest()}"


def inbox_key(source: str, event: str) -> str:
    """64 hex digits: the key under which the inbox keeps a source's event, whatever other sources send."""
    return hashlib.sha256(json.dumps([source, event]).encode()).hexdigest()
