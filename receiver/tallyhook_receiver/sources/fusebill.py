"""Webhooks from Fusebill (now Stax Bill), with a key in a header."""

from base64 import b64encode

from tallyhook.signing.scheme import as_bytes
from tallyhook_receiver.sources.shared_key import SharedKey
from tallyhook_receiver.sources.source import Keys, keys_of


class Fusebill(SharedKey):
    """Fusebill as a source of webhooks. A header contains the key in base64 (documented).

    Fusebill shows the key under Settings > Integrations > Webhooks. The header's name and the format of the
    body aren't documented, so check what your account sends. Fusebill waits 2 seconds for a 2xx, and retries
    1, 2 and 3 minutes later (documented). So set `answer_within` below 2 seconds. If a handler takes longer,
    it continues after the response.

    Args:
        name: the source's name.
        keys: the keys as Fusebill shows them. The header may also contain the plain key (inferred).
        header: the name of the header that contains the key.
        type_field: the field of the JSON body that contains the event's type (inferred).
        id_field: the field of the JSON body that contains the event's id. If `id_field` is None, or the body
            lacks this field, the event's key is the hash of the body.
    """

    def __init__(
        self,
        name: str,
        keys: Keys,
        *,
        header: str,
        type_field: str = "eventType",
        id_field: str | None = None,
    ) -> None:
        known = keys_of(keys, f"source {name}")
        encoded = (b64encode(as_bytes(key)) for key in known)
        super().__init__(name, [*known, *encoded], header=header, type_field=type_field, id_field=id_field)
