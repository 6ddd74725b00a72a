"""The objects in Fusebill's (now Stax Bill's) answers, with Fusebill's names.

The fields of a definition and of a draft invoice are documented. The fields of a subscription come from a
client library. The fields of an invoice are inferred.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from tallyhook import money
from tallyhook._model import Model
from tallyhook.errors import DecodeError

T_co = TypeVar("T_co", covariant=True)

_ZERO = Decimal(0)


class Listed(tuple[T_co, ...], Generic[T_co]):
    """The readable entries of a list, as a tuple.

    Attributes:
        unreadable: one error for each entry that could not be read. The error's path begins with the entry's
            position in the list.
    """

    unreadable: tuple[DecodeError, ...]

    def __new__(cls, entries: Iterable[T_co], unreadable: Iterable[DecodeError] = ()) -> "Listed[T_co]":
        listed = super().__new__(cls, tuple(entries))
        listed.unreadable = tuple(unreadable)
        return listed


class PendingCharge(Model, frozen=True, kw_only=True):
    """A charge that is billed at the end of its period.

    Its amount is fixed, whether or not it was prorated (documented).
    """

    _shown: ClassVar = ("id", "name", "amount")

    id: int | None = None
    name: str = ""
    amount: Decimal = _ZERO


class PlanProduct(Model, frozen=True, kw_only=True):
    """A product in a plan. `quantity` is the initial quantity in a subscription to the plan."""

    _shown: ClassVar = ("product_code", "product_name")

    product_id: int | None = None
    product_code: str = ""
    product_name: str = ""
    product_type: str = ""
    quantity: Decimal = _ZERO
    max_quantity: Decimal | None = None
    reset_type: str = ""


class SubscriptionProduct(Model, frozen=True, kw_only=True):
    """A product in a subscription. Its `quantity` is the usage (documented)."""

    _shown: ClassVar = ("id", "code", "quantity")

    id: int | None = None
    subscription_id: int | None = None
    plan_product: PlanProduct | None = None
    quantity: Decimal | None = None
    amount: Decimal = _ZERO
    is_charged: bool = False
    status: str = ""

    @property
    def code(self) -> str:
        """The product's code."""
        return self.plan_product.product_code if self.plan_product else ""


class Subscription(Model, frozen=True, kw_only=True):
    """A customer's subscription to a plan. Its `interval`, monthly or yearly, can't change (documented)."""

    _aliases: ClassVar = {"cycle": "interval"}
    _shown: ClassVar = ("id", "plan_code", "interval", "amount")

    id: int | None = None
    customer_id: int | None = None
    plan_code: str = ""
    plan_name: str = ""
    status: str = ""
    reference: str = ""
    interval: str = ""
    amount: Decimal = _ZERO
    quantity: Decimal = _ZERO
    activated_timestamp: datetime | None = None
    last_period_start_date: datetime | None = None
    next_recharge_date: datetime | None = None
    billing_period_definition_id: int | None = None
    subscription_products: tuple[SubscriptionProduct, ...] = ()
    pending_charges: tuple[PendingCharge, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether the subscription continues to be billed."""
        return self.status.lower() == "active"

    def product(self, code: str) -> SubscriptionProduct:
        """Return the subscription's product with this code.

        Raises:
            LookupError: no product or more than one product has this code.
        """
        found = [each for each in self.subscription_products if each.code == code]
        if len(found) != 1:
            raise LookupError(f"subscription {self.id} has {len(found) or 'no'} products {code!r}")
        return found[0]


class DraftCharge(Model, frozen=True, kw_only=True):
    """A charge of a draft invoice. The charge can still change."""

    _shown: ClassVar = ("id", "name", "quantity", "amount")

    id: int | None = None
    name: str = ""
    description: str = ""
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    prorated_unit_price: Decimal | None = None
    amount: Decimal | None = None
    subscription_id: int | None = None
    subscription_product_id: int | None = None
    product_code: str = ""
    start_service_date: datetime | None = None
    end_service_date: datetime | None = None


class DraftInvoice(Model, frozen=True, kw_only=True):
    """An invoice that isn't posted yet, so the customer doesn't owe it.

    You can change and post a draft only if `is_ready` is True. In a list of drafts, `draft_charges` is empty.
    (All of this is documented.)
    """

    _shown: ClassVar = ("id", "customer_id", "status", "total")

    id: int | None = None
    customer_id: int | None = None
    billing_period_id: int | None = None
    effective_timestamp: datetime | None = None
    modified_timestamp: datetime | None = None
    status: str = ""
    po_number: str = ""
    notes: str = ""
    subtotal: Decimal | None = None
    total_discount: Decimal | None = None
    total: Decimal | None = None
    draft_charges: tuple[DraftCharge, ...] = ()

    @property
    def is_ready(self) -> bool:
        """Whether the draft can be changed and posted."""
        return self.status.lower() == "ready"


class InvoiceCharge(Model, frozen=True, kw_only=True):
    """A charge of a posted invoice."""

    _shown: ClassVar = ("id", "name", "quantity", "amount")

    id: int | None = None
    name: str = ""
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None
    subscription_id: int | None = None
    subscription_product_id: int | None = None
    product_code: str = ""


class Invoice(Model, frozen=True, kw_only=True):
    """A posted invoice, which is final. `draft_invoice_id` is the id of the posted draft (inferred)."""

    _shown: ClassVar = ("id", "invoice_number", "customer_id", "total")

    id: int | None = None
    invoice_number: int | None = None
    customer_id: int | None = None
    draft_invoice_id: int | None = None
    posted_timestamp: datetime | None = None
    effective_timestamp: datetime | None = None
    total: Decimal | None = None
    notes: str = ""
    po_number: str = ""
    charges: tuple[InvoiceCharge, ...] = ()


class BillingPeriodDefinition(Model, frozen=True, kw_only=True):
    """The rule for when a group of subscriptions bills.

    The subscriptions bill every `number_of_intervals` months or years, on `invoice_day`. `invoice_in_advance`
    is in days.
    If `auto_collect` or `auto_post` is None, or `term` is empty, the customer's setting applies. A definition
    without subscriptions bills nothing. A definition with subscriptions can't be deleted. (All of this is
    documented.)
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
    invoice_weekday: str = ""
    invoice_in_advance: int | None = None
    manually_created: bool = False
    payment_method_id: int | None = None
    auto_collect: bool | None = None
    auto_post: bool | None = None
    term: str = ""
    po_number: str = ""
    subscriptions: tuple[Subscription, ...] = ()
    created_date: datetime | None = None

    @property
    def recurring_amount(self) -> Decimal:
        """The total amount of the subscriptions per period, however long the period is."""
        return money.total(subscription.amount for subscription in self.subscriptions)

    @property
    def pending_amount(self) -> Decimal:
        """The total of the charges that are pending until the end of the current period."""
        return money.total(
            charge.amount for subscription in self.subscriptions for charge in subscription.pending_charges
        )
