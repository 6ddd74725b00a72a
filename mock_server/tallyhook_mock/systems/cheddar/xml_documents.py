"""Writes Cheddar's XML documents, with their elements in the recorded order.

Every call is answered with a document, so documents are written as text, which is faster than building a
tree. An empty value becomes an empty element or is left out, as in the recorded documents. For cases
that no recorded document shows, an empty value becomes an empty element, and an empty group is left out
(inferred).
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from urllib.parse import urlsplit

from tallyhook_mock.core.ids import text as id_text
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cheddar.model import (
    Charge,
    Customer,
    Invoice,
    InvoiceType,
    MetaDatum,
    PaymentMethod,
    Subscription,
    Transaction,
)
from tallyhook_mock.systems.cheddar.products import Plan, PlanItem, Promotion
from tallyhook_mock.systems.cheddar.settings import Rules

__all__ = [
    "CARD_DETAILS",
    "SUCCESS",
    "customers_document",
    "display_name",
    "error_document",
    "error_element",
    "moment_text",
    "plans_document",
    "promotions_document",
]

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
SUCCESS = f"{DECLARATION}<success/>"  # inferred

# All products of this server share one gateway, the simulator, and one account there.
GATEWAY = "Stripe_Simulator"
GATEWAY_ACCOUNT = id_text(0x71E29C22)

# The payer's name and address, in the order of the documents. The card itself follows `ccZip`.
CARD_DETAILS = (
    "ccFirstName",
    "ccLastName",
    "ccCompany",
    "ccCountry",
    "ccAddress",
    "ccCity",
    "ccState",
    "ccZip",
)

_SPECIAL = re.compile('[&<>"\x00-\x1f\ufffe\uffff]')
# Line ends and tabs are written as references, since a parser turns them into spaces in attributes.
_ESCAPED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


def escape(text: str) -> str:
    """Escape a string for an element or an attribute. Characters that XML can't contain are left out."""
    if _SPECIAL.search(text):
        return _SPECIAL.sub(lambda match: _ESCAPED.get(match[0], ""), text)
    return text


@lru_cache(4096)  # the same few points in time are shown again and again
def moment_text(at: datetime | None) -> str:
    """Return a time as `2026-01-01T00:00:00+00:00`, or an empty string for None."""
    return at.isoformat(timespec="seconds") if at else ""


def _document(root: str) -> str:
    """Return a document: the XML declaration, then the elements, indented as in the recorded documents.

    The official PHP client needs the white space: without it, the client reads a lone element as text.
    """
    lines, depth = [], 0
    for part in root[1:-1].split("><"):  # text and attributes never contain `><`, because both are escaped
        if part.startswith("/"):
            depth -= 1
        lines.append(f"{'  ' * depth}<{part}>")
        if not part.startswith("/") and not part.endswith("/") and "</" not in part:
            depth += 1
    return DECLARATION + "\n".join(lines)


def _leaf(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else f"<{name}/>"


def _leaves(names: Iterable[str], texts: Mapping[str, str]) -> str:
    return "".join([_leaf(name, text) if (text := texts.get(name)) else f"<{name}/>" for name in names])


def _group(name: str, parts: Iterable[str]) -> str:
    content = "".join(parts)
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def _rate(rate: Decimal | None) -> str:
    return "" if rate is None else quantity_text(rate)


# -- errors


def error_element(id: int, status: int, message: str, aux_code: str) -> str:
    return f'<error id="{id}" code="{status}" auxCode="{escape(aux_code)}">{escape(message)}</error>'


def error_document(element: str) -> str:
    return DECLARATION + element


# -- plans


def plans_document(plans: Iterable[Plan], at: datetime, rules: Rules) -> str:
    """Return the `<plans>` document. Its bill dates are those of a subscription that starts at `at`."""
    return _document(_group("plans", (_plan(plan, at, rules) for plan in plans)))


def display_name(plan: Plan) -> str:
    """Return a plan's display name, such as `Small • 5.00 / Month` (recorded)."""
    name = f"{plan.name} • {amount_text(plan.recurring_charge_amount)}"
    return f"{name} / {plan.frequency.per.title()}" if plan.frequency.quantity else name


def _plan(plan: Plan, at: datetime, rules: Rules) -> str:
    # No document shows microseconds.
    return _plan_as_of(plan, at.replace(microsecond=0) if at.microsecond else at, rules)


@lru_cache(1024)  # a document shows the plan of each of its customers
def _plan_as_of(plan: Plan, at: datetime, rules: Rules) -> str:
    # The recorded document shows the bill dates of a customer who subscribes at the time of the call.
    initial = plan.first_bill(at, rules)
    following = moment_text(plan.frequency.after(initial, 1, rules.add_months))
    frequency = plan.frequency
    # Without a setup amount the code is hidden here, but a hook shows the code (both recorded).
    setup_code = plan.setup_charge_code if plan.setup_charge_amount else ""
    return (
        f'<plan id="{id_text(plan.id)}" code="{escape(plan.code)}">'
        f"{_leaf('name', plan.name)}"
        f"{_leaf('displayName', display_name(plan))}"
        f"{_leaf('description', plan.description)}"
        f"<isActive>{plan.is_active:d}</isActive>"
        f"<isFree>{plan.is_free:d}</isFree>"
        f"<paymentMethodIsRequired>{plan.payment_method_is_required:d}</paymentMethodIsRequired>"
        f"<trialDays>{plan.trial_days}</trialDays>"
        f"<initialBillCount>{plan.initial_bill_count}</initialBillCount>"
        f"{_leaf('initialBillCountUnit', plan.initial_bill_count_unit)}"
        f"<initialInvoiceBillingDatetime>{moment_text(initial)}</initialInvoiceBillingDatetime>"
        f"<billingFrequency>{frequency.name}</billingFrequency>"
        f"<billingFrequencyPer>{frequency.per}</billingFrequencyPer>"
        f"<billingFrequencyUnit>{frequency.unit}</billingFrequencyUnit>"
        f"<billingFrequencyQuantity>{frequency.quantity}</billingFrequencyQuantity>"
        f"{_leaf('nextInvoiceBillingDatetime', following)}"
        f"{_leaf('setupChargeCode', setup_code)}"
        f"<setupChargeAmount>{amount_text(plan.setup_charge_amount)}</setupChargeAmount>"
        f"{_leaf('recurringChargeCode', plan.recurring_charge_code)}"
        f"<recurringChargeAmount>{amount_text(plan.recurring_charge_amount)}</recurringChargeAmount>"
        f"{_leaf('onChangeInitialBillHandler', plan.on_change_initial_bill_handler)}"
        f"{_leaf('setupChargeBillHandler', plan.setup_charge_bill_handler)}"
        f"{_leaf('onChangeSetupChargeBillHandler', plan.on_change_setup_charge_bill_handler)}"
        f"<createdDatetime>{moment_text(plan.created)}</createdDatetime>"
        f"{_group('items', map(_plan_item, plan.items))}"
        "</plan>"
    )


def _plan_item(planned: PlanItem) -> str:
    return (
        f'<item id="{id_text(planned.item.id)}" code="{escape(planned.item.code)}">'
        f"{_leaf('name', planned.item.name)}"
        f"<quantityIncluded>{quantity_text(planned.quantity_included)}</quantityIncluded>"
        f"<isPeriodic>{planned.is_periodic:d}</isPeriodic>"
        f"<overageAmount>{amount_text(planned.overage_amount)}</overageAmount>"
        f"<createdDatetime>{moment_text(planned.created)}</createdDatetime>"
        "</item>"
    )


# -- customers


def customers_document(
    customers: Iterable[Customer],
    at: datetime,
    error: str = "",
    *,
    page: Mapping[str, str] | None = None,
    has_history: bool = True,
) -> str:
    """Return the `<customers>` document as of `at`. `error` is a failed transaction's `<error>` element.

    `page` has attributes that say which page of a search the document shows. If `has_history` is false, each
    customer has only the current subscription with its pending invoice.

    Standing: recorded; inferred.
    """
    errors = f"<errors>{error}</errors>" if error else ""
    attributes = "".join(f' {name}="{escape(value)}"' for name, value in (page or {}).items())
    shown = "".join(_customer(each, at, has_history=has_history) for each in customers)
    return _document(f"<customers{attributes}>{errors}{shown}</customers>")


def _customer(customer: Customer, at: datetime, *, has_history: bool) -> str:
    details = customer.details
    exempt, tax_number = customer.is_exempt, details.get("taxNumber", "")
    subscriptions = [
        _subscription(each, at, is_current=each is customer.subscription, has_history=has_history)
        for each in (customer.subscriptions if has_history else customer.subscriptions[:1])
    ]
    payment = customer.subscription.payment
    token = details.get("gatewayToken") or (payment.gateway_token if payment else "")
    # The names with `Vat` are older names for the same values. Documents have both (recorded).
    return (
        f'<customer id="{id_text(customer.id)}" code="{escape(customer.code)}">'
        f"{_leaves(_NAMES, details)}"
        f"{_leaf('gatewayToken', token)}"
        f"<isTaxExempt>{exempt:d}</isTaxExempt>"
        f"<isVatExempt>{exempt:d}</isVatExempt>"
        f"{_leaf('taxNumber', tax_number)}"
        f"{_leaf('vatNumber', tax_number)}"
        f"{_leaf('taxRate', _rate(customer.tax_rate))}"
        f"{_leaf('firstContactDatetime', details.get('firstContactDatetime', ''))}"
        f"{_leaf('referer', details.get('referer', ''))}"
        f"{_leaf('refererHost', _host(details.get('referer', '')))}"
        f"{_leaves(_CAMPAIGN, details)}"
        f"<key>{customer.key}</key>"
        f"<createdDatetime>{moment_text(customer.created)}</createdDatetime>"
        f"<modifiedDatetime>{moment_text(customer.modified)}</modifiedDatetime>"
        f"{_group('metaData', map(_meta_datum, customer.meta_data))}"
        f"{_group('subscriptions', subscriptions)}"
        "</customer>"
    )


_NAMES = ("firstName", "lastName", "company", "email", "notes")
_CAMPAIGN = ("campaignSource", "campaignMedium", "campaignTerm", "campaignContent", "campaignName")


def _host(referer: str) -> str:
    if not referer:
        return ""
    try:
        return urlsplit(referer).hostname or ""
    except ValueError:
        return ""


def _meta_datum(datum: MetaDatum) -> str:
    return (
        f'<metaDatum id="{id_text(datum.id)}">'
        f"{_leaf('name', datum.name)}"
        f"{_leaf('value', datum.value)}"
        f"<createdDatetime>{moment_text(datum.created)}</createdDatetime>"
        f"<modifiedDatetime>{moment_text(datum.modified)}</modifiedDatetime>"
        "</metaDatum>"
    )


def _subscription(subscription: Subscription, at: datetime, *, is_current: bool, has_history: bool) -> str:
    payment = subscription.payment
    redirect = subscription.redirect_url if subscription.waits_for_paypal else ""
    return (
        f'<subscription id="{id_text(subscription.id)}">'
        f"<plans>{_plan(subscription.plan, at, subscription.customer.product.rules)}</plans>"
        f"{_leaf('gatewayToken', payment.gateway_token if payment else '')}"
        "<gatewayTokenAux/>"
        f"{_gateway_account(payment.method) if payment else '<gatewayAccount/>'}"
        f"{_leaf('redirectUrl', redirect) if redirect else ''}"
        f"{_card(payment, subscription.card_details)}"
        f"{_leaf('cancelType', subscription.cancel_type)}"
        f"{_leaf('cancelReason', subscription.cancel_reason)}"
        f"{_leaf('canceledDatetime', moment_text(subscription.canceled_at))}"
        f"<createdDatetime>{moment_text(subscription.created)}</createdDatetime>"
        f"{_usage(subscription) if is_current else ''}"
        f"{_invoices(subscription, has_history=has_history)}"
        "</subscription>"
    )


def _gateway_account(method: str) -> str:
    return (
        f"<gatewayAccount><id>{GATEWAY_ACCOUNT}</id><gateway>{GATEWAY}</gateway>"
        f"<type>{method}</type></gatewayAccount>"
    )


def _card(payment: PaymentMethod | None, given: Mapping[str, str]) -> str:
    if payment is None and not given:
        return _NO_CARD
    details = payment.details if payment else given
    expires = payment.expires.isoformat() if payment and payment.expires else ""
    return (
        f"{_leaves(CARD_DETAILS, details)}"
        f"{_leaf('ccType', payment.card_type if payment else '')}"
        f"{_leaf('ccLastFour', payment.last_four if payment else '')}"
        f"{_leaf('ccExpirationDate', expires)}"
        f"{_leaf('ccEmail', details.get('ccEmail', ''))}"
    )


_NO_CARD = "".join(
    f"<{name}/>" for name in (*CARD_DETAILS, "ccType", "ccLastFour", "ccExpirationDate", "ccEmail")
)


# -- invoices


def usage_invoice(subscription: Subscription) -> Invoice | None:
    """Return the invoice whose counters a subscription shows: the pending one, or else the last period's.

    Returns None if there is neither.
    """
    return subscription.pending or next(
        (past for past in reversed(subscription.invoices) if past.type is InvoiceType.SUBSCRIPTION), None
    )


def _usage(subscription: Subscription) -> str:
    """Return the `<items>` element.

    It is left out if the subscription was replaced or never invoiced (recorded).
    """
    if not subscription.invoices:
        return ""
    counted = usage_invoice(subscription)
    return _group("items", [_item(planned, counted) for planned in subscription.plan.items])


def _invoices(subscription: Subscription, *, has_history: bool) -> str:
    """Return the `<invoices>` element, newest invoice first.

    It is left out if the subscription has no invoices. A replaced subscription can be without invoices,
    because its unpaid invoices moved to the new one.
    """
    pending = subscription.pending
    shown = subscription.invoices if has_history else (pending,) if pending else ()
    return _group("invoices", [_invoice(each) for each in reversed(shown)]) if shown else ""


def _item(planned: PlanItem, invoice: Invoice | None) -> str:
    usage = invoice.usage.get(planned.item.code) if invoice else None
    dates = (
        f"<createdDatetime>{moment_text(usage.created)}</createdDatetime>"
        f"<modifiedDatetime>{moment_text(usage.modified)}</modifiedDatetime>"
        if usage
        else ""
    )
    return (
        f'<item id="{id_text(planned.item.id)}" code="{escape(planned.item.code)}">'
        f"{_leaf('name', planned.item.name)}"
        f"<quantity>{quantity_text(usage.quantity) if usage else 0}</quantity>"
        f"{dates}</item>"
    )


def _invoice(invoice: Invoice) -> str:
    rate = _rate(invoice.tax_rate)
    paid_by = invoice.paid_by
    made = "".join(map(_transaction, invoice.transactions))
    return (
        f'<invoice id="{id_text(invoice.id)}">'
        f"<number>{invoice.number}</number>"
        f"<type>{invoice.type}</type>"
        f"{_leaf('vatRate', rate)}"
        f"{_leaf('taxRate', rate)}"
        f"<billingDatetime>{moment_text(invoice.billing_at)}</billingDatetime>"
        f"{_leaf('paidTransactionId', id_text(paid_by) if paid_by else '')}"
        f"<createdDatetime>{moment_text(invoice.created)}</createdDatetime>"
        f"{_group('charges', map(_charge, invoice.lines()))}"
        f"{f'<transactions>{made}</transactions>' if made else ''}"
        "</invoice>"
    )


def _charge(charge: Charge) -> str:
    return (
        f'<charge id="{id_text(charge.id) if charge.id else ""}" code="{escape(charge.code)}">'
        f"<type>{charge.type}</type>"
        f"<quantity>{quantity_text(charge.quantity)}</quantity>"
        f"<eachAmount>{amount_text(charge.each_amount)}</eachAmount>"
        f"{_leaf('description', charge.description)}"
        f"<createdDatetime>{moment_text(charge.created)}</createdDatetime>"
        "</charge>"
    )


def _transaction(made: Transaction) -> str:
    payment = made.payment
    return (
        f'<transaction id="{id_text(made.id)}" code="">'
        f"{_leaf('parentId', id_text(made.parent) if made.parent else '')}"
        f"{_leaf('gatewayToken', 'SIMULATED' if payment else '')}"
        f"{_gateway_account(payment.method) if payment else '<gatewayAccount/>'}"
        f"<amount>{amount_text(made.amount)}</amount>"
        f"{_leaf('memo', made.memo)}"
        f"<response>{'approved' if made.approved else 'declined'}</response>"
        f"{_leaf('responseReason', made.reason)}"
        f"<transactedDatetime>{moment_text(made.at)}</transactedDatetime>"
        f"<createdDatetime>{moment_text(made.at)}</createdDatetime>"
        "</transaction>"
    )


# -- promotions


def promotions_document(promotions: Iterable[Promotion], plans: dict[str, Plan]) -> str:
    """Return the `<promotions>` document. `plans` has the product's plans, by code."""
    return _document(_group("promotions", (_promotion(each, plans) for each in promotions)))


def _promotion(promotion: Promotion, plans: dict[str, Plan]) -> str:
    covered = (
        f'<plan id="{id_text(plans[code].id)}" code="{escape(code)}">'
        f"<code>{escape(code)}</code>{_leaf('name', plans[code].name)}</plan>"
        for code in promotion.plans
        if code in plans
    )
    coupons = (
        f'<coupon id="{id_text(coupon.id)}" code="{escape(coupon.code)}">'
        f"<code>{escape(coupon.code)}</code>"
        f"{_leaf('maxRedemptions', '' if coupon.max_redemptions is None else str(coupon.max_redemptions))}"
        f"{_leaf('expirationDatetime', moment_text(coupon.expiration))}"
        f"<createdDatetime>{moment_text(coupon.created)}</createdDatetime></coupon>"
        for coupon in promotion.coupons
    )
    return (
        f'<promotion id="{id_text(promotion.id)}">'
        f"{_leaf('name', promotion.name)}"
        f"{_leaf('description', promotion.description)}"
        f"<createdDatetime>{moment_text(promotion.created)}</createdDatetime>"
        f"{_group('plans', covered)}"
        f'<incentives><incentive id="{id_text(promotion.incentive_id)}">'
        "<type>percentage</type>"
        f"<percentage>{quantity_text(promotion.percentage)}</percentage>"
        f"{_leaf('months', '' if promotion.months is None else str(promotion.months))}"
        f"{_leaf('expirationDatetime', moment_text(promotion.expiration))}"
        "</incentive></incentives>"
        f"{_group('coupons', coupons)}"
        "</promotion>"
    )
