"""The API's calls for billing period definitions."""

from collections.abc import Callable
from typing import Any

from tallyhook_mock.systems.fusebill import rules
from tallyhook_mock.systems.fusebill.dates import Cycle, InvoiceDate
from tallyhook_mock.systems.fusebill.documents import (
    FIELDS,
    definition_document,
)
from tallyhook_mock.systems.fusebill.listing import Fields as Columns
from tallyhook_mock.systems.fusebill.listing import page
from tallyhook_mock.systems.fusebill.model import BillingPeriodDefinition, BillingPeriodType, Settings
from tallyhook_mock.systems.fusebill.refusal import invalid
from tallyhook_mock.systems.fusebill.request import TERMS, Call, Fields, Route, reads_query

__all__ = ["ROUTES"]

_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")

_DEFINITIONS: Columns = {
    "id": lambda each: each.id,
    "billingPeriodType": lambda each: each.type,
    "interval": lambda each: each.cycle,
    "invoiceDay": lambda each: each.date.day,
    "invoiceInAdvance": lambda each: each.settings.invoice_in_advance,
    "invoiceMonth": lambda each: each.date.month,
    "mostRecentBillingPeriodStartDate": lambda each: each.start,
    "mostRecentBillingPeriodEndDate": lambda each: each.end,
    "nextRechargeDate": lambda each: each.end,
    "numberOfIntervals": lambda each: each.date.intervals,
    "numberOfSubscriptions": lambda each: len(each.subscriptions),
}


@reads_query
def list_definitions(call: Call) -> Any:
    found = call.state.customer(call.id).definitions
    return page(call.query, found, _DEFINITIONS, definition_document)


def get_definition(call: Call) -> Any:
    return definition_document(call.state.definition(call.id))


def get_by_subscription(call: Call) -> Any:
    return definition_document(call.state.subscription(call.id).definition)


def preview_definition(call: Call) -> Any:
    """Preview a new definition and its next recharge date, without creating it (documented)."""
    return definition_document(_new_definition(call, is_preview=True))


def create_definition(call: Call) -> Any:
    return definition_document(_new_definition(call, is_preview=False))


def _new_definition(call: Call, *, is_preview: bool) -> BillingPeriodDefinition:
    """Return the billing period definition that a call describes. Unless `is_preview` is true, create it.

    Requests use the name `interval`, and answers use `cycle`; a request may use either name. Other fields
    that only answers have are ignored.
    """
    fields = Fields(call.body, ("interval", *FIELDS))
    customer = call.state.customer(fields.id("customerId"))
    cycle, other = fields.choice("interval", Cycle), fields.choice("cycle", Cycle)
    if cycle is not None and other not in (None, cycle):
        raise invalid("cycle", f"it is another name for interval, which is {cycle}")
    cycle = cycle or other
    if cycle is None:
        raise invalid("interval", f"one of {', '.join(Cycle)} is required")
    intervals = fields.whole("numberOfIntervals", 1, least=1, most=120)
    kind = fields.choice("billingPeriodType", BillingPeriodType) or BillingPeriodType.SPECIFIED_DATE
    day, month = fields.whole("invoiceDay", None), fields.whole("invoiceMonth", None)
    if kind is BillingPeriodType.SPECIFIED_DATE and day is not None:
        date = InvoiceDate(cycle, day, month, intervals)
    elif day is None and month is None:
        date = rules.activation_date(customer, kind, cycle, intervals)
    else:
        raise invalid("invoiceDay", f"required with {BillingPeriodType.SPECIFIED_DATE}, and only then")
    settings = _settings(fields, Settings())
    definition = rules.definition_of(
        customer, date, at=call.at, type=kind, settings=settings, manually_created=True
    )
    if not is_preview:
        rules.create_definition(call.state, definition, call.at)
    return definition


def edit_definition(call: Call) -> Any:
    """Edit the billing period definition whose id is in the path or the body.

    Read-only fields may be sent, but must be unchanged.
    """
    fields = Fields(call.body, ("interval", *FIELDS))
    definition = call.state.definition(call.id or fields.id("id"))
    fields.same("id", definition.id)
    fields.same("customerId", definition.customer.id)
    fields.same("cycle", definition.cycle)
    fields.same("interval", definition.cycle)
    fields.same("numberOfIntervals", definition.date.intervals)
    kind = fields.choice("billingPeriodType", BillingPeriodType)
    if kind not in (None, definition.type, BillingPeriodType.SPECIFIED_DATE):
        raise invalid("billingPeriodType", f"it can only be changed to {BillingPeriodType.SPECIFIED_DATE}")
    date = InvoiceDate(
        definition.cycle,
        fields.whole("invoiceDay", definition.date.day),
        fields.whole("invoiceMonth", definition.date.month),
        definition.date.intervals,
    )
    settings = _settings(fields, definition.settings)
    rules.edit_definition(call.state, definition, at=call.at, date=date, settings=settings)
    return definition_document(definition)


def delete_definition(call: Call) -> None:
    rules.delete_definition(call.state, call.state.definition(call.id), call.at)


def _settings(fields: Fields, present: Settings) -> Settings:
    """Return the current settings (`present`), updated with `fields`.

    For a setting that is `null`, the customer's setting applies (documented).
    """

    def given(name: str, read: Callable[[], Any], value: Any) -> Any:
        return read() if name in fields else value

    term = given("term", lambda: fields.text("term") or "", present.term)
    if term not in TERMS:
        raise invalid("term", f"one of {', '.join(TERMS[1:13])}, DayOfMonth1 to DayOfMonth31, or nothing")
    weekday = given("invoiceWeekday", lambda: fields.text("invoiceWeekday") or None, present.weekday)
    if weekday not in (None, *_WEEKDAYS):
        raise invalid("invoiceWeekday", f"one of {', '.join(_WEEKDAYS)} is required")
    return Settings(
        fields.whole("invoiceInAdvance", present.invoice_in_advance, most=27),
        given("autoCollect", lambda: fields.flag("autoCollect", None), present.auto_collect),
        given("autoPost", lambda: fields.flag("autoPost", None), present.auto_post),
        term,
        given("poNumber", lambda: fields.text("poNumber"), present.po_number),
        given("paymentMethodId", lambda: fields.whole("paymentMethodId", None), present.payment_method_id),
        weekday,
        given(
            "quickBooksLocationId",
            lambda: fields.whole("quickBooksLocationId", None),
            present.quick_books_location,
        ),
    )


ROUTES: tuple[Route, ...] = (
    ("GET", "customers/{id}/billingperioddefinitions", "billingPeriodDefinitions/list", list_definitions),
    (
        "GET",
        "billingperioddefinitions/getbysubscription/{id}",
        "billingPeriodDefinitions/getBySubscription",
        get_by_subscription,
    ),
    ("POST", "billingperioddefinitions/preview", "billingPeriodDefinitions/preview", preview_definition),
    ("GET", "billingperioddefinitions/{id}", "billingPeriodDefinitions/get", get_definition),
    ("PUT", "billingperioddefinitions/{id}", "billingPeriodDefinitions/edit", edit_definition),
    ("DELETE", "billingperioddefinitions/{id}", "billingPeriodDefinitions/delete", delete_definition),
    ("POST", "billingperioddefinitions", "billingPeriodDefinitions/create", create_definition),
    ("PUT", "billingperioddefinitions", "billingPeriodDefinitions/edit", edit_definition),
)
