"""One listener for Fusebill's webhooks and Cleverbridge's notifications.

Serve it with: uvicorn other_systems:app --port 8000
"""

import os
from typing import TypedDict

from tallyhook.cleverbridge import AsyncClient
from tallyhook_receiver import Cleverbridge, Event, Fusebill, Notification, Receiver

env = os.environ  # the defaults are those of a mock on this machine
client = AsyncClient(
    env.get("CLEVERBRIDGE_USER", "ledger"),
    env.get("CLEVERBRIDGE_PASSWORD", "quill"),
    base_url=env.get("CLEVERBRIDGE_URL", "http://127.0.0.1:8421"),
)
fusebill = Fusebill(
    "fusebill", env.get("FUSEBILL_KEY", "key of a test"), header=env.get("FUSEBILL_HEADER", "X-Fusebill-Key")
)
cleverbridge = Cleverbridge(
    "cleverbridge", client, networks=env.get("CLEVERBRIDGE_NETWORKS", "127.0.0.1").split(",")
)
# Fusebill waits two seconds for an answer (documented).
receiver = Receiver(
    fusebill, cleverbridge, inbox=env.get("TALLYHOOK_INBOX", "inbox.sqlite"), answer_within=1.5
)
posted: list[int] = []  # use tables of your own database instead
quantities: dict[str, int | None] = {}


class InvoicePosted(TypedDict):
    """The fields that this example needs. Check what your account sends."""

    invoiceId: int


@receiver.on("InvoicePosted", source=fusebill)
async def invoice(event: Event[InvoicePosted]) -> None:
    posted.append(event.payload["invoiceId"])


@receiver.on("PaidOrderNotification", source=cleverbridge)
async def order(event: Event[Notification]) -> None:
    """Record the subscriptions as the API returned them, not as the notification describes them."""
    for subscription in event.payload.subscriptions:
        quantities.update(
            (f"{subscription.id}/{it.running_no}", it.quantity) for it in subscription.current_items
        )


app = receiver.asgi
