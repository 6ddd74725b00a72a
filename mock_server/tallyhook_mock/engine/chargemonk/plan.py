"""What is on offer: plans by the term, and the add-ons that go with them."""

from decimal import Decimal

from tallyhook_mock.engine.chargemonk.refusal import Refusal
from tallyhook_mock.engine.record import Record

__all__ = ["AddOn", "Plan", "check_code"]

_LONGEST = 50


class Plan(Record, frozen=True):
    """`price` is that of a term. After `billing_cycles` terms the subscription ends; None: it does not."""

    code: str
    name: str
    price: Decimal
    term_months: int
    billing_cycles: int | None = None


class AddOn(Record, frozen=True):
    """`price` is that of a period. One without `period_months` is charged once, and does not recur."""

    code: str
    name: str
    price: Decimal
    period_months: int | None

    @property
    def is_recurring(self) -> bool:
        return self.period_months is not None

    def periods_in(self, plan: Plan) -> int:
        """How many of its periods a term of the plan has: 3 of two months in six (documented).

        Refusal if the term is no multiple of the period (inferred).
        """
        periods, rest = divmod(plan.term_months, self.period_months or plan.term_months)
        if rest:
            raise Refusal(
                f"the {self.period_months}-month period of the add-on {self.code} does not divide "
                f"the {plan.term_months}-month term of the plan {plan.code}"
            )
        return periods


def check_code(code: str) -> str:
    """A code or an id as it may be given; Refusal for another one.

    Short, and of letters, digits, hyphens and underscores, so that it stands in any address (inferred).
    """
    if not code.replace("-", "").replace("_", "").isalnum() or not code.isascii() or len(code) > _LONGEST:
        raise Refusal(f"{code[:_LONGEST]!r} is not 1 to {_LONGEST} letters, digits, hyphens and underscores")
    return code
