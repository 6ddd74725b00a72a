"""Hooks with a key in a header instead of a signature."""

from collections.abc import Mapping
from datetime import UTC, datetime

from tallyhook import signing
from tallyhook_receiver.sources.source import Event, Keys, body_key, event_type, keys_of, parsed


class SharedKey:
    """A sender that puts a key in a header, such as `X-Api-Key: …` or `Authorization: Bearer …`.

    Unlike a signature, a key doesn't protect the body or the time against changes. So use it only over https,
    and only if the sender can't sign.

    Args:
        name: the source's name.
        keys: the accepted keys, compared in constant time.
        header: the name of the header that contains the key.
        type_field: the field of the JSON body that contains the event's type.
        id_field: the field of the JSON body that contains the event's id. If `id_field` is None, or the body
            lacks this field, the event's key is the hash of the body.
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
        self._scheme = signing.SharedKey(header)
        for key in self.keys:
            try:
                self._scheme.check_key(key)
            except ValueError as error:
                raise ValueError(f"source {name} needs another key: {error}") from None
        self._type_field = type_field
        self._id_field = id_field

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        return self._scheme.verify(headers, body, self.keys, at=datetime.now(UTC))

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[Mapping[str, object]]:
        content = parsed(body)
        kind = event_type(content, self._type_field)
        own = None if self._id_field is None else content.get(self._id_field)
        has_id = isinstance(own, str | int) and str(own).strip()
        key = f"id {str(own).strip()}" if has_id else body_key(body)
        return Event(key=key, type=kind, payload=content)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"
