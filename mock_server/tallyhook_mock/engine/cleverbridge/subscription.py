"""A subscription: its items, its intervals, and what it was billed."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import field

from tallyhook_mock.engine.bill import Bill
from tallyhook_mock.engine.calendar import add_months
from tallyhook_mock.engine.cleverbridge.item import Item
from tallyhook_mock.engine.cleverbridge.refusal import Refusal
from tallyhook_mock.engine.record import Noun, Record

__all__ = ["Manner", "Status", "Subscription", "Update", "UpdateAction"]


class Status(StrEnum):
    """Inferred."""

    ACTIVE = "ACT"
    DEACTIVATED = "DEA"


class UpdateAction(StrEnum):
    """What a caller says an update is, for the record only: it has no effect (documented)."""

    UPDATE = "update"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"


class Manner(Record, frozen=True):
    """How an update is to be carried out (documented).

    `is_aligned`: charge now, not at the next renewal; `is_extended`: for a full interval, not for what is
    left of it; `is_preview`: only say what it would cost. `mails` is recorded, no mail is sent.
    """

    is_aligned: bool = False
    is_extended: bool = False
    is_preview: bool = False
    action: UpdateAction = UpdateAction.UPDATE
    mails: bool = True


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


class Subscription(Noun, eq=False):
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
