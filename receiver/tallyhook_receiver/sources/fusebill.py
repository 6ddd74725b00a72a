"""Webhooks of Fusebill (now Stax Bill), which carry a key in a header."""

from base64 import b64encode

from tallyhook.signing.scheme import as_bytes
from tallyhook_receiver.sources.shared_key import SharedKey
from tallyhook_receiver.sources.source import Keys, keys_of


class Fusebill(SharedKey):
    """A webhook of Fusebill's: the key from Settings > Integrations > Webhooks, in base64, in a header.

    That is documented, but neither the header's name nor what a body looks like: see what your account
    sends. Fusebill waits 2 seconds for a 2xx, and comes again 1, 2 and 3 minutes later (documented): answer
    within that by a short `answer_within`, and let a slow handler go on.

    Args:
        name: what to call the sender.
        keys: as Fusebill shows them; the key itself in the header is right too (inferred).
        header: the header that holds the key.
        type_field: where the body's JSON names the event's type (inferred).
        id_field: where it names the event's id; None, or an event without one, goes by its bytes.
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
