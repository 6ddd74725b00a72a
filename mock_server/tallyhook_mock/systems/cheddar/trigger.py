"""Hooks on request: what one of a given type would say about a customer as it stands."""

import json
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.invoices import Invoice
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, Event

__all__ = ["event_about", "overridden"]


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


def overridden(body: bytes, values: Mapping[str, object]) -> bytes:
    """A hook's body with other values, by paths such as `subscription.plan.code` and `charges.0.eachAmount`.

    ValueError for a path that leads nowhere, and for what JSON can't say.
    """
    if not values:
        return body
    content = json.loads(body)
    for path, value in values.items():
        level: Any = content
        *above, last = path.split(".")
        for name in above:
            level = level[_key(level, name, path)]
        key = _key(level, last, path)
        level[key] = _like(level[key], value)
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=float).encode()


def _key(level: Any, name: str, path: str) -> Any:
    """What `name` stands for in an object or a list."""
    if isinstance(level, list):
        if not (name.isascii() and name.isdigit() and int(name) < len(level)):
            raise ValueError(f"{path}: a number below {len(level)} is required in place of {name!r}")
        return int(name)
    if not isinstance(level, dict):
        raise ValueError(f"{path}: there is nothing below what {name!r} is looked for in")
    if name not in level:
        near = get_close_matches(name, level, 1)
        known = f"did you mean {near[0]!r}?" if near else f"known there: {', '.join(level)}"
        raise ValueError(f"{path}: there is no {name!r}; {known}")
    return name


def _like(old: object, new: object) -> object:
    """A value from a command line is a text; where a number or a truth stood, it is read as JSON."""
    if isinstance(new, str) and not isinstance(old, str):
        try:
            return json.loads(new)
        except ValueError:
            return new
    return new
