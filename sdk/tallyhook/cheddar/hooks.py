"""Decode the raw body of a hook into a typed event.

    hook = events.decode(body)
    if isinstance(hook, events.SubscriptionBillable):
        ...

This module doesn't verify signatures; see `tallyhook.signing`.
"""

from datetime import datetime
from typing import ClassVar

from tallyhook import _model
from tallyhook._call import Reader
from tallyhook._model import Model
from tallyhook.cheddar.models import Customer, Product, Subscription
from tallyhook.errors import DecodeError

__all__ = [
    "TYPES",
    "BillReminder",
    "CustomerDeleted",
    "Hook",
    "NewSubscription",
    "SubscriptionBillable",
    "SubscriptionCanceled",
    "SubscriptionChanged",
    "SubscriptionReactivated",
    "TransactionHook",
    "decode",
]


class Hook(Model, frozen=True, kw_only=True):
    """The base class of all hooks, and the class of a hook whose activity type is unknown.

    If a hook has no activity time, `activity_datetime` is None. If a hook has no subscription, `subscription`
    is an empty `Subscription`.
    """

    TYPE: ClassVar[str] = ""
    _shown: ClassVar = ("activity_type", "product", "customer")

    activity_type: str = ""
    activity_datetime: datetime | None = None
    activity_actor: str = ""
    product: Product = Product()
    customer: Customer = Customer()
    subscription: Subscription = Subscription()


class NewSubscription(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when a customer subscribes."""

    TYPE: ClassVar[str] = "newSubscription"


class SubscriptionChanged(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when the plan or payment method of a subscription changes."""

    TYPE: ClassVar[str] = "subscriptionChanged"

    previous_subscription: Subscription = Subscription()


class SubscriptionCanceled(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when a subscription is canceled.

    The subscription's `cancel_type` says who canceled it.
    """

    TYPE: ClassVar[str] = "subscriptionCanceled"


class SubscriptionReactivated(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when a canceled subscription becomes active again."""

    TYPE: ClassVar[str] = "subscriptionReactivated"


class SubscriptionBillable(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when an invoice is due and held for review.

    If you acknowledge the hook, Cheddar releases the invoice (documented). `subscription.invoice` is the held
    invoice; its `items` are the quantities of the period that ended.
    """

    TYPE: ClassVar[str] = "subscriptionBillable"


class BillReminder(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when a bill is due soon.

    `subscription.invoice.transactions[0].amount` is the bill's expected total (documented).
    """

    TYPE: ClassVar[str] = "billReminder"


class TransactionHook(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when a transaction is executed, and again when it is settled.

    The only entry of `subscription.invoice.transactions` says which of the two has happened.
    """

    TYPE: ClassVar[str] = "transaction"


class CustomerDeleted(Hook, frozen=True, kw_only=True):
    """The hook that Cheddar sends when a customer is deleted.

    In this hook, all fields of the customer are empty (recorded).
    """

    TYPE: ClassVar[str] = "customerDeleted"


TYPES: dict[str, type[Hook]] = {
    hook.TYPE: hook
    for hook in (
        NewSubscription,
        SubscriptionChanged,
        SubscriptionCanceled,
        SubscriptionReactivated,
        SubscriptionBillable,
        BillReminder,
        TransactionHook,
        CustomerDeleted,
    )
}
"""Maps each activityType to the class of its hooks."""

_types = {name.lower(): hook for name, hook in TYPES.items()}
_json = Reader()


def decode(body: bytes) -> Hook:
    """Decode a hook's raw body. The activityType, which is case-insensitive, selects the class of the result.

    Raises:
        DecodeError: the body is not a JSON object, has no activityType, or contains an invalid value.
    """
    node = _json.object(body)
    activity_type = node.get("activityType")
    if not isinstance(activity_type, str) or not activity_type.strip():
        raise DecodeError("a hook's type was expected", "activityType")
    return _model.read(_types.get(activity_type.strip().lower(), Hook), node)
