"""The protocol of sources, and helpers for the built-in sources."""

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
        key: identifies the event, and is the same for all its deliveries. It is the sender's id for the
            event, if there is one.
        type: selects the handler.
        payload: the decoded body, which for most sources is JSON. To give it a type, annotate the handler's
            argument, for example with `Event[Invoice]`, where `Invoice` is a TypedDict.
        at: when the event happened or was sent; None if unknown.
        source: the name of the event's source, set by the receiver.
    """

    key: str
    type: str
    payload: P_co
    at: datetime | None = None
    source: str = ""


@runtime_checkable
class Source(Protocol):
    """A sender of hooks. `verify` and `read` get headers with lower-case names."""

    @property
    def name(self) -> str:
        """The source's name in logs, metrics and the inbox. Each source of a receiver needs its own name."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether this sender signed the request.

        Must not raise an exception, whatever the headers and body are.
        """

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[object]:
        """Return the event in a verified request.

        Raises DecodeError if the body can't be read. The inbox then keeps the body, and the sender gets a
        400. Raises WrongSource if the body belongs to a source other than the one that signed it. The sender
        then gets a 401.
        """


@runtime_checkable
class UnsignedSource(Source, Protocol):
    """A sender that doesn't sign its hooks.

    The receiver recognises the sender by its networks, and confirms each event through the API of the
    sender's system. It tries an unsigned source only for requests that no other source has signed.
    """

    @property
    def networks(self) -> Iterable[str]:
        """The networks that the sender's requests come from, such as `["192.0.2.0/24"]`."""

    async def confirm(self, event: Event[object]) -> Event[object]:
        """Confirm an event with the sender's system, and return the event for the handler.

        The receiver calls this method in each attempt, before the handler. Raises Unconfirmed if the sender's
        system doesn't know the event. The sender then gets a 401. Raises NotYet if the event can't be
        confirmed yet.
        """


def keys_of(keys: Keys, owner: str) -> tuple[str | bytes, ...]:
    """Return the keys as a tuple. Raises ValueError if there are no keys, or if a key is empty.

    Raises TypeError for a key that is neither str nor bytes. `owner` says in error messages whose keys these
    are.
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
    """Return the key without the byte order mark that some editors put at the start of a file."""
    return key.removeprefix("\ufeff") if isinstance(key, str) else key.removeprefix(b"\xef\xbb\xbf")


def parsed(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Raises DecodeError if the body is anything else."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise DecodeError("the body is not valid JSON") from None
    if not isinstance(content, dict):
        raise DecodeError("an object was expected")
    return content


def event_type(content: Mapping[str, Any], field: str, *, within: str = "") -> str:
    """Return an event's type, from a field of its body. Raises DecodeError if the type is missing.

    `within` is put before the field's name in the error message.
    """
    kind = content.get(field)
    if not isinstance(kind, str) or not kind.strip():
        raise DecodeError("the event's type was expected", within + field)
    return kind


def body_key(body: bytes) -> str:
    """Return the key of an event that has no id: the hash of its body.

    All deliveries of an event have the same body.
    """
    return f"body {hashlib.sha256(body).hexdigest()}"


def inbox_key(source: str, event: str) -> str:
    """Return an event's key in the inbox: 64 hex digits made from `source` and the event's own key."""
    return hashlib.sha256(json.dumps([source, event]).encode()).hexdigest()
