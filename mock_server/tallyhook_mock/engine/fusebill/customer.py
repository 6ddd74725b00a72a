"""Customers, their billing period definitions, and the subscriptions that bill by these."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import field

from tallyhook_mock.engine.bill import Bill, Line
from tallyhook_mock.engine.fusebill.invoice_date import Cycle, InvoiceDate
from tallyhook_mock.engine.money import cents
from tallyhook_mock.engine.record import Noun, Record

__all__ = [
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "Charge",
    "Customer",
    "Settings",
    "Subscription",
]


class BillingPeriodType(StrEnum):
    """Where the date of a definition comes from."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


class Settings(Record, frozen=True):
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


class Charge(Record, frozen=True):
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


class Subscription(Noun, eq=False):
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


class BillingPeriodDefinition(Noun, eq=False):
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


class Customer(Noun, eq=False):
    id: int
    name: str
    currency: str
    created: datetime
    definitions: list[BillingPeriodDefinition] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)  # in the order of activation
    bills: list[Bill] = field(default_factory=list)  # oldest first
