"""Changes, cancels and reactivates subscriptions."""

from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from msgspec.structs import replace

from tallyhook_mock.core.money import ONE, ZERO, cents
from tallyhook_mock.systems.cheddar import billing, charges, gateway, payments
from tallyhook_mock.systems.cheddar.charges import NewCharge
from tallyhook_mock.systems.cheddar.model import (
    PAYPAL_WAIT,
    Charge,
    Customer,
    Invoice,
    InvoiceState,
    InvoiceType,
    PaymentMethod,
    Subscription,
)
from tallyhook_mock.systems.cheddar.products import Plan, Product, Promotion
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid
from tallyhook_mock.systems.cheddar.state import State

__all__ = ["approve_paypal", "cancel", "change", "find_promotion", "redeem", "revert_paypal"]


def change(
    state: State,
    customer: Customer,
    *,
    at: datetime,
    plan: Plan | None = None,
    payment: PaymentMethod | None = None,
    is_renewed: bool = True,
    coupon: str = "",
    change_bill_date: datetime | None = None,
) -> None:
    """Change a subscription's plan, payment method, promotion or bill date, whichever are given.

    A new payment method runs an invoice whose payment failed (documented). With PayPal, the invoice runs
    after the customer has agreed to pay. The setting `new_card_while_held` decides whether an invoice held
    for review runs too. If `is_renewed` is false, `payment` only updates the details of the known payment
    method and runs no invoice (setting `new_address_while_declined`).

    A new payment method, a new plan, or a bill date now or in the past reactivates a canceled subscription.
    If a payment fails, this raises a Refusal (422). The change is then undone, except for the new payment
    method and payments made before the failure.

    Standing: staff 2010, 2014, 2015; recorded.
    """
    subscription = customer.subscription
    state.touch(customer)
    promotion = find_promotion(customer.product, plan or subscription.plan, coupon, at) if coupon else None
    is_unscheduled = billing.last_period(customer) is None  # imported without a date
    if change_bill_date is not None and subscription.pending is None and not is_unscheduled:
        raise Refusal(412, "The subscription has no current invoice", "changeBillDate:notFound")  # inferred
    gateway.validate(payment, customer)
    if payment is not None:
        subscription.payment = payment
    if plan is not None and plan.code == subscription.plan.code:
        plan_change, is_named = None, True
    else:
        plan_change, is_named = plan, plan is not None
    renews = payment is not None and is_renewed
    bills_now = change_bill_date is not None and change_bill_date <= at
    if subscription.is_canceled and renews and payment is not None:
        if payment.needs_approval:
            subscription.wait_for_paypal(at)
        elif subscription.waits_for_paypal:
            subscription.cancel_type = "customer"  # a card replaces PayPal
    wakes = subscription.is_canceled and not subscription.waits_for_paypal
    bills_awake = bills_now and customer.product.rules.canceled_bill_now == "reactivates"
    wakes = wakes and (renews or is_named or bills_awake)
    before = _promotion_of(subscription)
    if promotion is not None:
        first_bill = subscription.pending.billing_at if subscription.pending else at
        redeem(subscription, promotion, coupon, at, first_bill)
    try:
        paid = None
        if (renews or wakes) and not subscription.waits_for_paypal:
            paid = _pay_outstanding(state, customer, at)
        if wakes:
            subscription = _wake(state, subscription, plan_change, change_bill_date, at, paid=paid)
        elif plan_change is not None:
            subscription = _change_plan(state, subscription, plan_change, at, change_bill_date)
        elif change_bill_date is not None:
            billing.move_bill_date(state, subscription, change_bill_date, at)
    except Refusal:
        if promotion is not None:
            customer.product.redemptions[coupon] -= 1
            _put_promotion(customer.subscription, before)
        raise


def _pay_outstanding(state: State, customer: Customer, at: datetime) -> Invoice | None:
    """Run the outstanding invoice if its payment failed before.

    Returns the invoice if it bills a period, or None. The setting `new_card_while_held` decides whether an
    invoice that is held for review is run too. Raises a Refusal if the payment fails.
    """
    outstanding = customer.subscription.outstanding
    if outstanding is None or outstanding.state is InvoiceState.LAPSED:
        return None
    if not outstanding.has_failed and customer.product.rules.new_card_while_held == "waits":
        return None
    if not payments.execute(state, outstanding, at):
        raise gateway.failure("6000", customer)
    return outstanding if outstanding.type is InvoiceType.SUBSCRIPTION else None


def _wake(
    state: State,
    subscription: Subscription,
    plan: Plan | None,
    bill_date: datetime | None,
    at: datetime,
    *,
    paid: Invoice | None,
) -> Subscription:
    """Reactivate a subscription. If `plan` is given, change to that plan.

    Before the next bill date the change is the same as for an active subscription. If the change fails, the
    subscription remains canceled, unless an outstanding invoice was just `paid`. After the bill date the
    change is a new sign-up, unless the paid invoice counts as the first bill (setting
    `long_cancel_with_outstanding`). Returns the customer's current subscription.
    """
    rules = subscription.customer.product.rules
    if plan is None:
        billing.reactivate(state, subscription, at, paid=paid, first_bill=bill_date)
        return subscription
    if subscription.current is not None:
        if paid is not None:
            billing.reactivate(state, subscription, at, paid=paid)
            return _change_plan(state, subscription, plan, at, bill_date)
        return _change_plan(state, subscription, plan, at, bill_date, wakes=True)
    if paid is not None and rules.long_cancel_with_outstanding == "one":
        billing.reactivate(state, subscription, at, paid=paid, first_bill=bill_date)
        return _change_plan(state, subscription, plan, at, None)
    old, customer = subscription, subscription.customer
    was, pending = customer.subscriptions, subscription.pending
    new = _succeed(state, old, plan, at)
    try:
        billing.reactivate(state, new, at, paid=paid, first_bill=bill_date)
    except Refusal:
        _withdraw(customer, was, new)
        raise
    _changed(state, old, new, new.current or pending, at)
    return new


def cancel(state: State, customer: Customer, at: datetime) -> None:
    """Cancel a subscription at the customer's request. It then no longer waits for PayPal (inferred).

    If it is canceled already and doesn't wait, nothing changes (setting `canceled_again`).
    """
    subscription = customer.subscription
    if subscription.waits_for_paypal:
        _stop_waiting(state, subscription, "", at)
    elif not subscription.is_canceled:
        payments.cancel(state, subscription, "customer", "", at)
    elif customer.product.rules.canceled_again == "refused":
        raise Refusal(412, "The subscription is canceled already")  # inferred text


def approve_paypal(state: State, customer: Customer, at: datetime) -> None:
    """Start a subscription whose customer has agreed to pay by PayPal.

    What is due is then paid, as with a card (inferred). If the payment fails, this raises a Refusal (422),
    and the subscription still waits.

    Standing: recorded.
    """
    subscription = customer.subscription
    if not subscription.waits_for_paypal:
        raise Refusal(412, "The subscription is not waiting for PayPal", "method:notWaiting")  # inferred
    subscription.cancel_type = "customer"  # no longer waiting, so it can be charged from here on
    try:
        billing.reactivate(state, subscription, at, paid=_pay_outstanding(state, customer, at))
    except Refusal:
        subscription.cancel_type = PAYPAL_WAIT
        raise


def revert_paypal(state: State, customer: Customer, at: datetime) -> None:
    """Stop waiting for PayPal. The subscription stays canceled, as if by the customer (inferred)."""
    subscription = customer.subscription
    if not subscription.waits_for_paypal:
        raise Refusal(412, "The subscription is not waiting for PayPal", "method:notWaiting")  # inferred
    _stop_waiting(state, subscription, "PayPal preapproval was reverted", at)


def _stop_waiting(state: State, subscription: Subscription, reason: str, at: datetime) -> None:
    """Cancel a subscription that waits for PayPal.

    A period that ended during the wait is then not billed, as in any cancellation (staff 2009, 2014).
    """
    payments.cancel(state, subscription, "customer", reason, at)
    pending = subscription.current
    if pending is not None and not pending.ends_no_period:
        billing.bill(state, pending, at)


def find_promotion(product: Product, plan: Plan, coupon: str, at: datetime, times: int = 1) -> Promotion:
    """Return the promotion that a coupon belongs to.

    Raises a Refusal unless the coupon can be redeemed `times` more times on `plan`.
    """
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


def redeem(
    subscription: Subscription, promotion: Promotion, coupon: str, at: datetime, first_bill: datetime
) -> None:
    """Add a promotion to a subscription. The promotion discounts each bill whose date is before its end.

    Each redemption counts towards the coupon's limit, even on the same subscription (inferred).
    """
    product = subscription.customer.product
    product.redemptions[coupon] += 1
    ends = None
    if promotion.months:
        start = at if product.rules.promotion_months_from == "redemption" else first_bill
        ends = product.rules.add_months(start, promotion.months)
    _put_promotion(subscription, (promotion, coupon, ends))


_Redeemed: TypeAlias = tuple[Promotion | None, str, datetime | None]


def _promotion_of(subscription: Subscription) -> _Redeemed:
    return subscription.promotion, subscription.coupon, subscription.promotion_ends


def _put_promotion(subscription: Subscription, redeemed: _Redeemed) -> None:
    subscription.promotion, subscription.coupon, subscription.promotion_ends = redeemed


# -- changing the plan


def _change_plan(
    state: State,
    old: Subscription,
    plan: Plan,
    at: datetime,
    bill_date: datetime | None,
    *,
    wakes: bool = False,
) -> Subscription:
    """Change to another plan at once, and reactivate the subscription if it `wakes`.

    Returns the new subscription.

    A change from a free to a paid plan is a sign-up (staff 2010). If the new plan's
    `onChangeInitialBillHandler` is `now`, the change is prorated. It then bills three things at once: the
    ended period's overage in full under the old plan (staff 2011), a credit for the unused part of that
    period, and the new recurring charge. After that, the billing cycle starts again (documented). In all
    other cases, and before the first bill (staff 2010), the bill date doesn't change, and the new plan is
    charged on that date (documented).
    """
    product, current = old.customer.product, old.current
    rules = product.rules
    was = old.customer.subscriptions
    signs_up = old.plan.is_free and not plan.is_free and rules.free_to_paid == "sign-up"
    in_trial = current is not None and current.is_initial
    prorates = plan.on_change_initial_bill_handler == "now" and not signs_up
    if in_trial and rules.prorated_change_in_trial == "keeps-date":
        prorates = False
    first_bill = at
    if signs_up:
        first_bill = bill_date or plan.first_bill(at, rules)
    if signs_up or plan.on_change_setup_charge_bill_handler != "no":
        setup = charges.setup_charge(state, plan, at)
    else:
        setup = ()
    last = billing.last_period(old.customer)
    new = _succeed(state, old, plan, at)
    try:
        if new.pending is None and last is not None:
            _start_cycle(state, new, last, setup, first_bill if signs_up or prorates else None, at)
        elif current is None:
            # Imported without a date, or waiting for PayPal after the bill date: a `changeBillDate` schedules
            # a bill, and what was missed is a new sign-up once the subscription is reactivated.
            if bill_date is not None:
                billing.move_bill_date(state, new, bill_date, at)
        elif (signs_up and first_bill <= at) or prorates or (bill_date is not None and bill_date <= at):
            lasting = billing.lasting_counters(current, plan)
            draft = replace(current, subscription=new, charges=current.charges + setup)
            if prorates:
                if rules.prorated_overage == "dropped":
                    draft.counters = ()
                draft.charges += _adjustment(state, old, current, at)
            billing.bill_now(state, draft, current, at, recurring=plan)
            billing.restart_cycle(state, new, at, lasting, begun_with=current)
        else:
            _keep_date(state, new, current, plan, setup, first_bill if signs_up else None, at)
    except Refusal:
        _withdraw(old.customer, was, new)
        raise
    has_period = current is not None and new.current is not None
    if bill_date is not None and bill_date > at and not signs_up and has_period:
        billing.move_bill_date(state, new, bill_date, at)
    if wakes:
        billing.reactivate(state, new, at)
        old.undo_cancellation()  # as if it had been reactivated first (staff 2014)
    _changed(state, old, new, current or new.pending, at)
    return new


def _start_cycle(
    state: State,
    new: Subscription,
    last: Invoice | None,
    setup: tuple[Charge, ...],
    first_bill: datetime | None,
    at: datetime,
) -> None:
    """Start a billing cycle on the new plan. The old plan billed only once and left no pending invoice."""
    counters = billing.lasting_counters(last, new.plan)
    if first_bill is None:
        billing.restart_cycle(state, new, at, counters)
        if new.current is not None:
            new.current.charges += setup
        return
    if first_bill > at:
        setup = charges.setup_before_first_bill(state, new, setup, at)
    draft = billing.draft_invoice(state, new, first_bill, at, counters=counters, is_initial=True)
    draft.charges += setup
    new.anchor, new.cycle = first_bill, 0
    if first_bill <= at:
        billed = billing.bill_now(state, draft, None, at)
        billing.restart_cycle(state, new, at, counters, begun_with=billed)
    else:
        billing.plan_billing(state, billing.adopt(state, draft, None), at)


def _keep_date(
    state: State,
    new: Subscription,
    current: Invoice,
    plan: Plan,
    setup: tuple[Charge, ...],
    first_bill: datetime | None,
    at: datetime,
) -> None:
    """Put the pending invoice on the new plan and keep its bill date.

    If `first_bill` is given, the change is a sign-up, and `first_bill` becomes the bill date.
    """
    if first_bill is not None:
        setup = charges.setup_before_first_bill(state, new, setup, at)
        current.billing_at, current.is_initial = first_bill, True
        new.anchor, new.cycle = first_bill, 0
        billing.plan_billing(state, current, at)
    elif plan.frequency != current.plan.frequency:
        new.anchor, new.cycle = current.billing_at, 0
    current.plan = plan
    current.charges += setup


def _succeed(state: State, old: Subscription, plan: Plan, at: datetime) -> Subscription:
    """Make a new subscription to `plan` the current one, and move the unpaid invoices to it.

    The old subscription is kept as history.
    """
    unpaid = tuple(made for made in old.invoices if made.is_outstanding or made is old.pending)
    new = replace(old, id=state.ids.next(), plan=plan, created=at, invoices=unpaid)
    old.invoices = tuple(made for made in old.invoices if made not in unpaid)
    for invoice in unpaid:
        invoice.subscription = new
    old.customer.subscriptions = (new, *old.customer.subscriptions)
    return new


def _withdraw(customer: Customer, was: tuple[Subscription, ...], new: Subscription) -> None:
    """Undo a failed change by moving the new subscription's invoices back to the old subscription."""
    old = was[0]
    customer.subscriptions = was
    for invoice in new.invoices:
        invoice.subscription = old
    old.invoices += new.invoices


def _changed(
    state: State, old: Subscription, new: Subscription, invoice: Invoice | None, at: datetime
) -> None:
    state.emit("subscriptionChanged", at, old.customer, invoice=invoice, subscription=new, previous=old)


def _adjustment(state: State, old: Subscription, current: Invoice, at: datetime) -> tuple[Charge, ...]:
    """Return a tuple with the credit for the unused part of a prepaid period.

    The tuple is empty if nothing was prepaid.
    """
    unused = _unused_part(old, current, at)
    if not unused:
        return ()
    code = old.plan.recurring_charge_code
    credit = charges.custom(state, NewCharge(code, ONE, -unused, "Subscription change adjustment"), at)
    return (replace(credit, is_own_money=True),)


def _unused_part(old: Subscription, current: Invoice, at: datetime) -> Decimal:
    begun, ends = current.previous_at, current.billing_at
    if begun is None or not begun <= at < ends:
        return ZERO
    rules = old.customer.product.rules
    if rules.proration_base == "list":
        base = old.plan.recurring_charge_amount
    else:
        number = current.billed_with
        paid = next((made for made in old.customer.invoices if made.number == number), None)
        base = paid.paid_for_period() if paid else ZERO
    left, whole = ends - at, ends - begun
    if rules.proration_unit == "day":
        return cents(base * left.days / whole.days) if whole.days else ZERO
    return cents(base * Decimal(left.total_seconds()) / Decimal(whole.total_seconds()))
