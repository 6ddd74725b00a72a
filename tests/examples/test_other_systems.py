"""examples/other_systems.py: Fusebill and Cleverbridge at one address."""

from base64 import b64encode

import httpx
import pytest
from tests.examples.conftest import Load

from tallyhook_mock import serve
from tallyhook_mock.server import serving

CATALOG = {
    "cleverbridge": {
        "users": [{"name": "ledger", "password": "quill"}],
        "products": [{"id": 101, "name": "Base", "price": "50.00"}],
        "subscriptions": [
            {"id": "S1", "items": [{"productId": 101, "quantity": 3, "billingMode": "ADVANCE"}]}
        ],
    }
}


async def test_both_are_heard(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"X-Fusebill-Key": b64encode(b"key of a test").decode()}
    posted = {"eventType": "InvoicePosted", "invoiceId": 7}
    paid = {"meta": {"type": "PaidOrderNotification"}, "subscriptionId": 1}
    invented = {"meta": {"type": "PaidOrderNotification"}, "subscriptionId": 2}
    with serve(CATALOG) as server:
        monkeypatch.setenv("CLEVERBRIDGE_URL", server.url)
        example = load("other_systems")
        async with serving(example.app) as url, httpx.AsyncClient(timeout=60) as http:
            for content, headers, status in (
                (posted, key, 200),
                (posted, key, 200),
                (posted, {}, 400),
                (paid, {}, 200),
                (invented, {}, 401),
            ):
                answer = await http.post(url, json=content, headers=headers)
                assert answer.status_code == status, content
    assert example.posted == [7]
    assert example.quantities == {"1/1": 3}
