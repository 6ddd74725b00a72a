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
    """When a product's charge of a period is made (the names are those of an answer, and one inferred)."""

    START = "StartOfPeriod"
    END = "EndOfPeriod"


class Change(StrEnum):
    """When a change of quantity in mid period is charged (documented; the names are inferred)."""

    IMMEDIATE = "Immediate"
    END = "EndOfPeriod"
    NEVER = "None"


class Reset(StrEnum):
    """When a product's quantity goes back to its plan's (documented; two names are inferred)."""

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
    is_tracked: bool = False  # each unit is an item with a reference of its own


class Frequency(Value, frozen=True):
    """How often a plan bills, and what: subscriptions are made of it."""

    id: int
    plan_code: str
    plan_name: str
    cycle: Cycle
    intervals: int
    products: tuple[PlanProduct, ...]


class BillingPeriodType(StrEnum):
    """Where the date of a definition comes from."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


class Settings(Value, frozen=True):
    """What else a definition is told.

    `invoice_in_advance` is how many days before a period's start it is invoiced (documented). `auto_post`
    None is the customer's setting (documented). The others are only kept: nothing is collected here.

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
    """A tracked unit of a product; its `reference` is unique there (documented)."""

    id: int
    reference: str
    name: str = ""
    description: str = ""


class SubscriptionProduct(Entity, eq=False):
    """How much a subscription has of a product. `item` is what its lines are of."""

    id: int
    plan: PlanProduct
    quantity: Decimal
    item: str
    owes: "Part | None" = None  # what of a period's amount the present one costs; None for all of it
    items: tuple[Item, ...] = ()  # as many as its quantity, if it is tracked

    @property
    def amount(self) -> Decimal:
        """Of a whole period."""
        return cents(self.quantity * self.plan.price)


class Charge(Value, frozen=True):
    """A charge that waits for the end of the period; its amount is fixed.

    A prorated one is for the time from `start` up to, not including, `end`: the end of the period as it was
    known when the charge was added.
    """

    id: int
    name: str
    amount: Decimal
    added: datetime
    start: datetime | None = None
    end: datetime | None = None

    @property
    def item(self) -> str:
        """What its line is of."""
        return f"charge {self.id}"

    @property
    def line(self) -> Line:
        return Line(self.item, self.name, Decimal(1), self.amount, self.amount, self.start, self.end)


class Draft(Entity, eq=False):
    """An invoice that is not posted: its charges can be changed, and nobody owes anything yet (documented).

    `held` is one that a call had wait although invoices are posted by themselves. Its status is Ready; the
    others, Pending and Projected, are not made here.
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
    """`prorated` is what a unit costs for the days that it is charged for."""

    id: int
    line: Line
    unit: Decimal
    prorated: Decimal
    note: str = ""


class Invoice(Entity, eq=False):
    """What a posted draft became: a bill, which is final."""

    id: int
    draft: int
    bill: Bill
    charges: tuple[int, ...]
    effective: datetime
    notes: str = ""
    po_number: str | None = None
    terms: str = ""
    is_hidden: bool = False  # from the customer's own pages


class Purchase(Entity, eq=False):
    """A product bought once: a draft until it is finalised."""

    id: int
    customer: "Customer"
    plan: PlanProduct
    quantity: Decimal
    created: datetime
    name: str
    status: str = "Draft"


class Subscription(Entity, eq=False):
    """Some of each product of a plan, for each of its periods, however long these are.

    Its present period is from `start` up to, not including, `end`: the next recharge of its definition. While
    it is a draft it has no definition and bills nothing.
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
    charges: list[Charge] = field(default_factory=list)  # in the order in which they were added

    @property
    def definition(self) -> "BillingPeriodDefinition":
        """Refusal for one that is in none."""
        if self.place is None:
            raise conflict("subscriptionId", f"{self.id} is {self.status}: it is in no billing period")
        return self.place

    @property
    def begun(self) -> datetime:
        """The start of the present period."""
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
        """What the lines of its plan's own product are of."""
        return f"subscription {self.id}"

    @property
    def items(self) -> frozenset[str]:
        """What its lines are of."""
        return frozenset((self.item, *(product.item for product in self.products)))

    @property
    def amount(self) -> Decimal:
        """Of a whole period, as things stand."""
        return sum((product.amount for product in self.products), ZERO)

    def line(self, product: SubscriptionProduct, amount: Decimal | None = None) -> Line:
        """The line that bills a product for the present period."""
        if amount is None:
            amount = product.amount
        plan = product.plan
        return Line(product.item, plan.name, product.quantity, plan.price, amount, self.start, self.end)


class BillingPeriodDefinition(Entity, eq=False):
    """When the subscriptions in it bill.

    The present period is the time from `start` up to, not including, `end`: that is the next recharge, where
    the next period starts. `cycle_days` is how many days it would have, whole and with its date not moved.
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
    count: int = 1  # of the periods so far, the present one included
    subscriptions: list[Subscription] = field(default_factory=list)
    is_deleted: bool = False

    # Up to where the time ahead has been invoiced before it began.
    invoiced_to: datetime | None = None

    @property
    def cycle(self) -> Cycle:
        return self.date.cycle

    @property
    def days(self) -> int:
        """How long the present period is: days, each of them in one period only."""
        return (self.end - self.start).days

    @property
    def days_counted(self) -> int:
        """The days of the present period as the source counts them: its first and its last, the recharge."""
        return self.days + 1

    def part_from(self, day: datetime) -> "Part":
        """What is left of the period from a day on, that day included."""
        return Part(day, self.end, self.cycle_days)

    def prorate(self, amount: Decimal, day: datetime) -> Decimal:
        """The part of an amount that falls on what is left of the period from a day on.

        To the end as it is known now (documented); by days, that day included, of those that the period had
        before its date was moved (inferred).
        """
        return self.part_from(day)(amount)


class Part(Value, frozen=True):
    """What a period costs that begins on a day within it."""

    day: datetime
    end: datetime
    days: int

    def __call__(self, amount: Decimal) -> Decimal:
        """By the period as it was when this was made: a date that is moved changes no amount (documented)."""
        return cents(amount * (self.end - self.day).days / self.days)


class Customer(Entity, eq=False):
    """`details` are the fields of the API that nothing here depends on: names, e-mail, reference."""

    id: int
    name: str
    currency: str
    created: datetime
    status: str = "Active"
    auto_post: bool | None = None
    details: dict[str, str] = field(default_factory=dict)
    drafts: list[Draft] = field(default_factory=list)  # oldest first
    invoices: list[Invoice] = field(default_factory=list)  # as the bills
    definitions: list[BillingPeriodDefinition] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)  # in the order of activation
    bills: list[Bill] = field(default_factory=list)  # oldest first
