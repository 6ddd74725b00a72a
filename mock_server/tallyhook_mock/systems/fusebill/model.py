"""Plans, customers, billing period definitions, subscriptions, drafts and invoices."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import field

from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.money import ZERO, cents
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
    """When a product is charged for a period. One name is from an answer, the other is inferred."""

    START = "StartOfPeriod"
    END = "EndOfPeriod"


class Change(StrEnum):
    """When a change of quantity during a period is charged (documented; the names are inferred)."""

    IMMEDIATE = "Immediate"
    END = "EndOfPeriod"
    NEVER = "None"


class Reset(StrEnum):
    """When a product's quantity is reset to that of its plan (documented; two names are inferred)."""

    NEVER = "Never"
    START = "StartOfPeriod"
    END = "EndOfPeriod"


class PlanProduct(Value, frozen=True):
    """A product of a plan, at `price` for one unit and one period."""

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
    """How often a plan bills, and its products. Subscriptions are created from it."""

    id: int
    plan_code: str
    plan_name: str
    cycle: Cycle
    intervals: int
    products: tuple[PlanProduct, ...]


class BillingPeriodType(StrEnum):
    """What the date of a definition is derived from."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


class Settings(Value, frozen=True):
    """The other settings of a definition.

    `invoice_in_advance` is how many days before its start a period is invoiced (documented). If `auto_post`
    is None, the customer's setting applies (documented). The others are only stored, since the mock collects
    no money.

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
    """A product of a subscription, with its quantity. `item` is the item of its lines."""

    id: int
    plan: PlanProduct
    quantity: Decimal
    item: str
    owes: "Part | None" = None  # prorates the amount of the current period; None for the full amount
    items: tuple[Item, ...] = ()  # if it is tracked, as many as its quantity

    @property
    def amount(self) -> Decimal:
        """The amount of a whole period."""
        return cents(self.quantity * self.plan.price)


class Charge(Value, frozen=True):
    """A charge that waits for the end of the period. Its amount is fixed.

    A prorated charge covers the time from `start` up to, but not including, `end`: the end of the period when
    the charge was added.
    """

    id: int
    name: str
    amount: Decimal
    added: datetime
    start: datetime | None = None
    end: datetime | None = None

    @property
    def item(self) -> str:
        """The item of its line."""
        return f"charge {self.id}"

    @property
    def line(self) -> Line:
        return Line(self.item, self.name, Decimal(1), self.amount, self.amount, self.start, self.end)


class Draft(Entity, eq=False):
    """An invoice that is not posted. Its charges can be changed, and nothing is owed yet (documented).

    A call can hold a draft (`held`) even if auto-post is on. The status is always Ready; Pending and
    Projected don't occur here.
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
    """A charge of a draft. `prorated` is the price of a unit for the charged days."""

    id: int
    line: Line
    unit: Decimal
    prorated: Decimal
    note: str = ""


class Invoice(Entity, eq=False):
    """A posted draft: a final bill."""

    id: int
    draft: int
    bill: Bill
    charges: tuple[int, ...]
    effective: datetime
    notes: str = ""
    po_number: str | None = None
    terms: str = ""
    is_hidden: bool = False  # on the customer's own pages


class Purchase(Entity, eq=False):
    """A product bought once. It is a draft until it is finalised."""

    id: int
    customer: "Customer"
    plan: PlanProduct
    quantity: Decimal
    created: datetime
    name: str
    status: str = "Draft"


class Subscription(Entity, eq=False):
    """A subscription: quantities of a plan's products for each period, however long that is.

    The current period is from `start` up to, not including, `end`, the next recharge of its definition. A
    draft has no definition and bills nothing.
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
    charges: list[Charge] = field(default_factory=list)  # in order of adding

    @property
    def definition(self) -> "BillingPeriodDefinition":
        """The definition that it is in. Refusal if it is in none."""
        if self.place is None:
            raise conflict("subscriptionId", f"{self.id} is {self.status}: it is in no billing period")
        return self.place

    @property
    def begun(self) -> datetime:
        """The start of the current period."""
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
        """The item of the lines of the plan's first product."""
        return f"subscription {self.id}"

    @property
    def items(self) -> frozenset[str]:
        """The items of all its lines."""
        return frozenset((self.item, *(product.item for product in self.products)))

    @property
    def amount(self) -> Decimal:
        """The amount of a whole period, with the present quantities."""
        return sum((product.amount for product in self.products), ZERO)

    def line(self, product: SubscriptionProduct, amount: Decimal | None = None) -> Line:
        """The line that bills a product for the current period."""
        if amount is None:
            amount = product.amount
        plan = product.plan
        return Line(product.item, plan.name, product.quantity, plan.price, amount, self.start, self.end)


class BillingPeriodDefinition(Entity, eq=False):
    """A billing period definition: when the subscriptions in it bill.

    The current period is from `start` up to, not including, `end`, the next recharge. `cycle_days` is how
    many days a whole period would have if its date had not been moved.
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
    count: int = 1  # of periods so far, including the present one
    subscriptions: list[Subscription] = field(default_factory=list)
    is_deleted: bool = False

    # The end of a period that was invoiced before it began.
    invoiced_to: datetime | None = None

    @property
    def cycle(self) -> Cycle:
        return self.date.cycle

    @property
    def days(self) -> int:
        """The length of the current period in days. Each day is in one period only."""
        return (self.end - self.start).days

    @property
    def days_counted(self) -> int:
        """The days of the current period as the source counts them, including the day of the recharge."""
        return self.days + 1

    def part_from(self, day: datetime) -> "Part":
        """The rest of the period from a day on, including that day."""
        return Part(day, self.end, self.cycle_days)

    def prorate(self, amount: Decimal, day: datetime) -> Decimal:
        """The part of an amount for the rest of the period from a day on.

        The rest lasts until the present end (documented). Prorated by days, including that day, relative to
        the days that the period had before its date was moved (inferred).
        """
        return self.part_from(day)(amount)


class Part(Value, frozen=True):
    """Prorates an amount for a subscription that begins on a day within a period."""

    day: datetime
    end: datetime
    days: int

    def __call__(self, amount: Decimal) -> Decimal:
        """The prorated amount. Moving the period's date does not change it (documented)."""
        return cents(amount * (self.end - self.day).days / self.days)


class Customer(Entity, eq=False):
    """A customer. `details` are fields of the API without effect here: names, e-mail, reference."""

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
    subscriptions: list[Subscription] = field(default_factory=list)  # in the order of activation
    bills: list[Bill] = field(default_factory=list)  # oldest first
