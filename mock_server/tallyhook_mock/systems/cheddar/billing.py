"""Functions that open, close, move and restart billing periods, and run their invoices."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from tallyhook_mock.core.money import ONE, amount_text
from tallyhook_mock.systems.cheddar import gateway, payments, review
from tallyhook_mock.systems.cheddar.charges import (
    NewCharge,
    custom,
    discount,
    setup_before_first_bill,
    setup_charge,
    target,
)
from tallyhook_mock.systems.cheddar.model import (
    Charge,
    ChargeType,
    Customer,
    Invoice,
    InvoiceState,
    InvoiceType,
    Subscription,
    Usage,
)
from tallyhook_mock.systems.cheddar.products import Plan
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "adopt",
    "bill_now",
    "close",
    "draft_invoice",
    "last_period",
    "lasting_counters",
    "move_bill_date",
    "plan_billing",
    "reactivate",
    "restart_cycle",
    "run_invoice",
    "run_outstanding",
    "waive",
]


WAIVED = "Waived"  # the description of a credit that waives a charge; inferred


# -- the life of an invoice


def draft_invoice(
    state: State,
    subscription: Subscription,
    billing_at: datetime,
    at: datetime,
    *,
    begun_with: Invoice | None = None,
    previous_at: datetime | None = None,
    counters: tuple[Usage, ...] = (),
    is_initial: bool = False,
) -> Invoice:
    """Return a draft of the next current invoice.

    Call `adopt` to add the draft to the subscription once everything due has been paid. `begun_with` is the
    earlier invoice whose recurring charge pays for the draft's period.
    """
    customer = subscription.customer
    number = state.next_invoice_number(customer.product)
    draft = Invoice(
        state.ids.next(),
        number,
        InvoiceType.SUBSCRIPTION,
        subscription,
        subscription.plan,
        billing_at,
        previous_at,
        at,
    )
    draft.is_initial, draft.counters, draft.charges = is_initial, counters, customer.carried
    draft.billed_with = begun_with.number if begun_with else 0
    return draft


def adopt(state: State, draft: Invoice, instead_of: Invoice | None) -> Invoice:
    """Add a draft to its subscription and return the invoice.

    If `instead_of` is given, it is the pending invoice from which the draft was made. In this case, all
    values of the draft are copied to that invoice, which is returned instead of the draft. Call
    `plan_billing` afterwards to schedule the bill date.
    """
    if instead_of is None:
        draft.subscription.customer.carried = ()
        state.add_invoice(draft)
        draft.subscription.invoices += (draft,)
        return draft
    for name in Invoice.__struct_fields__:
        setattr(instead_of, name, getattr(draft, name))
    return instead_of


def plan_billing(state: State, invoice: Invoice, at: datetime) -> None:
    """Schedule an open invoice's bill date and the first reminder before that date.

    If the bill date was moved, the reminders of the old date don't come.
    """
    state.schedule(invoice.billing_at, bill, invoice)
    _plan_reminder(state, invoice, at)


def remind(state: State, invoice: Invoice, at: datetime) -> None:
    """Emit a `billReminder` event if the invoice is still the current one, and schedule the next reminder.

    A canceled subscription gets no reminder, since it is not billed (inferred).

    Standing: staff 2017.
    """
    subscription = invoice.subscription
    if subscription.current is not invoice or invoice.remind_at is None or invoice.remind_at > at:
        return  # billed or moved in the meantime
    if not subscription.is_canceled:
        note = f"{amount_text(invoice.total)} due {invoice.billing_at:%Y-%m-%d}"
        state.emit("billReminder", at, subscription.customer, invoice=invoice, note=note)
    _plan_reminder(state, invoice, invoice.remind_at)


def bill(state: State, invoice: Invoice, at: datetime) -> None:
    """Process an invoice's bill date: end the period, begin the next one, and hold or execute the invoice.

    If the subscription is canceled, the invoice is not executed automatically (staff 2009, 2017). It stays
    outstanding.

    Standing: documented; staff 2012, 2014.
    """
    subscription = invoice.subscription
    if subscription.current is not invoice or invoice.billing_at > at or subscription.waits_for_paypal:
        return  # moved or executed in the meantime, or waiting for PayPal
    close(state, invoice)
    if subscription.is_canceled:
        invoice.state = InvoiceState.LAPSED
        return
    _open_next(state, invoice, at)
    review.begin(state, invoice, at)


def close(state: State, invoice: Invoice, recurring: Plan | None = None) -> None:
    """End an invoice's period. Every line gets an id, and the invoice becomes outstanding.

    The invoice's plan, promotion and tax rate no longer change after this call. `recurring` is the plan whose
    recurring charge is billed. If it is None, the invoice's own plan is used.

    Standing: staff 2011.
    """
    subscription = invoice.subscription
    invoice.tax_rate = subscription.customer.charged_tax_rate
    invoice.promotion = subscription.promotion_on(recurring or invoice.plan, invoice.billing_at)
    projected = (replace(line, id=state.ids.next()) for line in invoice.projected(recurring))
    invoice.charges = (*projected, *invoice.charges)
    invoice.state = InvoiceState.UNPAID
    discount(state, invoice)


def bill_now(
    state: State,
    draft: Invoice,
    instead_of: Invoice | None,
    at: datetime,
    *,
    recurring: Plan | None = None,
) -> Invoice:
    """Close and execute a draft at once, without holding it for a review. Returns the paid invoice.

    `instead_of` is the pending invoice that the draft replaces, if any. If the payment fails, this raises a
    Refusal (422), and `instead_of` doesn't change.

    Standing: inferred.
    """
    if instead_of is not None and instead_of.ends_no_period:
        draft.counters = ()
    draft.billing_at = at
    close(state, draft, recurring)
    payment = payments.collect(state, draft, instead_of or draft, at)
    invoice = adopt(state, draft, instead_of)
    payments.settle(state, invoice, at, payment)
    return invoice


def run_outstanding(state: State, customer: Customer, at: datetime) -> None:
    """Execute a customer's outstanding invoice now. If it is paid, a canceled subscription is reactivated.

    Standing: documented.
    """
    run_invoice(state, target(customer, outstanding=True), at)


def run_invoice(state: State, invoice: Invoice, at: datetime) -> None:
    """Execute an outstanding invoice now. An invoice that is not due yet can't be run (staff 2015).

    Standing: documented.
    """
    subscription = invoice.subscription
    if not invoice.is_outstanding:
        raise Refusal(412, "Only an outstanding invoice can be run", "number:notOutstanding")  # inferred
    if invoice.state is InvoiceState.LAPSED:
        payments.settle(state, invoice, at, payments.collect(state, invoice, invoice, at))
    elif not payments.execute(state, invoice, at):
        raise gateway.failure("6000", subscription.customer)
    if subscription.is_canceled:
        bills_period = invoice.type is InvoiceType.SUBSCRIPTION
        reactivate(state, subscription, at, paid=invoice if bills_period else None)


def waive(state: State, invoice: Invoice, at: datetime) -> None:
    """Add credits that offset all charges of an outstanding invoice (staff 2014).

    The setting `waived_by` decides whether each charge gets its own credit.
    """
    if not invoice.is_outstanding:
        raise Refusal(412, "Only an outstanding invoice can be waived", "number:notOutstanding")  # inferred
    invoice.promotion, invoice.credits = None, ()
    left, rules = invoice.subtotal, invoice.subscription.customer.product.rules
    for line in invoice.charges:
        amount = left if rules.waived_by == "one" and line.amount > 0 else min(line.amount, left)
        if amount > 0:
            left -= amount
            new = NewCharge(line.code, ONE, -amount, WAIVED)
            waived = replace(custom(state, new, at), waives=True)
            invoice.charges += (waived,)
            note = f"{waived.code} {amount_text(waived.each_amount)}"
            customer = invoice.subscription.customer
            state.emit("charge", at, customer, invoice=invoice, note=note, charge=waived)


def reactivate(
    state: State,
    subscription: Subscription,
    at: datetime,
    *,
    paid: Invoice | None = None,
    first_bill: datetime | None = None,
) -> None:
    """Undo a subscription's cancellation.

    If the next bill date has not passed, the old period continues and its bill date doesn't change
    (documented). After the bill date, a reactivation is a new sign-up. Its first bill date follows from the
    plan, unless `first_bill` is given (documented; staff 2018). `paid` is a period's outstanding invoice that
    was just paid to reactivate the subscription. If there is such an invoice, the new sign-up is first billed
    one period later (setting `long_cancel_with_outstanding`). If a bill is due at once and the payment fails,
    this raises a Refusal (422), and the subscription remains canceled.

    Standing: client.
    """
    customer = subscription.customer
    pending = subscription.pending
    is_missed = pending is not None and pending.state is InvoiceState.OPEN and pending.billing_at <= at
    is_paid = paid is not None and customer.product.rules.long_cancel_with_outstanding == "one"
    if first_bill is None and is_missed and not is_paid:
        first_bill = at  # the invoice became due while the subscription was waiting for PayPal
    if first_bill is not None and subscription.current is pending:
        move_bill_date(state, subscription, first_bill, at)
    elif pending is None or pending.state is InvoiceState.LAPSED or is_missed:
        _sign_up_again(state, subscription, pending, at, paid=paid, first_bill=first_bill)
    subscription.undo_cancellation()
    state.emit("subscriptionReactivated", at, customer, invoice=subscription.current)


def _sign_up_again(
    state: State,
    subscription: Subscription,
    pending: Invoice | None,
    at: datetime,
    *,
    paid: Invoice | None,
    first_bill: datetime | None,
) -> None:
    """Start a new sign-up for a subscription that is reactivated after its bill date.

    Usage from before the cancellation is not billed, unless the setting `long_cancel_usage` says so
    (inferred). If the new sign-up is billed at once, the bill has no usage, and the counters of non-periodic
    items are billed with the first full period. The pending invoice keeps its custom charges and credits.
    """
    customer, plan = subscription.customer, subscription.plan
    rules = customer.product.rules
    lasting = lasting_counters(pending or last_period(customer), plan)
    if pending is None:
        if last_period(customer) is not None:  # otherwise the customer was imported without a date
            restart_cycle(state, subscription, at, lasting, begun_with=paid)
        return
    draft = replace(_reopened(pending, ChargeType.CUSTOM), previous_at=at, billed_with=0)
    setup: tuple[Charge, ...] = ()
    if paid is not None and rules.long_cancel_with_outstanding == "one":
        draft.is_initial, draft.billed_with = False, paid.number
        when = first_bill or plan.frequency.after(at, 1, rules.add_months) or at
    else:
        draft.is_initial = True
        when = first_bill or plan.first_bill(at, rules)
        if rules.long_cancel_setup == "charged":
            setup = setup_charge(state, plan, at)
    is_due = when <= at
    if not is_due:
        setup = setup_before_first_bill(state, subscription, setup, at)
    draft.charges += setup
    if rules.long_cancel_usage == "dropped":
        draft.counters = () if is_due else lasting
    if is_due:
        billed = bill_now(state, draft, pending, at)
        restart_cycle(state, subscription, at, lasting, begun_with=billed)
    else:
        draft.billing_at = when
        subscription.anchor, subscription.cycle = when, 0
        plan_billing(state, adopt(state, draft, pending), at)


def move_bill_date(state: State, subscription: Subscription, when: datetime, at: datetime) -> None:
    """Move the bill date to `when`, and count later bill dates from that date.

    If `when` is now or in the past, the invoice is billed at once (documented).
    """
    pending = subscription.pending
    if pending is not None:
        draft = replace(_reopened(pending, ChargeType.CUSTOM, ChargeType.SETUP), billing_at=when)
    else:  # imported without a date
        draft = draft_invoice(state, subscription, when, at, is_initial=True)
        draft.charges += setup_charge(state, subscription.plan, at)
    if when <= at:
        lasting = lasting_counters(pending, subscription.plan)
        billed = bill_now(state, draft, pending, at)
        restart_cycle(state, subscription, at, lasting, begun_with=billed)
    else:
        subscription.anchor, subscription.cycle = when, 0
        plan_billing(state, adopt(state, draft, pending), at)


def _reopened(pending: Invoice, *kept: ChargeType) -> Invoice:
    """Return an open copy of a pending invoice.

    If the bill date passed during a cancellation, the copy is on the subscription's present plan, and has
    only the lines of the `kept` types, and none of those that were waived (a waiver can't be undone, staff
    2016).
    """
    if pending.state is InvoiceState.OPEN:
        return replace(pending)
    waived = max((count for count, charge in enumerate(pending.charges, 1) if charge.waives), default=0)
    added = (charge for charge in pending.charges[waived:] if charge.type in kept)
    draft = replace(pending, plan=pending.subscription.plan, state=InvoiceState.OPEN, charges=tuple(added))
    draft.credits, draft.promotion = (), None
    return draft


def restart_cycle(
    state: State,
    subscription: Subscription,
    at: datetime,
    counters: tuple[Usage, ...] = (),
    *,
    begun_with: Invoice | None = None,
) -> None:
    """Start a new billing cycle at `at` and open its first period, unless the plan bills only once.

    `begun_with` is the invoice whose recurring charge pays for that period.
    """
    subscription.anchor, subscription.cycle = at, 1
    billing_at = subscription.plan.frequency.after(at, 1, subscription.customer.product.rules.add_months)
    if billing_at is not None:
        opened = draft_invoice(
            state, subscription, billing_at, at, begun_with=begun_with, previous_at=at, counters=counters
        )
        plan_billing(state, adopt(state, opened, None), at)


def last_period(customer: Customer) -> Invoice | None:
    """Return the invoice of a customer's latest period, or None if there is no period."""
    periods = (made for made in customer.invoices if made.type is InvoiceType.SUBSCRIPTION)
    return max(periods, key=lambda made: made.number, default=None)


def lasting_counters(invoice: Invoice | None, plan: Plan) -> tuple[Usage, ...]:
    """Return the counters that keep their values in the next period: those of `plan`'s non-periodic items.

    If the invoice ends no period, these are all its counters.

    Standing: staff 2013.
    """
    if invoice is None:
        return ()
    if invoice.ends_no_period:
        return invoice.counters
    lasting = {planned.item.code for planned in plan.items if not planned.is_periodic}
    return tuple(counter for counter in invoice.counters if counter.item in lasting)


# -- internal


def _plan_reminder(state: State, invoice: Invoice, after: datetime) -> None:
    days = invoice.subscription.customer.product.bill_reminder_days
    reminders = (invoice.billing_at - timedelta(days=each) for each in days)
    invoice.remind_at = min((when for when in reminders if when > after), default=None)
    if invoice.remind_at is not None:
        state.schedule(invoice.remind_at, remind, invoice)


def _open_next(state: State, ended: Invoice, at: datetime) -> None:
    subscription = ended.subscription
    rules = subscription.customer.product.rules
    subscription.cycle += 1
    if rules.month_end == "run-over":
        following = subscription.plan.frequency.after(ended.billing_at, 1, rules.add_months)
    else:
        following = subscription.plan.frequency.after(
            subscription.anchor, subscription.cycle, rules.add_months
        )
    if following is not None:
        carried = lasting_counters(ended, subscription.plan)
        opened = draft_invoice(
            state,
            subscription,
            following,
            at,
            begun_with=ended,
            previous_at=ended.billing_at,
            counters=carried,
        )
        plan_billing(state, adopt(state, opened, None), at)
