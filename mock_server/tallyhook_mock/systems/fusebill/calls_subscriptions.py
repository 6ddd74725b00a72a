"""The API's calls for subscriptions, and for the quantities of their products (usage)."""

from decimal import Decimal
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from tallyhook_mock.systems.fusebill import rules, usage
from tallyhook_mock.systems.fusebill.dates import InvoiceDate
from tallyhook_mock.systems.fusebill.documents import (
    definition_document,
    item_document,
    product_document,
    subscription_document,
)
from tallyhook_mock.systems.fusebill.listing import Fields as Columns
from tallyhook_mock.systems.fusebill.listing import page
from tallyhook_mock.systems.fusebill.model import BillingPeriodDefinition, Frequency, Item
from tallyhook_mock.systems.fusebill.refusal import conflict, invalid, not_found
from tallyhook_mock.systems.fusebill.request import Call, Fields, Route, read_back, reads_query
from tallyhook_mock.systems.fusebill.rules import NewSubscription
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["ROUTES"]

_TARGET = ("billingPeriodDefinitionId", "invoiceDay", "invoiceMonth")
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


@reads_query
def list_subscriptions(call: Call) -> Any:
    return page(call.query, [*call.state.subscriptions()], _SUBSCRIPTIONS, subscription_document)


@reads_query
def list_subscriptions_of_customer(call: Call) -> Any:
    found = call.state.customer(call.id).subscriptions
    return page(call.query, found, _SUBSCRIPTIONS, subscription_document)


def get_subscription(call: Call) -> Any:
    return subscription_document(call.state.subscription(call.id))


def create_subscription(call: Call) -> Any:
    """Create a draft subscription. It bills nothing until it is activated."""
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
    """Edit a subscription. The body may have all of its fields, but may only change `reference`."""
    fields = Fields(call.body, _SUBSCRIPTION)
    subscription = call.state.subscription(fields.id("id"))
    now = read_back(subscription_document(subscription))
    for name in _SUBSCRIPTION:
        if name not in ("reference", "uri"):
            fields.same(name, now[name])
    if "reference" in fields:
        subscription.reference = fields.text("reference") or ""
    return subscription_document(subscription)


@reads_query
def patch_subscription(call: Call) -> Any:
    """Move a subscription to another billing period (inferred: the vendor's page only names the fields)."""
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
    state = call.state_for(subscription.customer, is_preview=is_preview)
    rules.move(state, state.subscription(subscription.id), state.definition(definition.id), call.at)
    return subscription_document(subscription)


def move_subscription(call: Call) -> Any:
    """Move a subscription to an existing or a new billing period definition. Only the mock has this call."""
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
    raise invalid("billingPeriodDefinitionId", "this, or the invoiceDay of a new definition, is required")


@reads_query
def activate_subscription(call: Call) -> Any:
    is_preview, holds = call.query.flag("preview"), call.query.flag("temporarilyDisableAutoPost")
    call.query.nothing_else()
    subscription = call.state.subscription(call.id)
    state = call.state_for(subscription.customer, is_preview=is_preview)
    rules.start(state, state.subscription(subscription.id), call.at, holds=holds)
    return subscription_document(subscription)


def provision_subscription(call: Call) -> Any:
    subscription = call.state.subscription(call.id)
    subscription.provisioned = call.at
    return subscription_document(subscription)


def cancel_subscription(call: Call) -> Any:
    """Cancel a subscription without a refund. The call's other options are not known, so they are refused."""
    fields = Fields(call.body, ("subscriptionId", "cancellationOption"))
    if fields.text("cancellationOption") not in (None, "None"):
        raise invalid("cancellationOption", "only None is supported here")
    subscription = call.state.subscription(fields.id("subscriptionId"))
    if not subscription.is_active:
        raise conflict("subscriptionId", f"{subscription.id} is {subscription.status}")
    rules.cancel(call.state, subscription, call.at)
    return subscription_document(subscription)


def delete_subscription(call: Call) -> None:
    subscription = call.state.subscription(call.id)
    if subscription.status != "Draft":
        raise conflict(
            "subscriptionId", f"{subscription.id} is {subscription.status}; only a draft can be deleted"
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


@reads_query
def set_quantity(call: Call) -> Any:
    """Set a product's quantity. `quantity` is the total. The other fields must be unchanged (documented)."""
    return _change_quantity(call, _PRODUCT, "id", is_absolute=True)


@reads_query
def change_quantity(call: Call) -> Any:
    """Change a product's quantity by the difference `deltaQuantity` (documented)."""
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
        now = read_back(product_document(subscription, product))
        for each in known:
            if each not in ("quantity", "uri", "amount"):
                fields.same(each, now[each])
    if product.plan.is_tracked:
        raise conflict(key, f"{product.id} tracks items: insert and delete them instead")
    quantity = given if is_absolute else product.quantity + given
    state = call.state_for(subscription.customer, is_preview=is_preview)
    subscription, product = state.product(product.id)
    usage.set_quantity(state, subscription, product, quantity, call.at, holds=holds)
    return product_document(subscription, product)


class _Operation(StrEnum):
    INSERT = "Insert"
    UPDATE = "Update"
    DELETE = "Delete"


_ITEM = ("reference", "name", "description")


@reads_query
def insert_item(call: Call) -> Any:
    """Add a tracked item. The names of its fields are inferred, except `reference`."""
    holds = _item_query(call)
    fields = Fields(call.body, ("subscriptionProductId", *_ITEM))
    subscription, product = call.state.product(fields.id("subscriptionProductId"))
    item = _item(fields, Item(call.state.product_ids.last + 1, ""))
    usage.set_items(call.state, subscription, product, (*product.items, item), call.at, holds=holds)
    call.state.product_ids.last = item.id
    return item_document(product, item)


@reads_query
def edit_item(call: Call) -> Any:
    holds = _item_query(call)
    fields = Fields(call.body, ("id", "uri", "subscriptionProductId", *_ITEM))
    subscription, product, old = call.state.item(fields.id("id"))
    fields.same("subscriptionProductId", product.id)
    item = _item(fields, old)
    items = tuple(item if each.id == item.id else each for each in product.items)
    usage.set_items(call.state, subscription, product, items, call.at, holds=holds)
    return item_document(product, item)


@reads_query
def patch_items(call: Call) -> Any:
    """Insert, update and delete tracked items. If one change fails, none is made (documented).

    The shape of the body is inferred.
    """
    holds = _item_query(call)
    fields = Fields(call.body, ("subscriptionProductId", "subscriptionProductItems"))
    subscription, product = call.state.product(fields.id("subscriptionProductId"))
    items, last = {item.id: item for item in product.items}, call.state.product_ids.last
    for given in fields.list("subscriptionProductItems"):
        each = Fields.of(given, ("id", "operation", *_ITEM), "subscriptionProductItems")
        operation = each.choice("operation", _Operation)
        if operation is None:
            raise invalid("operation", f"one of {', '.join(_Operation)} is required")
        if operation is _Operation.INSERT:
            last += 1
            items[last] = _item(each, Item(last, ""))
            continue
        number = each.id("id")
        if number not in items:
            raise not_found("id", number)
        if operation is _Operation.DELETE:
            del items[number]
        else:
            items[number] = _item(each, items[number])
    usage.set_items(call.state, subscription, product, tuple(items.values()), call.at, holds=holds)
    call.state.product_ids.last = last
    return [item_document(product, item) for item in product.items]


def _item_query(call: Call) -> bool:
    holds = call.query.flag("temporarilyDisableAutoPost")
    call.query.nothing_else()
    return holds


def _item(fields: Fields, old: Item) -> Item:
    """Return the item `old`, updated with the fields of a call."""
    given = {name: fields.text(name) or "" for name in _ITEM if name in fields}
    return replace(old, **given)


def get_product(call: Call) -> Any:
    return product_document(*call.state.product(call.id))


ROUTES: tuple[Route, ...] = (
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
    ("POST", "subscriptionproductitems", "subscriptionProductItems/insert", insert_item),
    ("PUT", "subscriptionproductitems", "subscriptionProductItems/edit", edit_item),
    ("PATCH", "subscriptionproductitems", "subscriptionProductItems/patch", patch_items),
    ("PUT", "subscriptionproducts", "subscriptionProducts/setQuantity", set_quantity),
    ("POST", "subscriptionproductquantitychange", "subscriptionProducts/changeQuantity", change_quantity),
)
