"""Chargemonk's data model: plans, add-ons, and subscriptions with their terms."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import field

from tallyhook_mock.core import base
from tallyhook_mock.core.base import Entity, Value
from tallyhook_mock.core.bills import Bill, Line
from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.money import ZERO, cents

__all__ = [
    "AddOn",
    "Carried",
    "Plan",
    "Refusal",
    "Subscription",
    "Term",
    "Unbilled",
    "check_code",
    "cycles_text",
]


class Refusal(base.Refusal):
    """A refused call. The vendor's pages show no errors, so the status and the text are inferred."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(status, message)


_LONGEST = 50


class Plan(Value, frozen=True):
    """A plan. `price` is the price of one term.

    A subscription to the plan ends after `billing_cycles` terms, or never if this is None.
    """

    code: str
    name: str
    price: Decimal
    term_months: int
    billing_cycles: int | None = None
    setup_fee: Decimal = ZERO  # charged once, on the first invoice
    description: str = ""


class AddOn(Value, frozen=True):
    """An add-on. `price` is the price of one period. If `period_months` is None, it is charged only once."""

    code: str
    name: str
    price: Decimal
    period_months: int | None
    invoice_name: str = ""
    description: str = ""

    @property
    def text(self) -> str:
        """The add-on's text on invoices: its invoice name, or if that is empty, its name (documented)."""
        return self.invoice_name or self.name

    @property
    def is_recurring(self) -> bool:
        return self.period_months is not None

    def periods_in(self, plan: Plan) -> int:
        """Return how many of the add-on's periods there are in a term of the plan.

        For example, a term of 6 months has 3 periods of 2 months (documented). Raises Refusal if the term is
        not a multiple of the period (inferred).
        """
        periods, rest = divmod(plan.term_months, self.period_months or plan.term_months)
        if rest:
            raise Refusal(
                f"the {self.period_months}-month period of the add-on {self.code} does not divide "
                f"the {plan.term_months}-month term of the plan {plan.code}"
            )
        return periods


def check_code(code: str) -> str:
    """Check a code or an id, and return it. Raises Refusal if it is not valid.

    A code must be short, and only have letters, digits, hyphens and underscores, so that it can be used in
    any URL (inferred).
    """
    if not code.replace("-", "").replace("_", "").isalnum() or not code.isascii() or len(code) > _LONGEST:
        raise Refusal(f"{code[:_LONGEST]!r} is not 1 to {_LONGEST} letters, digits, hyphens and underscores")
    return code


_DAY = timedelta(days=1)


class Term(Value, frozen=True):
    """The time for which the price of a plan is paid: from `start` up to, but not including, `end`."""

    plan: Plan
    start: datetime
    end: datetime

    @property
    def days(self) -> int:
        return (self.end - self.start) // _DAY

    def days_left(self, at: datetime) -> int:
        """Return the number of days from `at` to the term's end.

        The day of `at` is counted in full (inferred).
        """
        return -((at - self.end) // _DAY)


class Carried(Entity, eq=False):
    """An add-on of a subscription.

    `cycles_left` is for how many more terms the add-on is charged. None means for every term. An add-on with
    0 cycles left is no longer charged, and is removed when the time that it is paid for is over (inferred: if
    it were removed with its last invoice, it could be added again and billed twice for the same days).

    Standing: documented.
    """

    add_on: AddOn
    cycles_left: int | None
    paid_until: datetime

    def owing(self, terms: Sequence[Term]) -> Sequence[Term]:
        """Return those of `terms` for which the add-on is not paid yet."""
        return [term for term in terms if term.start >= self.paid_until]

    def owed(self, terms: Sequence[Term]) -> Sequence[Term]:
        """Return the terms to charge the add-on for: those not paid yet, up to the number of cycles left."""
        return self.owing(terms)[: self.cycles_left]

    def pay(self, terms: Sequence[Term]) -> None:
        """Record that the add-on is paid for `terms`. Each term uses up one cycle."""
        if self.cycles_left is not None:
            self.cycles_left -= len(terms)
        self.paid_until = terms[-1].end


class Unbilled(Entity, eq=False):
    """A charge that is waiting for the next automatic invoice (documented), or is already on one."""

    code: str
    subscription: str
    description: str
    amount: Decimal  # of all units
    quantity: Decimal
    at: datetime
    invoice: int | None = None

    @property
    def status(self) -> str:
        """The charge's status: `pending` (documented), or once it is on an invoice, `invoiced` (inferred)."""
        return "pending" if self.invoice is None else "invoiced"

    @property
    def line(self) -> Line:
        each = self.amount / self.quantity
        return Line(self.code, self.description, self.quantity, each, self.amount)


class Subscription(Entity, eq=False):
    """A subscription, billed term by term.

    `next_plan` is the plan of future terms, and `terms_left` is how many of them there can be; None means no
    limit. `terms` are all terms that are paid for: past terms, the current term, and terms paid in advance.
    Each term begins a whole number of months after `anchor`, and the last one ends `months` months after
    `anchor`.
    """

    id: str
    created: datetime
    next_plan: Plan
    terms_left: int | None
    anchor: datetime
    months: int = 0
    terms: list[Term] = field(default_factory=list)
    reached: int = 0
    add_ons: list[Carried] = field(default_factory=list)
    bills: list[Bill] = field(default_factory=list)  # oldest first
    canceled_at: datetime | None = None

    @property
    def is_canceled(self) -> bool:
        """Whether the subscription is canceled.

        A canceled subscription isn't renewed and its add-ons are disabled, but a paid term continues.
        """
        return self.canceled_at is not None

    @property
    def current(self) -> Term | None:
        """The current term. None if the last term is over."""
        return self.terms[self.reached] if self.reached < len(self.terms) else None

    @property
    def status(self) -> str:
        """One of the states on the vendor's pages. The states Future and In Trial don't occur in the mock."""
        if not self.is_canceled:
            return "Active"
        return "Non Renewing" if self.current is not None else "Cancelled"

    @property
    def monthly_revenue(self) -> Decimal:
        """The recurring revenue per month. It includes recurring add-ons, but no setup fee.

        An add-on with a limited number of billing cycles is included while it has cycles left.

        Standing: documented.
        """
        if self.is_canceled:
            return ZERO
        plan = self.next_plan
        carried = (
            each.add_on.price * each.add_on.periods_in(plan)
            for each in self.add_ons
            if each.cycles_left != 0 and each.add_on.is_recurring
        )
        return cents((plan.price + sum(carried, ZERO)) / plan.term_months)

    @property
    def plan(self) -> Plan:
        """The plan of the current term, or if there is no current term, of the next one."""
        return self.current.plan if self.current else self.next_plan

    @property
    def ahead(self) -> Sequence[Term]:
        """The terms paid in advance."""
        return self.terms[self.reached + 1 :]

    @property
    def paid_until(self) -> datetime:
        return self.terms[-1].end

    @property
    def next_billing(self) -> datetime | None:
        """When the paid time is over and the next term is billed. None if no invoice will follow.

        If the plan has no term left, but some are paid in advance, this is the start of the last one, when
        add-ons and waiting charges are invoiced for the last time.
        """
        if self.is_canceled:
            return None
        if self.terms_left == 0:
            return self.ahead[-1].start if self.ahead else None
        return self.paid_until

    def plan_at(self, moment: datetime) -> Plan:
        """Return the plan of the term in which `moment` is."""
        return next(term.plan for term in reversed(self.terms) if term.start <= moment)

    def carried(self, code: str) -> Carried:
        """Return the subscription's add-on with this code. Raises Refusal if there is none."""
        for carried in self.add_ons:
            if carried.add_on.code == code:
                return carried
        raise Refusal(f"{self.id} has no add-on {code!r}")

    def carries(self, add_on: AddOn) -> bool:
        return any(carried.add_on.code == add_on.code for carried in self.add_ons)

    def restart(self, at: datetime) -> None:
        """Undo a cancellation after the last term is over, so that the next term begins at `at`.

        Raises Refusal if the next term would end after the year 9999.
        """
        _mark(at, self.next_plan.term_months)
        self.canceled_at = None
        self.anchor, self.months = at, 0
        self.terms_left = self.next_plan.billing_cycles

    def following(self, count: int) -> list[Term]:
        """Return the next `count` terms after the last one.

        Raises Refusal if they would end after the year 9999.
        """
        plan = self.next_plan
        marks = [_mark(self.anchor, self.months + plan.term_months * number) for number in range(count + 1)]
        return [Term(plan, marks[number], marks[number + 1]) for number in range(count)]

    def extend(self, terms: Sequence[Term]) -> None:
        """Add `terms`, which follow the last term."""
        self.terms.extend(terms)
        self.months += self.next_plan.term_months * len(terms)
        if self.terms_left is not None:
            self.terms_left -= len(terms)


def cycles_text(cycles: int | None) -> str:
    """Return the number of billing cycles left, in words."""
    if cycles is None:
        return "forever"
    return "1 cycle left" if cycles == 1 else f"{cycles or 'no'} cycles left"


def _mark(anchor: datetime, months: int) -> datetime:
    try:
        return add_months(anchor, months)
    except ValueError:
        raise Refusal("no term can end after the year 9999") from None
