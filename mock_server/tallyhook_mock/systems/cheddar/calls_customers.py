"""The handlers of the calls under `/customers`."""

import time
from collections import Counter
from collections.abc import Callable, Container, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import product, total
from tallyhook_mock.systems.cheddar import (
    billing,
    charges,
    gateway,
    paypal,
    signup,
    subscriptions,
    usage,
    validators,
)
from tallyhook_mock.systems.cheddar.calls_invoices import read_charge, read_charges
from tallyhook_mock.systems.cheddar.cards import is_given, is_renewed, read_card_details, read_payment
from tallyhook_mock.systems.cheddar.charges import NewCharge
from tallyhook_mock.systems.cheddar.listing import listed, paged
from tallyhook_mock.systems.cheddar.model import Customer, PaymentMethod
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
    "list_",
    "new",
    "paypal_revert",
    "remove_item_quantity",
    "run_outstanding",
    "search",
    "set_item_quantity",
]

IMPORT_AT_MOST = 100
# The largest difference between the time in a confirmation and the current time (inferred).
CONFIRMED_WITHIN = timedelta(hours=1)

ChangeQuantity: TypeAlias = Callable[..., None]


# -- reading


def get(call: Call) -> str:
    """Return one customer by code, id or invoice number.

    If none of these is given, return all customers that pass the filters.
    """
    parameters = call.parameters
    if "code" in parameters or "id" in parameters:
        return call.answer(call.customer())
    if "invoiceNumber" in parameters:
        invoice = call.invoice_numbered(parameters.text("invoiceNumber"))
        return call.answer(invoice.subscription.customer)
    return search(call)


def get_all(call: Call) -> str:
    """Return the customers that pass the filters, of all products if the call names none (documented)."""
    if call.parameters.text("productCode") or call.parameters.text("productId"):
        return search(call)
    return _listed(call, call.state.everybody().values())


def search(call: Call) -> str:
    """Return the customers of the product that pass the filters, in the requested order."""
    return _listed(call, call.state.customers(call.product))


def list_(call: Call) -> str:
    """Return the customers that pass the filters.

    Unlike `get_all`, this shows only each customer's current subscription and pending invoice (client).
    """
    return _listed(call, call.state.customers(call.product), has_history=False)


def _listed(call: Call, customers: Iterable[Customer], *, has_history: bool = True) -> str:
    found = listed(customers, call.parameters, call.zone)
    if not found:
        raise not_found("No customers found.")
    shown, page = paged(found, call.parameters)
    return customers_document(shown, call.at, page=page, has_history=has_history)


# -- creating


class _Application(Value, frozen=True):
    """The checked fields of a customer who is about to be created."""

    details: Details
    plan: Plan
    payment: PaymentMethod | None
    coupon: str
    first_bill: datetime | None
    items: dict[str, Decimal]
    charges: list[NewCharge]
    card_details: dict[str, str]
    is_scheduled: bool

    def create(self, call: Call, *, may_be_declined: bool) -> Customer:
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
            is_tax_exempt=self.details.is_tax_exempt,
            card_details=self.card_details,
            is_scheduled=self.is_scheduled,
            may_be_declined=may_be_declined,
        )
        paypal.ask(customer, call.origin)
        return customer


def new(call: Call) -> str:
    return call.answer(_application(call, call.parameters, set()).create(call, may_be_declined=False))


def import_(call: Call) -> str:
    """Create up to a hundred customers. If one is refused, none is created.

    Customers are sent as `0[code]=…` (the official client) or `customers[0][code]=…` (inferred). A single
    customer may also be sent with plain names such as `code=…` (the API reference). If a customer has no
    `initialBillDate`, no bill is scheduled until a later call sets a `changeBillDate` (documented).
    """
    parameters = call.parameters
    numbered = [
        value for name, value in parameters.values.items() if name.isdigit() and isinstance(value, Parameters)
    ]
    entries = parameters.levels("customers") or numbered
    if not entries and ("code" in parameters or "subscription" in parameters):
        entries = [parameters]
    if not entries:
        raise call.parameters.invalid("customers", "isEmpty", "A value is required")
    if len(entries) > IMPORT_AT_MOST:
        message = f"There are more than {IMPORT_AT_MOST} customers"
        raise call.parameters.invalid("customers", "tooMany", message)
    applications = []
    codes: set[str] = set()
    coupons: Counter[str] = Counter()
    for entry in entries:
        application = _application(call, entry, codes, is_import=True)
        gateway.validate(application.payment)
        coupons[application.coupon] += 1
        _coupon(call, entry.level("subscription"), application.plan, coupons[application.coupon])
        codes.add(application.details.code)
        applications.append(application)
    created = [application.create(call, may_be_declined=True) for application in applications]
    return customers_document(created, call.at)


def _application(
    call: Call, parameters: Parameters, codes: Container[str], *, is_import: bool = False
) -> _Application:
    """Read and check a new customer's fields in the documented order: plan, names, code, email, others, card.

    `codes` has the codes of the other customers in the same call. This customer can't have any of them.
    """
    terms = parameters.level("subscription")
    plan = _plan(call, terms)
    if plan is None:
        raise Refusal(412, "A pricing plan is required")  # clients expect no auxCode for this field

    def is_taken(code: str) -> bool:
        return code in codes or call.state.has_customer(call.product, code)

    takes_email = call.product.rules.missing_customer_code == "email"
    details = read_details(parameters, is_taken, call.zone, is_new=True, takes_email_as_code=takes_email)
    first_bill = _first_bill(call, terms)
    items, charges = _items(call, plan, parameters), read_charges(parameters)
    is_scheduled = first_bill is not None or not is_import
    if not is_scheduled and (items or charges):
        # These items and charges need an invoice, and there is none yet.
        raise terms.invalid("initialBillDate", "isEmpty", "A value is required")
    payment = None
    # In an import the method may be empty. If it is, payment data are ignored (documented).
    is_without = is_import and "method" in terms and not terms.text("method")
    due = first_bill or plan.first_bill(call.at, call.product.rules)
    owes_now = is_scheduled and _owes_now(plan, charges, is_due=due <= call.at)
    if not is_without and (is_given(terms) or _must_pay(plan) or (owes_now and not is_import)):
        token = details.values.get("gatewayToken", "")
        payment = read_payment(terms, call.product, call.state.ids, call.at, token=token)
        if is_import and payment.method == "paypal":
            validators.required(terms, "ccEmail")  # documented
    return _Application(
        details,
        plan,
        payment,
        _coupon(call, terms, plan),
        first_bill,
        items,
        charges,
        read_card_details(terms, is_new=True) if payment is None else {},
        is_scheduled,
    )


def _first_bill(call: Call, terms: Parameters) -> datetime | None:
    """Return the `initialBillDate`, or None if it is not given.

    It must be today or later in the caller's time zone (documented).
    """
    given = validators.moment(terms, "initialBillDate", call.zone)
    if given is not None and call.product.rules.past_initial_bill_date == "refused":
        today = call.at.astimezone(call.zone).date()
        if given.astimezone(call.zone).date() < today:
            message = f"{validators.quoted(terms.text('initialBillDate'))} is in the past"  # inferred text
            raise terms.invalid("initialBillDate", "dateInvalid", message)
    return given


def _must_pay(plan: Plan) -> bool:
    return plan.payment_method_is_required and not plan.is_free


def _owes_now(plan: Plan, charges: Iterable[NewCharge], *, is_due: bool) -> bool:
    """Return whether a sign-up bills something at once, and so needs a payment method (documented).

    Credits don't replace it. `is_due` tells whether the first bill is due.
    """
    bills_setup = is_due or plan.setup_charge_bill_handler == "now"
    added = total(product(new.quantity, new.each_amount) for new in charges)
    return (bills_setup and plan.setup_charge_amount > 0) or (
        is_due and (plan.recurring_charge_amount > 0 or added > 0)
    )


def _plan(call: Call, terms: Parameters) -> Plan | None:
    """Return the plan that a call names by `planCode`, or None if the call names no plan."""
    code = validators.text(terms, "planCode")
    if code and code not in call.product.plans:
        raise Refusal(412, f"No plan found with code={code}")  # without an auxCode, as above
    return call.product.plans[code] if code else None


def _coupon(call: Call, terms: Parameters, plan: Plan, times: int = 1) -> str:
    """Return the coupon code in a call, or an empty string if there is none.

    Raises a Refusal if the coupon can't be redeemed `times` more times.
    """
    code = validators.text(terms, "couponCode")
    if code:
        try:
            subscriptions.find_promotion(call.product, plan, code, call.at, times)
        except Refusal as refusal:
            raise terms.renamed(refusal) from None
    return code


def _items(call: Call, plan: Plan, parameters: Parameters) -> dict[str, Decimal]:
    """Read a new customer's quantities from `items[k][itemCode]` and `items[k][quantity]`.

    Returns them by item code.
    """
    quantities = {}
    for entry in parameters.levels("items"):
        code = validators.required(entry, "itemCode")
        planned = plan.item(code)
        if planned is None:
            raise not_found(f"Item not found (code={code})")
        rounds = call.product.rules.fifth_decimal_at_sign_up == "rounded"
        read = validators.rounded_quantity if rounds else validators.quantity
        quantities[code] = read(entry, "quantity", Decimal(1))
        try:
            usage.check_limit(planned, quantities[code])
        except Refusal as refusal:
            raise entry.renamed(refusal) from None
    return quantities


# -- changing


def edit(call: Call) -> str:
    """Edit a customer and their subscription together. If one of the two edits is refused, neither is made.

    Fields are checked in the same order as for a new customer: plan, customer, card (inferred). A new tax
    rate already applies to what this call bills (inferred).
    """
    customer = call.customer()
    terms = call.parameters.level("subscription")
    _plan(call, terms)
    details = _changed_details(call, customer)
    change = _change(call, customer, terms)
    tax_before = customer.tax_rate, customer.is_tax_exempt
    signup.edit_tax(customer, details.values, details.tax_rate, details.is_tax_exempt)
    try:
        change.apply(call, customer)
    except Refusal:
        customer.tax_rate, customer.is_tax_exempt = tax_before
        raise
    _apply_details(call, customer, details)
    return call.answer(customer)


def edit_customer(call: Call) -> str:
    customer = call.customer()
    _apply_details(call, customer, _changed_details(call, customer))
    return call.answer(customer)


def edit_subscription(call: Call) -> str:
    """Edit a subscription. The fields are at the top level (documented) or in `subscription[…]` (client)."""
    customer = call.customer()
    terms = call.parameters
    if isinstance(nested := terms.values.get("subscription"), Parameters):
        terms = nested.over(terms)
    _change(call, customer, terms).apply(call, customer)
    return call.answer(customer)


def _changed_details(call: Call, customer: Customer) -> Details:
    def is_taken(code: str) -> bool:
        return code != customer.code and call.state.has_customer(call.product, code)

    details = read_details(call.parameters, is_taken, call.zone, is_new=False)
    if "taxRate" in call.parameters:
        details.values["taxRate"] = call.parameters.text("taxRate")
    return details


def _apply_details(call: Call, customer: Customer, details: Details) -> None:
    signup.edit_customer(
        call.state,
        customer,
        code=details.code or None,
        details=details.values,
        meta_data=details.meta_data,
        tax_rate=details.tax_rate,
        is_tax_exempt=details.is_tax_exempt,
        at=call.at,
    )


class _Change(Value, frozen=True):
    """The checked fields of a call that changes a subscription."""

    terms: Parameters
    plan: Plan | None
    payment: PaymentMethod | None
    coupon: str
    bill_date: datetime | None

    def apply(self, call: Call, customer: Customer) -> None:
        given = read_card_details(self.terms, is_new=False) if self.payment is None else {}
        try:
            subscriptions.change(
                call.state,
                customer,
                plan=self.plan,
                payment=self.payment,
                is_renewed=is_renewed(self.terms)
                or customer.product.rules.new_address_while_declined == "runs",
                coupon=self.coupon,
                change_bill_date=self.bill_date,
                at=call.at,
            )
        except Refusal as refusal:
            raise self.terms.renamed(refusal) from None
        finally:
            paypal.ask(customer, call.origin)  # also if a payment has failed: the new payment method stays
        customer.subscription.card_details = {**customer.subscription.card_details, **given}


def _change(call: Call, customer: Customer, terms: Parameters) -> _Change:
    plan = _plan(call, terms)
    payment = None
    known = customer.subscription.payment
    has_valid = known is not None and not known.has_expired(call.at)
    is_required = plan is not None and _must_pay(plan) and not has_valid
    if is_given(terms, known) or is_required:
        payment = read_payment(
            terms, call.product, call.state.ids, call.at, customer=customer, is_required=is_required
        )
    is_now = terms.text("changeBillDate") == "now"
    bill_date = call.at if is_now else validators.moment(terms, "changeBillDate", call.zone)
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
    """Change an item's counter with the function `change`.

    If `default` is None, the quantity is required and may be 0. Otherwise it must be above 0 (documented).
    `invoicePeriod` is documented only for set-item-quantity. For the other calls, the setting
    `added_to_outstanding` decides whether it is obeyed.
    """
    customer = call.customer()
    parameters = call.parameters
    obeys = default is None or call.product.rules.added_to_outstanding == "obeyed"
    is_outstanding = call.is_outstanding and obeys
    plan = usage.counted_plan(customer, outstanding=is_outstanding)
    if written := parameters.text("itemId"):
        item = usage.find_item(plan, id=ids.parse(written), given=written)
    else:
        item = usage.find_item(plan, code=parameters.text("itemCode"))
    quantity = validators.quantity(parameters, "quantity", default)
    if default is not None:
        quantity = validators.positive(parameters, "quantity", quantity)
    change(call.state, customer, item, quantity, outstanding=is_outstanding, at=call.at)
    return call.answer(customer)


def add_charge(call: Call) -> str:
    customer = call.customer()
    charge = read_charge(call.parameters)
    charges.add_charge(call.state, customer, charge, outstanding=call.is_outstanding, at=call.at)
    return call.answer(customer)


def delete_charge(call: Call) -> str:
    customer = call.customer()
    written = validators.required(call.parameters, "chargeId")
    charge = ids.parse(written)
    if charge is None:
        raise not_found(f"Charge not found (id={written})")  # inferred text
    charges.delete_charge(call.state, customer, charge, outstanding=call.is_outstanding, at=call.at)
    return call.answer(customer)


# -- deleting


def delete(call: Call) -> str:
    signup.delete_customer(call.state, call.customer(), call.at)
    return SUCCESS


def delete_all(call: Call) -> str:
    """Delete every customer of the product. As a confirmation, the call must send the current Unix time.

    Clients use their machine's clock, so both the real time and the mock's time are accepted (inferred).
    """
    if call.product.rules.delete_all_confirm == "any":
        validators.required(call.parameters, "confirm")
        signup.delete_all(call.state, call.product, call.at)
        return SUCCESS
    confirmed = validators.whole(call.parameters, "confirm", 10**11, 0)
    nows = (call.at.timestamp(), time.time())
    if not any(abs(confirmed - now) <= CONFIRMED_WITHIN.total_seconds() for now in nows):
        raise call.parameters.invalid("confirm", "invalid", "The current unix time is required to confirm")
    signup.delete_all(call.state, call.product, call.at)
    return SUCCESS
