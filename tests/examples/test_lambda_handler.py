"""examples/lambda_handler.py"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar, ReceiverClient

from .conftest import Load


@pytest.fixture
def example(load: Load, postgres_database: str) -> Iterator[Any]:
    module = load("lambda_handler", TALLYHOOK_INBOX=postgres_database)
    yield module
    module.receiver.close()


def gateway(example: Any, *, encoded: bool) -> Callable[..., Iterable[bytes]]:
    """What stands before the function at Amazon's: a request becomes an event, the result an answer."""

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        content: bytes = environ["wsgi.input"].read()
        fields = {name[5:]: value for name, value in environ.items() if name.startswith("HTTP_")}
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": environ["PATH_INFO"],
            "headers": {name.lower().replace("_", "-"): value for name, value in fields.items()},
            "requestContext": {"http": {"method": environ["REQUEST_METHOD"], "sourceIp": "192.0.2.7"}},
            "body": b64encode(content).decode() if encoded else content.decode(),
            "isBase64Encoded": encoded,
        }
        result = example.handler(event, None)
        start_response(f"{result['statusCode']} ", list(result["headers"].items()))
        return [result["body"].encode()]

    return app


@pytest.mark.parametrize("encoded", [False, True])
def test_it_bills_the_usage_once(cheddar: Cheddar, example: Any, encoded: bool) -> None:
    cheddar.listener(gateway(example, encoded=encoded))
    lost = cheddar.fault(Fault(FaultKind.LOSE_ANSWER, type="subscriptionBillable"))
    cheddar.bill("ada")
    assert lost.struck == 1
    cheddar.assert_acknowledged("ada")
    cheddar.assert_billed("ada", "82.50")  # 20.00, 3 seats at 10.00, and 13 GB above the two included
    cheddar.bill("ada")
    cheddar.assert_billed("ada", "82.50")


def test_what_it_refuses(cheddar: Cheddar, example: Any, receiver_client: ReceiverClient) -> None:
    cheddar.listener(gateway(example, encoded=True))
    refused = receiver_client.send(cheddar.hook("subscriptionBillable", "ada").forged())
    assert (refused.status_code, refused.json()) == (401, {"hook": "not signed with a known key"})


def test_a_request_without_a_body(example: Any) -> None:
    http = {"method": "GET", "sourceIp": "192.0.2.7"}
    event = {"headers": {}, "requestContext": {"http": http}, "isBase64Encoded": False}
    assert example.handler(event, None)["statusCode"] == 405
