"""The nouns of Fusebill's (now Stax Bill's) answers, in its own words.

What a subscription looks like is inferred; the fields of a billing period definition are documented.
"""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from tallyhook import money
from tallyhook._model import Model

__all__ = ["BillingPeriodDefinition", "PendingCharge", "Subscription"]

_ZERO = Decimal(0)


class PendingCharge(Model, frozen=True, kw_only=True):
    """A charge that waits for the end of its period. Its amount is fixed, prorated or not (documented)."""

    _shown: ClassVar = ("id", "name", "amount")

    id: int | None = None
    name: str = ""
    amount: Decimal = _ZERO


class Subscription(Model, frozen=True, kw_only=True):
    """A plan at an `amount` for each period. Its `interval` can't change (documented)."""

    _aliases: ClassVar = {"cycle": "interval"}
    _shown: ClassVar = ("id", "plan_code", "interval", "amount")

    id: int | None = None
    plan_code: str = ""
    plan_name: str = ""
    status: str = ""
    interval: str = ""
    amount: Decimal = _ZERO
    quantity: Decimal = _ZERO
    pending_charges: tuple[PendingCharge, ...] = ()


class BillingPeriodDefinition(Model, frozen=True, kw_only=True):
    """When the subscriptions in it bill: monthly on `invoice_day`, or yearly on that day of `invoice_month`.

    A definition without subscriptions bills nothing; one with them can't be deleted (documented).
    """

    _shown: ClassVar = ("id", "cycle", "invoice_day", "invoice_month", "next_recharge_date")

    id: int | None = None
    customer_id: int | None = None
    current_billing_period_start_date: datetime | None = None
    current_billing_period_end_date: datetime | None = None
    next_recharge_date: datetime | None = None
    invoice_day: int | None = None
    invoice_month: int | None = None
    cycle: str = ""
    billing_period_type: str = ""
    number_of_intervals: int | None = None
    number_of_billing_periods: int | None = None
    invoice_in_advance: bool = False
    manually_created: bool = False
    payment_method_id: int | None = None
    auto_collect: bool = False
    auto_post: bool = False
    term: str = ""
    po_number: str = ""
    subscriptions: tuple[Subscription, ...] = ()
    created_date: datetime | None = None

    @property
    def recurring_amount(self) -> Decimal:
        """What its subscriptions cost together for a period, however long that is."""
        return money.total(subscription.amount for subscription in self.subscriptions)

    @property
    def pending_amount(self) -> Decimal:
        """What waits for the end of the current period, besides."""
        return money.total(
            charge.amount for subscription in self.subscriptions for charge in subscription.pending_charges
        )
