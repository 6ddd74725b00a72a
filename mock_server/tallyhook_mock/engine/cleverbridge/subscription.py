"""A subscription: its items, its intervals, and what it was billed."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum

from msgspec import field

from tallyhook_mock.engine.bill import Bill
from tallyhook_mock.engine.calendar import add_months
from tallyhook_mock.engine.cleverbridge.item import Item
from tallyhook_mock.engine.cleverbridge.refusal import invalid
from tallyhook_mock.engine.record import Noun, Record

__all__ = ["CODES", "Customer", "Mail", "Manner", "Status", "Subscription", "Update", "UpdateAction"]


class Status(IntEnum):
    """As the API counts them (documented: the newer of two pages, and a public client).

    The mock itself makes subscriptions active and deactivated only.
    """

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    GRACE = 4
    HOLD = 5
    NEW = 6
    HANDLED_BY_CLIENT = 7
    AWAITING_NEW_ORDER = 8

    @property
    def code(self) -> str:
        """The three letters for it (documented)."""
        return CODES[self - 1]


CODES = ("ACT", "DEA", "FIN", "GRA", "HLD", "NEW", "HBC", "WNO")


class UpdateAction(StrEnum):
    """What a caller says an update is, for the record only: it has no effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Manner(Record, frozen=True):
    """How an update is to be carried out (documented).

    `is_aligned`: charge now, not at the next renewal; `is_extended`: and extend the interval to a whole one
    from now; `is_preview`: only say what it would cost; `resets`: and let a new interval begin now, at the
    full price. `mails` is recorded, no mail is sent.
    """

    is_aligned: bool = False
    is_extended: bool = False
    is_preview: bool = False
    action: UpdateAction = UpdateAction.UPDATE
    mails: bool = True
    resets: bool = False


class Update(Record, frozen=True):
    """The record of an update that was carried out. `quantity` is the total after it."""

    at: datetime
    actor: str
    running_number: int
    product_id: int
    quantity: int
    unit_price: Decimal
    coupon: str
    manner: Manner


class Mail(Record, frozen=True):
    """A mail to the customer, recorded and not sent.

    Every purchase has one that no parameter suppresses; that of an update follows GenerateMail.
    """

    at: datetime
    about: str
    can_be_suppressed: bool


class Customer(Record, frozen=True):
    """Cleverbridge counts customers by `id`; `reference` is the merchant's own word for one."""

    id: int
    reference: str = ""
    email: str = ""


class Subscription(Noun, eq=False):
    """Intervals are counted from 0, each of `months` months; `interval` is the current one.

    The interval number `anchored` begins at `anchor`, and those after it by the month: a next billing date
    that is moved becomes the anchor of all later ones.
    """

    id: str
    customer: Customer
    currency: str
    months: int
    start: datetime
    items: tuple[Item, ...]
    vat_percent: Decimal
    reminder_days: int
    purchase: int
    anchor: datetime
    interval_start: datetime
    anchored: int = 0
    interval: int = 0
    status: Status = Status.ACTIVE
    ended: datetime | None = None
    bills: list[Bill] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The id as answers have it: without the S."""
        return int(self.id[1:])

    def begins(self, interval: int) -> datetime:
        """When an interval begins: the anchor's day of the month, or the last of a shorter month."""
        return add_months(self.anchor, (interval - self.anchored) * self.months)

    @property
    def is_active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def next_billing(self) -> datetime:
        """The renewal: the end of the current interval and the start of the next."""
        return self.begins(self.interval + 1)

    @property
    def next_reminder(self) -> datetime:
        """Up to, not including, this moment an update counts for the next renewal."""
        return self.next_billing - timedelta(days=self.reminder_days)

    @property
    def interval_days(self) -> int:
        """The days of a whole interval that ends with the current one, however long this one is."""
        return (self.next_billing - self.begins(self.interval)).days

    def anchor_at(self, moment: datetime) -> None:
        """Let the current interval end at a moment, and the later ones go on from there."""
        self.anchor, self.anchored = moment, self.interval + 1

    def item(self, running_number: int) -> Item:
        """Refusal if there is none of that number."""
        for item in self.items:
            if item.running_number == running_number:
                return item
        numbers = ", ".join(str(item.running_number) for item in self.items)
        raise invalid(
            f"Subscription {self.id} has no item with RunningNumber {running_number}; it has {numbers}"
        )

    def with_item(self, changed: Item) -> tuple[Item, ...]:
        """The items as they would be with one of them changed, or added."""
        if changed.running_number > len(self.items):
            return (*self.items, changed)
        return tuple(
            changed if item.running_number == changed.running_number else item for item in self.items
        )
