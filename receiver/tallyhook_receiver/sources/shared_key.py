"""Hooks that carry a key in a header instead of a signature."""

import hmac
from collections.abc import Mapping

from tallyhook.errors import DecodeError
from tallyhook_receiver.sources.source import Event, Keys, body_key, keys_of, parsed

__all__ = ["SharedKey"]


class SharedKey:
    """A sender that proves itself by a key in a header, such as `X-Api-Key: …` or `Authorization: Bearer …`.

    A key covers neither body nor time: use it over https, and only where the sender offers nothing better.

    Args:
        name: what to call the sender.
        keys: the header's values that are right, compared in constant time.
        header: the header that holds the key.
        type_field: where the body's JSON names the event's type.
        id_field: where it names the event's id; None, or an event without one, goes by its bytes.
    """

    def __init__(
        self,
        name: str,
        keys: Keys,
        *,
        header: str = "X-Api-Key",
        type_field: str = "type",
        id_field: str | None = "id",
    ) -> None:
        self.name = name
        self.keys = keys_of(keys, f"source {name}")
        self._header = header.lower()
        self._type_field = type_field
        self._id_field = id_field

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        given = _as_bytes(headers.get(self._header, "").strip())
        found = False
        for key in self.keys:
            found |= hmac.compare_digest(_as_bytes(key), given)
        return found

    def read(self, headers: Mapping[str, str], body: bytes) -> Event:
        content = parsed(body)
        kind = content.get(self._type_field)
        if not isinstance(kind, str) or not kind:
            raise DecodeError("the event's type was expected", self._type_field)
        own = None if self._id_field is None else content.get(self._id_field)
        has_id = isinstance(own, str | int) and str(own).strip()
        key = f"id {str(own).strip()}" if has_id else body_key(body)
        return Event(key=key, type=kind, payload=content)

    def __repr__(self) -> str:
        return f"<SharedKey {self.name}: {len(self.keys)} keys>"


def _as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
