"""One listener for two senders: it reviews Cheddar's invoices, and takes meter readings from Svix.

Serve it with: uvicorn two_sources:app --port 8000
"""

import os
from collections import Counter
from typing import Any

from tallyhook import AsyncClient
from tallyhook.review import Review
from tallyhook_receiver import Cheddar, Event, Receiver, StandardWebhooks

env = os.environ  # the defaults are those of `tallyhook mock`
client = AsyncClient(
    "ACME",
    env.get("CHEDDAR_USER", "ops@example.com"),
    env.get("CHEDDAR_PASSWORD", "cheddar"),
    base_url=env.get("CHEDDAR_URL", "http://127.0.0.1:8421/xml"),
)
cheddar = Cheddar("ACME", env.get("CHEDDAR_SECRET", "acme-secret-key"), client)
meters = StandardWebhooks("meters", env.get("METERS_SECRET", "whsec_bWV0ZXJzIG9mIGEgdGVzdCwgMjQgYnl0ZXM="))
receiver = Receiver(cheddar, meters, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"))

gigabytes: Counter[str] = Counter()  # use a table of your own database instead


@receiver.on("meter.read", source=meters)
async def read(event: Event[dict[str, Any]]) -> None:
    """Add a reading. This may run more than once for an event; a repeated event has the same `event.key`."""
    gigabytes[event.payload["customer"]] += event.payload["gigabytes"]


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", gigabytes[review.customer.code])


app = receiver.asgi
