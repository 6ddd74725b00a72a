"""Creates, edits and deletes customers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.systems.cheddar import billing, gateway, payments, subscriptions
from tallyhook_mock.systems.cheddar.charges import (
    NewCharge,
    custom,
    draft_one_time,
    setup_charge,
)
from tallyhook_mock.systems.cheddar.model import (
    Customer,
    Invoice,
    InvoiceType,
    MetaDatum,
    PaymentMethod,
    Subscription,
    Usage,
)
from tallyhook_mock.systems.cheddar.products import Plan, Product
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid
from tallyhook_mock.systems.cheddar.state import State
from tallyhook_mock.systems.cheddar.usage import check_limit, find_item

__all__ = ["code_in_use", "delete_all", "delete_customer", "edit_customer", "new_customer"]


def new_customer(
    state: State,
    product: Product,
    *,
    code: str,
    details: Mapping[str, str],
    meta_data: Mapping[str, str],
    plan: Plan,
    payment: PaymentMethod | None,
    at: datetime,
    initial_bill_at: datetime | None = None,
    coupon: str = "",
    items: Mapping[str, Decimal] | None = None,
    charges: Iterable[NewCharge] = (),
    tax_rate: Decimal | None = None,
    is_tax_exempt: bool | None = None,
    card_details: Mapping[str, str] | None = None,
    is_scheduled: bool = True,
    may_be_declined: bool = True,
) -> Customer:
    """Create a customer with a first subscription. Anything due now is billed at once.

    Without a trial or a later first bill date, the initial invoice is executed at once and a current invoice
    is opened. The initial invoice is never held, since there is no usage to review. `items` has the initial
    quantities by item code. If `is_scheduled` is false, the customer has no invoice, and nothing is billed
    until a call sets a `changeBillDate` (documented). If `may_be_declined` is false and the gateway declines
    what is due at once, this raises a Refusal (422), and there is no customer (documented).

    Standing: inferred.
    """
    if state.has_customer(product, code):
        raise code_in_use(code)
    promotion = subscriptions.find_promotion(product, plan, coupon, at) if coupon else None
    gateway.validate(payment)
    customer = Customer(state.ids.next(), code, product, details, at, at, tax_rate, is_tax_exempt)
    subscription = Subscription(state.ids.next(), customer, plan, at, at, payment, card_details or {})
    customer.subscriptions = (subscription,)
    counters: tuple[Usage, ...] = ()
    for item, quantity in (items or {}).items():
        planned = plan.item(find_item(plan, code=item))
        assert planned is not None  # find_item looked it up on this plan
        check_limit(planned, quantity)
        counters += (Usage(item, quantity, at, at),)
    first_bill = initial_bill_at or plan.first_bill(at, product.rules)
    if promotion is not None:
        subscriptions.redeem(subscription, promotion, coupon, at, max(first_bill, at))
    if payment is not None and payment.needs_approval:
        subscription.wait_for_paypal(at)
    edit_meta_data(state, customer, meta_data, at)
    invoice = None
    if is_scheduled:
        try:
            invoice = _first_invoice(
                state, subscription, first_bill, counters, charges, at, may_be_declined=may_be_declined
            )
        except Refusal:
            if promotion is not None:
                product.redemptions[coupon] -= 1
            raise
    state.add_customer(customer)
    state.emit("newSubscription", at, customer, subscription=subscription, invoice=invoice)
    return customer


def edit_customer(
    state: State,
    customer: Customer,
    *,
    details: Mapping[str, str],
    meta_data: Mapping[str, str],
    at: datetime,
    code: str | None = None,
    tax_rate: Decimal | None = None,
    is_tax_exempt: bool | None = None,
) -> None:
    """Change the given fields of a customer. An empty string clears a field."""
    state.touch(customer)
    if code is not None and code != customer.code:
        if state.has_customer(customer.product, code):
            raise code_in_use(code)
        state.rename_customer(customer, code)
        customer.modified = at
    if details or meta_data or is_tax_exempt is not None:
        customer.modified = at
    customer.details = {**customer.details, **details}
    edit_tax(customer, details, tax_rate, is_tax_exempt)
    edit_meta_data(state, customer, meta_data, at)


def edit_tax(
    customer: Customer, details: Mapping[str, str], tax_rate: Decimal | None, is_tax_exempt: bool | None
) -> None:
    """Change a customer's tax rate if `details` has one, and the exemption unless `is_tax_exempt` is None."""
    if "taxRate" in details:
        customer.tax_rate = tax_rate
    if is_tax_exempt is not None:
        customer.is_tax_exempt = is_tax_exempt


def edit_meta_data(state: State, customer: Customer, meta_data: Mapping[str, str], at: datetime) -> None:
    """Add or replace entries of a customer's `metaData`.

    An empty value removes an entry (setting `empty_meta_data`).
    """
    removes = customer.product.rules.empty_meta_data == "removed"
    kept = {datum.name: datum for datum in customer.meta_data}
    for name, value in meta_data.items():
        known = kept.get(name)
        if known is None:
            if value or not removes:
                kept[name] = MetaDatum(state.ids.next(), name, value, at, at)
        elif value or not removes:
            kept[name] = MetaDatum(known.id, name, value, known.created, at)
        else:
            del kept[name]
    customer.meta_data = tuple(kept.values())


def delete_customer(state: State, customer: Customer, at: datetime) -> None:
    """Delete a customer. The mock no longer bills them."""
    state.remove_customer(customer)
    state.emit("customerDeleted", at, customer)


def delete_all(state: State, product: Product, at: datetime) -> None:
    for customer in list(state.customers(product)):
        delete_customer(state, customer, at)


def code_in_use(code: str) -> Refusal:
    return invalid("code", "CustomerCodeNotUnique", f"Another customer already exists with code={code}")


def _first_invoice(
    state: State,
    subscription: Subscription,
    first_bill: datetime,
    counters: tuple[Usage, ...],
    charges: Iterable[NewCharge],
    at: datetime,
    *,
    may_be_declined: bool,
) -> Invoice:
    """Bill what a sign-up owes at once, and return the first invoice of the subscription.

    If `may_be_declined` is false and the gateway declines it, this raises a Refusal (422), and there is no
    invoice.
    """
    customer, plan = subscription.customer, subscription.plan
    subscription.anchor = max(first_bill, at)
    setup = setup_charge(state, plan, at)
    due: Invoice | None = None
    if first_bill <= at and not subscription.is_canceled:
        # It has no usage yet. The quantities belong to the first period.
        due = billing.draft_invoice(state, subscription, at, at, is_initial=True)
        due.charges += (*setup, *(custom(state, new, at) for new in charges))
        billing.close(state, due)
    elif setup and plan.setup_charge_bill_handler == "now" and not subscription.is_canceled:
        due, setup = draft_one_time(state, subscription, setup, at), ()
    if due is not None:
        if not may_be_declined and due.total > 0 and gateway.always_declines(customer):
            raise gateway.failure("6000")
        payments.execute(state, billing.adopt(state, due, None), at)
        if due.type is InvoiceType.SUBSCRIPTION:
            if not subscription.is_canceled:
                billing.restart_cycle(state, subscription, at, counters, begun_with=due)
            return due
    draft = billing.draft_invoice(
        state, subscription, subscription.anchor, at, counters=counters, is_initial=True
    )
    draft.charges += (*setup, *(custom(state, new, at) for new in charges))
    billing.plan_billing(state, billing.adopt(state, draft, None), at)
    return draft
