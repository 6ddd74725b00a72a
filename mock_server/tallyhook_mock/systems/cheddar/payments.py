"""Executes invoices, retries declined ones, and refunds and voids payments."""

from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.money import ONE, ZERO, amount_text
from tallyhook_mock.systems.cheddar import gateway
from tallyhook_mock.systems.cheddar.model import (
    CREDIT_FORWARD,
    Charge,
    ChargeType,
    Invoice,
    InvoiceState,
    InvoiceType,
    PaymentMethod,
    Subscription,
    Transaction,
)
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "cancel",
    "collect",
    "execute",
    "fail_without_payment",
    "refund",
    "run",
    "settle",
    "void",
    "void_or_refund",
]

# The gateway settles once a day (inferred).
SETTLED_AFTER = timedelta(days=1)
# A locked invoice is retried after this time (inferred).
LOCKED_FOR = timedelta(minutes=1)


def execute(state: State, invoice: Invoice, at: datetime) -> bool:
    """Execute an outstanding or one-time invoice. Returns whether it is paid now.

    If the credits exceed the charges, the invoice is paid with 0.00 without asking the gateway, and the
    remaining credit is carried forward. A declined invoice that bills a period remains outstanding and is
    retried. After the last decline the subscription is canceled (documented). A declined one-time invoice is
    not retried, and the setting `declined_one_time` decides whether it remains outstanding.
    """
    subscription = invoice.subscription.customer.subscription
    total = invoice.total
    if total <= 0:
        settle(state, invoice, at, None)
        return True
    payment = _usable(subscription, at)
    if payment is None:
        invoice.state, invoice.run_at = InvoiceState.UNPAID, None
        if invoice.type is InvoiceType.SUBSCRIPTION:
            fail_without_payment(state, subscription, at)
        else:
            _give_up_one_time(invoice)
        return False
    if gateway.accepts(subscription.customer):
        settle(state, invoice, at, payment)
        return True
    _decline(state, invoice, at, total, payment)
    return False


def collect(state: State, draft: Invoice, about: Invoice, at: datetime) -> PaymentMethod | None:
    """Collect a draft invoice's total during a call. Returns the payment method, or None if the total is 0.

    If the payment fails, this raises a Refusal (422). A declined attempt is reported in a `transaction` hook
    about the invoice `about`. Nothing else changes (inferred).

    Standing: documented.
    """
    customer = draft.subscription.customer
    total = draft.total
    if total <= 0:
        return None
    payment = _usable(customer.subscription, at)
    if payment is not None:
        if gateway.accepts(customer):
            return payment
        made = Transaction(state.ids.next(), total, False, gateway.DECLINED, at, payment)
        _announce(state, about, made, at, f"{amount_text(total)} declined")
    raise gateway.failure("6000", customer)


def settle(state: State, invoice: Invoice, at: datetime, payment: PaymentMethod | None) -> None:
    """Mark an invoice as paid. `payment` is the method that was used, or None if there was nothing to pay.

    Standing: documented; client.
    """
    total, carried = invoice.total, invoice.carried
    # Lines of unused items are only removed now, since their quantity may change until the invoice is paid.
    invoice.charges = tuple(
        charge for charge in invoice.charges if charge.type is not ChargeType.ITEM or charge.quantity
    )
    amount = total if payment is not None else ZERO
    transaction = Transaction(state.ids.next(), amount, True, gateway.APPROVED, at, payment)
    invoice.transactions += (transaction,)
    invoice.state, invoice.run_at = InvoiceState.PAID, None
    _announce(state, invoice, transaction, at, f"{amount_text(amount)} approved")
    product = invoice.subscription.customer.product
    if payment is not None and state.hooks.wanted(product.code, "transaction"):
        state.schedule(at + SETTLED_AFTER, _announce_settled, invoice)
    is_one_time = invoice.type is InvoiceType.ONE_TIME
    if carried and not (is_one_time and product.rules.one_time_excess == "lost"):
        _carry_forward(state, invoice, carried, at)


def _usable(subscription: Subscription, at: datetime) -> PaymentMethod | None:
    payment = subscription.payment
    if payment is None or payment.has_expired(at) or subscription.waits_for_paypal:
        return None
    return payment


def run(state: State, invoice: Invoice, at: datetime) -> None:
    """Execute an invoice at its scheduled time.

    If the subscription was canceled in the meantime, the invoice is not executed, since canceling is how a
    customer avoids a charge (staff 2009, 2017).
    """
    if not (invoice.is_outstanding and invoice.run_at is not None and invoice.run_at <= at):
        return
    if invoice.subscription.customer.subscription.is_canceled:
        invoice.state, invoice.run_at = InvoiceState.UNPAID, None
    elif state.is_locked(invoice):
        state.schedule(at + LOCKED_FOR, run, invoice)
    else:
        execute(state, invoice, at)


def fail_without_payment(state: State, subscription: Subscription, at: datetime) -> None:
    """Cancel a subscription that has no valid payment method at its bill date (documented).

    Standing: inferred.
    """
    reason = "Payment method has expired" if subscription.payment else "No payment method"
    _fail(state, subscription, reason, at)


def _fail(state: State, subscription: Subscription, reason: str, at: datetime) -> None:
    """Cancel a subscription for non-payment unless it is canceled already.

    The name of the cancel type is inferred.
    """
    if not subscription.is_canceled:
        cancel(state, subscription, "non-payment", reason, at)


def cancel(state: State, subscription: Subscription, type: str, reason: str, at: datetime) -> None:
    """Cancel a subscription.

    All data is kept, but nothing more is billed automatically (documented; staff 2015).
    """
    subscription.cancel_type, subscription.cancel_reason, subscription.canceled_at = type, reason, at
    customer = subscription.customer
    invoice = subscription.pending
    if customer.product.rules.canceled_hook_invoice == "paid":
        paid = (made for made in reversed(customer.invoices) if made.state is InvoiceState.PAID)
        invoice = max(paid, key=lambda made: made.number, default=invoice)
    state.emit("subscriptionCanceled", at, customer, subscription=subscription, invoice=invoice)


def refund(state: State, invoice: Invoice, amount: Decimal | None, at: datetime) -> None:
    """Refund `amount`, or everything that was collected if `amount` is None.

    An amount larger than what was collected is refused.

    Standing: documented.
    """
    if invoice.state is not InvoiceState.PAID or invoice.collected <= 0:
        raise Refusal(412, "Invoice has no transaction to refund", "number:notRefundable")  # inferred text
    amount = invoice.collected if amount is None else amount
    if amount > invoice.collected:
        raise invalid(
            "amount",
            "notLessThan",
            f"'{amount_text(amount)}' is not less than or equal to '{amount_text(invoice.collected)}'",
        )
    _give_back(state, invoice, amount, "refund", at)


def void(state: State, invoice: Invoice, at: datetime) -> None:
    """Void an invoice: undo its whole payment, which the gateway must not have settled yet."""
    if invoice.state is not InvoiceState.PAID or invoice.collected <= 0 or _is_settled(invoice, at):
        raise Refusal(412, "Invoice has no transaction to void", "number:notVoidable")  # inferred text
    _give_back(state, invoice, invoice.collected, "void", at)
    invoice.state = InvoiceState.VOID


def void_or_refund(state: State, invoice: Invoice, at: datetime) -> None:
    """Void the payment of an invoice if the gateway has not settled it yet. Otherwise refund the payment."""
    if _is_settled(invoice, at):
        refund(state, invoice, None, at)
    else:
        void(state, invoice, at)


def _announce(state: State, invoice: Invoice, transaction: Transaction, at: datetime, note: str) -> None:
    customer = state.touch(invoice.subscription.customer)
    state.emit("transaction", at, customer, invoice=invoice, transaction=transaction, note=note)


def _announce_settled(state: State, invoice: Invoice, at: datetime) -> None:
    made = next((made for made in invoice.transactions if made.id == invoice.paid_by), None)
    if made is not None and invoice.state is InvoiceState.PAID:
        _announce(state, invoice, made, at, f"{amount_text(made.amount)} settled")


def _decline(state: State, invoice: Invoice, at: datetime, amount: Decimal, payment: PaymentMethod) -> None:
    transaction = Transaction(state.ids.next(), amount, False, gateway.DECLINED, at, payment)
    invoice.transactions += (transaction,)
    _announce(state, invoice, transaction, at, f"{amount_text(amount)} declined")
    if invoice.declines > 0 and invoice.run_at is not None and invoice.run_at > at:
        return  # a manual attempt does not change the scheduled one
    invoice.state = InvoiceState.UNPAID
    subscription = invoice.subscription.customer.subscription
    pauses = subscription.customer.product.rules.dunning
    if invoice.type is InvoiceType.ONE_TIME:
        _give_up_one_time(invoice)
    elif subscription.is_canceled:
        invoice.run_at = None
    elif invoice.declines < len(pauses):
        invoice.run_at = at + pauses[invoice.declines]
        invoice.declines += 1
        state.schedule(invoice.run_at, run, invoice)
    else:
        invoice.run_at = None
        _fail(state, subscription, "Payment was declined", at)


def _give_up_one_time(invoice: Invoice) -> None:
    dropped = invoice.subscription.customer.product.rules.declined_one_time == "dropped"
    invoice.run_at, invoice.state = None, InvoiceState.VOID if dropped else InvoiceState.UNPAID


def _carry_forward(state: State, invoice: Invoice, amount: Decimal, at: datetime) -> None:
    customer = invoice.subscription.customer
    credit = Charge(
        state.ids.next(),
        CREDIT_FORWARD,
        ChargeType.CUSTOM,
        ONE,
        amount,
        f"Credit carried forward from invoice #{invoice.number}",
        at,
        is_own_money=True,
    )
    current = customer.subscription.pending
    if current is not None:
        current.charges += (credit,)
    else:
        customer.carried += (credit,)
    note = amount_text(amount)
    state.emit("creditForward", at, customer, invoice=current or invoice, note=note, charge=credit)


def _is_settled(invoice: Invoice, at: datetime) -> bool:
    return any(made.id == invoice.paid_by and made.at + SETTLED_AFTER <= at for made in invoice.transactions)


def _give_back(state: State, invoice: Invoice, amount: Decimal, memo: str, at: datetime) -> None:
    paid = next(made for made in invoice.transactions if made.id == invoice.paid_by)
    back = Transaction(
        state.ids.next(), -amount, True, gateway.APPROVED, at, paid.payment, parent=paid.id, memo=memo
    )
    invoice.transactions += (back,)
    _announce(state, invoice, back, at, f"{amount_text(amount)} {memo}")
