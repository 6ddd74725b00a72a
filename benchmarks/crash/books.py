"""Each customer's usage, what the customer's review declares, and the amount due.

All of this depends only on the seed and the customer's code. The receiver's process takes the usage from
here. The harness checks the bills against `due`, which doesn't use invoices, journals or the mock's engine.
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
    """A customer's usage and adjustments in a period.

    `adjustments` may contain two equal entries. They are two separate charges.
    """

    gigabytes: Decimal
    adjustments: tuple[Adjustment, ...]
    runs_at_once: bool

    @property
    def counted(self) -> Counter[Adjustment]:
        return Counter(self.adjustments)

    @property
    def due(self) -> Decimal:
        """The amount due for the period, rounded to cents, before any credit is carried forward."""
        overage = max(Decimal(0), self.gigabytes - INCLUDED) * OVERAGE
        lines = [BASE, overage.quantize(Decimal("0.01"), ROUND_HALF_UP)]
        return sum(lines + [adjustment.amount for adjustment in self.adjustments], Decimal(0))


def usage_of(seed: int, customer: str, version: int = 0) -> Usage:
    """Return a customer's usage. It is the same in every process for the same seed, customer and version.

    Version 0 is the first declaration. Each later version has another quantity and one other adjustment.
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
