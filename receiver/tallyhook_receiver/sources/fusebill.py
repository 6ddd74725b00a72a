"""Webhooks of Fusebill (now Stax Bill), which have a key in a header."""

from base64 import b64encode

from tallyhook.signing.scheme import as_bytes
from tallyhook_receiver.sources.shared_key import SharedKey
from tallyhook_receiver.sources.source import Keys, keys_of


class Fusebill(SharedKey):
    """Fusebill's webhooks, with the key from Settings > Integrations > Webhooks, in base64, in a header.

    That is documented, but neither the header's name nor the shape of a body: check what your account sends.
    Fusebill waits 2 seconds for a 2xx, and comes again 1, 2 and 3 minutes later (documented). Set a short
    `answer_within`, so that a slow handler goes on after the answer.

    Args:
        name: the source's name.
        keys: the keys as Fusebill shows them; the header may also have the plain key (inferred).
        header: the name of the header with the key.
        type_field: the field of the JSON body that has the event's type (inferred).
        id_field: the field that has the event's id. If it is None or missing, the key is the hash of the
            body.
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
