"""The calls under `/customers`."""

import time
from collections import Counter
from collections.abc import Callable, Container
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Value
from tallyhook_mock.systems.cheddar import billing, gateway, paypal, signup, subscriptions, usage, validators
from tallyhook_mock.systems.cheddar.billing import NewCharge
from tallyhook_mock.systems.cheddar.calls_invoices import read_charge, read_charges
from tallyhook_mock.systems.cheddar.cards import is_given, read_payment
from tallyhook_mock.systems.cheddar.customers import Customer, PaymentMethod
from tallyhook_mock.systems.cheddar.listing import listed
from tallyhook_mock.systems.cheddar.products import Plan
from tallyhook_mock.systems.cheddar.refusal import Refusal, not_found
from tallyhook_mock.systems.cheddar.request import Call, Parameters
from tallyhook_mock.systems.cheddar.validators import Details, read_details
from tallyhook_mock.systems.cheddar.xml_documents import SUCCESS, customers_document

__all__ = [
    "add_charge",
    "add_item_quantity",
    "cancel",
    "delete",
    "delete_all",
    "delete_charge",
    "edit",
    "edit_customer",
    "edit_subscription",
    "get",
    "get_all",
    "import_",
    "new",
    "paypal_revert",
    "remove_item_quantity",
    "run_outstanding",
    "set_item_quantity",
]

IMPORT_AT_MOST = 100
# How near to now a confirmation must be (inferred).
CONFIRMED_WITHIN = timedelta(hours=1)

ChangeQuantity: TypeAlias = Callable[..., None]


# -- reading


def get(call: Call) -> str:
    """One customer by code, id or invoice number; without any of them the list."""
    parameters = call.parameters
    if "code" in parameters or "id" in parameters:
        return call.answer(call.customer())
    if "invoiceNumber" in parameters:
        invoice = call.invoice_numbered(parameters.text("invoiceNumber"))
        return call.answer(invoice.subscription.customer)
    return get_all(call)


def get_all(call: Call) -> str:
    """The customers that pass the filters, in the order that is asked for."""
    found = listed(call.state.customers(call.product), call.parameters)
    if not found:
        raise not_found("No customers found.")
    return customers_document(found, call.at)


# -- creating


class _Application(Value, frozen=True):
    """A new customer, completely checked."""

    details: Details
    plan: Plan
    payment: PaymentMethod | None
    coupon: str
    first_bill: datetime | None
    items: dict[str, Decimal]
    charges: list[NewCharge]
    is_exempt: bool

    def create(self, call: Call) -> Customer:
        customer = signup.new_customer(
            call.state,
            call.product,
            code=self.details.code,
            details=self.details.values,
            meta_data=self.details.meta_data,
            plan=self.plan,
            payment=self.payment,
            at=call.at,
            initial_bill_at=self.first_bill,
            coupon=self.coupon,
            items=self.items,
            charges=self.charges,
            tax_rate=self.details.tax_rate,
            is_tax_exempt=self.is_exempt,
        )
        paypal.ask(customer, call.origin)
        return customer


def new(call: Call) -> str:
    return call.answer(_application(call, call.parameters, set()).create(call))


def import_(call: Call) -> str:
    """Create the up to a hundred customers of `customers[k][…]` (the name is inferred), or none of them."""
    entries = call.parameters.levels("customers")
    if not entries:
        raise call.parameters.invalid("customers", "isEmpty", "A value is required")
    if len(entries) > IMPORT_AT_MOST:
        message = f"There are more than {IMPORT_AT_MOST} customers"
        raise call.parameters.invalid("customers", "tooMany", message)
    applications = []
    codes: set[str] = set()
    coupons: Counter[str] = Counter()
    for entry in entries:
        application = _application(call, entry, codes)
        gateway.validate(application.payment)
        coupons[application.coupon] += 1
        _coupon(call, entry.level("subscription"), application.plan, coupons[application.coupon])
        codes.add(application.details.code)
        applications.append(application)
    return customers_document([application.create(call) for application in applications], call.at)


def _application(call: Call, parameters: Parameters, codes: Container[str]) -> _Application:
    """Read a new customer in the documented order: plan, names, code, email, and the rest; then the card.

    `codes` are those that the same call gives to others.
    """
    terms = parameters.level("subscription")
    plan = _plan(call, terms)
    if plan is None:
        raise terms.invalid("planCode", "isEmpty", "A pricing plan is required")

    def is_taken(code: str) -> bool:
        return code in codes or call.state.has_customer(call.product, code)

    details = read_details(parameters, is_taken, is_new=True)
    payment = None
    if _must_pay(plan) or is_given(terms):
        token = details.values.get("gatewayToken", "")
        payment = read_payment(terms, call.product, call.state.ids, call.at, token=token)
    return _Application(
        details,
        plan,
        payment,
        _coupon(call, terms, plan),
        validators.moment(terms, "initialBillDate"),
        _items(plan, parameters),
        read_charges(parameters),
        bool(details.is_tax_exempt),
    )


def _must_pay(plan: Plan) -> bool:
    return plan.payment_method_is_required and not plan.is_free


def _plan(call: Call, terms: Parameters) -> Plan | None:
    """The plan that a call names, if it names one."""
    code = validators.text(terms, "planCode")
    if code and code not in call.product.plans:
        raise terms.invalid("planCode", "notFound", f"No plan found with code={code}")
    return call.product.plans[code] if code else None


def _coupon(call: Call, terms: Parameters, plan: Plan, times: int = 1) -> str:
    """The coupon that a call brings, if it can be redeemed `times` times more."""
    code = validators.text(terms, "couponCode")
    if code:
        try:
            subscriptions.find_promotion(call.product, plan, code, call.at, times)
        except Refusal as refusal:
            raise terms.renamed(refusal) from None
    return code


def _items(plan: Plan, parameters: Parameters) -> dict[str, Decimal]:
    """The quantities to begin with: `items[k][itemCode, quantity]`."""
    quantities = {}
    for entry in parameters.levels("items"):
        code = validators.required(entry, "itemCode")
        planned = plan.item(code)
        if planned is None:
            raise not_found(f"Item not found (code={code})")
        quantities[code] = validators.quantity(entry, "quantity", Decimal(1))
        try:
            usage.check_limit(planned, quantities[code])
        except Refusal as refusal:
            raise entry.renamed(refusal) from None
    return quantities


# -- changing


def edit(call: Call) -> str:
    """Customer and subscription in one: if either is refused, neither changes.

    The fields are checked in the order of a new customer: the plan, the customer's own, the card (inferred).
    """
    customer = call.customer()
    terms = call.parameters.level("subscription")
    _plan(call, terms)
    details = _changed_details(call, customer)
    change = _change(call, customer, terms)
    change.apply(call, customer)
    _apply_details(call, customer, details)
    return call.answer(customer)


def edit_customer(call: Call) -> str:
    customer = call.customer()
    _apply_details(call, customer, _changed_details(call, customer))
    return call.answer(customer)


def edit_subscription(call: Call) -> str:
    customer = call.customer()
    _change(call, customer, call.parameters).apply(call, customer)
    return call.answer(customer)


def _changed_details(call: Call, customer: Customer) -> Details:
    def is_taken(code: str) -> bool:
        return code != customer.code and call.state.has_customer(call.product, code)

    return read_details(call.parameters, is_taken, is_new=False)


def _apply_details(call: Call, customer: Customer, details: Details) -> None:
    values = details.values
    if "taxRate" in call.parameters:
        values["taxRate"] = call.parameters.text("taxRate")
    signup.edit_customer(
        call.state,
        customer,
        code=details.code or None,
        details=values,
        meta_data=details.meta_data,
        tax_rate=details.tax_rate,
        is_tax_exempt=details.is_tax_exempt,
        at=call.at,
    )


class _Change(Value, frozen=True):
    """A change of a subscription, its fields checked; the engine takes it or refuses it as a whole."""

    terms: Parameters
    plan: Plan | None
    payment: PaymentMethod | None
    coupon: str
    bill_date: datetime | None

    def apply(self, call: Call, customer: Customer) -> None:
        try:
            subscriptions.change(
                call.state,
                customer,
                plan=self.plan,
                payment=self.payment,
                coupon=self.coupon,
                change_bill_date=self.bill_date,
                at=call.at,
            )
        except Refusal as refusal:
            raise self.terms.renamed(refusal) from None
        paypal.ask(customer, call.origin)


def _change(call: Call, customer: Customer, terms: Parameters) -> _Change:
    plan = _plan(call, terms)
    payment = None
    known = customer.subscription.payment
    if is_given(terms, known) or (plan is not None and _must_pay(plan) and known is None):
        payment = read_payment(terms, call.product, call.state.ids, call.at, customer=customer)
    is_now = terms.text("changeBillDate") == "now"
    bill_date = call.at if is_now else validators.moment(terms, "changeBillDate")
    return _Change(terms, plan, payment, validators.text(terms, "couponCode"), bill_date)


def cancel(call: Call) -> str:
    customer = call.customer()
    subscriptions.cancel(call.state, customer, call.at)
    return call.answer(customer)


def paypal_revert(call: Call) -> str:
    customer = call.customer()
    subscriptions.revert_paypal(call.state, customer, call.at)
    return call.answer(customer)


def run_outstanding(call: Call) -> str:
    customer = call.customer()
    validators.text(call.parameters, "ccCardCode", 4)
    billing.run_outstanding(call.state, customer, call.at)
    return call.answer(customer)


# -- usage and charges


def set_item_quantity(call: Call) -> str:
    return _change_quantity(call, usage.set_quantity, None)


def add_item_quantity(call: Call) -> str:
    return _change_quantity(call, usage.add_quantity, Decimal(1))


def remove_item_quantity(call: Call) -> str:
    return _change_quantity(call, usage.remove_quantity, Decimal(1))


def _change_quantity(call: Call, change: ChangeQuantity, default: Decimal | None) -> str:
    customer = call.customer()
    parameters = call.parameters
    plan = usage.counted_plan(customer, outstanding=call.is_outstanding)
    if written := parameters.text("itemId"):
        item = usage.find_item(plan, id=ids.parse(written), given=written)
    else:
        item = usage.find_item(plan, code=parameters.text("itemCode"))
    quantity = validators.quantity(parameters, "quantity", default)
    change(call.state, customer, item, quantity, outstanding=call.is_outstanding, at=call.at)
    return call.answer(customer)


def add_charge(call: Call) -> str:
    customer = call.customer()
    charge = read_charge(call.parameters)
    billing.add_charge(call.state, customer, charge, outstanding=call.is_outstanding, at=call.at)
    return call.answer(customer)


def delete_charge(call: Call) -> str:
    customer = call.customer()
    written = validators.required(call.parameters, "chargeId")
    charge = ids.parse(written)
    if charge is None:
        raise not_found(f"Charge not found (id={written})")  # inferred text
    billing.delete_charge(call.state, customer, charge, outstanding=call.is_outstanding, at=call.at)
    return call.answer(customer)


# -- deleting


def delete(call: Call) -> str:
    signup.delete_customer(call.state, call.customer(), call.at)
    return SUCCESS


def delete_all(call: Call) -> str:
    """Delete every customer of the product, confirmed by the unix time of now.

    Clients confirm by the clock of their own machine, so that one counts as well as this server's (inferred).
    """
    confirmed = validators.whole(call.parameters, "confirm", 10**11, 0)
    nows = (call.at.timestamp(), time.time())
    if not any(abs(confirmed - now) <= CONFIRMED_WITHIN.total_seconds() for now in nows):
        raise call.parameters.invalid("confirm", "invalid", "The current unix time is required to confirm")
    signup.delete_all(call.state, call.product, call.at)
    return SUCCESS
