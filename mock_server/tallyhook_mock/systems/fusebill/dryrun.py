"""Previews how a change affects the next invoices, by making it on a copy and advancing the copy in time."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.bills import Bill
from tallyhook_mock.systems.fusebill.model import BillingPeriodDefinition, Customer, Subscription
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["Change", "Find", "Forecast", "forecast"]

Subject: TypeAlias = BillingPeriodDefinition | Subscription
Find: TypeAlias = Callable[[State], Subject]
Change: TypeAlias = Callable[[State], None]

_INVOICES = 3
_PERIODS = 6  # a definition that hasn't billed three times by then bills nothing


class Forecast(Value, frozen=True):
    """A forecast invoice, and the period in which it is sent: at its end, or some days earlier."""

    start: datetime
    end: datetime
    bill: Bill

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def days_counted(self) -> int:
        """The length of the period in days as the vendor counts it, including the day of the invoice."""
        return self.days + 1


def forecast(state: State, customer: Customer, find: Find, change: Change | None = None) -> list[Forecast]:
    """Return the next invoices of a billing period definition or subscription, at most three.

    `find` returns the definition or subscription. If `change` is given, it is carried out first. Both
    functions are called with a separate state that contains only a copy of `customer`. The ids in the copy
    are the same. Raises Refusal if the change is refused.
    """
    alone, copy = state.apart(customer)
    if change is not None:
        change(alone)
    subject = find(alone)
    subscriptions = subject.subscriptions if isinstance(subject, BillingPeriodDefinition) else [subject]
    items = {item for subscription in subscriptions for item in subscription.items}
    items |= {charge.item for subscription in subscriptions for charge in subscription.charges}
    found: list[Forecast] = []
    for _ in range(_PERIODS):
        start = subject.begun if isinstance(subject, Subscription) else subject.start
        end, known = subject.end, len(copy.bills)
        alone.catch_up(end)
        found += (
            Forecast(start, end, bill)
            for bill in copy.bills[known:]
            if any(line.item in items for line in bill.lines)
        )
    return found[:_INVOICES]
