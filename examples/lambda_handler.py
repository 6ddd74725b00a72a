"""A listener on AWS Lambda, behind a function URL or an HTTP API: the receiver without a server.

Set the handler to `lambda_handler.handler` and the timeout to 60 s. Use an inbox in PostgreSQL, because a
function's own disk is lost when the function ends, and SQLite doesn't work on the network disk that functions
can share. The receiver answers within 20 s, because an HTTP API gives up after 30 s. If the function is
frozen before the work is done, Cheddar sends the hook again, and the instance that gets the hook continues
from the journal.

To try it, run `pytest tests/examples/test_lambda_handler.py`, which sends the mock's hooks as Lambda events.

Adapt `gigabytes_used` and the product's code. TALLYHOOK_INBOX, CHEDDAR_USER, CHEDDAR_PASSWORD and
CHEDDAR_SECRET come from the function's environment. A KeyError names a missing variable.
"""

from base64 import b64decode
from collections.abc import Mapping
from os import environ as env
from typing import Any

from tallyhook import AsyncClient
from tallyhook.cheddar.client import BASE_URL
from tallyhook.review import Period, Review
from tallyhook_receiver import Cheddar, Receiver

client = AsyncClient(
    "ACME", env["CHEDDAR_USER"], env["CHEDDAR_PASSWORD"], base_url=env.get("CHEDDAR_URL", BASE_URL)
)
product = Cheddar("ACME", env["CHEDDAR_SECRET"], client)
receiver = Receiver(product, inbox=env["TALLYHOOK_INBOX"], answer_within=20)


async def gigabytes_used(customer: str, period: Period) -> int:
    return 15  # ask your own database here


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", await gigabytes_used(review.customer.code, review.period))


def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
    """Answer one request, which Lambda passes as an event in format 2.0."""
    request = event["requestContext"]["http"]
    body = event.get("body", "")
    content = b64decode(body) if event.get("isBase64Encoded") else body.encode()
    headers = {name.lower(): value for name, value in event["headers"].items()}
    answer = receiver.answer(request["method"], headers, content, peer=request["sourceIp"])
    return {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body.decode(),
    }
