"""The mock signs with each scheme, and the receiver verifies, over real HTTP."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallyhook import Client, PaymentInput, events, signing
from tallyhook_mock import CatalogError, Server, serve
from tallyhook_receiver import Cheddar, Receiver

from .test_asgi import serving

SEED = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(SEED).decode()
PRIVATE = "whsk_" + base64.b64encode(SEED).decode()
PUBLIC = (
    "whpk_"
    + base64.b64encode(Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()).decode()
)
OTHER = "whsec_" + base64.b64encode(SEED[::-1]).decode()


def catalog(secret: str, **product: str) -> dict[str, Any]:
    plan = {"code": "TEAM", "recurringChargeAmount": "20.00", "isFree": False}
    return {
        "users": [{"email": "ops@example.com", "password": "secret"}],
        "products": [{"code": "ACME", "secret": secret, "plans": [plan], **product}],
    }


def subscribe(mock: Server) -> None:
    card = PaymentInput(
        cc_number="4111111111111111",
        cc_expiration="12/2040",
        cc_first_name="Nora",
        cc_last_name="Quill",
        cc_card_code="123",
        cc_zip="12345",
    )
    with Client("ACME", "ops@example.com", "secret", base_url=mock.xml) as client:
        client.new_customer("NORA", "Nora", "Quill", "nora@quill.example", "TEAM", payment=card)
    mock.settle()


@pytest.mark.parametrize(
    ("signature", "secret", "keys", "status"),
    [
        ("cheddar", "a key", ["a key"], 200),
        ("cheddar", "a key", ["another"], 401),
        ("standard-v1", SECRET, [SECRET], 200),
        ("standard-v1", SECRET, [OTHER, SECRET], 200),
        ("standard-v1", SECRET, [OTHER], 401),
        ("standard-v1a", PRIVATE, [PUBLIC], 200),
    ],
)
def test_the_receiver_takes_what_the_mock_signs(
    tmp_path: Path, signature: str, secret: str, keys: list[str], status: int
) -> None:
    product = Cheddar("ACME", [*keys], scheme=signing.SCHEMES[signature])
    receiver = Receiver(product, inbox=tmp_path / "inbox.sqlite")
    seen: list[str] = []
    receiver.on(events.NewSubscription)(lambda hook: seen.append(hook.customer.code))
    with serve(catalog(secret, signature=signature)) as mock, serving(receiver.asgi) as port:
        mock.listen(f"http://127.0.0.1:{port}/", ["newSubscription"])
        subscribe(mock)
        (hook,) = mock.hooks("newSubscription")
        (attempt,) = hook.deliveries[0].attempts
    assert attempt.status == status
    assert seen == ["NORA"] * (status == 200)


@pytest.mark.parametrize("mine", ["cheddar", "standard-v1", "standard-v1a"])
@pytest.mark.parametrize("theirs", ["cheddar", "standard-v1", "standard-v1a"])
async def test_one_scheme_is_not_another(mine: str, theirs: str) -> None:
    body = b'{"activityType": "newSubscription", "product": {"code": "ACME"}}'
    own = {"cheddar": SECRET, "standard-v1": SECRET, "standard-v1a": PUBLIC}
    sent = {"cheddar": SECRET, "standard-v1": SECRET, "standard-v1a": PRIVATE}
    headers = signing.SCHEMES[theirs].sign(body, sent[theirs], id="one", at=datetime.now(UTC))
    product = Cheddar("ACME", own[mine], scheme=signing.SCHEMES[mine])
    async with Receiver(product, inbox=":memory:") as receiver:
        answer = await receiver.handle("POST", headers, body)
    assert answer.status == (200 if mine == theirs else 401)


def test_the_control_api_shows_the_headers_of_the_scheme() -> None:
    with serve(catalog(SECRET, signature="standard-v1")) as mock:
        mock.listen("http://127.0.0.1:9/", ["newSubscription"])
        subscribe(mock)
        (hook,) = httpx.get(f"{mock.url}/_mock/hooks").json()["hooks"]
        shown = httpx.get(f"{mock.url}/_mock/hooks/{hook['id']}").json()
        offered = httpx.get(f"{mock.url}/_mock/catalog").json()["products"][0]
    assert shown["headers"]["webhook-id"] == hook["id"]
    assert set(shown["headers"]) & {"X-CG-SIGNATURE", "X-CG-TOKEN"} == set()
    assert (offered["signature"], offered["secret"]) == ("standard-v1", SECRET)


@pytest.mark.parametrize(
    ("signature", "secret", "complaint"),
    [
        ("standard-v2", SECRET, r"products\[0\].signature: .*did you mean"),
        ("standard-v1", "a key", r"products\[0\].secret: can't sign with standard-v1"),
        ("standard-v1a", PUBLIC, r"products\[0\].secret: can't sign with standard-v1a"),
    ],
)
def test_a_secret_has_to_fit_its_scheme(signature: str, secret: str, complaint: str) -> None:
    with pytest.raises(CatalogError, match=complaint), serve(catalog(secret, signature=signature)):
        pass


@pytest.mark.parametrize("key", ["mere words", PRIVATE])
def test_a_listeners_key_has_to_fit_its_scheme(key: str) -> None:
    with pytest.raises(ValueError, match="product ACME needs a key of scheme standard-v1a") as caught:
        Cheddar("ACME", [PUBLIC, key], scheme=signing.STANDARD_V1A)
    assert key not in str(caught.value)
