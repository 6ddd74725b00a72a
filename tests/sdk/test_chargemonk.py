"""Chargemonk's answers, read into models."""

import json
from datetime import UTC, datetime

import httpx
import pytest

from tallyhook.audit import AuditFailed, Chargemonk
from tallyhook.chargemonk import Client


@pytest.mark.parametrize("seconds", [1e17, 1_778_976_000_000, -1e17])
def test_a_time_that_no_calendar_has_is_none(seconds: float) -> None:
    subscription = {"subscriptionId": "mill", "subscriptionNextBilling": seconds}
    invoice = {"invoiceId": "1", "invoiceDate": seconds, "subscription": subscription}
    answer = json.dumps({"status": "success", "list": {"invoice": [invoice]}})
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=answer))
    with httpx.Client(transport=transport) as http, Client("token", http=http) as client:
        (found,) = client.list_invoices()
    assert found.subscription is not None
    assert (found.date, found.subscription.subscription_next_billing) == (None, None)
    assert found.invoice_date == seconds
    with httpx.Client(transport=transport) as http, Client("token", http=http) as client:
        audit = Chargemonk(client, {"mill": datetime(2026, 5, 1, tzinfo=UTC)}, {})
        with pytest.raises(AuditFailed, match="mill has a renewal time"):
            list(audit.windows(datetime(2026, 5, 1, tzinfo=UTC)))
