"""The objects in Chargemonk's answers, as two pages of Chargemonk's documentation show them.

Times are in Unix seconds.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from tallyhook._model import Model


class InvoiceSubscription(Model, frozen=True, kw_only=True):
    """The subscription that an invoice bills."""

    _shown: ClassVar = ("subscription_id",)

    subscription_id: str = ""
    subscription_start_date: Decimal | None = None
    next_billing_seconds: Decimal | None = None
    pricing_model: str = ""
    plan_quantity: Decimal | None = None

    _aliases: ClassVar = {"subscriptionNextBilling": "next_billing_seconds"}

    @property
    def subscription_next_billing(self) -> datetime | None:
        """The time of the subscription's next billing, according to the invoice."""
        return _moment(self.next_billing_seconds)


class Invoice(Model, frozen=True, kw_only=True):
    """An invoice."""

    _shown: ClassVar = ("invoice_id", "invoice_number", "invoice_total")

    invoice_id: str = ""
    plan_id: str = ""
    invoice_number: int | None = None
    invoice_status: str = ""
    invoice_total: Decimal | None = None
    invoice_type: str = ""
    invoice_date: Decimal | None = None
    invoice_currency_code: str = ""
    subscription: InvoiceSubscription | None = None

    @property
    def date(self) -> datetime | None:
        return _moment(self.invoice_date)


class UnbilledCharge(Model, frozen=True, rename=None):
    """A charge that will be on the next automatic invoice (documented)."""

    _shown: ClassVar = ("code", "description", "amount")
    _aliases: ClassVar = {"unbilledCode": "code", "subscriptionCode": "subscription_code"}

    code: str = ""
    subscription_code: str = ""
    description: str = ""
    amount: Decimal | None = None
    created_at: Decimal | None = None
    status: str = ""
    quantity: Decimal | None = None


def _moment(seconds: Decimal | None) -> datetime | None:
    """Return the time, or None if it is missing or outside the range of `datetime`."""
    try:
        return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return None
