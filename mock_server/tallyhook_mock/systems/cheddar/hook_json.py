"""Builds the JSON bodies of hooks in the recorded form.

The bodies are inconsistent on purpose, because listeners have to handle this: amounts and flags are strings
in one place and numbers in another, empty objects are `""`, and keys without a value are missing.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeAlias

from tallyhook_mock.core.ids import text as id_text
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cheddar.model import (
    Charge,
    Customer,
    Invoice,
    PaymentMethod,
    Subscription,
    Transaction,
)
from tallyhook_mock.systems.cheddar.products import Plan, PlanItem, Product
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES, Event
from tallyhook_mock.systems.cheddar.xml_documents import CARD_DETAILS, moment_text

__all__ = ["body", "event_about", "overridden"]

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value]"
Object: TypeAlias = dict[str, Value]

_DETAILS = (
    "campaignContent",
    "campaignMedium",
    "campaignName",
    "campaignSource",
    "campaignTerm",
    "company",
    "email",
    "firstContactDatetime",
    "firstName",
    "lastName",
    "notes",
    "referer",
    "taxNumber",
)
# A deleted customer still has these names, all empty (recorded).
_DELETED: Object = dict.fromkeys(
    (
        "campaignContent",
        "campaignMedium",
        "campaignName",
        "campaignSource",
        "campaignTerm",
        "code",
        "company",
        "createdDatetime",
        "email",
        "firstName",
        "gatewayToken",
        "id",
        "isVatExempt",
        "lastName",
        "notes",
        "referer",
        "vatNumber",
    ),
    "",
)


def body(event: Event) -> bytes:
    """Return the body of an event's hook. It shows the current state, so call this when the event happens.

    Standing: recorded.
    """
    payload: Object = {
        "activityActor": event.actor,
        "activityDatetime": moment_text(event.at),
        "activityType": event.kind,
        "product": _product(event.customer.product),
        "customer": _deleted(event.customer)
        if event.kind == "customerDeleted"
        else _customer(event.customer),
    }
    if event.subscription is not None and event.kind != "customerDeleted":
        payload["subscription"] = _subscription(event)
    if event.previous is not None:
        payload["previousSubscription"] = _agreement(event.previous)
    return json.dumps(payload, sort_keys=True, separators=(",", ":")).encode()


def _deleted(customer: Customer) -> Object:
    """Return the object for a deleted customer, in which all fields are empty.

    Sources disagree about the customer's code, so the setting `deleted_customer_code` decides whether it is
    empty too.
    """
    is_kept = customer.product.rules.deleted_customer_code == "kept"
    return {**_DELETED, "code": customer.code} if is_kept else _DELETED


def _product(product: Product) -> Object:
    return {
        "id": id_text(product.id),
        "code": product.code,
        "name": product.name,
        "subdomain": product.subdomain,
    }


def _customer(customer: Customer) -> Object:
    payment = customer.subscription.payment
    payload: Object = {name: customer.details.get(name, "") for name in _DETAILS}
    payload |= {
        "id": id_text(customer.id),
        "code": customer.code,
        "createdDatetime": moment_text(customer.created),
        "gatewayToken": customer.details.get("gatewayToken") or (payment.gateway_token if payment else ""),
        "isTaxExempt": str(int(customer.is_exempt)),
        "key": customer.key,
    }
    return payload


def _subscription(event: Event) -> Object:
    subscription = event.subscription
    assert subscription is not None  # the caller has checked
    payment = subscription.payment
    return {
        **_agreement(subscription),
        "cancelReason": subscription.cancel_reason,
        "cancelType": subscription.cancel_type,
        "canceledDatetime": moment_text(subscription.canceled_at),
        "invoice": _invoice(event, event.invoice) if event.invoice else "",
        "method": payment.method if payment else "",
        "paymentMethod": _payment(payment),
    }


def _agreement(subscription: Subscription) -> Object:
    """Return the fields that a hook shows for both the current and the previous subscription."""
    payment = subscription.payment
    details = payment.details if payment else {}
    return {
        **{name: details.get(name, "") for name in (*CARD_DETAILS, "ccEmail")},
        "ccExpirationDate": payment.expires.isoformat() if payment and payment.expires else "",
        "ccLastFour": payment.last_four if payment else "",
        "ccType": payment.card_type if payment else "",
        "createdDatetime": moment_text(subscription.created),
        "gatewayToken": payment.gateway_token if payment else "",
        "id": id_text(subscription.id),
        "plan": _plan(subscription.plan),
    }


def _plan(plan: Plan) -> Object:
    return {
        "id": id_text(plan.id),
        "code": plan.code,
        "name": plan.name,
        "description": plan.description,
        "isActive": str(int(plan.is_active)),
        "isFree": plan.is_free,
        "billingFrequencyQuantity": str(plan.frequency.quantity),
        "billingFrequencyUnit": plan.frequency.unit,
        "recurringChargeAmount": amount_text(plan.recurring_charge_amount),
        "recurringChargeCode": plan.recurring_charge_code,
        "setupChargeAmount": amount_text(plan.setup_charge_amount),
        "setupChargeCode": plan.setup_charge_code,
        "createdDatetime": moment_text(plan.created),
        "items": [_plan_item(planned) for planned in plan.items] or "",
    }


def _plan_item(planned: PlanItem) -> Object:
    return {
        "id": id_text(planned.item.id),
        "code": planned.item.code,
        "name": planned.item.name,
        "quantityIncluded": _number(planned.quantity_included),
        "isPeriodic": str(int(planned.is_periodic)),
        "overageAmount": amount_text(planned.overage_amount),
    }


def _invoice(event: Event, invoice: Invoice) -> Object:
    payload: Object = {
        "id": id_text(invoice.id),
        "invoiceNumber": str(invoice.number),
        "type": invoice.type.value,
        "billingDatetime": moment_text(invoice.billing_at),
        "previousBillingDatetime": moment_text(invoice.previous_at),
        "createdDatetime": moment_text(invoice.created),
        "isInitial": int(invoice.is_initial),
        "paidTransactionId": id_text(invoice.paid_by) if invoice.paid_by else "",
        "taxRate": "" if invoice.tax_rate is None else quantity_text(invoice.tax_rate),
        "items": [_item(planned, invoice) for planned in invoice.plan.items] or "",
    }
    # A hook shows the charges that are on the invoice already, but no projected lines (recorded). Credits
    # come first (a client's recordings).
    charges = sorted((*invoice.charges, *invoice.credits), key=lambda charge: charge.each_amount >= 0)
    if charges:
        payload["charges"] = [_charge(charge) for charge in charges]
    if event.kind == "billReminder":
        payload["transaction"] = _expected(invoice)
    elif made := event.transaction or _last(invoice):
        payload["transaction"] = _transaction(made, invoice)
    return payload


def _last(invoice: Invoice) -> Transaction | None:
    """Return the transaction that a hook shows: the one that paid the invoice, or else the last attempt."""
    paid = (made for made in invoice.transactions if made.id == invoice.paid_by)
    return next(paid, invoice.transactions[-1] if invoice.transactions else None)


def _item(planned: PlanItem, invoice: Invoice) -> Object:
    """Return an item of an invoice. Its quantity is a number, and it has no dates (recorded)."""
    usage = invoice.usage.get(planned.item.code)
    quantity = usage.quantity if usage else Decimal(0)
    return {
        "id": id_text(planned.item.id),
        "code": planned.item.code,
        "name": planned.item.name,
        # A quantity has at most fourteen digits, which a float represents exactly as written.
        "quantity": int(quantity) if quantity == quantity.to_integral_value() else float(quantity),
    }


def _charge(charge: Charge) -> Object:
    return {
        "id": id_text(charge.id),
        "code": charge.code,
        "type": charge.type.value,
        "quantity": _four_places(charge.quantity),
        "eachAmount": _four_places(charge.each_amount),
        "description": charge.description,
        "createdDatetime": moment_text(charge.created),
    }


def _transaction(made: Transaction, invoice: Invoice) -> Object:
    return {
        "id": id_text(made.id),
        "parentId": id_text(made.parent) if made.parent else "",
        "amount": amount_text(made.amount),
        "gatewayToken": "SIMULATED" if made.payment else "",
        "memo": made.memo,
        "paymentMethod": _payment(made.payment),
        "response": "approved" if made.approved else "declined",
        "responseReason": made.reason,
        "taxAmount": amount_text(invoice.tax) if invoice.tax else "",
        "transactedDatetime": moment_text(made.at),
    }


def _expected(invoice: Invoice) -> Object:
    """Return the object that a bill reminder shows in place of a transaction.

    It contains the expected total.
    """
    return {
        "id": "",
        "parentId": "",
        "amount": amount_text(invoice.total),
        "gatewayToken": "",
        "memo": "",
        "paymentMethod": _payment(invoice.subscription.payment),
        "response": "",
        "responseReason": "",
        "taxAmount": amount_text(invoice.tax) if invoice.tax else "",
        "transactedDatetime": "",
    }


def _payment(payment: PaymentMethod | None) -> Value:
    if payment is None:
        return ""
    details = payment.details
    is_card = payment.method == "cc"
    return {
        "id": id_text(payment.id),
        "method": payment.method,
        "type": "CreditCard" if is_card else "PayPal",
        "firstName": details.get("ccFirstName", ""),
        "lastName": details.get("ccLastName", ""),
        "company": details.get("ccCompany", ""),
        "country": details.get("ccCountry", ""),
        "street": details.get("ccAddress", ""),
        "city": details.get("ccCity", ""),
        "state": details.get("ccState", ""),
        "postCode": details.get("ccZip", ""),
        "email": details.get("ccEmail", ""),
        "expirationDate": payment.expires.isoformat() if payment.expires else "",
        "gatewayToken": payment.gateway_token,
        "gatewayTokenAux": "",
        "createdDatetime": moment_text(payment.created),
        "creditCard": {
            "creditCardType": payment.card_type,
            "firstSix": payment.first_six,
            "lastFour": payment.last_four,
        }
        if is_card
        else "",
    }


def _four_places(value: Decimal) -> str:
    return f"{value:.4f}"


def _number(value: Decimal) -> Value:
    """Return a whole number as an int and any other number as a string, so that there are no floats."""
    return int(value) if value == value.to_integral_value() else quantity_text(value)


def overridden(body: bytes, values: Mapping[str, object]) -> bytes:
    """Return a hook's body with some values replaced. `values` has the new values by path.

    A path is written like `subscription.plan.code` or, with an index,
    `subscription.invoice.charges.0.eachAmount`. Raises ValueError for an unknown path, and for a value that
    JSON can't represent.
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
    """Return `name` as a key of an object or as an index of a list.

    Raises ValueError if `level` has no such entry.
    """
    if isinstance(level, list):
        if not (name.isascii() and name.isdigit() and int(name) < len(level)):
            raise ValueError(f"{path}: {name!r} must be a number below {len(level)}")
        return int(name)
    if not isinstance(level, dict):
        raise ValueError(f"{path}: there can't be a {name!r} below a plain value")
    if name not in level:
        near = get_close_matches(name, level, 1)
        known = f"did you mean {near[0]!r}?" if near else f"known there: {', '.join(level)}"
        raise ValueError(f"{path}: there is no {name!r}; {known}")
    return name


def _like(old: object, new: object) -> object:
    """Return `new`. If `new` is text and `old` is not, return the JSON value that the text contains, if any.

    Values from the command line are always text.
    """
    if isinstance(new, str) and not isinstance(old, str):
        try:
            return json.loads(new)
        except ValueError:
            return new
    return new


def event_about(customer: Customer, type: str, at: datetime, actor: str) -> Event:
    """Return an event for a hook that was requested by hand.

    The event is made from the customer's current data. A `subscriptionBillable` hook is about the outstanding
    invoice, or else the current one. A `transaction` hook is about the latest transaction. A
    `subscriptionChanged` hook shows the previous subscription, or else the current one.
    Raises ValueError for an unknown type, or if the customer has no invoice or transaction that the hook
    could show.
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
            invoice = _required(subscription.outstanding or current, "has no invoice to bill")
            return Event(type, at, actor, customer, invoice.subscription, invoice)
        case "billReminder":
            invoice = _required(current, "has no upcoming bill")
            return Event(type, at, actor, customer, subscription, invoice)
        case "transaction":
            invoice = _required(_transacted(customer), "has no transaction")
            made = invoice.transactions[-1]
            return Event(type, at, actor, customer, invoice.subscription, invoice, transaction=made)
    return Event(type, at, actor, customer, subscription, current)


def _transacted(customer: Customer) -> Invoice | None:
    """Return the invoice with the latest transaction, or None if there are no transactions."""
    tried = [invoice for invoice in customer.invoices if invoice.transactions]
    return max(tried, key=lambda invoice: invoice.transactions[-1].at, default=None)


def _required(invoice: Invoice | None, why: str) -> Invoice:
    if invoice is None:
        raise ValueError(f"the customer {why}")
    return invoice
