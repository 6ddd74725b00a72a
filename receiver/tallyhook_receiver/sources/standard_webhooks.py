"""Hooks signed according to the Standard Webhooks specification, which Svix and others use."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from tallyhook import signing
from tallyhook_receiver.sources.source import Event, Keys, event_type, keys_of, parsed

_HEADERS = (
    signing.STANDARD_ID_HEADER,
    signing.STANDARD_TIMESTAMP_HEADER,
    signing.STANDARD_SIGNATURE_HEADER,
)


class StandardWebhooks:
    """A sender that follows the Standard Webhooks specification.

    Its requests have the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, or Svix's
    `svix-…` headers. The event's key is the message's id, its time is the timestamp, and its type is the
    field `type` of the JSON body (all documented in the specification).

    Args:
        name: the source's name.
        keys: secrets such as `whsec_…`, public keys such as `whpk_…`, or both.
        type_field: the field of the JSON body that contains the event's type.
        clock: returns the current time. Timestamps may differ from it by up to five minutes.

    Raises ValueError for an invalid key.
    """

    def __init__(
        self,
        name: str,
        keys: Keys,
        *,
        type_field: str = "type",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = name
        self.keys = keys_of(keys, f"source {name}")
        self._type_field = type_field
        self._clock = clock
        for key in self.keys:
            _scheme(key).check_key(key)

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        named, at = _standard(headers), self._clock()
        found = False
        for key in self.keys:
            found |= _scheme(key).verify(named, body, [key], at=at)
        return found

    def read(self, headers: Mapping[str, str], body: bytes) -> Event[Mapping[str, object]]:
        named, content = _standard(headers), parsed(body)
        kind = event_type(content, self._type_field)
        at = datetime.fromtimestamp(int(named[signing.STANDARD_TIMESTAMP_HEADER]), UTC)
        return Event(key=named[signing.STANDARD_ID_HEADER], type=kind, payload=content, at=at)

    def __repr__(self) -> str:
        return f"<StandardWebhooks {self.name}: {len(self.keys)} keys>"


def _scheme(key: str | bytes) -> signing.Scheme:
    text = key.decode("utf-8", "replace") if isinstance(key, bytes) else key
    return signing.STANDARD_V1A if text.startswith("whpk_") else signing.STANDARD_V1


def _standard(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the three headers under their standard names, even if the request has Svix's names."""
    prefix = "webhook-" if _HEADERS[0] in headers else "svix-"
    return {name: headers.get(name.replace("webhook-", prefix), "").strip() for name in _HEADERS}
