"""Changing, canceling and reactivating subscriptions."""

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core.frequencies import add_months
from tallyhook_mock.core.money import NOTHING, ONE, cents
from tallyhook_mock.systems.cheddar import billing, gateway, payments
from tallyhook_mock.systems.cheddar.customers import Customer, PaymentMethod, Subscription
from tallyhook_mock.systems.cheddar.invoices import Charge, ChargeType, Invoice
from tallyhook_mock.systems.cheddar.products import Plan, Product, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "approve_paypal",
    "cancel",
    "change",
    "find_promotion",
    "redeem",
    "revert_paypal",
    "setup_charge",
]


def change(
    state: State,
    customer: Customer,
    *,
    at: datetime,
    plan: Plan | None = None,
    payment: PaymentMethod | None = None,
    coupon: str = "",
    change_bill_date: datetime | None = None,
) -> None:
    """Change the plan, the payment method, the promotion or the bill date; what is not given stays.

    A new plan or payment method reactivates a canceled subscription (recorded for a payment method, inferred
    for a plan). A new payment method runs an invoice that failed at once, one by PayPal when PayPal agrees;
    one that is held for review stays held (inferred: it would bill quantities that nobody has finished).
    """
    subscription = customer.subscription
    state.touched(customer)
    promotion = find_promotion(customer.product, plan or subscription.plan, coupon, at) if coupon else None
    if change_bill_date is not None and subscription.current is None:
        raise Refusal(412, "The subscription has no current invoice", "changeBillDate:notFound")  # inferred
    gateway.validate(payment, customer)
    if payment is not None:
        subscription.payment = payment
    if plan is not None and plan.code != subscription.plan.code:
        subscription = _change_plan(state, subscription, plan, at)
    if promotion is not None:
        redeem(subscription, promotion, coupon, at)
    if (plan or payment) and subscription.is_canceled:
        if payment is not None and payment.method == "paypal":
            subscription.wait_for_paypal(at)
        else:
            billing.reactivate(state, subscription, at)
    if change_bill_date is not None:
        _move_bill_date(state, subscription, change_bill_date, at)
    outstanding = subscription.outstanding
    if payment is not None and not subscription.waits_for_paypal and outstanding and outstanding.has_failed:
        billing.run_outstanding(state, customer, at)


def cancel(state: State, customer: Customer, at: datetime) -> None:
    """Cancel at the customer's wish; a subscription that is canceled already stays as it is."""
    subscription = customer.subscription
    if subscription.is_canceled:
        return
    invoice = subscription.current
    payments.end(subscription, "customer", "", at)
    state.emit("subscriptionCanceled", at, customer, subscription=subscription, invoice=invoice)


def approve_paypal(state: State, customer: Customer, at: datetime) -> None:
    """The customer agreed at PayPal: the subscription begins, and what was due is executed (inferred)."""
    subscription = customer.subscription
    if not subscription.waits_for_paypal:
        raise Refusal(412, "The subscription is not waiting for PayPal", "method:notWaiting")  # inferred
    owed = subscription.outstanding
    billing.reactivate(state, subscription, at)
    current = subscription.current
    if current is not None and current.billing_at <= at:
        _execute_now(state, subscription, current, at)
    if owed is not None and owed.has_failed:
        payments.execute(state, owed, at)


def revert_paypal(state: State, customer: Customer, at: datetime) -> None:
    """Give up waiting for PayPal: the subscription stays canceled at the customer's wish (inferred)."""
    subscription = customer.subscription
    if not subscription.waits_for_paypal:
        raise Refusal(412, "The subscription is not waiting for PayPal", "method:notWaiting")  # inferred
    payments.end(subscription, "customer", "PayPal preapproval was reverted", at)
    state.emit("subscriptionCanceled", at, customer, subscription=subscription, invoice=subscription.shelved)


def find_promotion(product: Product, plan: Plan, coupon: str, at: datetime, times: int = 1) -> Promotion:
    """The promotion behind a coupon code that can be redeemed on this plan, `times` times more."""
    for promotion in product.promotions.values():
        for offered in promotion.coupons:
            if offered.code != coupon:
                continue
            expiration = offered.expiration or promotion.expiration
            most = offered.max_redemptions
            if (
                (not promotion.plans or plan.code in promotion.plans)
                and (not expiration or expiration > at)
                and (most is None or product.redemptions[coupon] + times <= most)
            ):
                return promotion
    raise invalid("couponCode", "notFound", f"'{coupon}' is not a valid coupon code")  # inferred text


def redeem(subscription: Subscription, promotion: Promotion, coupon: str, at: datetime) -> None:
    """Put a promotion on a subscription: its percentage comes off the recurring charge while it lasts.

    Each time counts towards what the coupon allows, on the same subscription too (inferred).
    """
    subscription.customer.product.redemptions[coupon] += 1
    subscription.promotion, subscription.coupon = promotion, coupon
    subscription.promotion_ends = add_months(at, promotion.months) if promotion.months else None
    if subscription.current is not None:
        subscription.current.discount = promotion.percentage


def setup_charge(state: State, plan: Plan, at: datetime) -> tuple[Charge, ...]:
    """The plan's setup charge, or nothing if it has none."""
    amount = plan.setup_charge_amount
    if not amount:
        return ()
    return (Charge(state.ids.next(), plan.setup_charge_code, ChargeType.SETUP, ONE, amount, "", at),)


def _change_plan(state: State, old: Subscription, plan: Plan, at: datetime) -> Subscription:
    """A new subscription in front; what is not paid moves to it, and the old one stays as history.

    The existing bill date stays (documented), and what follows is counted from there if the new plan has
    another frequency. After a plan that billed only once there is none: a new cycle starts (inferred).
    """
    customer = old.customer
    last = billing.last_period(customer)
    unpaid = tuple(made for made in old.invoices if not made.transactions or made.is_outstanding)
    new = replace(old, id=state.ids.next(), plan=plan, created=at, invoices=unpaid)
    old.invoices = tuple(invoice for invoice in old.invoices if invoice not in unpaid)
    old.shelved = None
    for invoice in (*new.invoices, new.shelved):
        if invoice is not None:
            invoice.subscription = new
    if not old.is_canceled:
        old.cancel_type, old.canceled_at = "", None
    customer.subscriptions = (new, *customer.subscriptions)
    current = new.current
    open_invoice = current or new.shelved
    unused = _unused_part(old.plan, open_invoice, at) if open_invoice else NOTHING
    if open_invoice is not None and plan.frequency != old.plan.frequency:
        new.anchor, new.cycle = open_invoice.billing_at, 0
    if open_invoice is None and not new.is_canceled:
        billing.restart_cycle(state, new, at, billing.lasting_counters(last))
        current = open_invoice = new.current
    if open_invoice is not None:
        open_invoice.plan = plan
        if plan.on_change_setup_charge_bill_handler != "no":
            open_invoice.charges += setup_charge(state, plan, at)
    if current is not None and not new.is_canceled and plan.on_change_initial_bill_handler == "now":
        if unused:
            adjustment = billing.NewCharge(
                old.plan.recurring_charge_code, ONE, -unused, "Subscription change adjustment"
            )
            current.charges += (billing.custom(state, adjustment, at),)
        _execute_now(state, new, current, at)
    state.emit("subscriptionChanged", at, customer, invoice=current, subscription=new, previous=old)
    return new


def _unused_part(plan: Plan, invoice: Invoice, at: datetime) -> Decimal:
    """What was paid in advance for the rest of the period, by the second (inferred), in whole cents."""
    begun = invoice.previous_at
    if begun is None or not begun <= at < invoice.billing_at:
        return NOTHING
    share = Decimal((invoice.billing_at - at).total_seconds()) / Decimal(
        (invoice.billing_at - begun).total_seconds()
    )
    return cents(plan.recurring_charge_amount * (100 - invoice.discount) / 100 * share)


def _execute_now(state: State, subscription: Subscription, current: Invoice, at: datetime) -> None:
    """Bill the current invoice at once, without a review, and start the cycle again."""
    lasting = billing.lasting_counters(current)
    current.billing_at = at
    billing.close(state, current)
    payments.execute(state, current, at)
    if not subscription.is_canceled:
        billing.restart_cycle(state, subscription, at, lasting)


def _move_bill_date(state: State, subscription: Subscription, when: datetime, at: datetime) -> None:
    current = subscription.current
    assert current is not None  # checked before anything was changed
    if when <= at:
        _execute_now(state, subscription, current, at)
        return
    current.billing_at = when
    subscription.anchor, subscription.cycle = when, 0
    billing.plan_billing(state, current, at)
