"""Products, customers, and subscriptions with their items and versions."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum

from msgspec import field
from msgspec.structs import replace

from tallyhook_mock.core.base import Entity, Refusal, Value
from tallyhook_mock.core.bills import Bill
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.money import exact, product

__all__ = [
    "CODES",
    "Coupon",
    "Customer",
    "Item",
    "ItemStatus",
    "Mail",
    "Manner",
    "Mode",
    "Pending",
    "Product",
    "Status",
    "Subscription",
    "Terms",
    "Update",
    "UpdateAction",
    "Version",
    "invalid",
    "malformed",
    "unknown",
]


def malformed(message: str) -> Refusal:
    """A 400: the message is incomplete or unreadable."""
    return Refusal(400, message)


def invalid(message: str) -> Refusal:
    """A 402: the parameters are readable, but can't be carried out."""
    return Refusal(402, message)


def unknown(message: str) -> Refusal:
    """A 404: there is no such subscription, product, customer or purchase."""
    return Refusal(404, message)


class Mode(StrEnum):
    """When an item is billed (documented). The names are inferred; no answer of the API has them."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for the interval to come
    ARREARS = "ARREARS"  # at the end of an interval, by the quantity at that time


class Product(Value, frozen=True):
    """`price` is net, for one unit and one interval. `mode` is that of items added by API."""

    id: int
    name: str
    price: Decimal
    mode: Mode = Mode.ADVANCE


class Coupon(Value, frozen=True):
    """`percent` off an item's price, permanently, from the update that names the coupon (inferred)."""

    code: str
    percent: Decimal


class ItemStatus(IntEnum):
    """The names are documented; the numbers come from a public client. The mock uses 1, 2, 4, 5 and 7."""

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    REMOVED = 4
    AWAITING_REINSTATE = 5
    HANDLED_BY_CLIENT = 6
    OTHER = 7


class Terms(Value, frozen=True):
    """Product, quantity and price of an item. `unit_price` is net, before the coupon."""

    product_id: int
    product_name: str
    quantity: int
    unit_price: Decimal
    coupon: Coupon | None = None
    extension: str = ""  # of the product's name
    english: str = ""  # the product's name in English

    @property
    @exact()
    def price(self) -> Decimal:
        """The price of one unit less the coupon, not rounded."""
        percent = self.coupon.percent if self.coupon else Decimal(0)
        return self.unit_price * (100 - percent) / 100

    @property
    def total(self) -> Decimal:
        """The price of a whole interval, not rounded."""
        return product(Decimal(self.quantity), self.price)


class Pending(Value, frozen=True):
    """Terms that take effect at the renewal that begins interval number `interval`."""

    interval: int
    terms: Terms


class Version(Value, frozen=True):
    """The terms of an item before an update, and when they were requested."""

    number: int
    terms: Terms
    since: datetime


class Item(Value, frozen=True):
    """An item of a subscription, numbered from 1 by `running_number`.

    `terms` are those of the current interval. `pending` is in chronological order. `charged` counts the units
    of an item in arrears that the customer paid for before the end of the interval. Once it is deactivated,
    `last` is the number of the last interval that is billed, and `ended` the end of that interval.
    """

    running_number: int
    mode: Mode
    terms: Terms
    added: datetime
    since: datetime  # when its current version was made
    pending: tuple[Pending, ...] = ()
    charged: int = 0
    version: int = 1
    past: tuple[Version, ...] = ()
    deactivated: datetime | None = None
    last: int | None = None
    ended: datetime | None = None
    may_reinstate: bool = True
    is_removed: bool = False  # it continues in another subscription

    @property
    def asked(self) -> Terms:
        """The terms that were requested last, whenever they take effect."""
        return self.pending[-1].terms if self.pending else self.terms

    @property
    def uncharged(self) -> int:
        """How many units of an item in arrears are still to be billed at the end of the interval."""
        return max(0, self.terms.quantity - self.charged)

    @property
    def is_active(self) -> bool:
        return self.deactivated is None

    @property
    def status(self) -> ItemStatus:
        """The status. That of a deactivated item that may be reinstated is inferred."""
        if self.is_removed:
            return ItemStatus.REMOVED
        if self.is_active:
            return ItemStatus.ACTIVE
        return ItemStatus.AWAITING_REINSTATE if self.may_reinstate else ItemStatus.DEACTIVATED

    def is_billed_in(self, interval: int) -> bool:
        return self.last is None or interval <= self.last

    def terms_in(self, interval: int) -> Terms:
        """The terms at the start of this interval, as far as they are known."""
        waited = [pending.terms for pending in self.pending if pending.interval <= interval]
        return waited[-1] if waited else self.terms

    def renewed(self, interval: int, at: datetime) -> "Item":
        """The item as this interval begins. The quantity of an item in arrears stays (documented)."""
        waiting = tuple(pending for pending in self.pending if pending.interval > interval)
        is_over = not self.is_billed_in(interval) and self.ended is None
        return replace(
            self,
            terms=self.terms_in(interval),
            pending=waiting,
            charged=0,
            ended=at if is_over else self.ended,
        )

    def changed_now(self, asked: Terms, *, charged: int) -> "Item":
        """The item with new terms for the current interval, and `charged` more units charged ahead."""
        return replace(self, terms=asked, pending=(), charged=self.charged + charged)

    def changed_from(self, interval: int, asked: Terms) -> "Item":
        """The item with new terms from an interval on. Terms for earlier intervals stay."""
        earlier = tuple(pending for pending in self.pending if pending.interval < interval)
        if not earlier and asked == self.terms:
            return replace(self, pending=())
        return replace(self, pending=(*earlier, Pending(interval, asked)))

    def next_version(self, before: "Item", at: datetime) -> "Item":
        """The item with one more version than `before` (inferred: each update makes one)."""
        past = (*before.past, Version(before.version, before.asked, before.since))
        return replace(self, version=before.version + 1, past=past, since=at)


class Status(IntEnum):
    """The numbers of the API (documented by the newer of two pages, and used by a public client).

    In the mock, subscriptions are only active, deactivated or finished.
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
        """The three letters of the status (documented)."""
        return CODES[self - 1]


CODES = ("ACT", "DEA", "FIN", "GRA", "HLD", "NEW", "HBC", "WNO")


class UpdateAction(StrEnum):
    """A caller's name for an update. It is only recorded and has no effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Manner(Value, frozen=True):
    """How to carry out an update (documented).

    `is_aligned`: charge now, not at the next renewal. `is_extended`: extend the interval to a whole one from
    now. `is_preview`: only calculate the cost. `resets`: begin a new interval now, at the full price. `mails`
    is recorded; no mail is sent.
    """

    is_aligned: bool = False
    is_extended: bool = False
    is_preview: bool = False
    action: UpdateAction = UpdateAction.UPDATE
    mails: bool = True
    resets: bool = False


class Update(Value, frozen=True):
    """The record of an update. `quantity` is the total after it."""

    at: datetime
    actor: str
    running_number: int
    product_id: int
    quantity: int
    unit_price: Decimal
    coupon: str
    manner: Manner


class Mail(Value, frozen=True):
    """A mail to the customer, recorded and not sent.

    Every purchase sends a mail that no parameter suppresses. GenerateMail controls the mail of an update.
    """

    at: datetime
    about: str
    can_be_suppressed: bool


class Customer(Value, frozen=True):
    """`id` is Cleverbridge's number, `reference` the merchant's own name for the customer."""

    id: int
    reference: str = ""
    email: str = ""


class Subscription(Entity, eq=False):
    """A subscription. Intervals are counted from 0, each of `months` months. `interval` is the current one.

    Interval number `anchored` begins at `anchor`, and the others are counted from there in months. A moved
    billing date becomes the new anchor.
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
    coming_purchase: int | None = None  # the purchase of the next renewal, once it is created
    status: Status = Status.ACTIVE
    ended: datetime | None = None
    bills: list[Bill] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The id as answers show it, without the S."""
        return int(self.id[1:])

    def begins(self, interval: int) -> datetime:
        """When an interval begins: the anchor's day of the month, or the last of a shorter month."""
        return add_months(self.anchor, (interval - self.anchored) * self.months)

    @property
    def is_active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def next_billing(self) -> datetime:
        """The next renewal: the end of the current interval and the start of the next."""
        return self.begins(self.interval + 1)

    @property
    def next_reminder(self) -> datetime:
        """An update before this moment applies to the next renewal."""
        return self.next_billing - timedelta(days=self.reminder_days)

    @property
    def interval_days(self) -> int:
        """The days of a whole interval that ends with the current one, which may be shorter or longer."""
        return (self.next_billing - self.begins(self.interval)).days

    def anchor_at(self, moment: datetime) -> None:
        """End the current interval at a moment. Later ones are counted from there."""
        self.anchor, self.anchored = moment, self.interval + 1

    def item(self, running_number: int) -> Item:
        """The item with this number. Refusal if there is none."""
        for item in self.items:
            if item.running_number == running_number:
                return item
        numbers = ", ".join(str(item.running_number) for item in self.items)
        raise invalid(
            f"Subscription {self.id} has no item with RunningNumber {running_number}; it has {numbers}"
        )

    def with_item(self, changed: Item) -> tuple[Item, ...]:
        """The items with one of them changed or added."""
        if changed.running_number > len(self.items):
            return (*self.items, changed)
        return tuple(
            changed if item.running_number == changed.running_number else item for item in self.items
        )
