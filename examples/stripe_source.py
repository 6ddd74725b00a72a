"""A custom source for Stripe's signature, `Stripe-Signature: t=<seconds>,v1=<hex>,…` (documented)."""

import hmac
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from tallyhook_receiver import Event

TOLERANCE = 300  # seconds


class Stripe:
    def __init__(self, name: str, secret: str) -> None:
        self.name, self._secret = name, secret.encode()

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        parts = [part.partition("=") for part in headers.get("stripe-signature", "").split(",")]
        at = next((text for name, _, text in parts if name == "t"), "")
        if not (at.isascii() and at.isdecimal() and abs(time.time() - int(at[:12])) <= TOLERANCE):
            return False
        right = hmac.digest(self._secret, f"{at}.".encode() + body, "sha256").hex().encode()
        return any(name == "v1" and hmac.compare_digest(right, text.encode()) for name, _, text in parts)

    def read(self, headers: Mapping[str, str], body: bytes) -> Event:
        event = json.loads(body)
        at = datetime.fromtimestamp(event["created"], UTC)
        return Event(key=event["id"], type=event["type"], payload=event["data"], at=at)
