"""What a change would do to the next invoices: the change, carried out on a copy and played forward."""

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from msgspec.structs import replace

from tallyhook_mock.core.base import Value
from tallyhook_mock.core.forecast import copied
from tallyhook_mock.core.invoice_lines import Bill
from tallyhook_mock.systems.fusebill.model import BillingPeriodDefinition, Customer, State, Subscription

__all__ = ["Change", "Find", "Forecast", "apart", "forecast"]

Subject: TypeAlias = BillingPeriodDefinition | Subscription
Find: TypeAlias = Callable[[State], Subject]
Change: TypeAlias = Callable[[State], None]

_INVOICES = 3


class Forecast(Value, frozen=True):
    """An invoice to come, and the start of the period that ends with it."""

    start: datetime
    bill: Bill

    @property
    def days(self) -> int:
        return (self.bill.at - self.start).days

    @property
    def days_counted(self) -> int:
        """With the day of the invoice, as the source counts."""
        return self.days + 1


def forecast(state: State, customer: Customer, find: Find, change: Change | None = None) -> list[Forecast]:
    """The next three invoices of a definition or subscription, as they are to come or after a change.

    `find` and `change` are given a state of which nothing else knows, with this customer in it. The same
    commands work there under the same ids. Refusal if the change is refused.
    """
    alone, copy = apart(state, customer)
    if change is not None:
        change(alone)
    subject = find(alone)
    subscriptions = subject.subscriptions if isinstance(subject, BillingPeriodDefinition) else [subject]
    items = {item for subscription in subscriptions for item in subscription.items}
    items |= {charge.item for subscription in subscriptions for charge in subscription.charges}
    found: list[Forecast] = []
    while items and len(found) < _INVOICES:
        start = subject.begun if isinstance(subject, Subscription) else subject.start
        end, known = subject.end, len(copy.bills)
        alone.catch_up(end)
        found += (
            Forecast(start, bill)
            for bill in copy.bills[known:]
            if bill.at == end and any(line.item in items for line in bill.lines)
        )
    return found


def apart(state: State, customer: Customer) -> tuple[State, Customer]:
    """Another state with a copy of one customer, that counts on from where this one stands.

    A forecast is of invoices, whether they are posted by themselves or wait as drafts.
    """
    alone = State()
    alone.ids.last, alone.last_bill = state.ids.last, state.last_bill
    alone.product_ids.last, alone.invoice_ids.last = state.product_ids.last, state.invoice_ids.last
    copy = copied(customer, state.agenda, alone.agenda)
    copy.auto_post, copy.drafts = True, []
    for definition in copy.definitions:
        definition.settings = replace(definition.settings, auto_post=True)
    alone.add_customer(copy)
    return alone, copy
