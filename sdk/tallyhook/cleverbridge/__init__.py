"""A client for Cleverbridge, to bill excess usage in arrears.

    with cleverbridge.Client("user", "password") as client:
        subscription = client.get_subscription("S1001")
        used = billable_quantity(used=700, included=500, block=25)  # 8
        client.update_subscription_item(subscription, subscription.item(2), used)

If an item is billed in arrears, the bill is for the item's quantity at the end of the interval. The item
keeps that quantity until you update it. So send the quantity for every interval, even 0, before the
subscription's `next_billing_date_reminder`, the date on which the purchase is created.
"""

from tallyhook.cleverbridge.calls import Alignment, UpdateAction
from tallyhook.cleverbridge.client import AsyncClient, Client
from tallyhook.cleverbridge.models import (
    Item,
    ItemStatus,
    Renewal,
    Subscription,
    SubscriptionStatus,
    UpdateResult,
)
from tallyhook.cleverbridge.usage import billable_quantity

__all__ = [
    "Alignment",
    "AsyncClient",
    "Client",
    "Item",
    "ItemStatus",
    "Renewal",
    "Subscription",
    "SubscriptionStatus",
    "UpdateAction",
    "UpdateResult",
    "billable_quantity",
]
