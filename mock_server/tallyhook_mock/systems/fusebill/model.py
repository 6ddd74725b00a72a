"""Customers, billing period definitions and subscriptions, and the state that holds them."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from msgspec import field

from tallyhook_mock.core.base import BillingSystem, Entity, Happening, Value
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.ids import Ids
from tallyhook_mock.core.invoice_lines import Bill, Line
from tallyhook_mock.core.money import cents

__all__ = [
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "Charge",
    "Customer",
    "Cycle",
    "InvoiceDate",
    "Refusal",
    "Settings",
    "State",
    "Subscription",
    "day_of",
    "invalid",
    "not_found",
]


class Refusal(ValueError):
    """A command that was not carried out; nothing has changed.

    `status` is the HTTP status, `key` the field that it is about (inferred: no source shows an error).
    """

    def __init__(self, status: int, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.status = status
        self.key = key
        self.message = message


def invalid(key: str, message: str) -> Refusal:
    return Refusal(400, key, message)


def not_found(key: str, id: int) -> Refusal:
    return Refusal(404, key, f"there is none with the id {id}")


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
    """`day` of every month, or of one `month` every year.

    In a month that is too short it is the last day; the 31st comes back in the month after (inferred).
    Refusal for a day that there is in no such month.
    """

    cycle: Cycle
    day: int
    month: int | None = None

    def __post_init__(self) -> None:
        if self.cycle is Cycle.MONTHLY and self.month is not None:
            raise invalid("invoiceMonth", "a monthly period has none; leave it out")
        if self.cycle is Cycle.YEARLY and not (self.month is not None and 1 <= self.month <= 12):
            raise invalid("invoiceMonth", "a yearly period needs its month, from 1 to 12")
        longest = add_months(datetime(_ERA, 1, 31, tzinfo=UTC), (self.month or 1) - 1).day
        if not 1 <= self.day <= longest:
            raise invalid("invoiceDay", f"from 1 to {longest}")

    @classmethod
    def of(cls, cycle: Cycle, moment: datetime) -> Self:
        """The date that makes what begins at this moment bill when it begins."""
        return cls(cycle, moment.day, moment.month if cycle is Cycle.YEARLY else None)

    def near(self, moment: datetime, later: int = 0) -> datetime:
        """The date in the month of the moment, or in its year if yearly, and so many cycles later."""
        anchor = datetime(_ERA, self.month or 1, self.day, tzinfo=UTC)
        months = moment.month - 1 if self.cycle is Cycle.MONTHLY else 0
        return add_months(anchor, 12 * (moment.year - _ERA) + months + later * self.cycle.months)

    def after(self, moment: datetime) -> datetime:
        """The first such date after the moment."""
        date = self.near(moment)
        return date if date > moment else self.near(moment, 1)

    def instead_of(self, end: datetime, at: datetime) -> datetime:
        """Where a period ends that was to end at `end`, when it is moved to this date.

        In the month of that end, or in its year: so the 1st becomes the 6th five days later, and the 30th the
        22nd eight days earlier (documented). If that day is not to come any more, the next one (inferred).
        """
        date, day = self.near(end), day_of(at)
        return date if date > day else self.after(day)


class BillingPeriodType(StrEnum):
    """Where the date of a definition comes from."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


class Settings(Value, frozen=True):
    """What else a definition is told. All but `invoice_in_advance` is only kept.

    In advance, a period is billed when it begins; otherwise when it is over (inferred). A change counts from
    the next recharge on. `term` is in days (inferred).
    """

    invoice_in_advance: bool = True
    auto_collect: bool = True
    auto_post: bool = True
    term: int = 0
    po_number: str | None = None
    payment_method_id: int | None = None


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


class Subscription(Entity, eq=False):
    """A plan at a fixed `amount` for each of its periods, however long these are.

    Its present period is from `start` up to, not including, `end`: the next recharge of its definition.
    """

    id: int
    customer: "Customer"
    definition: "BillingPeriodDefinition"
    plan_code: str
    plan_name: str
    amount: Decimal
    activated: datetime
    start: datetime
    charges: list[Charge] = field(default_factory=list)  # in the order in which they were added
    owed: Decimal | None = None  # what the present period costs when it is over; None: it is billed
    billed: int | None = None  # where the customer's bill for the present period stands, if there is one

    @property
    def end(self) -> datetime:
        return self.definition.end

    @property
    def interval(self) -> Cycle:
        return self.definition.cycle

    @property
    def item(self) -> str:
        """What its lines are of."""
        return f"subscription {self.id}"

    def line(self, amount: Decimal) -> Line:
        """The line that bills the present period."""
        return Line(self.item, self.plan_name, Decimal(1), amount, amount, self.start, self.end)


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

    def prorate(self, amount: Decimal, day: datetime) -> Decimal:
        """The part of an amount that falls on what is left of the period from a day on.

        To the end as it is known now (documented); by days, that day included, of those that the period had
        before its date was moved (inferred).
        """
        return cents(amount * (self.end - day).days / self.cycle_days)


class Customer(Entity, eq=False):
    id: int
    name: str
    currency: str
    created: datetime
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
        self.ids = Ids(100)
        self.last_bill = 0
        self._customers: dict[int, Customer] = {}
        self._definitions: dict[int, BillingPeriodDefinition] = {}
        self._subscriptions: dict[int, Subscription] = {}

    # -- what is there

    def accounts(self) -> Iterable[Customer]:
        """The customers, in the order of creation."""
        return self._customers.values()

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
        subscription.definition.subscriptions.append(subscription)

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
