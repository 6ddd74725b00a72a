"""One listener for two senders: it reviews Cheddar's invoices, and takes meter readings from Svix.

Serve it with: uvicorn two_sources:app --port 8000
"""

import os
from collections import defaultdict
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

# Readings by customer and event. Use a table of your own database instead.
readings: defaultdict[str, dict[str, int]] = defaultdict(dict)


@receiver.on("meter.read", source=meters)
async def read(event: Event[dict[str, Any]]) -> None:
    """Store a reading under its event's key, because this may run more than once for an event."""
    readings[event.payload["customer"]][event.key] = event.payload["gigabytes"]


@receiver.review
async def audit(review: Review) -> None:
    review.set_quantity("GB", sum(readings[review.customer.code].values()))


app = receiver.asgi
