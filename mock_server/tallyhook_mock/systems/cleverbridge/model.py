"""Products, coupons, subscriptions and their items, and the state that holds them."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import field
from msgspec.structs import replace

from tallyhook_mock.core.base import BillingSystem, Entity, Happening, Value
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.invoice_lines import Bill, Line
from tallyhook_mock.core.money import exact, product

__all__ = [
    "Coupon",
    "Item",
    "Manner",
    "Mode",
    "Pending",
    "Product",
    "Refusal",
    "State",
    "Status",
    "Subscription",
    "Terms",
    "Update",
    "UpdateAction",
]


class Refusal(ValueError):
    """A call that was not carried out; nothing has changed.

    `status` is the HTTP status, `code` names what is wrong for a program, `message` says it for a person.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class Product(Value, frozen=True):
    """`price` is net, for one unit and one interval."""

    id: int
    name: str
    price: Decimal


class Coupon(Value, frozen=True):
    """`percent` off an item's price, from the update that brings it, for good (inferred)."""

    code: str
    percent: Decimal


class Mode(StrEnum):
    """When an item is billed (documented; the words are inferred)."""

    ADVANCE = "ADVANCE"  # at the start of an interval, for the interval to come
    ARREARS = "ARREARS"  # at its end, by the quantity as of the end


class Terms(Value, frozen=True):
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


class Pending(Value, frozen=True):
    """Terms that wait for the renewal that begins interval number `interval`."""

    interval: int
    terms: Terms


class Item(Value, frozen=True):
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


class Status(StrEnum):
    """Inferred."""

    ACTIVE = "ACT"
    DEACTIVATED = "DEA"


class UpdateAction(StrEnum):
    """What a caller says an update is, for the record only: it has no effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Manner(Value, frozen=True):
    """How an update is to be carried out (documented).

    `is_aligned`: charge now, not at the next renewal; `is_extended`: for a full interval, not for what is
    left of it; `is_preview`: only say what it would cost. `mails` is recorded, no mail is sent.
    """

    is_aligned: bool = False
    is_extended: bool = False
    is_preview: bool = False
    action: UpdateAction = UpdateAction.UPDATE
    mails: bool = True


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


class Subscription(Entity, eq=False):
    """Intervals are counted from 0, each of `months` months, from `start`; `interval` is the current one."""

    id: str
    customer: str
    currency: str
    months: int
    start: datetime
    interval: int
    items: tuple[Item, ...]
    vat_percent: Decimal
    reminder_days: int
    status: Status = Status.ACTIVE
    bills: list[Bill] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)

    def begins(self, interval: int) -> datetime:
        """When an interval begins: the start's day of the month, or the last of a shorter month."""
        return add_months(self.start, interval * self.months)

    @property
    def is_active(self) -> bool:
        return self.status is Status.ACTIVE

    @property
    def interval_start(self) -> datetime:
        return self.begins(self.interval)

    @property
    def next_billing(self) -> datetime:
        """The renewal: the end of the current interval and the start of the next."""
        return self.begins(self.interval + 1)

    @property
    def next_reminder(self) -> datetime:
        """Up to, not including, this moment an update counts for the next renewal."""
        return self.next_billing - timedelta(days=self.reminder_days)

    def item(self, running_number: int) -> Item:
        """Refusal if there is none of that number."""
        for item in self.items:
            if item.running_number == running_number:
                return item
        numbers = ", ".join(str(item.running_number) for item in self.items)
        raise Refusal(
            400,
            "RunningNumberNotFound",
            f"Subscription {self.id} has no item with RunningNumber {running_number}; it has {numbers}",
        )

    def with_item(self, changed: Item) -> tuple[Item, ...]:
        """The items as they would be with one of them changed."""
        return tuple(
            changed if item.running_number == changed.running_number else item for item in self.items
        )


_FIRST_ID = 1001


class State(BillingSystem):
    """Users, products, coupons and subscriptions.

    Commands are the functions of `subscriptions` and `updates`: each takes the state and the moment, changes
    the state or raises a `Refusal`, and leaves what happened for `take_events`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, str] = {}
        self.products: dict[int, Product] = {}
        self.coupons: dict[str, Coupon] = {}
        # For subscriptions to come that don't say it themselves.
        self.vat_percent = Decimal(0)
        self.reminder_days = 0
        self._subscriptions: dict[str, Subscription] = {}
        self._bills = 0

    # -- what is there

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """In order of creation."""
        return self._subscriptions.values()

    def subscription(self, id: str) -> Subscription:
        """Refusal if there is none."""
        try:
            return self._subscriptions[id]
        except KeyError:
            raise Refusal(404, "SubscriptionNotFound", f"There is no subscription {id!r}") from None

    def has_subscription(self, id: str) -> bool:
        return id in self._subscriptions

    def product(self, id: int) -> Product:
        """Refusal if there is none."""
        try:
            return self.products[id]
        except KeyError:
            raise Refusal(400, "ProductNotFound", f"There is no product with ProductId {id}") from None

    def coupon(self, code: str) -> Coupon:
        """Refusal if there is none."""
        try:
            return self.coupons[code]
        except KeyError:
            raise Refusal(400, "CouponNotFound", f"There is no coupon with CouponCode {code!r}") from None

    # -- what changes (for the commands)

    def free_ids(self) -> Iterator[str]:
        """Ids for subscriptions that bring none, in order."""
        number = _FIRST_ID + len(self._subscriptions)
        while True:
            if f"S{number}" not in self._subscriptions:
                yield f"S{number}"
            number += 1

    def add_subscription(self, subscription: Subscription) -> None:
        self._subscriptions[subscription.id] = subscription

    def add_bill(self, subscription: Subscription, lines: tuple[Line, ...], at: datetime) -> Bill:
        """Bills are numbered through the system."""
        self._bills += 1
        bill = Bill(self._bills, at, subscription.id, subscription.currency, lines)
        subscription.bills.append(bill)
        return bill

    # -- what happened

    def emit(
        self,
        kind: str,
        at: datetime,
        subscription: Subscription,
        note: str = "",
        *,
        bill: Bill | None = None,
        item: str = "",
        quantity: Decimal | None = None,
    ) -> None:
        self.note(
            Happening(
                kind,
                at,
                self.actor,
                subscription.id,
                note,
                bill.number if bill else None,
                bill.total if bill else None,
                item,
                quantity,
            )
        )
