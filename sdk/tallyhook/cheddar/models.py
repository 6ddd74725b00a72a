"""The objects in Cheddar's documents and hooks, with Cheddar's names.

All objects are immutable, and all fields have defaults. `extra` has the parts of a document for which the
class has no field. Amounts and quantities are exact Decimals, and times are in UTC. Empty and missing text
are both read as `""`. Unreadable and missing dates are both read as None; look in `raw` to tell them apart.
"""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from tallyhook import money
from tallyhook._lenient import is_odd_date
from tallyhook._model import Model
from tallyhook.cheddar.bill import bill
from tallyhook.errors import DecodeError
from tallyhook.tables import Shown, Table

__all__ = [
    "Charge",
    "Coupon",
    "CreditCard",
    "Customer",
    "ErrorNote",
    "GatewayAccount",
    "Id",
    "Incentive",
    "Invoice",
    "InvoicePeriod",
    "Item",
    "MetaDatum",
    "PaymentMethod",
    "Plan",
    "PlanItem",
    "Product",
    "Promotion",
    "Subscription",
    "Transaction",
]

_ZERO = Decimal(0)
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Id(str):
    """An object's id. A plain `str` that you pass to a call is treated as a code or an invoice's number."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Id({str(self)!r})"


def canonical(name: str) -> str:
    """Return an id or code in the form in which databases compare it: case-folded and stripped."""
    return name.strip().casefold()


class InvoicePeriod(StrEnum):
    """Which of a subscription's invoices to change (documented).

    An outstanding invoice was due in the past and isn't paid. The current invoice is due in the future.
    Cheddar treats any value except `outstanding` as `current`, without an error.
    """

    CURRENT = "current"
    OUTSTANDING = "outstanding"


class ErrorNote(Model, frozen=True, kw_only=True):
    """An error in a document. `code` is the error's HTTP status."""

    _aliases: ClassVar = {"#text": "message"}
    _shown: ClassVar = ("id", "code", "aux_code")

    id: str = ""
    code: int | None = None
    aux_code: str = ""
    message: str = ""


class MetaDatum(Model, frozen=True, kw_only=True):
    """A name and a value attached to a customer."""

    _shown: ClassVar = ("name",)

    id: str = ""
    name: str = ""
    value: str = ""
    created_datetime: datetime | None = None
    modified_datetime: datetime | None = None


class GatewayAccount(Model, frozen=True, kw_only=True):
    """The payment gateway behind a subscription or a transaction."""

    _shown: ClassVar = ("id", "gateway", "type")

    id: str = ""
    gateway: str = ""
    type: str = ""


class CreditCard(Model, frozen=True, kw_only=True):
    """A customer's credit card (only in hooks)."""

    _shown: ClassVar = ("credit_card_type", "last_four")

    credit_card_type: str = ""
    first_six: str = ""
    last_four: str = ""


class PaymentMethod(Model, frozen=True, kw_only=True):
    """How a customer pays (only in hooks)."""

    _shown: ClassVar = ("id", "method")

    id: str = ""
    method: str = ""
    type: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    email: str = ""
    street: str = ""
    city: str = ""
    state: str = ""
    post_code: str = ""
    country: str = ""
    expiration_date: date | None = None
    gateway_token: str = ""
    gateway_token_aux: str = ""
    credit_card: CreditCard | None = None
    created_datetime: datetime | None = None


class PlanItem(Model, frozen=True, kw_only=True):
    """An item that a plan tracks, with its price.

    Each unit beyond `quantity_included` costs `overage_amount`. A periodic item starts each period with the
    quantity 0; other items keep their quantity.
    """

    id: str = ""
    code: str = ""
    name: str = ""
    quantity_included: Decimal = _ZERO
    is_periodic: bool = False
    overage_amount: Decimal = _ZERO
    created_datetime: datetime | None = None


class Plan(Model, frozen=True, kw_only=True):
    """A pricing plan."""

    id: str = ""
    code: str = ""
    name: str = ""
    display_name: str = ""
    description: str = ""
    is_active: bool = False
    is_free: bool = False
    payment_method_is_required: bool = False
    trial_days: int | None = None
    initial_bill_count: int | None = None
    initial_bill_count_unit: str = ""
    initial_invoice_billing_datetime: datetime | None = None
    billing_frequency: str = ""
    billing_frequency_per: str = ""
    billing_frequency_unit: str = ""
    billing_frequency_quantity: int | None = None
    next_invoice_billing_datetime: datetime | None = None
    setup_charge_code: str = ""
    setup_charge_amount: Decimal = _ZERO
    recurring_charge_code: str = ""
    recurring_charge_amount: Decimal = _ZERO
    on_change_initial_bill_handler: str = ""
    setup_charge_bill_handler: str = ""
    on_change_setup_charge_bill_handler: str = ""
    created_datetime: datetime | None = None
    items: tuple[PlanItem, ...] = ()


class Item(Model, frozen=True, kw_only=True):
    """A tracked item and its quantity.

    If the item belongs to the invoice in a hook, the quantity is the item's quantity in the billed
    period.
    """

    _shown: ClassVar = ("id", "code", "quantity")

    id: str = ""
    code: str = ""
    name: str = ""
    quantity: Decimal = _ZERO
    created_datetime: datetime | None = None
    modified_datetime: datetime | None = None


class Charge(Model, frozen=True, kw_only=True):
    """A line of an invoice. If `each_amount` is negative, the line is a credit.

    `id` is empty while the line is only a projection on an open invoice (recorded).
    """

    _shown: ClassVar = ("id", "code", "quantity", "each_amount")

    id: str = ""
    code: str = ""
    type: str = ""
    quantity: Decimal = _ZERO
    each_amount: Decimal = _ZERO
    description: str = ""
    created_datetime: datetime | None = None

    @property
    def amount(self) -> Decimal:
        """The exact amount, quantity × each_amount, before tax and not rounded."""
        return money.product(self.quantity, self.each_amount)


class Transaction(Model, frozen=True, kw_only=True):
    """A payment at a gateway. In a bill reminder, it is an expected payment."""

    _shown: ClassVar = ("id", "amount", "response")

    id: str = ""
    code: str = ""
    parent_id: str = ""
    gateway_token: str = ""
    gateway_account: GatewayAccount | None = None
    payment_method: PaymentMethod | None = None
    amount: Decimal = _ZERO
    tax_amount: Decimal | None = None
    memo: str = ""
    response: str = ""
    response_reason: str = ""
    transacted_datetime: datetime | None = None
    created_datetime: datetime | None = None


class Invoice(Shown, Model, frozen=True, kw_only=True):
    """An open, outstanding or paid invoice. `print` shows it as a bill.

    In a hook's JSON, the number is called `invoiceNumber`, and there is a single `transaction`, which becomes
    the only entry of `transactions`. Two fields have values only in hooks: `items` has the quantities of the
    period that ended, and `previous_billing_datetime` is the start of that period.
    """

    _aliases: ClassVar = {"invoiceNumber": "number", "transaction": "transactions"}
    _shown: ClassVar = ("id", "number", "paid_transaction_id")

    id: str = ""
    number: int | None = None
    type: str = ""
    vat_rate: Decimal | None = None
    tax_rate: Decimal | None = None
    billing_datetime: datetime | None = None
    previous_billing_datetime: datetime | None = None
    is_initial: bool = False
    paid_transaction_id: str = ""
    created_datetime: datetime | None = None
    items: tuple[Item, ...] = ()
    charges: tuple[Charge, ...] = ()
    transactions: tuple[Transaction, ...] = ()

    @property
    def is_paid(self) -> bool:
        """Whether a transaction has paid the invoice (recorded: paidTransactionId names that transaction)."""
        return self.paid_transaction_id != ""

    @property
    def total(self) -> Decimal:
        """The exact sum of all charges and credits, before tax and not rounded."""
        return money.total(charge.amount for charge in self.charges)

    @property
    def rate(self) -> Decimal:
        """`tax_rate` or, if there is none, `vat_rate`, as a fraction (inferred); 0 if there is neither."""
        return self.tax_rate or self.vat_rate or _ZERO

    @property
    def is_projected(self) -> bool:
        """Whether the invoice's lines are projections, because its period is still running (recorded)."""
        return not self._is_closed and any(not charge.id for charge in self.charges)

    def table(self) -> Table:
        return bill(self)

    @property
    def _is_closed(self) -> bool:
        """Whether the invoice's period is over.

        The period is over if a recurring charge or an item charge has an id, or if the invoice has a
        transaction.
        """
        billed = any(charge.id and charge.type in ("recurring", "item") for charge in self.charges)
        return billed or bool(self.transactions)


class Subscription(Model, frozen=True, kw_only=True):
    """A customer's subscription to a plan.

    `invoice`, `method` and `payment_method` have values only in hooks.

    `redirect_url` is the page where the customer approves a pending switch to payment by PayPal (inferred).
    """

    _aliases: ClassVar = {"plans": "plan"}
    _shown: ClassVar = ("id", "plan")

    id: str = ""
    plan: Plan = Plan()
    gateway_token: str = ""
    gateway_token_aux: str = ""
    gateway_account: GatewayAccount | None = None
    cc_first_name: str = ""
    cc_last_name: str = ""
    cc_company: str = ""
    cc_country: str = ""
    cc_address: str = ""
    cc_city: str = ""
    cc_state: str = ""
    cc_zip: str = ""
    cc_type: str = ""
    cc_last_four: str = ""
    cc_expiration_date: date | None = None
    cc_email: str = ""
    cancel_type: str = ""
    cancel_reason: str = ""
    canceled_datetime: datetime | None = None
    created_datetime: datetime | None = None
    redirect_url: str = ""
    items: tuple[Item, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    invoice: Invoice | None = None
    method: str = ""
    payment_method: PaymentMethod | None = None

    @property
    def is_canceled(self) -> bool:
        """Whether the subscription is canceled. This is True even if the cancellation date can't be read."""
        return self.canceled_datetime is not None or is_odd_date(self.raw.get("canceledDatetime"))

    @property
    def current_invoice(self) -> Invoice | None:
        """The open invoice, to which new usage is added (inferred from the document's structure), or None.

        If the subscription is active, this is the newest unpaid invoice, or None if that invoice's period is
        over. If the subscription is canceled, this is the newest unpaid invoice with projected charges. The
        system's clock isn't used, because a test server may have a virtual clock.

        Raises DecodeError if an unpaid invoice's billing date can't be read.
        """
        unpaid = self._unpaid()
        if self.is_canceled:
            return next(
                (invoice for invoice in unpaid if any(not charge.id for charge in invoice.charges)), None
            )
        return unpaid[0] if unpaid and not unpaid[0]._is_closed else None

    @property
    def outstanding_invoice(self) -> Invoice | None:
        """The invoice that a call with `InvoicePeriod.OUTSTANDING` changes, or None.

        This is the oldest unpaid invoice that isn't the current invoice (inferred: if there are several, no
        source says which one Cheddar takes). Raises DecodeError like `current_invoice`.
        """
        current = self.current_invoice
        unpaid = [invoice for invoice in self._unpaid() if invoice is not current]
        return unpaid[-1] if unpaid else None

    def _unpaid(self) -> list[Invoice]:
        """Return the unpaid invoices whose type is `subscription` or empty, newest first."""
        unpaid = [it for it in self.invoices if not it.is_paid and it.type in ("", "subscription")]
        for invoice in unpaid:
            if invoice.billing_datetime is None and is_odd_date(invoice.raw.get("billingDatetime")):
                raise DecodeError("a date was expected", "invoice.billingDatetime")
        return sorted(unpaid, key=lambda invoice: invoice.billing_datetime or _BEGINNING, reverse=True)


class Customer(Model, frozen=True, kw_only=True):
    """A customer with all subscriptions, newest first. `errors` are the errors in the customer's document."""

    id: str = ""
    code: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""
    email: str = ""
    notes: str = ""
    gateway_token: str = ""
    is_tax_exempt: bool = False
    is_vat_exempt: bool = False
    tax_number: str = ""
    vat_number: str = ""
    tax_rate: Decimal | None = None
    first_contact_datetime: datetime | None = None
    referer: str = ""
    referer_host: str = ""
    campaign_source: str = ""
    campaign_medium: str = ""
    campaign_term: str = ""
    campaign_content: str = ""
    campaign_name: str = ""
    key: str = ""
    created_datetime: datetime | None = None
    modified_datetime: datetime | None = None
    meta_data: tuple[MetaDatum, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    errors: tuple[ErrorNote, ...] = ()

    @property
    def subscription(self) -> Subscription:
        """The customer's first subscription, which is the active one (recorded).

        If the customer has no subscription, this is an empty `Subscription`.
        """
        return self.subscriptions[0] if self.subscriptions else Subscription()


class Product(Model, frozen=True, kw_only=True):
    """The product that a hook is about."""

    id: str = ""
    code: str = ""
    name: str = ""
    subdomain: str = ""


class Incentive(Model, frozen=True, kw_only=True):
    """A promotion's discount: `percentage` off for a number of `months`."""

    _shown: ClassVar = ("id", "percentage", "months")

    id: str = ""
    type: str = ""
    percentage: Decimal | None = None
    months: int | None = None
    expiration_datetime: datetime | None = None


class Coupon(Model, frozen=True, kw_only=True):
    """A code that a customer redeems for a promotion."""

    id: str = ""
    code: str = ""
    max_redemptions: int | None = None
    expiration_datetime: datetime | None = None
    created_datetime: datetime | None = None


class Promotion(Model, frozen=True, kw_only=True):
    """A promotion with its coupons and the plans it applies to."""

    _shown: ClassVar = ("id", "name")

    id: str = ""
    name: str = ""
    description: str = ""
    created_datetime: datetime | None = None
    plans: tuple[Plan, ...] = ()
    incentives: tuple[Incentive, ...] = ()
    coupons: tuple[Coupon, ...] = ()
