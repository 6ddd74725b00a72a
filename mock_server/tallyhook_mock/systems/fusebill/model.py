"""Customers, billing period definitions and subscriptions, and the state that holds them."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from msgspec import field
from msgspec.structs import replace

from tallyhook_mock.core.base import BillingSystem, Entity, Happening, Value
from tallyhook_mock.core.forecast import Coming, coming_bills, copied
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.invoice_lines import Bill, Line
from tallyhook_mock.core.money import ZERO, cents

__all__ = [
    "MOST_INTERVALS",
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "Change",
    "Charge",
    "Customer",
    "Cycle",
    "Draft",
    "DraftCharge",
    "Frequency",
    "Invoice",
    "InvoiceDate",
    "Part",
    "PlanProduct",
    "Purchase",
    "Refusal",
    "Reset",
    "Settings",
    "State",
    "Subscription",
    "SubscriptionProduct",
    "Timing",
    "conflict",
    "day_of",
    "invalid",
    "not_found",
]


class Refusal(ValueError):
    """A command that was not carried out; nothing has changed.

    `status` is the HTTP status, `key` what the error is filed under: the field that it is about. The vendor's
    example has "Api Error" there.
    """

    def __init__(self, status: int, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.status = status
        self.key = key
        self.message = message


def invalid(key: str, message: str) -> Refusal:
    return Refusal(400, key, message)


def conflict(key: str, message: str) -> Refusal:
    """Well formed, and against a rule of the business (documented; which rule answers what is inferred)."""
    return Refusal(409, key, message)


def not_found(key: str, id: int) -> Refusal:
    return Refusal(404, key, f"there is none with the id {id}")


MOST_INTERVALS = 120
# All dates are counted from this year; a leap year, or there would be no February 29 to count from.
_ERA = 2000


class Cycle(StrEnum):
    MONTHLY = "Monthly"
    YEARLY = "Yearly"

    @property
    def months(self) -> int:
        return 1 if self is Cycle.MONTHLY else 12


def day_of(moment: datetime) -> datetime:
    """Midnight, UTC, of its day: where periods begin and end (inferred: no source names a time zone)."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class InvoiceDate(Value, frozen=True):
    """`day` of a month, every `intervals` months, or years in one `month`.

    With a monthly cycle `month` is the one that the next recharge is brought to (documented), and that the
    others are counted from. In a month that is too short it is the last day; the 31st comes back in the month
    after (inferred). Refusal for a day that there is in no such month.
    """

    cycle: Cycle
    day: int
    month: int | None = None
    intervals: int = 1

    def __post_init__(self) -> None:
        if self.cycle is Cycle.YEARLY and self.month is None:
            raise invalid("invoiceMonth", "a yearly period needs its month, from 1 to 12")
        if self.month is not None and not 1 <= self.month <= 12:
            raise invalid("invoiceMonth", "from 1 to 12")
        if not 1 <= self.intervals <= MOST_INTERVALS:
            raise invalid("numberOfIntervals", f"from 1 to {MOST_INTERVALS}")
        longest = add_months(datetime(_ERA, 1, 31, tzinfo=UTC), (self.month or 1) - 1).day
        if not 1 <= self.day <= longest:
            raise invalid("invoiceDay", f"from 1 to {longest}")

    @classmethod
    def of(cls, cycle: Cycle, moment: datetime, intervals: int = 1) -> Self:
        """The date that makes what begins at this moment bill when it begins."""
        return cls(cycle, moment.day, moment.month if cycle is Cycle.YEARLY else None, intervals)

    @property
    def months(self) -> int:
        """How long a period is."""
        return self.cycle.months * self.intervals

    @property
    def settled(self) -> Self:
        """The date without the month that a monthly recharge was brought to: later ones go on from there."""
        return type(self)(
            self.cycle, self.day, self.month if self.cycle is Cycle.YEARLY else None, self.intervals
        )

    @property
    def frequency(self) -> tuple[Cycle, int]:
        """What a subscription can't change."""
        return self.cycle, self.intervals

    def later(self, moment: datetime, periods: int) -> datetime:
        """The date so many whole periods after one of its dates."""
        months = 12 * (moment.year - _ERA) + moment.month - 1 + periods * self.months
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), months)

    def near(self, moment: datetime) -> datetime:
        """The date in the month of the moment, or in its year if it has a month."""
        month = moment.month if self.month is None else self.month
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), 12 * (moment.year - _ERA) + month - 1)

    def after(self, moment: datetime) -> datetime:
        """The first such date after the moment."""
        date = self.near(moment)
        return date if date > moment else self._next(date)

    def first_end(self, start: datetime) -> datetime:
        """Where a first period ends: the next date, or after whole intervals if it begins on such a date."""
        if self.near(start) == start:
            return self.later(start, 1)
        return self.after(start)

    def instead_of(self, end: datetime, at: datetime) -> datetime:
        """Where a period ends that was to end at `end`, when it is moved to this date.

        In the month of that end, or in its year: so the 1st becomes the 6th five days later, and the 30th the
        22nd eight days earlier (documented). If that day is not to come any more, the next one (inferred).
        """
        date, day = self.near(end), day_of(at)
        return date if date > day else self.after(day)

    def _next(self, date: datetime) -> datetime:
        """The date a month after one, or a year if it has a month."""
        months = 12 * (date.year - _ERA) + date.month - 1 + (1 if self.month is None else 12)
        return add_months(datetime(_ERA, 1, self.day, tzinfo=UTC), months)


class BillingPeriodType(StrEnum):
    """Where the date of a definition comes from."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


class Settings(Value, frozen=True):
    """What else a definition is told.

    `invoice_in_advance` is how many days before a period's start it is invoiced (documented). `auto_post`
    None is the customer's setting (documented). The others are only kept: nothing is collected here.
    """

    invoice_in_advance: int = 0
    auto_collect: bool | None = None
    auto_post: bool | None = None
    term: str = ""
    po_number: str | None = None
    payment_method_id: int | None = None
    weekday: str | None = None
    quick_books_location: int | None = None


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


class Frequency(Value, frozen=True):
    """How often a plan bills, and what: subscriptions are made of it."""

    id: int
    plan_code: str
    plan_name: str
    cycle: Cycle
    intervals: int
    products: tuple[PlanProduct, ...]


class SubscriptionProduct(Entity, eq=False):
    """How much a subscription has of a product. `item` is what its lines are of."""

    id: int
    plan: PlanProduct
    quantity: Decimal
    item: str
    owes: "Part | None" = None  # what of a period's amount the present one costs; None for all of it

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


class State(BillingSystem):
    """Customers with their definitions, subscriptions and bills.

    Commands are the functions of the modules beside this one: each takes the state and the moment, changes
    the state or raises a `Refusal`, and leaves the happenings for `take_events`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.api_keys: Collection[str] = ("fusebill-key",)
        self.ids = Ids(100)  # of customers, definitions, subscriptions, and charges that wait
        self.product_ids = Ids(50_000)
        self.invoice_ids = Ids(80_000)  # of drafts, their charges, invoices and purchases
        self.last_bill = 0
        # Whether invoices are posted by themselves, and whether drafts that a call held are at a renewal.
        self.auto_post = True
        self.posts_at_renewal = False
        self.frequencies: dict[int, Frequency] = {}
        self.catalog_products: dict[int, PlanProduct] = {}
        self.purchases: dict[int, Purchase] = {}
        self._customers: dict[int, Customer] = {}
        self._definitions: dict[int, BillingPeriodDefinition] = {}
        self._subscriptions: dict[int, Subscription] = {}

    # -- what is there

    def accounts(self) -> dict[int, Customer]:
        return self._customers

    def account(self, id: str) -> Customer:
        is_number = id.isascii() and id.isdigit() and len(id) <= 10
        return self.customer(int(id) if is_number else 0)

    def is_used(self) -> bool:
        return bool(self.has_own_keys or self._customers)

    @property
    def has_own_keys(self) -> bool:
        """Whether the catalogue has said who may call."""
        return self.api_keys != State().api_keys

    def forecast(self, id: str, count: int) -> list[Coming]:
        alone, customer = self.apart(self.account(id))
        return coming_bills(alone, customer.bills, count)

    def apart(self, customer: Customer) -> "tuple[State, Customer]":
        """Another state with a copy of one customer, that counts on from where this one stands.

        A forecast is of invoices, whether they are posted by themselves or wait as drafts.
        """
        alone = State()
        alone.ids.last, alone.last_bill = self.ids.last, self.last_bill
        alone.product_ids.last, alone.invoice_ids.last = self.product_ids.last, self.invoice_ids.last
        copy = copied(customer, self.agenda, alone.agenda)
        copy.auto_post, copy.drafts = True, []
        for definition in copy.definitions:
            definition.settings = replace(definition.settings, auto_post=True)
        alone.add_customer(copy)
        return alone, copy

    def customer(self, id: int) -> Customer:
        try:
            return self._customers[id]
        except KeyError:
            raise not_found("customerId", id) from None

    def definition(self, id: int) -> BillingPeriodDefinition:
        try:
            return self._definitions[id]
        except KeyError:
            raise not_found("billingPeriodDefinitionId", id) from None

    def subscription(self, id: int) -> Subscription:
        try:
            return self._subscriptions[id]
        except KeyError:
            raise not_found("subscriptionId", id) from None

    def product(self, id: int) -> tuple[Subscription, SubscriptionProduct]:
        """A product of a subscription, and that."""
        for subscription in self._subscriptions.values():
            for product in subscription.products:
                if product.id == id:
                    return subscription, product
        raise not_found("subscriptionProductId", id)

    def drafts(self) -> Iterable[Draft]:
        """In the order in which they were made."""
        found = (draft for customer in self._customers.values() for draft in customer.drafts)
        return sorted(found, key=lambda draft: draft.id)

    def draft(self, id: int) -> Draft:
        for draft in self.drafts():
            if draft.id == id:
                return draft
        raise not_found("draftInvoiceId", id)

    def invoices(self) -> Iterable[tuple[Customer, Invoice]]:
        """In the order in which they were posted."""
        found = ((customer, each) for customer in self._customers.values() for each in customer.invoices)
        return sorted(found, key=lambda pair: pair[1].bill.number)

    def invoice(self, id: int) -> tuple[Customer, Invoice]:
        for customer, invoice in self.invoices():
            if invoice.id == id:
                return customer, invoice
        raise not_found("invoiceId", id)

    def subscriptions(self) -> Iterable[Subscription]:
        return self._subscriptions.values()

    def definitions(self) -> Iterable[BillingPeriodDefinition]:
        return self._definitions.values()

    def has_customer(self, id: int) -> bool:
        return id in self._customers

    def has_subscription(self, id: int) -> bool:
        return id in self._subscriptions

    # -- what changes (for the commands)

    def customer_id(self, given: int | None) -> int:
        """The id of a new customer; Refusal if the given one is taken."""
        return self._new_id(given, self._customers)

    def subscription_id(self, given: int | None) -> int:
        """The id of a new subscription; Refusal if the given one is taken."""
        return self._new_id(given, self._subscriptions)

    def _new_id(self, given: int | None, taken: Collection[int]) -> int:
        if given is None:
            return self.ids.next()
        if given in taken:
            raise invalid("id", f"{given} is taken")
        self.ids.last = max(self.ids.last, given)
        return given

    def add_customer(self, customer: Customer) -> None:
        """With all that it has."""
        self._customers[customer.id] = customer
        self._definitions.update((definition.id, definition) for definition in customer.definitions)
        self._subscriptions.update((subscription.id, subscription) for subscription in customer.subscriptions)

    def add_definition(self, definition: BillingPeriodDefinition) -> None:
        self._definitions[definition.id] = definition
        definition.customer.definitions.append(definition)

    def remove_definition(self, definition: BillingPeriodDefinition) -> None:
        del self._definitions[definition.id]
        definition.customer.definitions.remove(definition)
        definition.is_deleted = True

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription
        subscription.customer.subscriptions.append(subscription)

    def remove_subscription(self, subscription: Subscription) -> None:
        del self._subscriptions[subscription.id]
        subscription.customer.subscriptions.remove(subscription)

    # -- what happened

    def emit(
        self,
        kind: str,
        at: datetime,
        customer: Customer,
        *,
        note: str = "",
        invoice: int | None = None,
        amount: Decimal | None = None,
        item: str = "",
    ) -> None:
        self.note(Happening(kind, at, self.actor, str(customer.id), note, invoice, amount, item))
