"""Products and what they sell: plans with tracked items, and promotions."""

from collections import Counter
from datetime import datetime
from decimal import Decimal

from msgspec import field

from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.frequencies import FREQUENCIES, Frequency
from tallyhook_mock.core.money import NOTHING, ZERO
from tallyhook_mock.systems.cheddar.settings import Rules

__all__ = [
    "BILL_COUNT_UNITS",
    "CHANGE_HANDLERS",
    "CHARGE_CODE_LENGTH",
    "CHARGE_TYPES",
    "HANDLERS",
    "Coupon",
    "Item",
    "Plan",
    "PlanItem",
    "Product",
    "Promotion",
    "recurring_code",
]

# An item with this included quantity is unlimited (documented).
UNLIMITED = Decimal("99999999.9")
CHARGE_CODE_LENGTH = 36  # documented

CHARGE_TYPES = ("setup", "recurring", "overage", "custom")  # what a promotion can be limited to (documented)
BILL_COUNT_UNITS = ("days", "weeks", "months", "years")
HANDLERS = ("now", "no")
CHANGE_HANDLERS = ("now", "next", "no")  # recorded documents have `next`; only `now` bills at once


def recurring_code(plan_code: str) -> str:
    """Return the default code of a plan's recurring charge, such as SMALL_RECURRING for SMALL (recorded)."""
    return f"{plan_code}_RECURRING"[-CHARGE_CODE_LENGTH:]


class Item(Value, frozen=True):
    """A tracked item. It has the same id on all plans of a product (recorded)."""

    id: int
    code: str
    name: str
    created: datetime


class PlanItem(Value, frozen=True):
    """A tracked item on a plan, with the included quantity and the price of each unit above that quantity.

    Standing: documented; staff 2012.
    """

    item: Item
    quantity_included: Decimal
    overage_amount: Decimal
    is_periodic: bool
    created: datetime

    @property
    def hard_limit(self) -> Decimal | None:
        """The largest quantity allowed, or None if there is no limit.

        An item without an overage price can't exceed its included quantity.
        """
        if self.overage_amount == 0 and 0 < self.quantity_included < UNLIMITED:
            return self.quantity_included
        return None

    def overage(self, quantity: Decimal) -> Decimal:
        """Return how many units above the included quantity are billed. Items are never prorated."""
        if self.quantity_included >= UNLIMITED:
            return NOTHING
        return max(NOTHING, quantity - self.quantity_included)


class Plan(Value, frozen=True, eq=False):
    """A plan: the price of a subscription and the items that it tracks. An edit replaces the Plan object."""

    id: int
    code: str
    name: str
    description: str
    frequency: Frequency
    recurring_charge_code: str
    recurring_charge_amount: Decimal
    created: datetime
    items: tuple[PlanItem, ...] = ()
    setup_charge_code: str = ""
    setup_charge_amount: Decimal = ZERO
    is_active: bool = True
    is_free: bool = False
    payment_method_is_required: bool = True
    trial_days: int = 0
    initial_bill_count: int = 0
    initial_bill_count_unit: str = "days"
    on_change_initial_bill_handler: str = "no"
    setup_charge_bill_handler: str = "now"
    on_change_setup_charge_bill_handler: str = "no"

    def item(self, code: str) -> PlanItem | None:
        return next((planned for planned in self.items if planned.item.code == code), None)

    def first_bill(self, at: datetime, rules: Rules) -> datetime:
        """Return the first bill date of a subscription that starts at `at`.

        It comes after the trial and the initial delay.
        """
        start = FREQUENCIES["daily"].after(at, self.trial_days)
        unit = Frequency("", "", self.initial_bill_count_unit, 1)
        return unit.after(start or at, self.initial_bill_count, rules.add_months) or at


class Coupon(Value, frozen=True):
    id: int
    code: str
    created: datetime
    max_redemptions: int | None = None
    expiration: datetime | None = None


class Promotion(Value, frozen=True):
    """A percentage discount on each charge code, for some months or indefinitely.

    If `plans` is empty, the promotion applies to every plan (documented).
    """

    id: int
    incentive_id: int
    name: str
    description: str
    percentage: Decimal
    created: datetime
    months: int | None = None
    plans: tuple[str, ...] = ()
    coupons: tuple[Coupon, ...] = ()
    expiration: datetime | None = None
    charge_types: tuple[str, ...] = ()  # some of CHARGE_TYPES; if empty, a setting decides


class Product(Entity, eq=False):
    """A product with its plans, items and promotions.

    Hooks about the product's customers are signed with `secret`, by the scheme that `signature` names.
    """

    id: int
    code: str
    name: str
    subdomain: str
    secret: str
    currency: str = "$"
    requires_card_code: bool = False
    requires_zip: bool = False
    bill_reminder_days: tuple[int, ...] = ()
    signature: str = "cheddar"
    tax_rate: Decimal | None = None  # of every customer who has no rate of their own (documented)
    is_tax_exempt: bool = False
    declining_zip: str = ""  # the gateway accepts a card with this `ccZip` but declines each charge
    rules: Rules = Rules()
    items: dict[str, Item] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    promotions: dict[str, Promotion] = field(default_factory=dict)
    redemptions: Counter[str] = field(default_factory=Counter)  # by coupon code
