"""The objects in Cleverbridge's answers, with Cleverbridge's names.

Names that aren't in the vendor's JSON example come from a public client library.
"""

from datetime import datetime
from decimal import Decimal
from enum import IntEnum
from typing import ClassVar

from tallyhook._model import Model


class SubscriptionStatus(IntEnum):
    """A subscription's status (documented, client).

    Two pages of the documentation disagree; these are the values from the newer page.
    """

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    GRACE = 4
    HOLD = 5
    NEW = 6
    HANDLED_BY_CLIENT = 7
    AWAITING_NEW_ORDER = 8


class ItemStatus(IntEnum):
    """An item's status (client)."""

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    REMOVED = 4
    AWAITING_REINSTATE = 5
    HANDLED_BY_CLIENT = 6
    OTHER = 7


class Item(Model, frozen=True, kw_only=True, rename="pascal"):
    """A version of an item in a subscription. Only the version whose `is_current` is True has an effect.

    `running_no` is called RunningNumber in requests. A price that the answer doesn't have is None.
    """

    _shown: ClassVar = ("running_no", "product_id", "quantity", "version")

    running_no: int | None = None
    is_current: bool = False
    product_id: int | None = None
    product_name: str = ""
    product_name_extension: str = ""
    quantity: int | None = None
    status: int | None = None
    version: int | None = None
    coupon_code: str = ""
    promotion_id: str = ""
    recurrence_count: int | None = None
    last_interval_no: int | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    deactivation_date: datetime | None = None
    subscription_id: str = ""
    next_billing_currency_id: str = ""
    next_billing_customer_gross_price: Decimal | None = None
    next_billing_customer_net_price: Decimal | None = None
    next_billing_customer_vat_price: Decimal | None = None
    next_renewal_customer_gross_price: Decimal | None = None
    next_renewal_customer_net_price: Decimal | None = None
    next_renewal_customer_vat_price: Decimal | None = None

    @property
    def is_active(self) -> bool:
        """Whether the item continues to be billed."""
        return self.status == ItemStatus.ACTIVE


class Subscription(Model, frozen=True, kw_only=True, rename="pascal"):
    """A customer's subscription: items that the customer buys at regular intervals.

    An update changes the next bill if it arrives before `next_billing_date_reminder`, the date on which
    Cleverbridge creates the purchase for that bill (documented). `items` has all versions of all items.
    `subscription_status` is a number from `SubscriptionStatus`.
    """

    _shown: ClassVar = ("id", "subscription_status", "next_billing_date")

    id: str = ""
    customer_id: str = ""
    customer_reference_id: str = ""
    customer_reference_no: str = ""
    customer_currency_id: str = ""
    subscription_status: int | None = None
    renewal_type: int | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    next_billing_date: datetime | None = None
    next_billing_date_reminder: datetime | None = None
    grace_period_days: int | None = None
    interval_day_count: int | None = None
    interval_month_count: int | None = None
    billing_interval_day_count: int | None = None
    billing_interval_month_count: int | None = None
    start_interval_day_count: int | None = None
    start_interval_month_count: int | None = None
    last_interval_no: int | None = None
    items: tuple[Item, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether the subscription continues to be billed."""
        return self.subscription_status == SubscriptionStatus.ACTIVE

    @property
    def current_items(self) -> tuple[Item, ...]:
        """The current versions of the subscription's items."""
        return tuple(item for item in self.items if item.is_current)

    def item(self, running_number: int) -> Item:
        """Return the current version of the item with this number. Numbers start at 1.

        Raises:
            LookupError: no current version or more than one has this number.
        """
        found = [item for item in self.current_items if item.running_no == running_number]
        if len(found) != 1:
            several = f" {len(found)} current versions of" if found else " no"
            raise LookupError(f"{self.id} has{several} item {running_number}")
        return found[0]

    def versions(self, running_number: int) -> tuple[Item, ...]:
        """Return all versions of the item with this number, in the answer's order."""
        return tuple(item for item in self.items if item.running_no == running_number)


class UpdateResult(Model, frozen=True, kw_only=True, rename="pascal"):
    """The prices of an update, now (`alignment_…`) and at the next billing (`next_billing_…`).

    According to a public client library, only a preview has prices. A price that the answer doesn't have is
    None.
    """

    _shown: ClassVar = (
        "alignment_customer_gross_price",
        "next_billing_customer_gross_price",
        "price_currency_id",
    )

    result_message: str = ""
    alignment_customer_gross_price: Decimal | None = None
    alignment_customer_net_price: Decimal | None = None
    alignment_customer_vat_price: Decimal | None = None
    next_billing_customer_gross_price: Decimal | None = None
    next_billing_customer_net_price: Decimal | None = None
    next_billing_customer_vat_price: Decimal | None = None
    price_currency_id: str = ""


class Renewal(Model, frozen=True, kw_only=True, rename="pascal"):
    """The result of an early renewal. `transaction_status` says whether the renewal was paid."""

    _shown: ClassVar = ("transaction_status", "next_billing_date")

    result_message: str = ""
    next_billing_date: datetime | None = None
    transaction_status: str = ""
    continue_url: str = ""
