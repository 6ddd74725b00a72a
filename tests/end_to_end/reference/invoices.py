"""Plans, promotions, and the amounts of invoices."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

ZERO = Decimal(0)
FORWARD = "CREDIT_FORWARD"


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(frozen=True)
class Item:
    """A tracked item of a plan."""

    code: str
    included: Decimal
    price: Decimal
    resets: bool

    def over(self, quantity: Decimal) -> Decimal:
        return max(ZERO, quantity - self.included)


@dataclass(frozen=True)
class Plan:
    code: str
    amount: Decimal
    frequency: str = "monthly"
    free: bool = False
    trial: int = 0
    trial_unit: str = "days"
    setup: Decimal = ZERO
    setup_at_sign_up: bool = True
    setup_at_change: bool = False
    prorates: bool = False
    items: tuple[Item, ...] = ()

    @property
    def recurring_code(self) -> str:
        return f"{self.code}_RECURRING"

    @property
    def setup_code(self) -> str:
        return f"{self.code}_SETUP"


@dataclass(frozen=True)
class Promotion:
    coupon: str
    percent: Decimal
    months: int | None = None
    plans: frozenset[str] | None = None
    types: frozenset[str] = frozenset({"setup", "recurring", "overage", "custom"})

    def covers(self, plan: Plan) -> bool:
        return self.plans is None or plan.code in self.plans


@dataclass(frozen=True, order=True)
class Line:
    """A line of an invoice. `type` is the charge's type on the wire; an overage is an `item`."""

    type: str
    code: str
    quantity: Decimal
    each: Decimal

    @property
    def amount(self) -> Decimal:
        return cents(self.quantity * self.each)


@dataclass
class Invoice:
    """Pending until the terms are fixed at the bill date, then held, unpaid, paid or void."""

    number: int
    start: datetime
    at: datetime
    type: str = "subscription"
    state: str = "pending"
    custom: list[Line] = field(default_factory=list)
    setup: Line | None = None
    # fixed at the bill date
    recurring: Line | None = None
    items: tuple[Item, ...] = ()
    quantities: dict[str, Decimal] = field(default_factory=dict)
    promotion: Promotion | None = None
    tax_rate: Decimal = ZERO
    # its outcome
    run_at: datetime | None = None
    retries: list[datetime] = field(default_factory=list)
    tries: list[tuple[datetime, Decimal, str]] = field(default_factory=list)
    refunded: Decimal = ZERO
    adjusted: Decimal = ZERO

    def copied(self) -> "Invoice":
        lists = {"custom": [*self.custom], "retries": [*self.retries], "tries": [*self.tries]}
        return replace(self, quantities=dict(self.quantities), **lists)

    def charges(self) -> Iterator[Line]:
        if self.recurring:
            yield self.recurring
        if self.setup:
            yield self.setup
        for item in self.items:
            yield Line("item", item.code, item.over(self.quantities[item.code]), item.price)
        yield from self.custom

    def lines(self) -> list[Line]:
        """All charges, and a credit for each code that a promotion reduces (K81)."""
        charges = list(self.charges())
        if self.promotion is None:
            return charges
        sums: dict[str, Decimal] = {}
        for line in charges:
            if ("overage" if line.type == "item" else line.type) in self.promotion.types:
                sums[line.code] = sums.get(line.code, ZERO) + line.amount
        off = (
            (code, cents(whole * self.promotion.percent / 100)) for code, whole in sums.items() if whole > 0
        )
        return charges + [Line("custom", code, Decimal(1), -amount) for code, amount in off if amount]

    @property
    def net(self) -> Decimal:
        return sum((line.amount for line in self.lines()), ZERO)

    @property
    def tax(self) -> Decimal:
        return cents(max(ZERO, self.net) * self.tax_rate)

    @property
    def total(self) -> Decimal:
        return max(ZERO, self.net) + self.tax

    @property
    def carried(self) -> Decimal:
        """The amount carried to the next recurring invoice (K76): 0 or negative."""
        return min(ZERO, self.net)

    @property
    def worth(self) -> Decimal:
        """How much was really paid for the recurring charge."""
        if self.recurring is None or self.state != "paid":
            return ZERO
        price = self.recurring.amount
        if self.promotion and "recurring" in self.promotion.types:
            price -= cents(price * self.promotion.percent / 100)
        taken = max(ZERO, self.net)
        if self.refunded:
            taken = taken * (self.total - self.refunded) / self.total
        credit = self.adjusted - sum((line.amount for line in self.custom if line.code == FORWARD), ZERO)
        return min(price, taken + max(ZERO, credit + self.carried))
