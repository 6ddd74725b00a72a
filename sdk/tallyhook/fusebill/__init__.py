"""Fusebill's (now Stax Bill's) client: when subscriptions bill, and what moving that does.

    with fusebill.Client("an API key") as client:
        definition = client.get_billing_period_definition_by_subscription(31)
        print(dry_run(definition, invoice_day=6))
        client.edit_billing_period_definition(definition, invoice_day=6)

A subscription is in exactly one billing period; the subscriptions of one period bill on the same day.
"""

from tallyhook.fusebill.client import AsyncClient, Client
from tallyhook.fusebill.forecast import DryRun, PlannedInvoice, dry_run
from tallyhook.fusebill.models import BillingPeriodDefinition, PendingCharge, Subscription
from tallyhook.fusebill.terms import BillingPeriodType, Cycle, InvoiceDate

__all__ = [
    "AsyncClient",
    "BillingPeriodDefinition",
    "BillingPeriodType",
    "Client",
    "Cycle",
    "DryRun",
    "InvoiceDate",
    "PendingCharge",
    "PlannedInvoice",
    "Subscription",
    "dry_run",
]
