"""A client for the known part of Chargemonk's API: invoices, and charges for the next invoice."""

from tallyhook.chargemonk.client import AsyncClient, Client
from tallyhook.chargemonk.models import Invoice, InvoiceSubscription, UnbilledCharge

__all__ = ["AsyncClient", "Client", "Invoice", "InvoiceSubscription", "UnbilledCharge"]
