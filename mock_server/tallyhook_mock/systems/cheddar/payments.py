"""Settling invoices: executing them, dunning, and giving money back."""

from datetime import datetime, timedelta
from decimal import Decimal

from tallyhook_mock.core.money import ONE, ZERO, amount_text
from tallyhook_mock.systems.cheddar import gateway
from tallyhook_mock.systems.cheddar.customers import PaymentMethod, Subscription
from tallyhook_mock.systems.cheddar.invoices import (
    CREDIT_FORWARD,
    Charge,
    ChargeType,
    Invoice,
    InvoiceState,
    InvoiceType,
    Transaction,
)
from tallyhook_mock.systems.cheddar.refusal import Refusal, invalid
from tallyhook_mock.systems.cheddar.state import State

__all__ = [
    "end",
    "execute",
    "fail_subscription",
    "refund",
    "run",
    "void",
    "void_or_refund",
]

# The gateway settles once a day (inferred).
SETTLED_AFTER = timedelta(days=1)
# A locked invoice is looked at again after this long (inferred).
LOCKED_FOR = timedelta(minutes=1)


def execute(state: State, invoice: Invoice, at: datetime) -> bool:
    """Settle an outstanding or one-time invoice; whether it is paid now.

    Credits above the charges make it a payment of 0.00 without the gateway, and the rest is carried forward.
    A decline leaves the invoice outstanding and plans the next try. Only a recurring one is tried again and
    costs the customer the subscription (documented): a one-time invoice waits to be run (inferred).
    """
    customer = invoice.subscription.customer
    state.touched(customer)
    subtotal = invoice.subtotal
    total = subtotal + invoice.tax_on(subtotal)
    if total <= 0:
        _settle(state, invoice, at, ZERO, None)
        if subtotal < 0:
            _carry_forward(state, invoice, subtotal, at)
        return True
    payment = customer.subscription.payment
    if payment is None or payment.has_expired(at) or customer.subscription.waits_for_paypal:
        invoice.state, invoice.run_at = InvoiceState.UNPAID, None
        if invoice.type is InvoiceType.SUBSCRIPTION:
            reason = "Payment method has expired" if payment else "No payment method"
            fail_subscription(state, customer.subscription, reason, at)
        return False
    if gateway.accepts(customer):
        _settle(state, invoice, at, total, payment)
        return True
    _decline(state, invoice, at, total, payment)
    return False


def run(state: State, invoice: Invoice, at: datetime) -> None:
    """The agenda's action: execute an invoice whose time has come."""
    if not (invoice.is_outstanding and invoice.run_at is not None and invoice.run_at <= at):
        return
    if state.is_locked(invoice):
        state.schedule(at + LOCKED_FOR, run, invoice)
    else:
        execute(state, invoice, at)


def fail_subscription(state: State, subscription: Subscription, reason: str, at: datetime) -> None:
    """Cancel for non-payment. The name of the cancel type is inferred."""
    if not subscription.is_canceled:
        end(subscription, "non-payment", reason, at)
        invoice = subscription.current or subscription.shelved
        state.emit(
            "subscriptionCanceled", at, subscription.customer, subscription=subscription, invoice=invoice
        )


def refund(state: State, invoice: Invoice, amount: Decimal | None, at: datetime) -> None:
    """Give back a part of what was collected, or all of it; never more."""
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
    """Undo a payment that is not yet settled at the gateway: all of it, as if it had never been."""
    if invoice.state is not InvoiceState.PAID or invoice.collected <= 0 or _is_settled(invoice, at):
        raise Refusal(412, "Invoice has no transaction to void", "number:notVoidable")  # inferred text
    _give_back(state, invoice, invoice.collected, "void", at)
    invoice.state = InvoiceState.VOID


def void_or_refund(state: State, invoice: Invoice, at: datetime) -> None:
    """Void what is not settled yet, refund what is."""
    if _is_settled(invoice, at):
        refund(state, invoice, None, at)
    else:
        void(state, invoice, at)


def end(subscription: Subscription, type: str, reason: str, at: datetime) -> None:
    """Cancel: the current invoice stays only if usage or charges on it are still to be billed (inferred)."""
    subscription.cancel_type, subscription.cancel_reason, subscription.canceled_at = type, reason, at
    current = subscription.current
    if current is None:
        return
    current.bills_recurring = False
    if not any(line.quantity and line.each_amount for line in current.lines()):
        current.bills_recurring = True
        subscription.shelved, subscription.invoices = current, subscription.invoices[:-1]


def _settle(
    state: State, invoice: Invoice, at: datetime, amount: Decimal, payment: PaymentMethod | None
) -> None:
    # Only now: as long as it is outstanding, an item that is not used yet may still be.
    invoice.charges = tuple(
        charge for charge in invoice.charges if charge.type is not ChargeType.ITEM or charge.quantity
    )
    transaction = Transaction(state.ids.next(), amount, True, gateway.APPROVED, at, payment)
    invoice.transactions += (transaction,)
    invoice.state, invoice.run_at = InvoiceState.PAID, None
    _announce(state, invoice, transaction, at, f"{amount_text(amount)} approved")
    if payment is not None and state.hooks.wanted(invoice.subscription.customer.product.code, "transaction"):
        state.schedule(at + SETTLED_AFTER, _announce_settled, invoice)


def _announce(state: State, invoice: Invoice, transaction: Transaction, at: datetime, note: str) -> None:
    customer = invoice.subscription.customer
    state.emit("transaction", at, customer, invoice=invoice, transaction=transaction, note=note)


def _announce_settled(state: State, invoice: Invoice, at: datetime) -> None:
    made = next((made for made in invoice.transactions if made.id == invoice.paid_by), None)
    if made is not None and invoice.state is InvoiceState.PAID:
        _announce(state, invoice, made, at, f"{amount_text(made.amount)} settled")


def _decline(state: State, invoice: Invoice, at: datetime, amount: Decimal, payment: PaymentMethod) -> None:
    transaction = Transaction(state.ids.next(), amount, False, gateway.DECLINED, at, payment)
    invoice.transactions += (transaction,)
    _announce(state, invoice, transaction, at, f"{amount_text(amount)} declined")
    if invoice.run_at is not None and invoice.run_at > at:
        return  # a try by hand in between leaves the planned one alone
    invoice.state = InvoiceState.UNPAID
    if invoice.type is InvoiceType.ONE_TIME:
        invoice.run_at = None
    elif invoice.declines < len(state.dunning):
        invoice.run_at = at + state.dunning[invoice.declines]
        invoice.declines += 1
        state.schedule(invoice.run_at, run, invoice)
    else:
        invoice.run_at = None
        fail_subscription(state, invoice.subscription.customer.subscription, "Payment was declined", at)


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
    )
    current = customer.subscription.current
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
