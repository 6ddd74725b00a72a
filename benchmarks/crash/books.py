"""What each customer uses, what its review declares and what it has to pay, from seed and code alone.

The receiver's process reads its usage here, and the harness checks the bills against `due`, which knows
nothing of invoices, journals or the mock's engine.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

__all__ = ["PLAN", "PLAN_CODE", "Adjustment", "Usage", "usage_of"]

BASE = Decimal("20.00")
INCLUDED = Decimal(2)
OVERAGE = Decimal("2.50")

PLAN_CODE = "CRASH"
PLAN = {
    "code": PLAN_CODE,
    "recurringChargeAmount": str(BASE),
    "items": [
        {"code": "GB", "quantityIncluded": str(INCLUDED), "overageAmount": str(OVERAGE), "isPeriodic": True}
    ],
}


@dataclass(frozen=True)
class Adjustment:
    code: str
    amount: Decimal
    description: str


@dataclass(frozen=True)
class Usage:
    """`adjustments` may hold the same one twice: two charges of one content are two charges."""

    gigabytes: Decimal
    adjustments: tuple[Adjustment, ...]
    runs_at_once: bool

    @property
    def counted(self) -> Counter[Adjustment]:
        return Counter(self.adjustments)

    @property
    def due(self) -> Decimal:
        """What the customer has to pay for the period, in cents, before any credit is carried forward."""
        overage = max(Decimal(0), self.gigabytes - INCLUDED) * OVERAGE
        lines = [BASE, overage.quantize(Decimal("0.01"), ROUND_HALF_UP)]
        return sum(lines + [adjustment.amount for adjustment in self.adjustments], Decimal(0))


def usage_of(seed: int, customer: str, version: int = 0) -> Usage:
    """The same for the same seed and customer, in whatever process.

    Version 0 is what is known at first; each later one differs in the quantity and one adjustment.
    """
    dice = random.Random(f"{seed}/{customer}")
    adjustments = [_adjustment(dice) for _ in range(dice.randint(1, 3))]
    if dice.random() < 0.4:
        adjustments.append(adjustments[0])
    usage = Usage(Decimal(dice.randrange(0, 400_000)) / 10_000, tuple(adjustments), dice.random() < 0.25)
    for number in range(1, version + 1):
        dice = random.Random(f"{seed}/{customer}/{number}")
        gigabytes = Decimal(dice.randrange(0, 400_000)) / 10_000
        usage = replace(usage, gigabytes=gigabytes, adjustments=(*usage.adjustments[1:], _adjustment(dice)))
    return usage


def _adjustment(dice: random.Random) -> Adjustment:
    return Adjustment(
        dice.choice(["SUPPORT", "SEAT_PRORATION", "SLA_CREDIT"]),
        Decimal(dice.randrange(-700, 2000)) / 100 or Decimal("0.01"),
        dice.choice(["", "as agreed", "zugesagt – «été»"]),
    )
