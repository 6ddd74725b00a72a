"""Customers, their payment methods, and their subscriptions."""

import hashlib
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.systems.cheddar.invoices import Charge, Invoice, InvoiceState, InvoiceType
from tallyhook_mock.systems.cheddar.products import Plan, Product, Promotion

__all__ = ["PAYPAL_WAIT", "Customer", "MetaDatum", "PaymentMethod", "Subscription"]

PAYPAL_WAIT = "paypal-wait"


class PaymentMethod(Value, frozen=True):
    """A payment method: a card (`cc`) or PayPal (`paypal`).

    `details` has the payer's name and address by Cheddar's field names (`ccFirstName`, …). The full card
    number is never stored, only its first six and last four digits.
    """

    id: int
    method: str
    created: datetime
    details: Mapping[str, str]
    card_type: str = ""
    first_six: str = ""
    last_four: str = ""
    expires: date | None = None  # the last day on which the card is valid
    gateway_token: str = "SIMULATED"

    def has_expired(self, at: datetime) -> bool:
        return self.expires is not None and self.expires < at.date()


class MetaDatum(Value, frozen=True):
    id: int
    name: str
    value: str
    created: datetime
    modified: datetime


class Subscription(Entity, eq=False):
    """A customer's subscription to a plan.

    A change of plan creates a new subscription, and the old one is kept as history.

    Standing: inferred.
    """

    id: int
    customer: "Customer"
    plan: Plan
    created: datetime
    anchor: datetime  # bill dates are counted from this date, if the day of sign-up is kept
    payment: PaymentMethod | None = None
    card_details: Mapping[str, str] = {}  # the payer's name and address if they were given without a card
    cycle: int = 0  # how many billing dates have been scheduled since the anchor
    cancel_type: str = ""
    cancel_reason: str = ""
    canceled_at: datetime | None = None
    redirect_url: str = ""
    promotion: Promotion | None = None
    coupon: str = ""
    promotion_ends: datetime | None = None  # bills on or after this date are not discounted
    invoices: tuple[Invoice, ...] = ()  # oldest first; the current one, if any, is last

    @property
    def is_canceled(self) -> bool:
        return self.canceled_at is not None

    @property
    def waits_for_paypal(self) -> bool:
        return self.cancel_type == PAYPAL_WAIT

    def wait_for_paypal(self, at: datetime) -> None:
        """Cancel the subscription until the customer agrees to pay by PayPal.

        Until then nothing is billed, but quantities can be set.
        """
        self.cancel_type, self.cancel_reason = PAYPAL_WAIT, "PayPal preapproval is pending"
        self.canceled_at = at

    @property
    def current(self) -> Invoice | None:
        """The open invoice, whose bill date is in the future. None if there is none."""
        if self.invoices and self.invoices[-1].state is InvoiceState.OPEN:
            return self.invoices[-1]
        return None

    @property
    def pending(self) -> Invoice | None:
        """The current invoice, or the invoice whose bill date passed during a cancellation.

        None if there is neither.
        """
        if self.invoices and self.invoices[-1].state in (InvoiceState.OPEN, InvoiceState.LAPSED):
            return self.invoices[-1]
        return None

    @property
    def outstanding(self) -> Invoice | None:
        """The invoice that is changed by calls with `invoicePeriod=outstanding`, or None.

        If there are several outstanding invoices, the setting `several_outstanding` decides. Invoices of
        periods come before declined one-time invoices (inferred).
        """
        unpaid = [invoice for invoice in self.invoices if invoice.is_outstanding]
        if self.customer.product.rules.several_outstanding == "newest":
            # An invoice that lapsed during a cancellation is used only if there is no other.
            unpaid.sort(key=lambda invoice: (invoice.state is InvoiceState.LAPSED, -invoice.number))
        periods = (invoice for invoice in unpaid if invoice.type is InvoiceType.SUBSCRIPTION)
        return next(periods, unpaid[0] if unpaid else None)

    def promotion_on(self, plan: Plan, at: datetime) -> Promotion | None:
        """Return the promotion that discounts a bill at `at` under `plan`, or None if there is none."""
        promotion, ends = self.promotion, self.promotion_ends
        if promotion is None or (promotion.plans and plan.code not in promotion.plans):
            return None
        return promotion if ends is None or at < ends else None


class Customer(Entity, eq=False):
    """A customer of a product.

    `details` has the customer's fields by Cheddar's names (`firstName`, `email`, …).

    Standing: documented.
    """

    id: int
    code: str
    product: Product
    details: Mapping[str, str]
    created: datetime
    modified: datetime
    tax_rate: Decimal | None = None
    is_tax_exempt: bool | None = None  # if None, the product's setting applies
    meta_data: tuple[MetaDatum, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()  # newest first
    declines: int = 0  # how many of the next runs the gateway will refuse
    carried: tuple[Charge, ...] = ()  # credits for the next invoice
    is_deleted: bool = False

    @property
    def key(self) -> str:
        """Ten hex digits, derived from the id, that identify the customer on Cheddar's hosted pages."""
        return hashlib.md5(ids.text(self.id).encode(), usedforsecurity=False).hexdigest()[:10]

    @property
    def subscription(self) -> Subscription:
        """The current subscription."""
        return self.subscriptions[0]

    @property
    def is_exempt(self) -> bool:
        return self.product.is_tax_exempt if self.is_tax_exempt is None else self.is_tax_exempt

    @property
    def charged_tax_rate(self) -> Decimal | None:
        """The customer's own tax rate, or else the product's (documented). None if the customer is exempt."""
        if self.is_exempt:
            return None
        return self.product.tax_rate if self.tax_rate is None else self.tax_rate

    @property
    def invoices(self) -> list[Invoice]:
        return [invoice for subscription in self.subscriptions for invoice in subscription.invoices]
