"""The nouns of Cleverbridge's answers, in its own words.

The names of a subscription's fields and of the prices are inferred: what is documented are the names of the
calls and of what they take.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from tallyhook._model import Model

__all__ = ["Item", "Price", "Subscription", "UpdateResult"]

_ZERO = Decimal(0)


class Item(Model, frozen=True, rename="pascal"):
    """A product in a subscription. `unit_price` is net; `pending_quantity` waits for a renewal."""

    _shown: ClassVar = ("running_number", "product_id", "quantity")

    running_number: int | None = None
    product_id: int | None = None
    product_name: str = ""
    quantity: int | None = None
    unit_price: Decimal = _ZERO
    billing_mode: str = ""
    coupon_code: str = ""
    pending_quantity: int | None = None
    status: str = ""

    @property
    def is_in_arrears(self) -> bool:
        """Whether it is billed when its interval is over, with the quantity that it has then."""
        return self.billing_mode.upper() == "ARREARS"


class Subscription(Model, frozen=True, rename="pascal"):
    """What a customer buys at regular intervals.

    An update counts for the next renewal if it arrives before `next_reminder_date` (documented). Both next
    dates are None once the subscription is deactivated.
    """

    _shown: ClassVar = ("id", "status", "next_billing_date")

    id: str = ""
    status: str = ""
    start_date: datetime | None = None
    next_billing_date: datetime | None = None
    next_reminder_date: datetime | None = None
    interval_length_months: int | None = None
    currency: str = ""
    customer_id: str = ""
    items: tuple[Item, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether it goes on being billed."""
        return self.status.upper() == "ACT"

    def item(self, running_number: int) -> Item:
        """The item with this number, counted from 1.

        Raises:
            LookupError: there is none.
        """
        for item in self.items:
            if item.running_number == running_number:
                return item
        raise LookupError(f"{self.id} has no item {running_number}")


class Price(Model, frozen=True, rename="pascal"):
    """What a customer pays. `gross_price` is with VAT. An amount is None if the answer does not name it."""

    _shown: ClassVar = ("currency", "gross_price")

    currency: str = ""
    gross_price: Decimal | None = None
    net_price: Decimal | None = None
    vat_price: Decimal | None = None


class UpdateResult(Model, frozen=True, rename="pascal"):
    """What an update costs, or in a preview would cost: by itself, and at the next renewal as a whole.

    A price is None if the answer does not name it: the update was taken, and what it costs is not known.
    """

    _shown: ClassVar = ("alignment_customer_price", "next_billing_customer_price")

    result_message: str = ""
    alignment_customer_price: Price | None = None
    next_billing_customer_price: Price | None = None
    next_billing_date: datetime | None = None
