"""Signed hooks that nobody handles, made to tell what happens to a body on its way."""

import json
import uuid
from datetime import UTC, datetime

from tallyhook_receiver import Cheddar
from tallyhook_receiver.sources.source import body_key, inbox_key

TYPE = "tallyhook.doctor"


class Probe:
    """A hook of a type that no billing system sends, and that no handler is for: it is kept and ignored.

    `odd` is laid out so that a proxy that parses and rewrites it changes its bytes: by spaces, order,
    escapes, numbers. The two `plain` ones are as such programs write.
    """

    def __init__(self, product: Cheddar) -> None:
        self._product = product
        self._id = uuid.uuid4().hex
        self._at = datetime.now(UTC)
        content = {
            "activityDatetime": self._at.isoformat(timespec="seconds"),
            "activityType": TYPE,
            "id": self._id,
            "product": {"code": product.code},
        }
        self.plain = tuple(
            json.dumps(content, separators=separators).encode() for separators in ((",", ":"), (", ", ": "))
        )
        code = json.dumps(product.code)
        self.odd = (
            f'{{ "product" :{{"code":{code}}},\n"odd":["caf\\u00e9 \\/", 1.0000],\n'
            f'"activityType":  "{TYPE}", "activityDatetime":"{content["activityDatetime"]}",'
            f' "id": "{self._id}" }}\n'
        ).encode()

    def headers(self, body: bytes, key: str | bytes) -> dict[str, str]:
        """Raises ValueError if the key can only verify."""
        signed = self._product.scheme.sign(body, key, id=self._id, at=datetime.now(UTC))
        return {"Content-Type": "application/json"} | signed

    @staticmethod
    def key(product: Cheddar, body: bytes) -> str:
        """What the product's inbox knows it by."""
        return inbox_key(product.name, body_key(body))
