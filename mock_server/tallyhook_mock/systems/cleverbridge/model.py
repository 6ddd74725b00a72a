"""Cleverbridge's data model: products, customers, and subscriptions, whose items have versions."""

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
    """Return a Refusal with status 400, for a call that is incomplete or can't be read."""
    return Refusal(400, message)


def invalid(message: str) -> Refusal:
    """Return a Refusal with status 402, for a call that can be read but not carried out."""
    return Refusal(402, message)


def unknown(message: str) -> Refusal:
    """Return a Refusal with status 404, for an unknown subscription, product, customer or purchase."""
    return Refusal(404, message)


class Mode(StrEnum):
    """When an item is billed (documented). The two names are inferred: the API's answers don't show them."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for that interval
    ARREARS = "ARREARS"  # at the end of an interval, for the quantity at that time


class Product(Value, frozen=True):
    """A product. `price` is the net price of one unit for one interval.

    `mode` is the billing mode of items that are added through the API.
    """

    id: int
    name: str
    price: Decimal
    mode: Mode = Mode.ADVANCE


class Coupon(Value, frozen=True):
    """A coupon that takes `percent` percent off an item's price, permanently.

    The discount applies from the update that names the coupon (inferred).
    """

    code: str
    percent: Decimal


class ItemStatus(IntEnum):
    """An item's status. The names are documented; the numbers are from a public client.

    The mock uses only 1, 2, 4, 5 and 7.
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
        """The price of one unit with the coupon's discount, not rounded."""
        percent = self.coupon.percent if self.coupon else Decimal(0)
        return self.unit_price * (100 - percent) / 100

    @property
    def total(self) -> Decimal:
        """The price of all units for a whole interval, not rounded."""
        return product(Decimal(self.quantity), self.price)


class Pending(Value, frozen=True):
    """New terms that are waiting for a renewal. They take effect when interval number `interval` begins."""

    interval: int
    terms: Terms


class Version(Value, frozen=True):
    """A past version of an item: its terms before an update, and when the terms were requested (`since`)."""

    number: int
    terms: Terms
    since: datetime


class Item(Value, frozen=True):
    """An item of a subscription, numbered from 1 by `running_number`.

    `terms` apply to the current interval, and `pending` lists later terms in chronological order. For an item
    billed in arrears, `charged` is how many units were already charged before the end of the interval. For a
    deactivated item, `last` is the number of the last interval that is billed, and `ended` is when that
    interval ended.
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
        """For an item billed in arrears, how many units remain to be billed at the end of the interval."""
        return max(0, self.terms.quantity - self.charged)

    @property
    def is_active(self) -> bool:
        return self.deactivated is None

    @property
    def status(self) -> ItemStatus:
        """The item's status. A deactivated item that may be reinstated is AWAITING_REINSTATE (inferred)."""
        if self.is_removed:
            return ItemStatus.REMOVED
        if self.is_active:
            return ItemStatus.ACTIVE
        return ItemStatus.AWAITING_REINSTATE if self.may_reinstate else ItemStatus.DEACTIVATED

    def is_billed_in(self, interval: int) -> bool:
        return self.ended is None and (self.last is None or interval <= self.last)

    def terms_in(self, interval: int) -> Terms:
        """Return the terms at the start of interval number `interval`, as far as they are known now."""
        waited = [pending.terms for pending in self.pending if pending.interval <= interval]
        return waited[-1] if waited else self.terms

    def renewed(self, interval: int, at: datetime) -> "Item":
        """Return the item at the start of interval number `interval`.

        An item billed in arrears keeps its quantity (documented).
        """
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
        """Return the item with the terms `asked` from now on, and `charged` more units marked as charged."""
        return replace(self, terms=asked, pending=(), charged=self.charged + charged)

    def changed_from(self, interval: int, asked: Terms) -> "Item":
        """Return the item with the terms `asked` from interval number `interval` on.

        Its terms for earlier intervals don't change.
        """
        earlier = tuple(pending for pending in self.pending if pending.interval < interval)
        if not earlier and asked == self.terms:
            return replace(self, pending=())
        return replace(self, pending=(*earlier, Pending(interval, asked)))

    def next_version(self, before: "Item", at: datetime) -> "Item":
        """Return the item as the version after `before` (inferred: each update creates one version)."""
        past = (*before.past, Version(before.version, before.asked, before.since))
        return replace(self, version=before.version + 1, past=past, since=at)


class Status(IntEnum):
    """A subscription's status, with the API's numbers.

    The numbers are documented on the newer of two pages, and a public client uses them. The mock's
    subscriptions are always active, deactivated or finished.
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
        """The status as three letters, such as ACT (documented)."""
        return CODES[self - 1]


CODES = ("ACT", "DEA", "FIN", "GRA", "HLD", "NEW", "HBC", "WNO")


class UpdateAction(StrEnum):
    """The name that a caller gives to an update. It is recorded but has no effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Manner(Value, frozen=True):
    """How to carry out an update (documented).

    Attributes:
        is_aligned: whether to charge now, not at the next renewal.
        is_extended: whether to extend the current interval to end one whole interval from now.
        is_preview: whether to only calculate the cost.
        action: the name that the caller gives to the update.
        mails: whether to record an email to the customer.
        resets: whether to begin a new interval now, at the full price.
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
    """An email to the customer. It is recorded but not sent.

    Every purchase creates an email that no parameter can suppress. The email about an update can be
    suppressed with the parameter `GenerateMail`.
    """

    at: datetime
    about: str
    can_be_suppressed: bool


class Customer(Value, frozen=True):
    """A customer. `id` is Cleverbridge's number, and `reference` is the merchant's own identifier."""

    id: int
    reference: str = ""
    email: str = ""


class Subscription(Entity, eq=False):
    """A subscription, billed in intervals of `months` months.

    `interval` is the number of the current interval; the first one is 0. Interval number `anchored` begins at
    `anchor`, and the starts of all other intervals are calculated from that date. If the next billing date is
    moved, the new date becomes the anchor.
    """

    id: str
    customer: Customer
    currency: str
    months: int
    start: datetime
    items: tuple[Item, ...]
    vat_percent: Decimal
    reminder_days: int
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
        """The id without the leading S, as the API's answers show it."""
        return int(self.id[1:])

    def begins(self, interval: int) -> datetime:
        """Return when interval number `interval` begins.

        This is on the anchor's day of the month, or on the last day of a shorter month.
        """
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
        """The length in days of a regular interval that ends when the current interval ends.

        The current interval itself may be shorter or longer.
        """
        return (self.next_billing - self.begins(self.interval)).days

    def anchor_at(self, moment: datetime) -> None:
        """Make the current interval end at `moment`, and calculate later intervals from there."""
        self.anchor, self.anchored = moment, self.interval + 1

    def take_purchase(self) -> int | None:
        """Return the purchase for the next renewal, if it exists already. It is then no longer waiting."""
        purchase, self.coming_purchase = self.coming_purchase, None
        return purchase

    def item(self, running_number: int) -> Item:
        """Return the item with this running number. Raises Refusal if there is none."""
        for item in self.items:
            if item.running_number == running_number:
                return item
        numbers = ", ".join(str(item.running_number) for item in self.items)
        raise invalid(
            f"Subscription {self.id} has no item with RunningNumber {running_number}; it has {numbers}"
        )

    def with_item(self, changed: Item) -> tuple[Item, ...]:
        """Return the items with `changed` in place of the item that has the same running number.

        If no item has this number, `changed` is added at the end.
        """
        if changed.running_number > len(self.items):
            return (*self.items, changed)
        return tuple(
            changed if item.running_number == changed.running_number else item for item in self.items
        )
