"""An item of a subscription: what it is billed by, what has been asked for since, and its versions."""

from datetime import datetime
from decimal import Decimal
from enum import IntEnum

from msgspec.structs import replace

from tallyhook_mock.engine.cleverbridge.product import Coupon, Mode
from tallyhook_mock.engine.record import Record

__all__ = ["Item", "ItemStatus", "Mode", "Pending", "Terms", "Version"]


class ItemStatus(IntEnum):
    """As numbers, by a public client; the words are documented. The mock uses the first two and 5."""

    ACTIVE = 1
    DEACTIVATED = 2
    FINISHED = 3
    REMOVED = 4
    AWAITING_REINSTATE = 5
    HANDLED_BY_CLIENT = 6
    OTHER = 7


class Terms(Record, frozen=True):
    """What of, how much, and at what price. `unit_price` is net, before the coupon."""

    product_id: int
    product_name: str
    quantity: int
    unit_price: Decimal
    coupon: Coupon | None = None
    extension: str = ""  # of the product's name
    english: str = ""  # the product's name in English

    @property
    def price(self) -> Decimal:
        """Of one unit, less the coupon; not rounded."""
        percent = self.coupon.percent if self.coupon else Decimal(0)
        return self.unit_price * (100 - percent) / 100

    @property
    def total(self) -> Decimal:
        """Of a whole interval; not rounded."""
        return self.quantity * self.price


class Pending(Record, frozen=True):
    """Terms that wait for the renewal that begins interval number `interval`."""

    interval: int
    terms: Terms


class Version(Record, frozen=True):
    """What an item was asked to be before its latest update, and since when."""

    number: int
    terms: Terms
    since: datetime


class Item(Record, frozen=True):
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
