"""Fusebill's JSON documents."""

from datetime import datetime
from typing import Any

import msgspec

from tallyhook_mock.systems.fusebill.model import BillingPeriodDefinition, Charge, Refusal, Subscription

__all__ = ["FIELDS", "definition_document", "error_document", "moment_text", "write"]

# Amounts are numbers, and exact.
_ENCODER = msgspec.json.Encoder(decimal_format="number")

# The fields of a billing period definition (documented).
FIELDS = (
    "id",
    "customerId",
    "cycle",
    "numberOfIntervals",
    "billingPeriodType",
    "invoiceDay",
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
    "createdDate",
    "subscriptions",
)


def write(document: object) -> bytes:
    return _ENCODER.encode(document)


def definition_document(definition: BillingPeriodDefinition) -> dict[str, Any]:
    """The period ends on the day of its recharge: the source counts both (36 days for 30 moved by 5)."""
    settings = definition.settings
    values = (
        definition.id,
        definition.customer.id,
        definition.cycle,
        1,
        definition.type,
        definition.date.day,
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
        moment_text(definition.created),
        [_subscription(subscription) for subscription in definition.subscriptions],
    )
    return dict(zip(FIELDS, values, strict=True))


def error_document(refusal: Refusal) -> dict[str, Any]:
    """The shape is inferred."""
    return {
        "ErrorId": 0,
        "HttpStatusCode": refusal.status,
        "Errors": [{"Key": refusal.key, "Value": refusal.message}],
    }


def moment_text(moment: datetime) -> str:
    """`2026-11-01T00:00:00Z` (inferred)."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _subscription(subscription: Subscription) -> dict[str, Any]:
    """The shape is inferred."""
    return {
        "id": subscription.id,
        "planCode": subscription.plan_code,
        "planName": subscription.plan_name,
        "status": "Active",
        "interval": subscription.interval,
        "amount": subscription.amount,
        "quantity": 1,
        "activationDate": moment_text(subscription.activated),
        "pendingCharges": [_charge(charge) for charge in subscription.charges],
    }


def _charge(charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.id,
        "name": charge.name,
        "amount": charge.amount,
        "createdDate": moment_text(charge.added),
        "startDate": charge.start and moment_text(charge.start),
        "endDate": charge.end and moment_text(charge.end),
    }
