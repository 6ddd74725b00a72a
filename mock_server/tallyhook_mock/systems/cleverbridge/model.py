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
    """The message is incomplete or can't be read: 400."""
    return Refusal(400, message)


def invalid(message: str) -> Refusal:
    """The parameters can be read, and can't be carried out: 402."""
    return Refusal(402, message)


def unknown(message: str) -> Refusal:
    """There is no such subscription, product, customer or purchase: 404."""
    return Refusal(404, message)


class Mode(StrEnum):
    """When an item is billed (documented; the words are inferred, and no answer of the API has them)."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for the interval to come
    ARREARS = "ARREARS"  # at its end, by the quantity as of the end


class Product(Value, frozen=True):
    """`price` is net, for one unit and one interval. `mode` is that of items which are added by API."""

    id: int
    name: str
    price: Decimal
    mode: Mode = Mode.ADVANCE


class Coupon(Value, frozen=True):
    """`percent` off an item's price, from the update that brings it, for good (inferred)."""

    code: str
    percent: Decimal


class ItemStatus(IntEnum):
    """As numbers, by a public client; the words are documented. The mock uses the first two, 4 and 5."""

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    REMOVED = 4
    AWAITING_REINSTATE = 5
    HANDLED_BY_CLIENT = 6
    OTHER = 7


class Terms(Value, frozen=True):
    """What of, how much, and at what price. `unit_price` is net, before the coupon."""

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
        """Of one unit, less the coupon; not rounded."""
        percent = self.coupon.percent if self.coupon else Decimal(0)
        return self.unit_price * (100 - percent) / 100

    @property
    def total(self) -> Decimal:
        """Of a whole interval; not rounded."""
        return product(Decimal(self.quantity), self.price)


class Pending(Value, frozen=True):
    """Terms that wait for the renewal that begins interval number `interval`."""

    interval: int
    terms: Terms


class Version(Value, frozen=True):
    """What an item was asked to be before its latest update, and since when."""

    number: int
    terms: Terms
    since: datetime


class Item(Value, frozen=True):
    """Numbered from 1 by `running_number`.

    `terms` are those of the current interval. `pending` is in order of time. `charged` counts the units of an
    item in arrears for which the customer has paid ahead of the interval's end. `last` is the number of the
    last interval that it is billed for, once it is deactivated, and `ended` the moment when that was over.
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
    is_removed: bool = False  # it goes on in another subscription

    @property
    def asked(self) -> Terms:
        """The terms that were asked for last, whenever they take effect."""
        return self.pending[-1].terms if self.pending else self.terms

    @property
    def pending_quantity(self) -> int | None:
        return self.asked.quantity if self.pending else None

    @property
    def uncharged(self) -> int:
        """How many units of an item in arrears the end of the interval has yet to bill."""
        return max(0, self.terms.quantity - self.charged)

    @property
    def is_active(self) -> bool:
        return self.deactivated is None

    @property
    def status(self) -> ItemStatus:
        """That a deactivated item which may come back awaits its reinstatement is inferred."""
        if self.is_removed:
            return ItemStatus.REMOVED
        if self.is_active:
            return ItemStatus.ACTIVE
        return ItemStatus.AWAITING_REINSTATE if self.may_reinstate else ItemStatus.DEACTIVATED

    def is_billed_in(self, interval: int) -> bool:
        return self.last is None or interval <= self.last

    def terms_in(self, interval: int) -> Terms:
        """The terms that this interval begins with, as far as is known."""
        waited = [pending.terms for pending in self.pending if pending.interval <= interval]
        return waited[-1] if waited else self.terms

    def renewed(self, interval: int, at: datetime) -> "Item":
        """The item as this interval begins. What an item in arrears stands at stays (documented)."""
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
        """New terms for the current interval, of which `charged` more units are charged ahead."""
        return replace(self, terms=asked, pending=(), charged=self.charged + charged)

    def changed_from(self, interval: int, asked: Terms) -> "Item":
        """New terms from an interval on; what was asked for earlier intervals stays."""
        earlier = tuple(pending for pending in self.pending if pending.interval < interval)
        if not earlier and asked == self.terms:
            return replace(self, pending=())
        return replace(self, pending=(*earlier, Pending(interval, asked)))

    def next_version(self, before: "Item", at: datetime) -> "Item":
        """The item with one version more than it had `before` (inferred: one for each update)."""
        past = (*before.past, Version(before.version, before.asked, before.since))
        return replace(self, version=before.version + 1, past=past, since=at)


class Status(IntEnum):
    """As the API counts them (documented: the newer of two pages, and a public client).

    The mock itself makes subscriptions active, deactivated and finished only.
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


class Manner(Value, frozen=True):
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


class Update(Value, frozen=True):
    """The record of an update that was carried out. `quantity` is the total after it."""

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

    Every purchase has one that no parameter suppresses; that of an update follows GenerateMail.
    """

    at: datetime
    about: str
    can_be_suppressed: bool


class Customer(Value, frozen=True):
    """Cleverbridge counts customers by `id`; `reference` is the merchant's own word for one."""

    id: int
    reference: str = ""
    email: str = ""


class Subscription(Entity, eq=False):
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
    coming_purchase: int | None = None  # that of the next renewal, once it is created
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
