"""The calls of the API: what each does."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from tallyhook_mock.engine.fusebill.customer import BillingPeriodDefinition, BillingPeriodType, Settings
from tallyhook_mock.engine.fusebill.definitions import (
    activation_date,
    delete_definition,
    edit_definition,
    new_definition,
)
from tallyhook_mock.engine.fusebill.invoice_date import Cycle, InvoiceDate
from tallyhook_mock.engine.fusebill.refusal import invalid
from tallyhook_mock.engine.fusebill.state import State
from tallyhook_mock.engine.fusebill.subscriptions import move
from tallyhook_mock.engine.record import Record
from tallyhook_mock.fusebill.documents import FIELDS, definition_document
from tallyhook_mock.fusebill.fields import Fields

__all__ = ["ACTIONS", "Call", "Handler"]

_TARGET = ("billingPeriodDefinitionId", "invoiceDay", "invoiceMonth")


class Call(Record, frozen=True):
    state: State
    id: int  # in the path; 0 if there is none
    body: bytes
    at: datetime


Handler: TypeAlias = Callable[[Call], Any]


def list_definitions(call: Call) -> Any:
    return [definition_document(each) for each in call.state.customer(call.id).definitions]


def get_definition(call: Call) -> Any:
    return definition_document(call.state.definition(call.id))


def get_by_subscription(call: Call) -> Any:
    return definition_document(call.state.subscription(call.id).definition)


def create(call: Call) -> Any:
    """Fields that only answers have may come along and mean nothing (inferred)."""
    fields = Fields(call.body, FIELDS)
    customer = call.state.customer(fields.id("customerId"))
    cycle = fields.choice("cycle", Cycle)
    if cycle is None:
        raise invalid("cycle", f"one of {', '.join(Cycle)} is required")
    _check_intervals(fields)
    kind = fields.choice("billingPeriodType", BillingPeriodType) or BillingPeriodType.SPECIFIED_DATE
    day, month = fields.whole("invoiceDay", None), fields.whole("invoiceMonth", None)
    if kind is BillingPeriodType.SPECIFIED_DATE and day is not None:
        date = InvoiceDate(cycle, day, month)
    elif day is None and month is None:
        date = activation_date(customer, kind, cycle)
    else:
        raise invalid("invoiceDay", f"goes with {BillingPeriodType.SPECIFIED_DATE}, which needs it")
    settings = _settings(fields, Settings())
    definition = new_definition(
        call.state, customer, date, at=call.at, type=kind, settings=settings, manually_created=True
    )
    return definition_document(definition)


def edit(call: Call) -> Any:
    """What an answer had may come back whole: what can't be changed may stand there if it is the same."""
    fields = Fields(call.body, FIELDS)
    definition = call.state.definition(fields.id("id"))
    if fields.whole("customerId", definition.customer.id) != definition.customer.id:
        raise invalid("customerId", "a definition stays with its customer")
    if fields.choice("cycle", Cycle) not in (None, definition.cycle):
        raise invalid("cycle", f"it stays {definition.cycle}; make another definition")
    _check_intervals(fields)
    kind = fields.choice("billingPeriodType", BillingPeriodType)
    if kind not in (None, definition.type, BillingPeriodType.SPECIFIED_DATE):
        raise invalid("billingPeriodType", f"only {BillingPeriodType.SPECIFIED_DATE} can be changed to")
    date = InvoiceDate(
        definition.cycle,
        fields.whole("invoiceDay", definition.date.day),
        fields.whole("invoiceMonth", definition.date.month),
    )
    settings = _settings(fields, definition.settings)
    edit_definition(call.state, definition, at=call.at, date=date, settings=settings)
    return definition_document(definition)


def delete(call: Call) -> None:
    delete_definition(call.state, call.state.definition(call.id), call.at)


def move_subscription(call: Call) -> Any:
    """To a definition that is there, or to a new one (inferred: the source names no call for it)."""
    subscription = call.state.subscription(call.id)
    fields = Fields(call.body, _TARGET)
    move(call.state, subscription, _target(call.state, fields, subscription.interval), call.at)
    return definition_document(subscription.definition)


def _target(state: State, fields: Fields, interval: Cycle) -> BillingPeriodDefinition | InvoiceDate:
    wanted, day = fields.whole("billingPeriodDefinitionId", None), fields.whole("invoiceDay", None)
    month = fields.whole("invoiceMonth", None)
    if wanted is not None and day is None and month is None:
        return state.definition(wanted)
    if wanted is None and day is not None:
        return InvoiceDate(interval, day, month)
    raise invalid("billingPeriodDefinitionId", "either it or the invoiceDay of a new definition is required")


def _check_intervals(fields: Fields) -> None:
    """Every month, every year: the source speaks of no others."""
    fields.whole("numberOfIntervals", None, least=1, most=1)


def _settings(fields: Fields, present: Settings) -> Settings:
    """The settings with what is given; a purchase order and a payment method can be taken away by `null`."""
    return Settings(
        fields.flag("invoiceInAdvance", present.invoice_in_advance),
        fields.flag("autoCollect", present.auto_collect),
        fields.flag("autoPost", present.auto_post),
        fields.whole("term", present.term, most=365),
        fields.text("poNumber") if "poNumber" in fields else present.po_number,
        fields.whole("paymentMethodId", None) if "paymentMethodId" in fields else present.payment_method_id,
    )


# By name, as faults know them.
ACTIONS: Mapping[str, Handler] = {
    "billingPeriodDefinitions/list": list_definitions,
    "billingPeriodDefinitions/get": get_definition,
    "billingPeriodDefinitions/getBySubscription": get_by_subscription,
    "billingPeriodDefinitions/create": create,
    "billingPeriodDefinitions/edit": edit,
    "billingPeriodDefinitions/delete": delete,
    "subscriptions/move": move_subscription,
}
