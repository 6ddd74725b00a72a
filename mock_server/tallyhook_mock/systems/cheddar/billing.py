"""Billing periods and the charges on their invoices."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from tallyhook_mock.core import ids
from tallyhook_mock.core.base import Value
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cheddar import gateway, payments, review
from tallyhook_mock.systems.cheddar.customers import Customer, Subscription
from tallyhook_mock.systems.cheddar.invoices import (
    Charge,
    ChargeType,
    Invoice,
    InvoiceState,
    InvoiceType,
    Usage,
)
from tallyhook_mock.systems.cheddar.refusal import Refusal, not_found
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "NewCharge",
    "add_charge",
    "bill_at_once",
    "close",
    "custom",
    "delete_charge",
    "last_period",
    "lasting_counters",
    "one_time_invoice",
    "open_invoice",
    "plan_billing",
    "reactivate",
    "restart_cycle",
    "run_outstanding",
    "target",
]


class NewCharge(Value, frozen=True):
    """A charge, or with a negative amount a credit, as a caller asks for it."""

    code: str
    quantity: Decimal
    each_amount: Decimal
    description: str = ""


# -- the life of an invoice


def open_invoice(
    state: State,
    subscription: Subscription,
    billing_at: datetime,
    at: datetime,
    *,
    previous_at: datetime | None = None,
    counters: tuple[Usage, ...] = (),
    is_initial: bool = False,
) -> Invoice:
    """Open the current invoice of a subscription; `plan_billing` has it billed in its time."""
    invoice = _new_invoice(state, subscription, InvoiceType.SUBSCRIPTION, billing_at, at)
    invoice.previous_at = previous_at
    invoice.is_initial = is_initial
    invoice.counters = counters
    ends = subscription.promotion_ends
    if ends is None or billing_at < ends:
        invoice.discount = subscription.discount
    customer = subscription.customer
    state.touched(customer)
    invoice.charges, customer.carried = customer.carried, ()
    subscription.invoices += (invoice,)
    return invoice


def plan_billing(state: State, invoice: Invoice, at: datetime) -> None:
    """Put the bill date of an open invoice, and the reminders before it, on the agenda."""
    state.schedule(invoice.billing_at, bill, invoice)
    for days in invoice.subscription.customer.product.bill_reminder_days:
        when = invoice.billing_at - timedelta(days=days)
        if when > at:
            state.schedule(when, remind, invoice)


def remind(state: State, invoice: Invoice, at: datetime) -> None:
    """Announce the bill that is coming."""
    if invoice.subscription.current is invoice:
        state.emit(
            "billReminder",
            at,
            invoice.subscription.customer,
            invoice=invoice,
            note=f"{amount_text(invoice.total)} due {invoice.billing_at:%Y-%m-%d}",
        )


def bill(state: State, invoice: Invoice, at: datetime) -> None:
    """The billing moment: the period ends, the next one begins, and the invoice is held or executed."""
    subscription = invoice.subscription
    if subscription.current is not invoice or invoice.billing_at > at or subscription.waits_for_paypal:
        return  # moved, shelved or executed meanwhile, or not to be billed before PayPal agrees
    close(state, invoice)
    if not subscription.is_canceled:
        _open_next(state, invoice, at)
    review.begin(state, invoice, at)


def close(state: State, invoice: Invoice) -> None:
    """End the period of an open invoice: every line gets an id, and the invoice is outstanding."""
    customer = invoice.subscription.customer
    state.touched(customer)
    invoice.tax_rate = customer.charged_tax_rate
    projected = (replace(line, id=state.ids.next()) for line in invoice.projected())
    invoice.charges = (*projected, *invoice.charges)
    invoice.state = InvoiceState.UNPAID


def run_outstanding(state: State, customer: Customer, at: datetime) -> None:
    """Execute the outstanding invoice now; on a canceled subscription a success reactivates it."""
    subscription = customer.subscription
    invoice = target(customer, outstanding=True)
    if not payments.execute(state, invoice, at):
        raise gateway.failure("6000", customer)
    if subscription.is_canceled:
        reactivate(state, subscription, at)


def reactivate(state: State, subscription: Subscription, at: datetime) -> None:
    """Take a cancellation back: the old period goes on, or if it is over a new cycle starts (inferred).

    Counters that are not periodic carry over the time in between (inferred).
    """
    subscription.cancel_type = subscription.cancel_reason = ""
    subscription.canceled_at = None
    customer = subscription.customer
    shelved, subscription.shelved = subscription.shelved, None
    if subscription.current is not None:
        subscription.current.bills_recurring = True
    elif shelved is not None and shelved.billing_at > at:
        subscription.invoices += (shelved,)
        shelved.charges, customer.carried = shelved.charges + customer.carried, ()
    else:
        restart_cycle(state, subscription, at, lasting_counters(shelved or last_period(customer)))
    state.emit("subscriptionReactivated", at, customer, invoice=subscription.current)


def restart_cycle(
    state: State, subscription: Subscription, at: datetime, counters: tuple[Usage, ...] = ()
) -> None:
    """Count billing dates from `at`."""
    subscription.anchor, subscription.cycle = at, 1
    billing_at = subscription.plan.frequency.after(at, 1)
    if billing_at is not None:
        opened = open_invoice(state, subscription, billing_at, at, previous_at=at, counters=counters)
        plan_billing(state, opened, at)


def last_period(customer: Customer) -> Invoice | None:
    """The invoice of the newest period."""
    periods = (made for made in customer.invoices if made.type is InvoiceType.SUBSCRIPTION)
    return max(periods, key=lambda made: made.number, default=None)


def lasting_counters(invoice: Invoice | None) -> tuple[Usage, ...]:
    """The counters that go on into the next period: those of the items that are not periodic."""
    if invoice is None:
        return ()
    lasting = {planned.item.code for planned in invoice.plan.items if not planned.is_periodic}
    return tuple(counter for counter in invoice.counters if counter.item in lasting)


# -- charges


def target(customer: Customer, *, outstanding: bool) -> Invoice:
    """The invoice that a call addresses."""
    subscription = customer.subscription
    if outstanding:
        invoice = subscription.outstanding
        if invoice is None:
            raise not_found("No outstanding invoice found")  # inferred text
        return invoice
    if subscription.current is None:
        raise Refusal(412, "The subscription has no current invoice", "invoicePeriod:notFound")  # inferred
    return subscription.current


def add_charge(
    state: State, customer: Customer, new: NewCharge, *, outstanding: bool, at: datetime
) -> Charge:
    """Put a custom charge or credit on the current or the outstanding invoice."""
    invoice = target(customer, outstanding=outstanding)
    charge = custom(state, new, at)
    invoice.charges += (charge,)
    note = f"{charge.code} {quantity_text(charge.quantity)} × {amount_text(charge.each_amount)}"
    state.emit("charge", at, customer, invoice=invoice, note=note, charge=charge)
    return charge


def delete_charge(
    state: State, customer: Customer, charge_id: int, *, outstanding: bool, at: datetime
) -> None:
    """Take a custom charge off again."""
    invoice = target(customer, outstanding=outstanding)
    for charge in invoice.charges:
        if charge.id == charge_id and charge.type is ChargeType.CUSTOM:
            invoice.charges = tuple(kept for kept in invoice.charges if kept is not charge)
            state.emit("chargeDeleted", at, customer, invoice=invoice, note=charge.code, charge=charge)
            return
    raise not_found(f"Charge not found (id={ids.text(charge_id)})")  # inferred text


def one_time_invoice(state: State, customer: Customer, charges: Iterable[NewCharge], at: datetime) -> Invoice:
    """Bill custom charges at once, beside the cycle."""
    lines = tuple(custom(state, new, at) for new in charges)
    invoice = bill_at_once(state, customer.subscription, lines, at)
    if invoice.is_outstanding:
        raise gateway.failure("6000", customer)
    return invoice


def bill_at_once(
    state: State, subscription: Subscription, charges: tuple[Charge, ...], at: datetime
) -> Invoice:
    """Execute an invoice that stands beside the cycle."""
    invoice = _new_invoice(state, subscription, InvoiceType.ONE_TIME, at, at)
    invoice.tax_rate = subscription.customer.charged_tax_rate
    invoice.state = InvoiceState.UNPAID
    invoice.charges = charges
    before_current = len(subscription.invoices) - (subscription.current is not None)
    past, current = subscription.invoices[:before_current], subscription.invoices[before_current:]
    subscription.invoices = (*past, invoice, *current)
    payments.execute(state, invoice, at)
    return invoice


# -- within


def _new_invoice(
    state: State, subscription: Subscription, type: InvoiceType, billing_at: datetime, at: datetime
) -> Invoice:
    number = state.next_invoice_number(subscription.customer.product)
    invoice = Invoice(state.ids.next(), number, type, subscription, subscription.plan, billing_at, None, at)
    state.add_invoice(invoice)
    return invoice


def _open_next(state: State, ended: Invoice, at: datetime) -> None:
    subscription = ended.subscription
    subscription.cycle += 1
    following = subscription.plan.frequency.after(subscription.anchor, subscription.cycle)
    if following is not None:
        carried = lasting_counters(ended)
        opened = open_invoice(
            state, subscription, following, at, previous_at=ended.billing_at, counters=carried
        )
        plan_billing(state, opened, at)


def custom(state: State, new: NewCharge, at: datetime) -> Charge:
    return Charge(
        state.ids.next(), new.code, ChargeType.CUSTOM, new.quantity, new.each_amount, new.description, at
    )
