"""Fusebill's data model: plans, customers, billing period definitions, subscriptions, drafts and invoices."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import field

from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import NOTHING, ZERO, cents
from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.refusal import conflict

__all__ = [
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "Change",
    "Charge",
    "Customer",
    "Draft",
    "DraftCharge",
    "Frequency",
    "Invoice",
    "Item",
    "Part",
    "PlanProduct",
    "Purchase",
    "Reset",
    "Settings",
    "Subscription",
    "SubscriptionProduct",
    "Timing",
]


class Timing(StrEnum):
    """When a product is charged for a period. One value is from an API answer, the other is inferred."""

    START = "StartOfPeriod"
    END = "EndOfPeriod"


class Change(StrEnum):
    """When a change of quantity during a period is charged (documented; the names are inferred)."""

    IMMEDIATE = "Immediate"
    END = "EndOfPeriod"
    NEVER = "None"


class Reset(StrEnum):
    """When a product's quantity is reset to the plan's quantity (documented; two names are inferred)."""

    NEVER = "Never"
    START = "StartOfPeriod"
    END = "EndOfPeriod"


class PlanProduct(Value, frozen=True):
    """A product in a plan. `price` is the price of one unit for one period."""

    id: int
    code: str
    name: str
    price: Decimal
    quantity: Decimal = Decimal(1)
    timing: Timing = Timing.START
    change: Change = Change.IMMEDIATE
    reset: Reset = Reset.NEVER
    prorates: bool = True
    most: Decimal | None = None
    is_tracked: bool = False  # each unit is an item with its own reference


class Frequency(Value, frozen=True):
    """A plan at one billing frequency, with its products. Subscriptions are created from a frequency."""

    id: int
    plan_code: str
    plan_name: str
    cycle: Cycle
    intervals: int
    products: tuple[PlanProduct, ...]


class BillingPeriodType(StrEnum):
    """What the date of a billing period definition is derived from."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


class Settings(Value, frozen=True):
    """The settings of a billing period definition, apart from its date.

    A period is invoiced `invoice_in_advance` days before it starts (documented). If `auto_post` is None, the
    customer's setting applies (documented). The other settings are only stored and shown, because the mock
    collects no money.

    Standing: inferred.
    """

    invoice_in_advance: int = 0
    auto_collect: bool | None = None
    auto_post: bool | None = None
    term: str = ""
    po_number: str | None = None
    payment_method_id: int | None = None
    weekday: str | None = None
    quick_books_location: int | None = None


class Item(Value, frozen=True):
    """A tracked unit of a product. Its `reference` is unique within the product (documented)."""

    id: int
    reference: str
    name: str = ""
    description: str = ""


class SubscriptionProduct(Entity, eq=False):
    """A product of a subscription, with its quantity. `item` identifies the product on invoice lines."""

    id: int
    plan: PlanProduct
    quantity: Decimal
    item: str
    owes: "Part | None" = None  # prorates the amount of the current period; None for the full amount
    items: tuple[Item, ...] = ()  # of a tracked product: one for each unit
    charged: Decimal = NOTHING  # the most units that were charged for the current period
    ahead: Decimal = NOTHING  # how many units are already invoiced for the next period

    @property
    def amount(self) -> Decimal:
        """The product's amount for a whole period."""
        return cents(self.quantity * self.plan.price)

    @property
    def next_quantity(self) -> Decimal:
        """The quantity with which the next period begins, as far as is known now."""
        return self.quantity if self.plan.reset is Reset.NEVER else self.plan.quantity


class Charge(Value, frozen=True):
    """A single charge for a subscription. Its amount is fixed when it is added.

    A prorated charge covers the time from `start` up to, but not including, `end`. `end` is the end that the
    period had when the charge was added, and doesn't change if the period's end is moved.
    """

    id: int
    name: str
    amount: Decimal
    added: datetime
    start: datetime | None = None
    end: datetime | None = None

    @property
    def item(self) -> str:
        """The text that identifies the charge on an invoice line."""
        return f"charge {self.id}"

    @property
    def line(self) -> Line:
        return Line(self.item, self.name, Decimal(1), self.amount, self.amount, self.start, self.end)


class Draft(Entity, eq=False):
    """An invoice that is not posted yet. Its charges can be changed, and nothing is owed (documented).

    If auto-post is on, a call can still prevent a draft from being posted (`held`). In the mock the status of
    a draft is always Ready, never Pending or Projected.
    """

    id: int
    customer: "Customer"
    charges: list["DraftCharge"]
    at: datetime
    modified: datetime
    held: bool
    period: int | None = None
    notes: str = ""
    po_number: str | None = None
    terms: str = ""

    @property
    def total(self) -> Decimal:
        return sum((charge.line.amount for charge in self.charges), ZERO)


class DraftCharge(Entity, eq=False):
    """A charge in a draft. `unit` is a unit's full price; `prorated` is its price for the charged days."""

    id: int
    line: Line
    unit: Decimal
    prorated: Decimal
    note: str = ""


class Invoice(Entity, eq=False):
    """A final invoice, posted from a draft."""

    id: int
    draft: int
    bill: Bill
    charges: tuple[int, ...]
    effective: datetime
    notes: str = ""
    po_number: str | None = None
    terms: str = ""
    is_hidden: bool = False  # whether the customer's own pages hide it


class Purchase(Entity, eq=False):
    """A product that is bought once. The purchase is a draft until it is finalised."""

    id: int
    customer: "Customer"
    plan: PlanProduct
    quantity: Decimal
    created: datetime
    name: str
    status: str = "Draft"


class Subscription(Entity, eq=False):
    """A subscription to the products of a plan. A period costs the same however long it is.

    The current period lasts from `start` up to, but not including, `end`, which is the next recharge (billing
    date) of the subscription's billing period definition. A draft subscription has no definition and bills
    nothing.
    """

    id: int
    customer: "Customer"
    place: "BillingPeriodDefinition | None"
    frequency: Frequency
    products: list[SubscriptionProduct]
    created: datetime
    activated: datetime | None = None
    start: datetime | None = None
    status: str = "Draft"
    reference: str = ""
    provisioned: datetime | None = None
    charges: list[Charge] = field(default_factory=list)  # oldest first

    @property
    def definition(self) -> "BillingPeriodDefinition":
        """The subscription's billing period definition. Raises Refusal if it has none."""
        if self.place is None:
            raise conflict("subscriptionId", f"{self.id} is {self.status}: it is in no billing period")
        return self.place

    @property
    def begun(self) -> datetime:
        """The start of the current period, or for a draft, when the subscription was created."""
        return self.created if self.start is None else self.start

    @property
    def end(self) -> datetime:
        return self.definition.end

    @property
    def is_active(self) -> bool:
        return self.status == "Active"

    @property
    def interval(self) -> Cycle:
        return self.frequency.cycle

    @property
    def plan_code(self) -> str:
        return self.frequency.plan_code

    @property
    def plan_name(self) -> str:
        return self.frequency.plan_name

    @property
    def item(self) -> str:
        """The text that identifies the plan's first product on invoice lines."""
        return f"subscription {self.id}"

    @property
    def items(self) -> frozenset[str]:
        """The strings that identify the subscription's products on invoice lines."""
        return frozenset((self.item, *(product.item for product in self.products)))

    @property
    def amount(self) -> Decimal:
        """The subscription's amount for a whole period, with the current quantities."""
        return sum((product.amount for product in self.products), ZERO)

    def line(self, product: SubscriptionProduct, amount: Decimal | None = None) -> Line:
        """Return the line that bills a product for the current period, by default with the full amount."""
        if amount is None:
            amount = product.amount
        plan = product.plan
        return Line(product.item, plan.name, product.quantity, plan.price, amount, self.start, self.end)


class BillingPeriodDefinition(Entity, eq=False):
    """A billing period definition. It says when its subscriptions are billed.

    The current period lasts from `start` up to, but not including, `end`, which is the next recharge (billing
    date). `cycle_days` is how many days the whole period would have if the date had not been moved.
    """

    id: int
    customer: "Customer"
    date: InvoiceDate
    type: BillingPeriodType
    settings: Settings
    created: datetime
    start: datetime
    end: datetime
    cycle_days: int
    manually_created: bool
    count: int = 1  # of periods so far, including the current one
    ahead: datetime | None = None  # when the next period is invoiced, if that is before it begins
    subscriptions: list[Subscription] = field(default_factory=list)
    is_deleted: bool = False

    @property
    def cycle(self) -> Cycle:
        return self.date.cycle

    @property
    def days(self) -> int:
        """The length of the current period in days, without the recharge day."""
        return (self.end - self.start).days

    @property
    def days_counted(self) -> int:
        """The length of the current period in days as the vendor counts it, including the recharge day."""
        return self.days + 1

    def part_from(self, day: datetime) -> "Part":
        """Return the rest of the current period from `day` on, including that day."""
        return Part(day, self.end, self.cycle_days)

    def prorate(self, amount: Decimal, day: datetime) -> Decimal:
        """Return the part of `amount` for the rest of the current period, from `day` on.

        The rest runs to the period's current end (documented). The remaining days, including `day`, are
        divided by the period's length in days before its end was moved (inferred).
        """
        return self.part_from(day)(amount)


class Part(Value, frozen=True):
    """The part of a period from `day` to `end`. The whole period has `days` days.

    Call an instance with an amount to prorate that amount.
    """

    day: datetime
    end: datetime
    days: int

    def __call__(self, amount: Decimal) -> Decimal:
        """Return the prorated amount. It doesn't change if the period's end is moved later (documented)."""
        return cents(amount * (self.end - self.day).days / self.days)


class Customer(Entity, eq=False):
    """A customer. `details` are fields without effect in the mock: names, email address and reference."""

    id: int
    name: str
    currency: str
    created: datetime
    status: str = "Active"
    auto_post: bool | None = None
    details: dict[str, str] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)  # oldest first
    invoices: list[Invoice] = field(default_factory=list)  # in the order of the bills
    definitions: list[BillingPeriodDefinition] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)  # in the order of creation
    bills: list[Bill] = field(default_factory=list)  # oldest first

    @property
    def is_on_hold(self) -> bool:
        return self.status == "Hold"
