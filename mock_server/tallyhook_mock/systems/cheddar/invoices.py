"""An invoice: the usage of a period, its charges, and the transactions that tried to settle it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.money import NOTHING, ONE, ZERO, cents, discounted, product, total
from tallyhook_mock.systems.cheddar.products import Plan

if TYPE_CHECKING:
    from tallyhook_mock.systems.cheddar.customers import PaymentMethod, Subscription

__all__ = [
    "CREDIT_FORWARD",
    "Charge",
    "ChargeType",
    "Invoice",
    "InvoiceState",
    "InvoiceType",
    "Transaction",
    "Usage",
]

CREDIT_FORWARD = "CREDIT_FORWARD"


class ChargeType(StrEnum):
    RECURRING = "recurring"
    ITEM = "item"
    CUSTOM = "custom"
    SETUP = "setup"  # inferred


class InvoiceType(StrEnum):
    SUBSCRIPTION = "subscription"
    ONE_TIME = "one-time"


class InvoiceState(StrEnum):
    OPEN = "open"  # the current invoice: scheduled in the future
    HELD = "held"  # outstanding: its hooks are not all processed
    RELEASED = "released"  # outstanding: every hook is acknowledged, and it runs an hour after that
    UNPAID = "unpaid"  # outstanding: its period is over and nothing has paid it; declined, for the most part
    PAID = "paid"
    VOID = "void"


class Charge(Value, frozen=True):
    """One line. `id` is 0 as long as the line is only what the invoice *would* charge."""

    id: int
    code: str
    type: ChargeType
    quantity: Decimal
    each_amount: Decimal
    description: str
    created: datetime

    @property
    def amount(self) -> Decimal:
        return cents(product(self.quantity, self.each_amount))


class Usage(Value, frozen=True):
    """The counter of a tracked item in one period; an item never used has none."""

    item: str  # its code
    quantity: Decimal
    created: datetime
    modified: datetime


class Transaction(Value, frozen=True):
    """An attempt to settle an invoice, a refund (negative, with a parent) or a void.

    `payment` is the method by which it was made, whatever the customer pays with later; None if there was
    nothing to pay and the gateway was not asked.
    """

    id: int
    amount: Decimal
    approved: bool
    reason: str
    at: datetime
    payment: "PaymentMethod | None"
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
    tax_rate: Decimal | None = None  # the customer's at the end of the period, from then on
    discount: Decimal = ZERO  # percent off the recurring charge
    bills_recurring: bool = True
    run_at: datetime | None = None  # when the engine runs it next
    declines: int = 0
    counters: tuple[Usage, ...] = ()  # one for each item that was used
    charges: tuple[Charge, ...] = ()  # the lines that have an id
    transactions: tuple[Transaction, ...] = ()

    @property
    def is_outstanding(self) -> bool:
        """Its billing date has passed and nobody has paid it yet, for whatever reason."""
        return self.state in (InvoiceState.HELD, InvoiceState.RELEASED, InvoiceState.UNPAID)

    @property
    def has_failed(self) -> bool:
        """Outstanding for want of money: declined, or there was no way to pay it when it was due."""
        return self.state is InvoiceState.UNPAID

    @property
    def usage(self) -> dict[str, Usage]:
        """The counters by the codes of their items."""
        return {counter.item: counter for counter in self.counters}

    def count(self, item: str, quantity: Decimal, at: datetime) -> None:
        """Set the counter of an item; it keeps its place among the others."""
        usage = self.usage
        known = usage.get(item)
        usage[item] = Usage(item, quantity, known.created if known else at, at)
        self.counters = tuple(usage.values())

    def quantity(self, item: str) -> Decimal:
        return next((counter.quantity for counter in self.counters if counter.item == item), NOTHING)

    def projected(self) -> tuple[Charge, ...]:
        """What an open invoice would charge beyond its custom charges: recurring, then each priced item."""
        plan, at = self.plan, self.billing_at
        lines = []
        if self.bills_recurring and plan.recurring_charge_code:
            amount = discounted(plan.recurring_charge_amount, self.discount)
            lines.append(Charge(0, plan.recurring_charge_code, ChargeType.RECURRING, ONE, amount, "", at))
        for planned in plan.items:
            if planned.overage_amount > 0:
                overage = planned.overage(self.quantity(planned.item.code))
                lines.append(
                    Charge(0, planned.item.code, ChargeType.ITEM, overage, planned.overage_amount, "", at)
                )
        return tuple(lines)

    def lines(self) -> tuple[Charge, ...]:
        """All charges as a document shows them."""
        if self.state is InvoiceState.OPEN:
            return self.projected() + self.charges
        return self.charges

    @property
    def subtotal(self) -> Decimal:
        """The sum of all lines, before tax; negative when the credits are larger."""
        return total(line.amount for line in self.lines())

    @property
    def tax(self) -> Decimal:
        """Tax on a positive subtotal, rounded once per invoice (inferred).

        An open invoice expects the rate that the customer has now; one that is closed keeps the rate it had.
        """
        return self.tax_on(self.subtotal)

    def tax_on(self, subtotal: Decimal) -> Decimal:
        """The tax if this is the subtotal; none is charged on a credit."""
        is_open = self.state is InvoiceState.OPEN
        rate = self.subscription.customer.charged_tax_rate if is_open else self.tax_rate
        return cents(product(subtotal, rate)) if rate and subtotal > 0 else ZERO

    @property
    def total(self) -> Decimal:
        subtotal = self.subtotal
        return total((subtotal, self.tax_on(subtotal)))

    @property
    def paid_by(self) -> int:
        """The id of the transaction that paid it, given back later or not; 0 as long as nothing has."""
        paid = (made.id for made in self.transactions if made.approved and not made.parent)
        return next(paid, 0)

    @property
    def collected(self) -> Decimal:
        """What was taken and not given back."""
        return total(made.amount for made in self.transactions if made.approved)
