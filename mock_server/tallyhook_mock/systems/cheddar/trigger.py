"""Hooks on request: what one of a given type would say about a customer as it stands."""

from datetime import datetime

from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.invoices import Invoice
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, Event

__all__ = ["event_about"]


def event_about(customer: Customer, type: str, at: datetime, actor: str) -> Event:
    """The event of a hook that announces nothing new.

    A billable hook is about the outstanding invoice, or the current one if there is none; a transaction's
    about the latest transaction; a change of subscription names the one before, or the same one if there was
    no other. ValueError for an unknown type, and where there is nothing to speak of.
    """
    if type not in HOOK_TYPES:
        raise ValueError(f"type: {type!r} is not one of {', '.join(HOOK_TYPES)}")
    subscription = customer.subscription
    current = subscription.pending
    match type:
        case "customerDeleted":
            return Event(type, at, actor, customer)
        case "newSubscription":
            oldest = customer.subscriptions[-1]
            invoice = oldest.invoices[0] if oldest.invoices else current
            return Event(type, at, actor, customer, subscription, invoice)
        case "subscriptionChanged":
            previous = customer.subscriptions[1] if len(customer.subscriptions) > 1 else subscription
            return Event(type, at, actor, customer, subscription, current, previous)
        case "subscriptionBillable":
            invoice = _required(subscription.outstanding or current, "has no invoice to be billed")
            return Event(type, at, actor, customer, invoice.subscription, invoice)
        case "billReminder":
            invoice = _required(current, "has no bill to come")
            return Event(type, at, actor, customer, subscription, invoice)
        case "transaction":
            invoice = _required(_transacted(customer), "has no transaction")
            made = invoice.transactions[-1]
            return Event(type, at, actor, customer, invoice.subscription, invoice, transaction=made)
    return Event(type, at, actor, customer, subscription, current)


def _transacted(customer: Customer) -> Invoice | None:
    """The invoice of the latest transaction."""
    tried = [invoice for invoice in customer.invoices if invoice.transactions]
    return max(tried, key=lambda invoice: invoice.transactions[-1].at, default=None)


def _required(invoice: Invoice | None, why: str) -> Invoice:
    if invoice is None:
        raise ValueError(f"the customer {why}")
    return invoice
