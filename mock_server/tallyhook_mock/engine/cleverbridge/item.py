"""An item of a subscription: what it is billed by, and what has been asked for since."""

from decimal import Decimal
from enum import StrEnum

from msgspec.structs import replace

from tallyhook_mock.engine.cleverbridge.product import Coupon
from tallyhook_mock.engine.money import exact, product
from tallyhook_mock.engine.record import Record

__all__ = ["Item", "Mode", "Pending", "Terms"]


class Mode(StrEnum):
    """When an item is billed (documented; the words are inferred)."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for the interval to come
    ARREARS = "ARREARS"  # at its end, by the quantity as of the end


class Terms(Record, frozen=True):
    """What of, how much, and at what price. `unit_price` is net, before the coupon."""

    product_id: int
    product_name: str
    quantity: int
    unit_price: Decimal
    coupon: Coupon | None = None

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


class Pending(Record, frozen=True):
    """Terms that wait for the renewal that begins interval number `interval`."""

    interval: int
    terms: Terms


class Item(Record, frozen=True):
    """Numbered from 1 by `running_number`.

    `terms` are those of the current interval. `pending` is in order of time. `charged` counts the units of an
    item in arrears for which the customer has paid ahead of the interval's end.
    """

    running_number: int
    mode: Mode
    terms: Terms
    pending: tuple[Pending, ...] = ()
    charged: int = 0

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

    def terms_in(self, interval: int) -> Terms:
        """The terms that this interval begins with, as far as is known."""
        waited = [pending.terms for pending in self.pending if pending.interval <= interval]
        return waited[-1] if waited else self.terms

    def renewed(self, interval: int) -> "Item":
        """The item as this interval begins. What an item in arrears stands at stays (inferred)."""
        waiting = tuple(pending for pending in self.pending if pending.interval > interval)
        return replace(self, terms=self.terms_in(interval), pending=waiting, charged=0)

    def changed_now(self, asked: Terms, *, charged: int) -> "Item":
        """New terms for the current interval, of which `charged` more units are charged ahead."""
        return replace(self, terms=asked, pending=(), charged=self.charged + charged)

    def changed_from(self, interval: int, asked: Terms) -> "Item":
        """New terms from an interval on; what was asked for earlier intervals stays."""
        earlier = tuple(pending for pending in self.pending if pending.interval < interval)
        if not earlier and asked == self.terms:
            return replace(self, pending=())
        return replace(self, pending=(*earlier, Pending(interval, asked)))
