"""Webhooks. A webhook that isn't answered within 2 seconds is retried 1, 2 and 3 minutes later (documented).

A header has the listener's key in Base64 (documented). The name of the header, the names of the events and
the bodies are inferred. A listener can choose the header's name.
"""

from datetime import timedelta
from typing import Any

from tallyhook_mock.core.base import Happening
from tallyhook_mock.core.hooks import Policy
from tallyhook_mock.systems.fusebill.documents import (
    customer_document,
    draft_document,
    invoice_document,
    subscription_document,
    write,
)
from tallyhook_mock.systems.fusebill.state import State

__all__ = ["POLICY", "body", "type_of"]

_TYPES = {
    "customerCreated": "CustomerCreated",
    "subscriptionActivated": "SubscriptionActivated",
    "subscriptionCancelled": "SubscriptionCancelled",
    "draftReady": "DraftInvoiceReady",
    "draftChanged": "DraftInvoiceChanged",
    "invoiced": "InvoicePosted",
}

POLICY = Policy(
    "fusebill",
    tuple(_TYPES.values()),
    # Each retry is a minute after the one before, so 1, 2 and 3 minutes after the first failure.
    (timedelta(minutes=1),) * 3,
    timeout=2.0,
    header="X-Webhook-Key",
)


def type_of(happening: Happening) -> str:
    """Return the type of the webhook that an event sends, or an empty string if it sends none."""
    return _TYPES.get(happening.kind, "")


def body(state: State, happening: Happening, type: str) -> bytes:
    """Return the body of a webhook.

    It shows the object as the API shows it now, or only the id if the object no longer exists.
    """
    return write(
        {
            "eventType": type,
            "eventTimestamp": happening.at,
            "customerId": int(happening.account),
            **_about(state, happening),
        }
    )


def _about(state: State, happening: Happening) -> dict[str, Any]:
    customer, number = state.customer(int(happening.account)), happening.subject
    match happening.kind:
        case "invoiced":
            posted = next(each for each in customer.invoices if each.bill.number == happening.invoice)
            return {"invoiceId": posted.id, "invoice": invoice_document(customer, posted)}
        case "draftReady" | "draftChanged":
            draft = next((each for each in customer.drafts if each.id == number), None)
            shown = {} if draft is None else {"draftInvoice": draft_document(draft)}
            return {"draftInvoiceId": number, **shown}
        case "subscriptionActivated" | "subscriptionCancelled":
            return {
                "subscriptionId": number,
                "subscription": subscription_document(state.subscription(number)),
            }
        case _:
            return {"customer": customer_document(customer)}
