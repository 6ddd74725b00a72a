"""A move of a billing date as a wish tells it: to be looked at in a dry run, or carried out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tallyhook_mock.catalog.table import Table
from tallyhook_mock.engine.fusebill.customer import BillingPeriodDefinition, Customer, Subscription
from tallyhook_mock.engine.fusebill.definitions import edit_definition
from tallyhook_mock.engine.fusebill.dryrun import Change, Find, Forecast, forecast
from tallyhook_mock.engine.fusebill.invoice_date import Cycle, InvoiceDate
from tallyhook_mock.engine.fusebill.state import State
from tallyhook_mock.engine.fusebill.subscriptions import check_target, move

__all__ = ["DEFINITION", "MOST", "Move", "id_of", "read_move"]

DEFINITION = "billingPeriodDefinitionId"
MOST = 2**31 - 1  # of an id
_NAMES = ("subscriptionId", DEFINITION, "invoiceDay", "invoiceMonth")


@dataclass(frozen=True, slots=True)
class Move:
    """The move of a definition's date, or of a subscription.

    `change` carries it out on a state. Refusal if it can't be; nothing has changed then.
    """

    customer: Customer
    find: Find
    change: Change

    def without(self, state: State) -> list[Forecast]:
        """The next invoices as they are to come."""
        return forecast(state, self.customer, self.find)

    def outcome(self, state: State) -> list[Forecast]:
        """The next invoices after the move, which is not made. Refusal."""
        return forecast(state, self.customer, self.find, self.change)


def read_move(wish: Mapping[str, Any], state: State, at: datetime) -> Move:
    """A date for a definition; or for a `subscriptionId` a date or a definition.

    What is due by now is done first: when the clock runs by itself, it may not have been yet. CatalogError
    for what can't be read, Refusal for what is not there or does not fit.
    """
    state.catch_up(at)
    table = Table(wish, "", _NAMES)
    return _subscription_move(table, state, at) if "subscriptionId" in table else _date_move(table, state, at)


def id_of(table: Table, name: str) -> int:
    """A required id."""
    given = table.whole(name, None, most=MOST)
    if given is None:
        raise table.wrong(name, "a value is required")
    return given


def _date_move(table: Table, state: State, at: datetime) -> Move:
    definition = state.definition(id_of(table, DEFINITION))
    date = _date(table, definition.cycle, definition.date.month)

    def find(state: State) -> BillingPeriodDefinition:
        return state.definition(definition.id)

    return Move(
        definition.customer, find, lambda state: edit_definition(state, find(state), at=at, date=date)
    )


def _subscription_move(table: Table, state: State, at: datetime) -> Move:
    subscription = state.subscription(id_of(table, "subscriptionId"))
    if DEFINITION not in table:
        date = _date(table, subscription.interval)

        def into(state: State) -> BillingPeriodDefinition | InvoiceDate:
            return date
    elif "invoiceDay" in table or "invoiceMonth" in table:
        raise table.wrong("invoiceDay", f"does not go with {DEFINITION}")
    else:
        target = state.definition(id_of(table, DEFINITION))
        check_target(target, subscription.customer, subscription.interval)

        def into(state: State) -> BillingPeriodDefinition | InvoiceDate:
            return state.definition(target.id)

    def find(state: State) -> Subscription:
        return state.subscription(subscription.id)

    return Move(subscription.customer, find, lambda state: move(state, find(state), into(state), at))


def _date(table: Table, cycle: Cycle, month: int | None = None) -> InvoiceDate:
    """`month` is the one that is meant if none is given."""
    day = table.whole("invoiceDay", None, most=31)
    if day is None:
        raise table.wrong("invoiceDay", "a value is required")
    return InvoiceDate(cycle, day, table.whole("invoiceMonth", month, most=12))
