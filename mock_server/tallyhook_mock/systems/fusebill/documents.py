"""Writes Fusebill's JSON.

Field names are from a public client if it has them, otherwise from the vendor's pages.
"""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from tallyhook_mock.core.money import ZERO, cents
from tallyhook_mock.systems.fusebill.model import (
    BillingPeriodDefinition,
    Charge,
    Customer,
    Draft,
    DraftCharge,
    Frequency,
    Invoice,
    Item,
    PlanProduct,
    Purchase,
    Reset,
    Subscription,
    SubscriptionProduct,
    Timing,
)
from tallyhook_mock.systems.fusebill.refusal import Refusal

__all__ = [
    "FIELDS",
    "customer_document",
    "definition_document",
    "draft_document",
    "error_document",
    "invoice_document",
    "item_document",
    "moment_text",
    "product_document",
    "purchase_document",
    "subscription_document",
    "write",
]

# Amounts are exact numbers.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ROOT = "https://secure.fusebill.com/v1"

# The fields of a billing period definition (documented).
FIELDS = (
    "id",
    "uri",
    "customerId",
    "cycle",
    "numberOfIntervals",
    "billingPeriodType",
    "invoiceDay",
    "invoiceWeekday",
    "invoiceMonth",
    "currentBillingPeriodStartDate",
    "currentBillingPeriodEndDate",
    "nextRechargeDate",
    "numberOfBillingPeriods",
    "invoiceInAdvance",
    "manuallyCreated",
    "paymentMethodId",
    "autoCollect",
    "autoPost",
    "term",
    "poNumber",
    "quickBooksLocationId",
    "paymentSchedules",
    "createdDate",
    "subscriptions",
)


def write(document: object) -> bytes:
    return _ENCODER.encode(document)


def error_document(refusal: Refusal) -> dict[str, Any]:
    """Return the answer to a refused call.

    The shape is documented. In the vendor's example, the value of `Key` is "Api Error". It is inferred that
    the value can also be the name of a field.
    """
    return {
        "ErrorId": 0,
        "HttpStatusCode": refusal.status,
        "Errors": [{"Key": refusal.key, "Value": refusal.message}],
    }


def moment_text(moment: datetime | None) -> str | None:
    """Return a moment like `2026-11-01T00:00:00`, without a time zone (documented), in UTC (inferred)."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S")


def _own(resource: str, number: int) -> dict[str, Any]:
    """Return the id and the URI that every resource has (documented)."""
    return {"id": number, "uri": f"{_ROOT}/{resource}/{number}"}


def definition_document(definition: BillingPeriodDefinition) -> dict[str, Any]:
    """Return a billing period definition as the API shows it.

    The period's end date is the day of the recharge. `subscriptions` is an object with a list of `results`,
    not an array (documented). The shape of a result is inferred.
    """
    settings = definition.settings
    values = (
        *_own("billingPeriodDefinitions", definition.id).values(),
        definition.customer.id,
        definition.cycle,
        definition.date.intervals,
        definition.type,
        definition.date.day,
        settings.weekday,
        definition.date.month,
        moment_text(definition.start),
        moment_text(definition.end),
        moment_text(definition.end),
        definition.count,
        settings.invoice_in_advance,
        definition.manually_created,
        settings.payment_method_id,
        settings.auto_collect,
        settings.auto_post,
        settings.term,
        settings.po_number,
        settings.quick_books_location,
        [],
        moment_text(definition.created),
        {"results": [_summary(subscription) for subscription in definition.subscriptions]},
    )
    return dict(zip(FIELDS, values, strict=True))


def _summary(subscription: Subscription) -> dict[str, Any]:
    return {
        **_own("subscriptions", subscription.id),
        "planCode": subscription.plan_code,
        "planName": subscription.plan_name,
        "status": subscription.status,
        "interval": subscription.interval,
        "amount": subscription.amount,
        "activatedTimestamp": moment_text(subscription.activated),
        "pendingCharges": [_pending(charge) for charge in subscription.charges],
    }


def _pending(charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "name": charge.name,
        "amount": charge.amount,
        "createdDate": moment_text(charge.added),
        "startDate": moment_text(charge.start),
        "endDate": moment_text(charge.end),
    }


# -- subscriptions


def subscription_document(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription as the API shows it. The names are from an API answer in a public program."""
    place, revenue = subscription.place, _monthly(subscription)
    return {
        **_own("subscriptions", subscription.id),
        "customerId": subscription.customer.id,
        "planFrequency": _frequency(subscription.frequency),
        "planCode": subscription.plan_code,
        "planName": subscription.plan_name,
        "status": subscription.status,
        "reference": subscription.reference,
        "hasPostedInvoice": any(
            line.item in subscription.items for bill in subscription.customer.bills for line in bill.lines
        ),
        "createdTimestamp": moment_text(subscription.created),
        "activatedTimestamp": moment_text(subscription.activated),
        "provisionedTimestamp": moment_text(subscription.provisioned),
        "nextPeriodStartDate": moment_text(place.end) if place else None,
        "lastPeriodStartDate": moment_text(subscription.start),
        "scheduledActivationTimestamp": None,
        "subscriptionProducts": [product_document(subscription, each) for each in subscription.products],
        "openSubscriptionPeriodEndDate": moment_text(place.end) if place else None,
        "monthlyRecurringRevenue": revenue,
        "netMonthlyRecurringRevenue": revenue,
        "amount": subscription.amount,
        "coupons": [],
        "invoiceDay": place.date.day if place else None,
        "invoiceMonth": place.date.month if place else None,
        "subscriptionHasRecurringEndOfPeriodCharge": any(
            product.plan.timing is Timing.END for product in subscription.products
        ),
        "nextRechargeDate": moment_text(place.end) if place else None,
        "invoiceInAdvance": place.settings.invoice_in_advance if place else 0,
        "billingPeriodDefinitionId": place.id if place else None,
    }


def product_document(subscription: Subscription, product: SubscriptionProduct) -> dict[str, Any]:
    return {
        **_own("subscriptionProducts", product.id),
        "subscriptionId": subscription.id,
        "planProduct": _plan_product(product.plan),
        "quantity": product.quantity,
        "isIncluded": True,
        "startDate": moment_text(subscription.activated),
        "isCharged": product.plan.timing is Timing.START,
        "amount": product.amount,
        "status": subscription.status,
        "lastPurchaseDate": None,
    }


def _monthly(subscription: Subscription) -> Decimal:
    """Return a subscription's recurring revenue per month, without usage (inferred)."""
    fixed = (each.amount for each in subscription.products if each.plan.timing is Timing.START)
    return cents(sum(fixed, ZERO) / (subscription.interval.months * subscription.frequency.intervals))


def _frequency(frequency: Frequency) -> dict[str, Any]:
    return {
        "id": frequency.id,
        "planRevisionId": frequency.id,
        "numberOfIntervals": frequency.intervals,
        "interval": frequency.cycle,
        "status": "Active",
    }


def _plan_product(plan: PlanProduct) -> dict[str, Any]:
    price = {"min": 0, "max": None, "prices": [{"amount": plan.price, "currency": None}]}
    model = {
        "chargeModelType": "Recurring",
        "chargeTimingType": plan.timing,
        "midPeriodChangeTimingType": plan.change,
        "prorateOnPositiveQuantity": plan.prorates,
    }
    return {
        "productId": plan.id,
        "productCode": plan.code,
        "productName": plan.name,
        "productType": "RecurringService",
        "quantity": plan.quantity,
        "maxQuantity": plan.most,
        "isRecurring": True,
        "isFixed": False,
        "isOptional": False,
        "isTrackingItems": plan.is_tracked,
        "resetType": Reset(plan.reset),
        "orderToCashCycles": [
            {
                "chargeModels": [model],
                "pricingModel": {"pricingModelType": "Standard", "quantityRanges": [price]},
            }
        ],
    }


def item_document(product: SubscriptionProduct, item: Item) -> dict[str, Any]:
    """Return a tracked item as the API shows it. All fields except `reference` are inferred."""
    return {
        **_own("subscriptionProductItems", item.id),
        "subscriptionProductId": product.id,
        "reference": item.reference,
        "name": item.name,
        "description": item.description,
    }


# -- customers and purchases


def customer_document(customer: Customer) -> dict[str, Any]:
    return {
        **_own("customers", customer.id),
        "companyName": customer.name,
        "firstName": customer.details.get("firstName", ""),
        "lastName": customer.details.get("lastName", ""),
        "primaryEmail": customer.details.get("primaryEmail", ""),
        "reference": customer.details.get("reference", ""),
        "currency": customer.currency,
        "status": customer.status,
        "customerAccountStatus": "Good",
        "autoPost": customer.auto_post,
        "createdTimestamp": moment_text(customer.created),
    }


def purchase_document(purchase: Purchase) -> dict[str, Any]:
    return {
        **_own("purchases", purchase.id),
        "customerId": purchase.customer.id,
        "productId": purchase.plan.id,
        "productCode": purchase.plan.code,
        "name": purchase.name,
        "quantity": purchase.quantity,
        "amount": cents(purchase.quantity * purchase.plan.price),
        "status": purchase.status,
        "createdTimestamp": moment_text(purchase.created),
    }


# -- invoices


def draft_document(draft: Draft, *, with_charges: bool = True) -> dict[str, Any]:
    """Return a draft invoice as the API shows it.

    The fields are documented. Each charge has its id and the fields that can be changed.
    """
    shown = {
        **_own("draftInvoices", draft.id),
        "customerId": draft.customer.id,
        "billingPeriodId": draft.period,
        "effectiveTimestamp": moment_text(draft.at),
        "modifiedTimestamp": moment_text(draft.modified),
        "status": "Ready",
        "poNumber": draft.po_number,
        "notes": draft.notes,
        "netTerms": draft.terms,
        "subtotal": draft.total,
        "totalDiscount": ZERO,
        "total": draft.total,
        "taxes": [],
        "paymentSchedules": [],
        "shippingInstructions": "",
        "customerReferenceValue": draft.customer.details.get("reference", ""),
        "customer": customer_document(draft.customer),
    }
    if with_charges:
        shown["draftCharges"] = [_draft_charge(draft, charge) for charge in draft.charges]
    return shown


def _draft_charge(draft: Draft, charge: DraftCharge) -> dict[str, Any]:
    line = charge.line
    return {
        "id": charge.id,
        "name": line.description,
        "description": charge.note,
        "quantity": line.quantity,
        "unitPrice": charge.unit,
        "proratedUnitPrice": cents(charge.prorated),
        "amount": line.amount,
        "draftDiscounts": [],
        "startServiceDate": moment_text(line.start),
        "endServiceDate": moment_text(line.end),
        **_subject(draft.customer, line.item),
    }


def invoice_document(customer: Customer, invoice: Invoice, *, with_charges: bool = True) -> dict[str, Any]:
    """Return a posted invoice as the API shows it. It is due at once, but stays unpaid (inferred)."""
    bill = invoice.bill
    shown = {
        **_own("invoices", invoice.id),
        "invoiceNumber": bill.number,
        "customerId": customer.id,
        "draftInvoiceId": invoice.draft,
        "postedTimestamp": moment_text(bill.at),
        "effectiveTimestamp": moment_text(invoice.effective),
        "status": "Due",
        "currency": bill.currency,
        "subtotal": bill.total,
        "totalDiscount": ZERO,
        "taxes": [],
        "invoiceAmount": bill.total,
        "total": bill.total,
        "outstandingBalance": bill.total,
        "notes": invoice.notes,
        "poNumber": invoice.po_number,
        "netTerms": invoice.terms,
        "hideOnSSP": invoice.is_hidden,
    }
    if with_charges:
        shown["charges"] = [
            {
                "id": number,
                "name": line.description,
                "quantity": line.quantity,
                "unitPrice": line.unit_price,
                "amount": line.amount,
                "startServiceDate": moment_text(line.start),
                "endServiceDate": moment_text(line.end),
                **_subject(customer, line.item),
            }
            for number, line in zip(invoice.charges, bill.lines, strict=True)
        ]
    return shown


def _subject(customer: Customer, item: str) -> dict[str, Any]:
    """Return the fields that name an invoice line's subscription and product. All are None if it has none."""
    for subscription in customer.subscriptions:
        for product in subscription.products:
            if product.item == item:
                return {
                    "subscriptionId": subscription.id,
                    "subscriptionProductId": product.id,
                    "productCode": product.plan.code,
                }
    return {"subscriptionId": None, "subscriptionProductId": None, "productCode": None}
