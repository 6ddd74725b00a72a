"""One listener for Cheddar and Standard Webhooks, and a source of one's own."""

import hmac
import json
import time
from datetime import UTC, datetime
from decimal import Decimal

import httpx
from tests.examples.conftest import EXAMPLES, Load

from tallyhook import signing
from tallyhook_mock.server import serving
from tallyhook_mock.testing import CheddarServer
from tallyhook_receiver import Receiver


async def test_both_senders_at_one_address(load: Load, cheddar_server: CheddarServer) -> None:
    example = load("two_sources")
    body = json.dumps({"type": "meter.read", "customer": "C1", "gigabytes": 7}).encode()
    key = example.meters.keys[0]
    async with serving(example.app) as url, httpx.AsyncClient(timeout=60) as http:
        for message, status in (("m1", 200), ("m1", 200), ("m2", 200)):
            headers = signing.STANDARD_V1.sign(body, key, id=message, at=datetime.now(UTC))
            assert (await http.post(url, content=body, headers=headers)).status_code == status
        assert (await http.post(url, content=body)).status_code == 401
    assert example.readings == {"C1": {"m1": 7, "m2": 7}}
    assert len((EXAMPLES / "two_sources.py").read_text().splitlines()) <= 40


async def test_a_source_of_ones_own(load: Load) -> None:
    example = load("stripe_source")
    receiver = Receiver(example.Stripe("stripe", "whsec_test"), inbox=":memory:")
    paid: list[Decimal] = []
    receiver.on("invoice.paid")(lambda event: paid.append(event.payload["object"]["amount_paid"]))
    data = {"object": {"amount_paid": 500}}
    event = {"id": "evt_1", "type": "invoice.paid", "created": 1_900_000_000, "data": data}
    body = json.dumps(event).encode()

    def signature(secret: bytes, at: int) -> dict[str, str]:
        right = hmac.digest(secret, f"{at}.".encode() + body, "sha256").hex()
        return {"Stripe-Signature": f"t={at},v1=00,v1={right},v0=11"}

    now = int(time.time())
    async with serving(receiver.asgi) as url, httpx.AsyncClient(timeout=60) as http:
        for secret, at, status in (
            (b"whsec_test", now, 200),
            (b"whsec_test", now, 200),
            (b"another", now, 401),
            (b"whsec_test", now - 3600, 401),
        ):
            answer = await http.post(url, content=body, headers=signature(secret, at))
            assert answer.status_code == status
    assert paid == [500]
