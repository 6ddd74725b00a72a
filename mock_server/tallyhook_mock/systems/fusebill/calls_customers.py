"""The API's calls for customers and their purchases."""

from decimal import Decimal
from typing import Any

from tallyhook_mock.core.money import currency_problem
from tallyhook_mock.systems.fusebill import rules, usage
from tallyhook_mock.systems.fusebill.documents import (
    customer_document,
    purchase_document,
    subscription_document,
)
from tallyhook_mock.systems.fusebill.listing import Fields as Columns
from tallyhook_mock.systems.fusebill.listing import page
from tallyhook_mock.systems.fusebill.model import Customer, Purchase
from tallyhook_mock.systems.fusebill.refusal import conflict, invalid, not_found
from tallyhook_mock.systems.fusebill.request import Call, Fields, Route, reads_query
from tallyhook_mock.systems.fusebill.rules import NewCustomer

__all__ = ["ROUTES"]

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


@reads_query
def list_customers(call: Call) -> Any:
    return page(call.query, [*call.state.accounts().values()], _CUSTOMERS, customer_document)


def get_customer(call: Call) -> Any:
    return customer_document(call.state.customer(call.id))


def overview(call: Call) -> Any:
    """Return a customer with its subscriptions, the number of its invoices, and its balance (inferred)."""
    customer = call.state.customer(call.id)
    return {
        **customer_document(customer),
        "subscriptions": [subscription_document(each) for each in customer.subscriptions],
        "draftInvoiceCount": len(customer.drafts),
        "invoiceCount": len(customer.invoices),
        "arBalance": sum((bill.total for bill in customer.bills), Decimal("0.00")),
    }


def create_customer(call: Call) -> Any:
    """Create a customer, who begins as a draft (inferred). The statuses are documented.

    Fields that only answers have are refused, because the new customer would not have their values.
    """
    fields = Fields(call.body, ("companyName", *_DETAILS, "currency", "autoPost"))
    details = {name: fields.text(name) or "" for name in _DETAILS}
    person = f"{details['firstName']} {details['lastName']}".strip()
    name = fields.text("companyName") or person or details["primaryEmail"]
    if not name:
        raise invalid("companyName", "a companyName, a name or a primaryEmail is required")
    currency = fields.text("currency") or "USD"
    if (problem := currency_problem(currency)) is not None:
        raise invalid("currency", problem)
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
    """Change a customer's status.

    Raises Refusal with status 409 if that makes no sense, such as activating an active customer (documented).
    """
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
    """Cancel a customer. Its subscriptions end too (inferred)."""
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


@reads_query
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
    quantity = fields.number("quantity", places=6)
    if quantity == 0:
        raise invalid("quantity", "more than 0 is required")
    purchase = usage.buy(call.state, customer, plan, quantity or Decimal(1), call.at)
    purchase.name = fields.text("name") or purchase.name
    return purchase_document(purchase)


@reads_query
def finalise_purchase(call: Call) -> Any:
    is_preview, holds = call.query.flag("preview"), call.query.flag("temporarilyDisableAutoPost")
    call.query.nothing_else()
    purchase = _purchase(call)
    usage.finalise(call.state, purchase, call.at, holds=holds, is_preview=is_preview)
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


ROUTES: tuple[Route, ...] = (
    ("GET", "customers", "customers/list", list_customers),
    ("POST", "customers", "customers/create", create_customer),
    ("PUT", "customers", "customers/edit", edit_customer),
    ("POST", "customers/unhold", "customers/unhold", unhold_customer),
    ("GET", "customers/{id}/overview", "customers/overview", overview),
    ("GET", "customers/{id}/purchases", "purchases/listOfCustomer", list_purchases),
    ("GET", "customers/{id}", "customers/get", get_customer),
    ("POST", "customeractivation", "customers/activate", activate_customer),
    ("POST", "customercancellation", "customers/cancel", cancel_customer),
    ("POST", "customerhold/{id}", "customers/hold", hold_customer),
    ("POST", "purchases/purchase", "purchases/finalise", finalise_purchase),
    ("POST", "purchases/cancel", "purchases/cancel", cancel_purchase),
    ("POST", "purchases", "purchases/create", create_purchase),
)
