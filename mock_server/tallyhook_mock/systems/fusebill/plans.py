"""What plans bill, and how often."""

from decimal import Decimal
from enum import StrEnum

from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.fusebill.dates import Cycle

__all__ = ["Change", "Frequency", "PlanProduct", "Reset", "Timing"]


class Timing(StrEnum):
    """When a product's charge of a period is made (the names are those of an answer, and one inferred)."""

    START = "StartOfPeriod"
    END = "EndOfPeriod"


class Change(StrEnum):
    """When a change of quantity in mid period is charged (documented; the names are inferred)."""

    IMMEDIATE = "Immediate"
    END = "EndOfPeriod"
    NEVER = "None"


class Reset(StrEnum):
    """When a product's quantity goes back to its plan's (documented; two names are inferred)."""

    NEVER = "Never"
    START = "StartOfPeriod"
    END = "EndOfPeriod"


class PlanProduct(Value, frozen=True):
    """A product of a plan, at `price` for one unit and one period."""

    id: int
    code: str
    name: str
    price: Decimal
    quantity: Decimal = Decimal(1)
    timing: Timing = Timing.START
    change: Change = Change.IMMEDIATE
    reset: Reset = Reset.NEVER
    prorates: bool = True
    most: Decimal | None = None
    is_tracked: bool = False  # each unit is an item with a reference of its own


class Frequency(Value, frozen=True):
    """How often a plan bills, and what: subscriptions are made of it."""

    id: int
    plan_code: str
    plan_name: str
    cycle: Cycle
    intervals: int
    products: tuple[PlanProduct, ...]
