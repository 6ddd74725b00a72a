"""The calls of the API: what each does. The docs say which are documented, and which a client's."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.fusebill import invoices, rules, usage
from tallyhook_mock.systems.fusebill.documents import (
    FIELDS,
    customer_document,
    definition_document,
    draft_document,
    invoice_document,
    product_document,
    purchase_document,
    subscription_document,
)
from tallyhook_mock.systems.fusebill.invoices import ChargeEdit
from tallyhook_mock.systems.fusebill.listing import Fields as Columns
from tallyhook_mock.systems.fusebill.listing import page
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    BillingPeriodType,
    Customer,
    Cycle,
    Draft,
    Frequency,
    Invoice,
    InvoiceDate,
    Purchase,
    Settings,
    State,
    conflict,
    invalid,
    not_found,
)
from tallyhook_mock.systems.fusebill.request import Fields, Query
from tallyhook_mock.systems.fusebill.rules import NewCustomer, NewSubscription

__all__ = ["ROUTES", "Call", "Handler"]

_TARGET = ("billingPeriodDefinitionId", "invoiceDay", "invoiceMonth")
_WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_TERMS = (
    "",
    *(f"Net{days}" for days in (0, 5, 7, 10, 15, 21, 30, 45, 60, 75, 90)),
    "MFI1",
    *(f"DayOfMonth{day}" for day in range(1, 32)),
)


class Call(Value, frozen=True):
    state: State
    id: int  # in the path; 0 if there is none
    body: bytes
    query: Query
    at: datetime


Handler: TypeAlias = Callable[[Call], Any]


# -- billing period definitions

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


def list_definitions(call: Call) -> Any:
    found = call.state.customer(call.id).definitions
    return page(call.query, found, _DEFINITIONS, definition_document)


def get_definition(call: Call) -> Any:
    return definition_document(call.state.definition(call.id))


def get_by_subscription(call: Call) -> Any:
    return definition_document(call.state.subscription(call.id).definition)


def preview_definition(call: Call) -> Any:
    """What would be created, with the date of its next recharge; nothing is (documented)."""
    return definition_document(_new_definition(call, is_preview=True))


def create_definition(call: Call) -> Any:
    return definition_document(_new_definition(call, is_preview=False))


def _new_definition(call: Call, *, is_preview: bool) -> BillingPeriodDefinition:
    """Requests say `interval`, answers `cycle`: both are taken. Fields of answers only mean nothing."""
    fields = Fields(call.body, ("interval", *FIELDS))
    customer = call.state.customer(fields.id("customerId"))
    cycle, other = fields.choice("interval", Cycle), fields.choice("cycle", Cycle)
    if cycle is not None and other not in (None, cycle):
        raise invalid("cycle", f"it is what interval is called in answers, and that is {cycle}")
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
        raise invalid("invoiceDay", f"goes with {BillingPeriodType.SPECIFIED_DATE}, which needs it")
    settings = _settings(fields, Settings())
    if is_preview:
        return rules.definition_of(
            customer, date, at=call.at, type=kind, settings=settings, manually_created=True
        )
    return rules.new_definition(
        call.state, customer, date, at=call.at, type=kind, settings=settings, manually_created=True
    )


def edit_definition(call: Call) -> Any:
    """With its id in the path, or in the body. What can't be changed may come along as it was read."""
    fields = Fields(call.body, ("interval", *FIELDS))
    definition = call.state.definition(call.id or fields.id("id"))
    fields.same("id", definition.id)
    fields.same("customerId", definition.customer.id)
    fields.same("cycle", definition.cycle)
    fields.same("interval", definition.cycle)
    fields.same("numberOfIntervals", definition.date.intervals)
    kind = fields.choice("billingPeriodType", BillingPeriodType)
    if kind not in (None, definition.type, BillingPeriodType.SPECIFIED_DATE):
        raise invalid("billingPeriodType", f"only {BillingPeriodType.SPECIFIED_DATE} can be changed to")
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
    """The settings with what is given; by `null` the customer's are taken (documented)."""

    def given(name: str, read: Callable[[], Any], value: Any) -> Any:
        return read() if name in fields else value

    term = given("term", lambda: fields.text("term") or "", present.term)
    if term not in _TERMS:
        raise invalid("term", f"one of {', '.join(_TERMS[1:13])}, DayOfMonth1 to DayOfMonth31, or nothing")
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


# -- subscriptions

_SUBSCRIPTIONS: Columns = {
    "id": lambda each: each.id,
    "customerId": lambda each: each.customer.id,
    "planCode": lambda each: each.plan_code,
    "planName": lambda each: each.plan_name,
    "status": lambda each: each.status,
    "reference": lambda each: each.reference,
    "interval": lambda each: each.interval,
    "amount": lambda each: each.amount,
}
_SUBSCRIPTION = (
    "id",
    "uri",
    "customerId",
    "planFrequency",
    "planCode",
    "planName",
    "status",
    "reference",
    "hasPostedInvoice",
    "createdTimestamp",
    "activatedTimestamp",
    "provisionedTimestamp",
    "nextPeriodStartDate",
    "lastPeriodStartDate",
    "scheduledActivationTimestamp",
    "subscriptionProducts",
    "openSubscriptionPeriodEndDate",
    "monthlyRecurringRevenue",
    "netMonthlyRecurringRevenue",
    "amount",
    "coupons",
    "invoiceDay",
    "invoiceMonth",
    "subscriptionHasRecurringEndOfPeriodCharge",
    "nextRechargeDate",
    "invoiceInAdvance",
    "billingPeriodDefinitionId",
)


def list_subscriptions(call: Call) -> Any:
    return page(call.query, [*call.state.subscriptions()], _SUBSCRIPTIONS, subscription_document)


def list_subscriptions_of_customer(call: Call) -> Any:
    found = call.state.customer(call.id).subscriptions
    return page(call.query, found, _SUBSCRIPTIONS, subscription_document)


def get_subscription(call: Call) -> Any:
    call.query.nothing_else()
    return subscription_document(call.state.subscription(call.id))


def create_subscription(call: Call) -> Any:
    """A draft, which bills nothing before it is activated."""
    call.query.nothing_else()
    fields = Fields(call.body, ("customerId", "planFrequencyId", "reference"))
    customer, number = call.state.customer(fields.id("customerId")), fields.id("planFrequencyId")
    frequency = call.state.frequencies.get(number)
    if frequency is None:
        raise not_found("planFrequencyId", number)
    if customer.status == "Cancelled":
        raise conflict("customerId", f"customer {customer.id} is cancelled")
    new = NewSubscription(frequency, reference=fields.text("reference") or "")
    return subscription_document(rules.draft_subscription(call.state, customer, new, call.at))


def edit_subscription(call: Call) -> Any:
    """A changed copy of what was read: its `reference` is what can be changed here."""
    call.query.nothing_else()
    fields = Fields(call.body, _SUBSCRIPTION)
    subscription = call.state.subscription(fields.id("id"))
    now = _read_back(subscription_document(subscription))
    for name in _SUBSCRIPTION:
        if name not in ("reference", "uri"):
            fields.same(name, now[name])
    if "reference" in fields:
        subscription.reference = fields.text("reference") or ""
    return subscription_document(subscription)


def patch_subscription(call: Call) -> Any:
    """A subscription moves to another billing period by it (inferred: the page only names the fields)."""
    is_preview = call.query.flag("preview")
    call.query.flag("temporarilyDisableAutoPost")
    call.query.flag("showZeroDollarCharges")
    call.query.nothing_else()
    fields = Fields(call.body, ("id", "billingPeriodDefinitionId", "billingPeriodDefinitionIdSet"))
    subscription = call.state.subscription(fields.id("id"))
    if not fields.flag("billingPeriodDefinitionIdSet", False):
        raise invalid("billingPeriodDefinitionIdSet", "true is required with billingPeriodDefinitionId")
    definition = call.state.definition(fields.id("billingPeriodDefinitionId"))
    rules.check_target(definition, subscription.customer, subscription.frequency)
    if not is_preview:
        rules.move(call.state, subscription, definition, call.at)
    return subscription_document(subscription)


def move_subscription(call: Call) -> Any:
    """To a definition that is there, or to a new one: this mock's own call, since no page shows one."""
    subscription = call.state.subscription(call.id)
    fields = Fields(call.body, _TARGET)
    rules.move(call.state, subscription, _target(call.state, fields, subscription.frequency), call.at)
    return definition_document(subscription.definition)


def _target(state: State, fields: Fields, frequency: Frequency) -> BillingPeriodDefinition | InvoiceDate:
    wanted, day = fields.whole("billingPeriodDefinitionId", None), fields.whole("invoiceDay", None)
    month = fields.whole("invoiceMonth", None)
    if wanted is not None and day is None and month is None:
        return state.definition(wanted)
    if wanted is None and day is not None:
        return InvoiceDate(frequency.cycle, day, month, frequency.intervals)
    raise invalid("billingPeriodDefinitionId", "either it or the invoiceDay of a new definition is required")


def activate_subscription(call: Call) -> Any:
    is_preview, holds = call.query.flag("preview"), call.query.flag("temporarilyDisableAutoPost")
    call.query.nothing_else()
    subscription = call.state.subscription(call.id)
    if not is_preview or subscription.status != "Draft":
        rules.start(call.state, subscription, call.at, holds=holds)
    return subscription_document(subscription)


def provision_subscription(call: Call) -> Any:
    subscription = call.state.subscription(call.id)
    subscription.provisioned = call.at
    return subscription_document(subscription)


def cancel_subscription(call: Call) -> Any:
    """What options a cancellation has is not known; without one nothing is given back."""
    fields = Fields(call.body, ("subscriptionId", "cancellationOption"))
    if fields.text("cancellationOption") not in (None, "None"):
        raise invalid("cancellationOption", "only None is known here")
    subscription = call.state.subscription(fields.id("subscriptionId"))
    if not subscription.is_active:
        raise conflict("subscriptionId", f"{subscription.id} is {subscription.status}")
    rules.cancel(call.state, subscription, call.at)
    return subscription_document(subscription)


def delete_subscription(call: Call) -> None:
    subscription = call.state.subscription(call.id)
    if subscription.status != "Draft":
        raise conflict(
            "subscriptionId", f"{subscription.id} is {subscription.status}; only a draft is deleted"
        )
    call.state.remove_subscription(subscription)


# -- usage

_PRODUCT = (
    "id",
    "uri",
    "subscriptionId",
    "planProduct",
    "quantity",
    "isIncluded",
    "startDate",
    "isCharged",
    "amount",
    "status",
    "lastPurchaseDate",
)


def set_quantity(call: Call) -> Any:
    """`quantity` is absolute; the other fields are those that were read (documented)."""
    return _change_quantity(call, _PRODUCT, "id", is_absolute=True)


def change_quantity(call: Call) -> Any:
    """`deltaQuantity` is a difference (documented)."""
    return _change_quantity(
        call, ("subscriptionProductId", "deltaQuantity"), "subscriptionProductId", is_absolute=False
    )


def _change_quantity(call: Call, known: tuple[str, ...], key: str, *, is_absolute: bool) -> Any:
    is_preview, holds = call.query.flag("preview"), call.query.flag("temporarilyDisableAutoPost")
    if not is_absolute:
        call.query.flag("showZeroDollarCharges")
    call.query.nothing_else()
    fields = Fields(call.body, known)
    subscription, product = call.state.product(fields.id(key))
    name = "quantity" if is_absolute else "deltaQuantity"
    given = fields.number(name, places=6, least=Decimal(0) if is_absolute else None)
    if given is None:
        raise invalid(name, "required")
    if is_absolute:
        now = _read_back(product_document(subscription, product))
        for each in known:
            if each not in ("quantity", "uri", "amount"):
                fields.same(each, now[each])
    quantity = given if is_absolute else product.quantity + given
    usage.set_quantity(
        call.state, subscription, product, quantity, call.at, holds=holds, is_preview=is_preview
    )
    shown = product_document(subscription, product)
    if is_preview:
        shown["quantity"] = quantity
    return shown


def get_product(call: Call) -> Any:
    return product_document(*call.state.product(call.id))


# -- customers

_CUSTOMERS: Columns = {
    "id": lambda each: each.id,
    "companyName": lambda each: each.name,
    "reference": lambda each: each.details.get("reference", ""),
    "primaryEmail": lambda each: each.details.get("primaryEmail", ""),
    "status": lambda each: each.status,
}
_DETAILS = ("firstName", "lastName", "primaryEmail", "reference")
_CUSTOMER = (
    "id",
    "uri",
    "companyName",
    *_DETAILS,
    "currency",
    "status",
    "customerAccountStatus",
    "autoPost",
    "createdTimestamp",
)


def list_customers(call: Call) -> Any:
    return page(call.query, [*call.state.accounts().values()], _CUSTOMERS, customer_document)


def get_customer(call: Call) -> Any:
    return customer_document(call.state.customer(call.id))


def overview(call: Call) -> Any:
    """The customer, and how much of each it has; the shape is inferred."""
    customer = call.state.customer(call.id)
    return {
        **customer_document(customer),
        "subscriptions": [subscription_document(each) for each in customer.subscriptions],
        "draftInvoiceCount": len(customer.drafts),
        "invoiceCount": len(customer.invoices),
        "arBalance": sum((bill.total for bill in customer.bills), Decimal("0.00")),
    }


def create_customer(call: Call) -> Any:
    """A draft, until it is activated (documented: the statuses; that it begins as a draft is inferred)."""
    fields = Fields(call.body, _CUSTOMER)
    details = {name: fields.text(name) or "" for name in _DETAILS}
    person = f"{details['firstName']} {details['lastName']}".strip()
    name = fields.text("companyName") or person or details["primaryEmail"]
    if not name:
        raise invalid("companyName", "it, a name or a primaryEmail is required")
    currency = fields.text("currency", most=3) or "USD"
    new = NewCustomer(name, currency, None, fields.flag("autoPost", None), details, "Draft")
    return customer_document(rules.new_customer(call.state, new, call.at))


def edit_customer(call: Call) -> Any:
    fields = Fields(call.body, _CUSTOMER)
    customer = call.state.customer(fields.id("id"))
    now = customer_document(customer)
    for name in ("currency", "status", "customerAccountStatus", "createdTimestamp"):
        fields.same(name, now[name])
    customer.details.update({name: fields.text(name) or "" for name in _DETAILS if name in fields})
    customer.name = fields.text("companyName") or customer.name
    if "autoPost" in fields:
        customer.auto_post = fields.flag("autoPost", None)
    return customer_document(customer)


def _turn(call: Call, customer: Customer, status: str, allowed: tuple[str, ...]) -> Any:
    """Another status; 409 where it makes no sense, such as for activating who is active (documented)."""
    if customer.status not in allowed:
        raise conflict("customerId", f"customer {customer.id} is {customer.status}")
    customer.status = status
    call.state.emit(f"customer{status}", call.at, customer)
    return customer_document(customer)


def _in_body(call: Call) -> Customer:
    return call.state.customer(Fields(call.body, ("customerId",)).id("customerId"))


def activate_customer(call: Call) -> Any:
    return _turn(call, _in_body(call), "Active", ("Draft",))


def cancel_customer(call: Call) -> Any:
    """Its subscriptions end with it (inferred)."""
    customer = _in_body(call)
    if customer.status == "Cancelled":
        raise conflict("customerId", f"customer {customer.id} is Cancelled")
    for subscription in customer.subscriptions:
        if subscription.is_active:
            rules.cancel(call.state, subscription, call.at)
    return _turn(call, customer, "Cancelled", ("Draft", "Active", "Hold"))


def hold_customer(call: Call) -> Any:
    return _turn(call, call.state.customer(call.id), "Hold", ("Active",))


def unhold_customer(call: Call) -> Any:
    return _turn(call, _in_body(call), "Active", ("Hold",))


# -- purchases

_PURCHASES: Columns = {
    "id": lambda each: each.id,
    "status": lambda each: each.status,
    "productId": lambda each: each.plan.id,
}


def list_purchases(call: Call) -> Any:
    customer = call.state.customer(call.id)
    found = [each for each in call.state.purchases.values() if each.customer is customer]
    return page(call.query, found, _PURCHASES, purchase_document)


def create_purchase(call: Call) -> Any:
    fields = Fields(call.body, ("customerId", "productId", "quantity", "name"))
    customer, number = call.state.customer(fields.id("customerId")), fields.id("productId")
    plan = call.state.catalog_products.get(number)
    if plan is None:
        raise not_found("productId", number)
    quantity = fields.number("quantity", places=6) or Decimal(1)
    purchase = usage.buy(call.state, customer, plan, quantity, call.at)
    purchase.name = fields.text("name") or purchase.name
    return purchase_document(purchase)


def finalise_purchase(call: Call) -> Any:
    is_preview, holds = call.query.flag("preview"), call.query.flag("temporarilyDisableAutoPost")
    call.query.nothing_else()
    purchase = _purchase(call)
    if not is_preview:
        usage.finalise(call.state, purchase, call.at, holds=holds)
    return purchase_document(purchase)


def cancel_purchase(call: Call) -> Any:
    purchase = _purchase(call)
    usage.cancel_purchase(purchase)
    return purchase_document(purchase)


def _purchase(call: Call) -> Purchase:
    number = Fields(call.body, ("id",)).id("id")
    purchase = call.state.purchases.get(number)
    if purchase is None:
        raise not_found("id", number)
    return purchase


# -- draft invoices

_DRAFTS: Columns = {
    "id": lambda each: each.id,
    "status": lambda each: "Ready",
    "customerId": lambda each: each.customer.id,
    "BillingPeriodStartDate": lambda each: _span(each)[0],
    "BillingPeriodEndDate": lambda each: _span(each)[1],
    "effectiveDate": lambda each: each.at,
    "createdDate": lambda each: each.at,
    "pendingCharges": lambda each: each.total,
}


def _span(draft: Draft) -> tuple[datetime | None, datetime | None]:
    starts = [charge.line.start for charge in draft.charges if charge.line.start is not None]
    ends = [charge.line.end for charge in draft.charges if charge.line.end is not None]
    return min(starts, default=None), max(ends, default=None)


def list_drafts(call: Call) -> Any:
    """Without their charges (documented)."""
    found = [*call.state.drafts()]
    return page(call.query, found, _DRAFTS, lambda each: draft_document(each, with_charges=False))


def list_drafts_of_customer(call: Call) -> Any:
    found = call.state.customer(call.id).drafts
    return page(call.query, found, _DRAFTS, lambda each: draft_document(each, with_charges=False))


def get_draft(call: Call) -> Any:
    return draft_document(call.state.draft(call.id))


class _Operation(StrEnum):
    UPDATE = "Update"
    DELETE = "Delete"


_CHARGE = (
    "id",
    "operation",
    "name",
    "description",
    "quantity",
    "unitPrice",
    "proratedUnitPrice",
    "rangeQuantity",
    "draftDiscounts",
)


def patch_draft(call: Call) -> Any:
    """Charges are updated or deleted; adding one is not among the operations (documented)."""
    fields = Fields(call.body, ("id", "notes", "poNumber", "netTermsSet", "netTerms", "draftCharges"))
    draft = call.state.draft(fields.id("id"))
    notes, number, terms = fields.text("notes", most=500), fields.text("poNumber"), _terms(fields)
    edits = [_edit(given) for given in fields.list("draftCharges")]
    if len({edit.id for edit in edits}) < len(edits):
        raise invalid("draftCharges", "a charge stands there twice")
    invoices.change_draft(call.state, draft, edits, call.at)
    draft.notes = draft.notes if notes is None else notes
    draft.po_number = number if "poNumber" in fields else draft.po_number
    draft.terms = draft.terms if terms is None else terms
    return draft_document(draft)


def _terms(fields: Fields) -> str | None:
    """None for what stays; `netTermsSet` says that the other field is meant (documented)."""
    terms = fields.text("netTerms")
    if not fields.flag("netTermsSet", False):
        if terms is not None:
            raise invalid("netTermsSet", "true is required with netTerms")
        return None
    if (terms or "") not in _TERMS:
        raise invalid("netTerms", f"one of {', '.join(_TERMS[1:13])} or DayOfMonth1 to DayOfMonth31")
    return terms or ""


def _edit(given: object) -> ChargeEdit:
    fields = Fields.of(given, _CHARGE, "draftCharges")
    operation = fields.choice("operation", _Operation)
    if operation is None:
        raise invalid("operation", "Update or Delete is required")
    for name in ("rangeQuantity", "draftDiscounts"):
        if fields.list(name) if name == "draftDiscounts" else name in fields:
            raise invalid(name, "this mock has neither ranges nor discounts")
    return ChargeEdit(
        fields.id("id"),
        operation is _Operation.DELETE,
        fields.text("name"),
        fields.text("description", most=500),
        fields.number("quantity", places=6),
        fields.number("unitPrice", places=6),
        fields.number("proratedUnitPrice", places=6),
    )


def post_draft(call: Call) -> Any:
    """All of a draft, or only some of its charges (documented)."""
    number, only = call.query.whole("draftInvoiceId", 0), call.query.ids("draftChargeIds")
    is_preview = call.query.flag("preview")
    call.query.nothing_else()
    if not number:
        raise invalid("draftInvoiceId", "required")
    draft = call.state.draft(number)
    if is_preview:
        for each in only:
            if each not in {charge.id for charge in draft.charges}:
                raise not_found("draftChargeIds", each)
        shown = draft_document(draft)
        shown["draftCharges"] = [each for each in shown["draftCharges"] if not only or each["id"] in only]
        shown["subtotal"] = shown["total"] = sum(
            (each["amount"] for each in shown["draftCharges"]), Decimal("0.00")
        )
        return shown
    return invoice_document(draft.customer, invoices.post(call.state, draft, call.at, only))


# -- invoices

_INVOICES: Columns = {
    "id": lambda each: each[1].id,
    "invoiceNumber": lambda each: each[1].bill.number,
    "customerId": lambda each: each[0].id,
    "postedTimestamp": lambda each: each[1].bill.at,
    "total": lambda each: each[1].bill.total,
    "poNumber": lambda each: each[1].po_number,
}


def list_invoices(call: Call) -> Any:
    return page(call.query, [*call.state.invoices()], _INVOICES, lambda each: invoice_document(*each))


def list_invoice_summaries(call: Call) -> Any:
    """The same without their charges (inferred)."""
    found = [*call.state.invoices()]
    return page(call.query, found, _INVOICES, lambda each: invoice_document(*each, with_charges=False))


def list_invoices_of_customer(call: Call) -> Any:
    customer = call.state.customer(call.id)
    found: list[tuple[Customer, Invoice]] = [(customer, invoice) for invoice in customer.invoices]
    return page(call.query, found, _INVOICES, lambda each: invoice_document(*each))


def get_invoice(call: Call) -> Any:
    """Nothing here is tracked and each charge stands by itself, so both parameters are without an object."""
    call.query.flag("showTrackedItems")
    call.query.flag("groupCharges")
    call.query.nothing_else()
    return invoice_document(*call.state.invoice(call.id))


def patch_invoice(call: Call) -> Any:
    fields = Fields(call.body, ("id", "notes", "netTermsSet", "netTerms", "hideOnSSP", "hideOnSSPSet"))
    customer, invoice = call.state.invoice(fields.id("id"))
    notes, terms = fields.text("notes", most=500), _terms(fields)
    if "hideOnSSP" in fields and not fields.flag("hideOnSSPSet", False):
        raise invalid("hideOnSSPSet", "true is required with hideOnSSP")
    invoice.notes = invoice.notes if notes is None else notes
    invoice.terms = invoice.terms if terms is None else terms
    if fields.flag("hideOnSSPSet", False):
        invoice.is_hidden = fields.flag("hideOnSSP", False)
    return invoice_document(customer, invoice)


def _read_back(shown: Mapping[str, Any]) -> Mapping[str, Any]:
    """A document as a caller has it who sends it back: enumerations are texts there."""
    return {name: _plain(value) for name, value in shown.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


# Method, path in small letters, the action as faults know it, and what carries it out.
ROUTES: tuple[tuple[str, str, str, Handler], ...] = (
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
    ("GET", "subscriptions/getall", "subscriptions/list", list_subscriptions),
    ("GET", "subscriptionsummary", "subscriptions/list", list_subscriptions),
    ("GET", "customers/{id}/subscriptions", "subscriptions/listOfCustomer", list_subscriptions_of_customer),
    ("PUT", "subscriptions/{id}/billingperioddefinition", "subscriptions/move", move_subscription),
    ("DELETE", "subscriptions/delete/{id}", "subscriptions/delete", delete_subscription),
    ("GET", "subscriptions/{id}", "subscriptions/get", get_subscription),
    ("POST", "subscriptions", "subscriptions/create", create_subscription),
    ("PUT", "subscriptions", "subscriptions/edit", edit_subscription),
    ("GET", "subscriptionsv2/{id}", "subscriptions/get", get_subscription),
    ("PATCH", "subscriptionsv2", "subscriptions/patch", patch_subscription),
    ("POST", "subscriptionactivation/{id}", "subscriptions/activate", activate_subscription),
    ("POST", "subscriptionprovision/{id}", "subscriptions/provision", provision_subscription),
    ("POST", "subscriptioncancellation", "subscriptions/cancel", cancel_subscription),
    ("GET", "subscriptionproducts/{id}", "subscriptionProducts/get", get_product),
    ("PUT", "subscriptionproducts", "subscriptionProducts/setQuantity", set_quantity),
    (
        "POST",
        "subscriptionproductquantitychange",
        "subscriptionProducts/changeQuantity",
        change_quantity,
    ),
    ("GET", "customers", "customers/list", list_customers),
    ("POST", "customers", "customers/create", create_customer),
    ("PUT", "customers", "customers/edit", edit_customer),
    ("POST", "customers/unhold", "customers/unhold", unhold_customer),
    ("GET", "customers/{id}/overview", "customers/overview", overview),
    ("GET", "customers/{id}/draftinvoices", "draftInvoices/listOfCustomer", list_drafts_of_customer),
    ("GET", "customers/{id}/invoices", "invoices/listOfCustomer", list_invoices_of_customer),
    ("GET", "customers/{id}/purchases", "purchases/listOfCustomer", list_purchases),
    ("GET", "customers/{id}", "customers/get", get_customer),
    ("POST", "customeractivation", "customers/activate", activate_customer),
    ("POST", "customercancellation", "customers/cancel", cancel_customer),
    ("POST", "customerhold/{id}", "customers/hold", hold_customer),
    ("POST", "purchases/purchase", "purchases/finalise", finalise_purchase),
    ("POST", "purchases/cancel", "purchases/cancel", cancel_purchase),
    ("POST", "purchases", "purchases/create", create_purchase),
    ("GET", "draftinvoices", "draftInvoices/list", list_drafts),
    ("PATCH", "draftinvoices", "draftInvoices/patch", patch_draft),
    ("GET", "draftinvoices/{id}", "draftInvoices/get", get_draft),
    ("GET", "invoicesummaries", "invoices/summaries", list_invoice_summaries),
    ("GET", "invoices", "invoices/list", list_invoices),
    ("POST", "invoices", "invoices/post", post_draft),
    ("PATCH", "invoices", "invoices/patch", patch_invoice),
    ("GET", "invoices/{id}", "invoices/get", get_invoice),
)
