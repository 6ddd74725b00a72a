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
    """Return a Refusal with status 400: the call is incomplete or can't be read."""
    return Refusal(400, message)


def invalid(message: str) -> Refusal:
    """Return a Refusal with status 402: the parameters can be read, but the call can't be carried out."""
    return Refusal(402, message)


def unknown(message: str) -> Refusal:
    """Return a Refusal with status 404: there is no such subscription, product, customer or purchase."""
    return Refusal(404, message)


class Mode(StrEnum):
    """When an item is billed (documented). The names are inferred: the API's answers don't have them."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for that interval
    ARREARS = "ARREARS"  # at the end of an interval, for the quantity at that time


class Product(Value, frozen=True):
    """A product. `price` is the net price of one unit for one interval.

    An item that is added by API has the product's `mode`.
    """

    id: int
    name: str
    price: Decimal
    mode: Mode = Mode.ADVANCE


class Coupon(Value, frozen=True):
    """A coupon. It takes `percent` off an item's price, permanently.

    The discount begins with the update that names the coupon (inferred).
    """

    code: str
    percent: Decimal


class ItemStatus(IntEnum):
    """An item's status. The names are documented; the numbers are from a public client.

    The mock uses 1, 2, 4, 5 and 7.
    """

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    REMOVED = 4
    AWAITING_REINSTATE = 5
    HANDLED_BY_CLIENT = 6
    OTHER = 7


class Terms(Value, frozen=True):
    """An item's product, quantity and price. `unit_price` is net, before the coupon is applied."""

    product_id: int
    product_name: str
    quantity: int
    unit_price: Decimal
    coupon: Coupon | None = None
    extension: str = ""  # an addition to the product's name
    english: str = ""  # the product's name in English

    @property
    @exact()
    def price(self) -> Decimal:
        """The price of one unit after the coupon, not rounded."""
        percent = self.coupon.percent if self.coupon else Decimal(0)
        return self.unit_price * (100 - percent) / 100

    @property
    def total(self) -> Decimal:
        """The price of all units for a whole interval, not rounded."""
        return product(Decimal(self.quantity), self.price)


class Pending(Value, frozen=True):
    """Terms that take effect at the renewal that begins interval number `interval`."""

    interval: int
    terms: Terms


class Version(Value, frozen=True):
    """A past version: an item's terms before an update, and when they were requested."""

    number: int
    terms: Terms
    since: datetime


class Item(Value, frozen=True):
    """An item of a subscription, numbered from 1 by `running_number`.

    `terms` apply to the current interval. `pending` is in chronological order. For an item in arrears,
    `charged` counts the units that were charged before the end of the interval. For a deactivated item,
    `last` is the number of the last interval that is billed, and `ended` is when that interval ended.
    """

    running_number: int
    mode: Mode
    terms: Terms
    added: datetime
    since: datetime  # when the current version began
    pending: tuple[Pending, ...] = ()
    charged: int = 0
    version: int = 1
    past: tuple[Version, ...] = ()
    deactivated: datetime | None = None
    last: int | None = None
    ended: datetime | None = None
    may_reinstate: bool = True
    is_removed: bool = False  # whether the item continues in another subscription

    @property
    def asked(self) -> Terms:
        """The terms that were requested last, even if they have not taken effect yet."""
        return self.pending[-1].terms if self.pending else self.terms

    @property
    def uncharged(self) -> int:
        """How many units of an item in arrears remain to be billed at the end of the interval."""
        return max(0, self.terms.quantity - self.charged)

    @property
    def is_active(self) -> bool:
        return self.deactivated is None

    @property
    def status(self) -> ItemStatus:
        """The item's status. AWAITING_REINSTATE for a deactivated item that may be reinstated is inferred."""
        if self.is_removed:
            return ItemStatus.REMOVED
        if self.is_active:
            return ItemStatus.ACTIVE
        return ItemStatus.AWAITING_REINSTATE if self.may_reinstate else ItemStatus.DEACTIVATED

    def is_billed_in(self, interval: int) -> bool:
        return self.last is None or interval <= self.last

    def terms_in(self, interval: int) -> Terms:
        """Return the terms at the start of this interval, as far as they are known."""
        waited = [pending.terms for pending in self.pending if pending.interval <= interval]
        return waited[-1] if waited else self.terms

    def renewed(self, interval: int, at: datetime) -> "Item":
        """Return the item at the start of an interval. An item in arrears keeps its quantity (documented)."""
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
        """Return the item with new terms for the current interval, and with `charged` more units charged."""
        return replace(self, terms=asked, pending=(), charged=self.charged + charged)

    def changed_from(self, interval: int, asked: Terms) -> "Item":
        """Return the item with new terms from an interval on. Terms for earlier intervals don't change."""
        earlier = tuple(pending for pending in self.pending if pending.interval < interval)
        if not earlier and asked == self.terms:
            return replace(self, pending=())
        return replace(self, pending=(*earlier, Pending(interval, asked)))

    def next_version(self, before: "Item", at: datetime) -> "Item":
        """Return the item with a version more than `before` (inferred: each update creates one)."""
        past = (*before.past, Version(before.version, before.asked, before.since))
        return replace(self, version=before.version + 1, past=past, since=at)


class Status(IntEnum):
    """A subscription's status, with the API's numbers.

    They are documented by the newer of two pages, and used by a public client. The mock's subscriptions are
    only active, deactivated or finished.
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
    """What the caller calls an update. It is recorded but has no effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Manner(Value, frozen=True):
    """How to carry out an update (documented).

    `is_aligned`: charge now, not at the next renewal. `is_extended`: extend the interval to a whole one from
    now. `is_preview`: only calculate the cost. `resets`: begin a new interval now, at the full price.
    `mails`: record a mail to the customer.
    """

    is_aligned: bool = False
    is_extended: bool = False
    is_preview: bool = False
    action: UpdateAction = UpdateAction.UPDATE
    mails: bool = True
    resets: bool = False


class Update(Value, frozen=True):
    """The record of an update. `quantity` is the total after the update."""

    at: datetime
    actor: str
    running_number: int
    product_id: int
    quantity: int
    unit_price: Decimal
    coupon: str
    manner: Manner


class Mail(Value, frozen=True):
    """A mail to the customer. It is recorded but not sent.

    Every purchase creates a mail that no parameter can suppress. GenerateMail controls the mail about an
    update.
    """

    at: datetime
    about: str
    can_be_suppressed: bool


class Customer(Value, frozen=True):
    """A customer. `id` is Cleverbridge's number, `reference` is the merchant's own identifier."""

    id: int
    reference: str = ""
    email: str = ""


class Subscription(Entity, eq=False):
    """A subscription. An interval lasts `months` months. `interval` is the number of the current one, from 0.

    Interval number `anchored` begins at `anchor`. The starts of all others are calculated from that date. If
    the next billing date is moved, the new date becomes the anchor.
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
    coming_purchase: int | None = None  # the purchase for the next renewal, if it exists already
    status: Status = Status.ACTIVE
    ended: datetime | None = None
    bills: list[Bill] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)

    @property
    def number(self) -> int:
        """The id without its S, as answers show it."""
        return int(self.id[1:])

    def begins(self, interval: int) -> datetime:
        """Return when an interval begins: on the anchor's day, or on the last day of a shorter month."""
        return add_months(self.anchor, (interval - self.anchored) * self.months)

    @property
    def is_active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def next_billing(self) -> datetime:
        """When the next renewal is due. The current interval ends then, and the next one begins."""
        return self.begins(self.interval + 1)

    @property
    def next_reminder(self) -> datetime:
        """When the next reminder is due. An update before then applies to the next renewal."""
        return self.next_billing - timedelta(days=self.reminder_days)

    @property
    def interval_days(self) -> int:
        """The days in a regular interval that ends when the current one does.

        The current interval may be shorter or longer.
        """
        return (self.next_billing - self.begins(self.interval)).days

    def anchor_at(self, moment: datetime) -> None:
        """End the current interval at this moment. Later intervals are calculated from this moment."""
        self.anchor, self.anchored = moment, self.interval + 1

    def item(self, running_number: int) -> Item:
        """Return the item with this number. Raises Refusal if there is none."""
        for item in self.items:
            if item.running_number == running_number:
                return item
        numbers = ", ".join(str(item.running_number) for item in self.items)
        raise invalid(
            f"Subscription {self.id} has no item with RunningNumber {running_number}; it has {numbers}"
        )

    def with_item(self, changed: Item) -> tuple[Item, ...]:
        """Return the items, with `changed` in place of the item with its number, or added at the end."""
        if changed.running_number > len(self.items):
            return (*self.items, changed)
        return tuple(
            changed if item.running_number == changed.running_number else item for item in self.items
        )
