"""A client for Fusebill (now Stax Bill), to see and change when subscriptions bill.

    with fusebill.Client("an API key") as client:
        definition = client.get_billing_period_definition_by_subscription(31)
        print(dry_run(definition, invoice_day=6))
        client.edit_billing_period_definition(definition, invoice_day=6)

Every subscription belongs to exactly one billing period definition. All subscriptions of a definition bill on
the same day.
"""

from tallyhook.fusebill.calls import PAGE_SIZE
from tallyhook.fusebill.client import AsyncClient, Client
from tallyhook.fusebill.forecast import DryRun, PlannedInvoice, dry_run
from tallyhook.fusebill.models import (
    BillingPeriodDefinition,
    DraftCharge,
    DraftInvoice,
    Invoice,
    InvoiceCharge,
    Listed,
    PendingCharge,
    PlanProduct,
    Subscription,
    SubscriptionProduct,
)
from tallyhook.fusebill.terms import BillingPeriodType, ChargeChange, Cycle, InvoiceDate

__all__ = [
    "PAGE_SIZE",
    "AsyncClient",
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "ChargeChange",
    "Client",
    "Cycle",
    "DraftCharge",
    "DraftInvoice",
    "DryRun",
    "Invoice",
    "InvoiceCharge",
    "InvoiceDate",
    "Listed",
    "PendingCharge",
    "PlanProduct",
    "PlannedInvoice",
    "Subscription",
    "SubscriptionProduct",
    "dry_run",
]
