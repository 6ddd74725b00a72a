"""Customers, billing period definitions and subscriptions, and the state that holds them."""

from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import field
from msgspec.structs import replace

from tallyhook_mock.core.base import BillingSystem, Entity, Happening, Value
from tallyhook_mock.core.bills import Bill, Coming, Line, coming_bills, copied
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.money import ZERO, cents
from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.plans import Frequency, PlanProduct
from tallyhook_mock.systems.fusebill.refusal import conflict, invalid, not_found

__all__ = [
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "Charge",
    "Customer",
    "Draft",
    "DraftCharge",
    "Invoice",
    "Item",
    "Part",
    "Purchase",
    "Settings",
    "State",
    "Subscription",
    "SubscriptionProduct",
]


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

    def item(self, id: int) -> tuple[Subscription, SubscriptionProduct, Item]:
        """A tracked item, and whose it is."""
        for subscription in self._subscriptions.values():
            for product in subscription.products:
                for item in product.items:
                    if item.id == id:
                        return subscription, product, item
        raise not_found("id", id)

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
        subject: int = 0,
    ) -> None:
        account = str(customer.id)
        self.note(Happening(kind, at, self.actor, account, note, invoice, amount, item, subject=subject))
