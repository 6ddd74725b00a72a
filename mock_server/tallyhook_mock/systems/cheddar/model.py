"""Customers, their payment methods and subscriptions, and their invoices.

An invoice has a period's usage, its charges, and the transactions that tried to collect the total.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.money import CENT, NOTHING, ONE, ZERO, cents, exact, product, quantity_text, total
from tallyhook_mock.systems.cheddar.products import CHARGE_TYPES, Plan, Product, Promotion

__all__ = [
    "CREDIT_FORWARD",
    "OUTSTANDING",
    "PAYPAL_WAIT",
    "SIMULATED",
    "Charge",
    "ChargeType",
    "Customer",
    "Invoice",
    "InvoiceState",
    "InvoiceType",
    "MetaDatum",
    "PaymentMethod",
    "Subscription",
    "Transaction",
    "Usage",
]

CREDIT_FORWARD = "CREDIT_FORWARD"
PAYPAL_WAIT = "paypal-wait"
SIMULATED = "SIMULATED"  # the gateway token of a payment method that was sent without one (recorded)


class ChargeType(StrEnum):
    RECURRING = "recurring"
    ITEM = "item"
    CUSTOM = "custom"
    SETUP = "setup"  # inferred


# The charge types by the names that promotions use.
_SCOPES = {
    "setup": ChargeType.SETUP,
    "recurring": ChargeType.RECURRING,
    "overage": ChargeType.ITEM,
    "custom": ChargeType.CUSTOM,
}


class InvoiceType(StrEnum):
    SUBSCRIPTION = "subscription"
    ONE_TIME = "one-time"


class InvoiceState(StrEnum):
    OPEN = "open"  # the current invoice: scheduled in the future
    HELD = "held"  # outstanding: not every listener has acknowledged its hook
    RELEASED = "released"  # outstanding: acknowledged, runs an hour later
    UNPAID = "unpaid"  # outstanding: its period is over and it is not paid, usually because it was declined
    LAPSED = "lapsed"  # outstanding: its bill date passed while the subscription was canceled
    PAID = "paid"
    VOID = "void"


OUTSTANDING = (InvoiceState.HELD, InvoiceState.RELEASED, InvoiceState.UNPAID, InvoiceState.LAPSED)


class Charge(Value, frozen=True):
    """One line of an invoice. `id` is 0 for a projected line, which is not on the invoice yet."""

    id: int
    code: str
    type: ChargeType
    quantity: Decimal
    each_amount: Decimal
    description: str
    created: datetime
    is_own_money: bool = False  # a carried or prorated credit for money that the customer has paid
    waives: bool = False  # a credit that waives a charge

    @property
    def amount(self) -> Decimal:
        return cents(product(self.quantity, self.each_amount))


class Usage(Value, frozen=True):
    """The counter of a tracked item in one period. An item without usage has no counter."""

    item: str  # its code
    quantity: Decimal
    created: datetime
    modified: datetime


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
    gateway_token: str = SIMULATED

    @property
    def needs_approval(self) -> bool:
        """Whether the customer must still agree on PayPal's page.

        A PayPal billing agreement, which is named by its gateway token, needs no approval (documented).
        """
        return self.method == "paypal" and self.gateway_token == SIMULATED

    def has_expired(self, at: datetime) -> bool:
        return self.expires is not None and self.expires < at.date()


class Transaction(Value, frozen=True):
    """A payment attempt for an invoice, a refund, or a void.

    A refund or void has a negative amount, and its `parent` is the id of the transaction that paid the
    invoice. `payment` is the payment method that was used. It stays the same if the customer gets another
    one later. `payment` is None if there was nothing to pay, in which case the gateway was not asked.
    """

    id: int
    amount: Decimal
    approved: bool
    reason: str
    at: datetime
    payment: PaymentMethod | None
    parent: int = 0
    memo: str = ""


class Invoice(Entity, eq=False):
    id: int
    number: int
    type: InvoiceType
    subscription: "Subscription"
    plan: Plan
    billing_at: datetime
    previous_at: datetime | None
    created: datetime
    is_initial: bool = False
    state: InvoiceState = InvoiceState.OPEN
    tax_rate: Decimal | None = None  # the customer's rate, set at the end of the period
    billed_with: int = 0  # number of the invoice whose recurring charge pays for this period; 0 if none
    promotion: Promotion | None = None  # set at the end of the period
    remind_at: datetime | None = None  # when the next reminder of an open invoice comes
    run_at: datetime | None = None  # when it runs next
    declines: int = 0
    counters: tuple[Usage, ...] = ()  # one for each item that was used
    charges: tuple[Charge, ...] = ()  # the lines that have an id
    credits: tuple[Charge, ...] = ()  # a promotion's credits, made at the end of the period
    transactions: tuple[Transaction, ...] = ()

    @property
    def is_outstanding(self) -> bool:
        """Whether the bill date has passed and the invoice is not paid yet, for whatever reason."""
        return self.state in OUTSTANDING

    @property
    def has_failed(self) -> bool:
        """Whether the invoice is outstanding because payment failed or there was no payment method."""
        return self.state is InvoiceState.UNPAID

    @property
    def ends_no_period(self) -> bool:
        """Whether the invoice was due at sign-up and waits for PayPal.

        It bills no usage: its counters are those of the first period.
        """
        return self.state is InvoiceState.OPEN and self.is_initial and self.billing_at <= self.created

    @property
    def usage(self) -> dict[str, Usage]:
        """The counters by item code."""
        return {counter.item: counter for counter in self.counters}

    def count(self, item: str, quantity: Decimal, at: datetime) -> None:
        """Set an item's counter. The order of the counters doesn't change."""
        usage = self.usage
        known = usage.get(item)
        usage[item] = Usage(item, quantity, known.created if known else at, at)
        self.counters = tuple(usage.values())

    def quantity(self, item: str) -> Decimal:
        return next((counter.quantity for counter in self.counters if counter.item == item), NOTHING)

    def projected(self, recurring: Plan | None = None) -> tuple[Charge, ...]:
        """Return the lines that an open invoice gets at its bill date: recurring charge, then priced items.

        `recurring` is the plan whose recurring charge is billed. If it is None, the invoice's own plan is
        used. An item's line has the date of its usage (recorded).
        """
        usage, at = {} if self.ends_no_period else self.usage, self.billing_at
        plan = recurring or self.plan
        lines = []
        if plan.recurring_charge_code:
            amount = plan.recurring_charge_amount
            lines.append(Charge(0, plan.recurring_charge_code, ChargeType.RECURRING, ONE, amount, "", at))
        for planned in self.plan.items:
            if planned.overage_amount > 0:
                code = planned.item.code
                counter = usage.get(code)
                overage = planned.overage(counter.quantity if counter else NOTHING)
                when = counter.modified if counter else at
                lines.append(Charge(0, code, ChargeType.ITEM, overage, planned.overage_amount, "", when))
        return tuple(lines)

    def lines(self) -> tuple[Charge, ...]:
        """Return all charges and credits in the order of the XML documents.

        For an open invoice, they include the projected lines.
        """
        if self.state is not InvoiceState.OPEN:
            return self.charges + self.credits
        lines = self.projected() + self.charges
        return lines + self.discounts(lines, self.subscription.promotion_on(self.plan, self.billing_at))

    def discounts(self, lines: Iterable[Charge], promotion: Promotion | None) -> tuple[Charge, ...]:
        """Return a promotion's credits: one line per charge code, at the promotion's percentage (documented).

        If a code has both charges and credits, the setting `promotion_base` decides whether the percentage
        applies to the charges less the credits or to the charges alone. Existing credits keep their ids.
        """
        if promotion is None:
            return ()
        rules = self.subscription.customer.product.rules
        default = CHARGE_TYPES if rules.promotion_scope == "all" else ("recurring",)
        types = {_SCOPES[name] for name in promotion.charge_types or default}
        sums: dict[str, Decimal] = {}
        for line in lines:
            counts = rules.promotion_base == "left" or line.amount > 0
            if line.type in types and counts:
                sums[line.code] = total((sums.get(line.code, ZERO), line.amount))
        known = {credit.description: credit.id for credit in self.credits}
        found = []
        for code, amount in sums.items():
            if amount <= 0:
                continue
            credit = cents(product(product(amount, promotion.percentage), CENT)).copy_negate()
            if credit:
                own = code if rules.promotion_credit_code == "charge" else self.subscription.coupon
                text = f"{promotion.name}: {quantity_text(promotion.percentage)} % off {code}"
                number = known.get(text, 0)
                found.append(Charge(number, own, ChargeType.CUSTOM, ONE, credit, text, self.billing_at))
        return tuple(found)

    @property
    def balance(self) -> Decimal:
        """The sum of all lines before tax. It is negative if the credits exceed the charges."""
        return total(line.amount for line in self.lines())

    @property
    def subtotal(self) -> Decimal:
        """The amount to bill before tax, or 0 if the credits exceed the charges."""
        return max(self.balance, ZERO)

    @property
    def carried(self) -> Decimal:
        """The amount by which the credits exceed the charges, as a negative amount, or 0 if they don't.

        This credit is carried forward.
        """
        return min(self.balance, ZERO)

    @property
    def tax(self) -> Decimal:
        """The tax on the invoice.

        It is rounded once per invoice, unless the setting `tax_rounding` says to round it for each line
        (inferred). An open invoice uses the customer's current tax rate. A closed invoice keeps the rate of
        its bill date.
        """
        customer = self.subscription.customer
        rate = customer.charged_tax_rate if self.state is InvoiceState.OPEN else self.tax_rate
        subtotal = self.subtotal
        if not rate or subtotal <= 0:
            return ZERO
        if customer.product.rules.tax_rounding == "line":
            return max(total(cents(product(line.amount, rate)) for line in self.lines()), ZERO)
        return cents(product(subtotal, rate))

    @property
    def total(self) -> Decimal:
        """The amount to pay, including tax. It is never below 0."""
        return total((self.subtotal, self.tax))

    @property
    def paid_by(self) -> int:
        """The id of the transaction that paid the invoice, even if it was refunded. 0 if there is none."""
        paid = (made.id for made in self.transactions if made.approved and not made.parent)
        return next(paid, 0)

    @property
    def collected(self) -> Decimal:
        """The amount collected, less refunds and voids."""
        return total(made.amount for made in self.transactions if made.approved)

    @exact()
    def paid_for_period(self) -> Decimal:
        """Return what the customer paid, before tax, for the period that begins with this invoice.

        This is the recurring charge less its discount, but no more than the whole payment less credits,
        refunds and voids. Credit carried forward from earlier invoices is treated as paid. The result may
        contain fractions of a cent, because only the credit that is calculated from it is rounded (inferred).
        """
        if not self.paid_by:
            return ZERO
        recurring = [line for line in self.charges if line.type is ChargeType.RECURRING]
        net = total(line.amount for line in (*recurring, *self.discounts(recurring, self.promotion)))
        kept = total(line.amount for line in self.lines() if not line.is_own_money)
        if self.total > 0:
            back = -total(made.amount for made in self.transactions if made.parent and made.approved)
            kept -= back * self.subtotal / self.total
        return max(min(net, kept), ZERO)


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

    def undo_cancellation(self) -> None:
        self.cancel_type = self.cancel_reason = ""
        self.canceled_at = None

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

        If there are several outstanding invoices, the setting `several_outstanding` decides. Period invoices
        come before declined one-time invoices (inferred).
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


class MetaDatum(Value, frozen=True):
    id: int
    name: str
    value: str
    created: datetime
    modified: datetime


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
