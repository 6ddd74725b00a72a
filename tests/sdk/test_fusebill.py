"""Fusebill's clients: what they send, and how they read the answers."""

import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from tests.sdk.scripted import Ask, Script, answer, asking

from tallyhook import NoAnswer, errors
from tallyhook.errors import APIError, DecodeError, WrongDocument
from tallyhook.fusebill import (
    AsyncClient,
    BillingPeriodDefinition,
    BillingPeriodType,
    ChargeChange,
    Client,
    Cycle,
    InvoiceDate,
    Subscription,
)

KEY = "MDphLWtleS1vZi10aGUtdGVzdHM="
ROOT = "https://secure.fusebill.com/v1"
DEFINITION = """{"id": 12, "customerId": 7, "cycle": "Monthly", "numberOfIntervals": 1,
    "billingPeriodType": "SpecifiedDate", "invoiceDay": 1, "invoiceMonth": null,
    "currentBillingPeriodStartDate": "2026-11-01T00:00:00Z",
    "currentBillingPeriodEndDate": "2026-12-01T00:00:00Z", "nextRechargeDate": "2026-12-01T00:00:00Z",
    "numberOfBillingPeriods": 3, "invoiceInAdvance": 5, "manuallyCreated": false, "paymentMethodId": null,
    "autoCollect": null, "autoPost": "true", "term": "Net30", "poNumber": null, "weather": "fine",
    "createdDate": "2026-09-01T08:30:00", "subscriptions": {"results": [
        {"id": 31, "planCode": "BOX", "planName": "Box", "status": "Active", "interval": "Monthly",
         "amount": 40.10, "quantity": 1, "pendingCharges": [{"id": 90, "name": "Lamp", "amount": 8.00}]},
        {"id": 32, "planCode": "CAN", "planName": "Can", "status": "Active", "cycle": "Monthly",
         "amount": "10", "quantity": "1"}]}}"""
DEFINITIONS = f"[{DEFINITION}, {DEFINITION}]"


@pytest.fixture(params=[Client, AsyncClient], ids=lambda client: client.__name__)
def ask(request: pytest.FixtureRequest) -> Ask:
    return asking(request.param, KEY)


async def test_a_definition(ask: Ask) -> None:
    script = Script(answer(DEFINITION))
    definition = await ask(script, "get_billing_period_definition", 12)
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("GET", f"{ROOT}/billingPeriodDefinitions/12")
    assert request.headers["Authorization"] == f"Basic {KEY}"
    assert (definition.id, definition.customer_id, definition.cycle) == (12, 7, Cycle.MONTHLY)
    assert (definition.invoice_day, definition.invoice_month) == (1, None)
    assert definition.next_recharge_date == datetime(2026, 12, 1, tzinfo=UTC)
    assert definition.current_billing_period_start_date == datetime(2026, 11, 1, tzinfo=UTC)
    assert (definition.invoice_in_advance, definition.auto_post, definition.term) == (5, True, "Net30")
    assert definition.auto_collect is None
    assert [subscription.interval for subscription in definition.subscriptions] == ["Monthly", "Monthly"]
    assert (definition.recurring_amount, definition.pending_amount) == (Decimal("50.10"), Decimal(8))
    assert definition.extra == {"weather": "fine"}


async def test_the_definitions_of_a_customer(ask: Ask) -> None:
    script = Script(answer(DEFINITIONS))
    found = await ask(script, "get_billing_period_definitions", 7)
    assert str(script.requests[0].url) == f"{ROOT}/customers/7/billingPeriodDefinitions"
    assert [definition.id for definition in found] == [12, 12]
    assert await ask(Script(answer("[]")), "get_billing_period_definitions", 7) == ()


@pytest.mark.parametrize("subscription", [31, Subscription(id=31)])
async def test_the_definition_of_a_subscription(ask: Ask, subscription: int | Subscription) -> None:
    script = Script(answer(DEFINITION.replace("customerId", "CustomerID")))
    found = await ask(script, "get_billing_period_definition_by_subscription", subscription)
    assert str(script.requests[0].url) == f"{ROOT}/billingPeriodDefinitions/GetBySubscription/31"
    assert (found.id, found.customer_id) == (12, 7)


@pytest.mark.parametrize(
    "subscriptions",
    [
        '[{"planCode": "BOX"}]',
        '[{"id": 32}, {"planCode": "BOX"}]',
        '{"results": [{"uri": "u"}]}',
        '{"uri": "u", "count": 2}',
        '{"results": []}',
    ],
)
async def test_a_definition_may_list_its_subscriptions_in_another_form(ask: Ask, subscriptions: str) -> None:
    """The form of this list is inferred."""
    body = f'{{"id": 12, "customerId": 7, "subscriptions": {subscriptions}}}'
    assert (await ask(Script(answer(body)), "get_billing_period_definition_by_subscription", 31)).id == 12
    assert (await ask(Script(answer(body)), "move_subscription", 31, to=12)).id == 12
    with pytest.raises(WrongDocument):
        await ask(Script(answer(body)), "move_subscription", 31, to=13)


async def test_a_new_definition(ask: Ask) -> None:
    script = Script(answer(DEFINITION, 201))
    await ask(script, "new_billing_period_definition", 7, Cycle.YEARLY, InvoiceDate(6, 3), term="Net30")
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("POST", f"{ROOT}/billingPeriodDefinitions")
    assert script.sent == {
        "customerId": 7,
        "interval": "Yearly",
        "numberOfIntervals": 1,
        "billingPeriodType": "SpecifiedDate",
        "invoiceDay": 6,
        "invoiceMonth": 3,
        "term": "Net30",
    }
    kind = BillingPeriodType.CUSTOMER_ACTIVATION
    await ask(script, "new_billing_period_definition", 7, Cycle.MONTHLY, billing_period_type=kind)
    assert script.sent == {
        "customerId": 7,
        "interval": "Monthly",
        "numberOfIntervals": 1,
        "billingPeriodType": "CustomerActivation",
    }
    await ask(
        script, "preview_billing_period_definition", 7, Cycle.MONTHLY, InvoiceDate(29), number_of_intervals=3
    )
    assert script.requests[-1].url.path == "/v1/billingPeriodDefinitions/Preview"
    assert script.sent == {
        "customerId": 7,
        "interval": "Monthly",
        "numberOfIntervals": 3,
        "invoiceDay": 29,
    }


@pytest.mark.parametrize("definition", [12, BillingPeriodDefinition(id=12)])
async def test_an_edit(ask: Ask, definition: int | BillingPeriodDefinition) -> None:
    script = Script(answer(DEFINITION))
    await ask(script, "edit_billing_period_definition", definition, invoice_day=6)
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("PUT", f"{ROOT}/billingPeriodDefinitions")
    assert script.sent == {"id": 12, "invoiceDay": 6}
    await ask(
        script,
        "edit_billing_period_definition",
        definition,
        invoice_month=3,
        invoice_in_advance=5,
        auto_collect=True,
        auto_post=False,
        term=None,
        po_number=None,
        payment_method_id=5,
    )
    assert script.sent == {
        "id": 12,
        "invoiceMonth": 3,
        "invoiceInAdvance": 5,
        "autoCollect": True,
        "autoPost": False,
        "term": None,
        "poNumber": None,
        "paymentMethodId": 5,
    }


async def test_a_deletion(ask: Ask) -> None:
    script = Script(httpx.Response(204))
    assert await ask(script, "delete_billing_period_definition", 12) is None
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("DELETE", f"{ROOT}/billingPeriodDefinitions/12")
    assert "Content-Type" not in request.headers


async def test_moves(ask: Ask) -> None:
    script = Script(answer(DEFINITION))
    moved = await ask(script, "move_subscription", 31, to=12)
    (request,) = script.requests
    assert (request.method, str(request.url)) == ("PUT", f"{ROOT}/subscriptions/31/billingPeriodDefinition")
    assert script.sent == {"billingPeriodDefinitionId": 12}
    await ask(script, "move_subscription", moved.subscriptions[0], to=moved)
    assert script.sent == {"billingPeriodDefinitionId": 12}
    await ask(script, "move_subscription", 31, to=InvoiceDate(6))
    assert script.sent == {"invoiceDay": 6}
    await ask(script, "move_subscription", 31, to=InvoiceDate(29, 2))
    assert script.sent == {"invoiceDay": 29, "invoiceMonth": 2}


@pytest.mark.parametrize(("day", "month"), [(0, None), (32, None), (31, 4), (30, 2), (1, 0), (1, 13)])
def test_days_that_do_not_exist(day: int, month: int | None) -> None:
    with pytest.raises(ValueError, match="from 1 to"):
        InvoiceDate(day, month)


@pytest.mark.parametrize(
    ("error", "name", "args", "kwargs"),
    [
        (ValueError, "get_billing_period_definition", (BillingPeriodDefinition(),), {}),
        (ValueError, "get_billing_period_definition", (-1,), {}),
        (TypeError, "get_billing_period_definition", ("12",), {}),
        (TypeError, "edit_billing_period_definition", (12,), {}),
        (TypeError, "edit_billing_period_definition", (12,), {"invoiceDay": 6}),
        (ValueError, "move_subscription", (Subscription(),), {"to": 12}),
    ],
)
async def test_nonsense_is_never_sent(
    ask: Ask, error: type[Exception], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    script = Script(answer(DEFINITION))
    with pytest.raises(error):
        await ask(script, name, *args, **kwargs)
    assert not script.requests


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("get_billing_period_definitions", (7,), {}),
        ("get_billing_period_definition", (12,), {}),
        ("get_billing_period_definition_by_subscription", (31,), {}),
        ("edit_billing_period_definition", (12,), {"invoice_day": 6}),
        ("delete_billing_period_definition", (12,), {}),
        ("move_subscription", (31,), {"to": 12}),
        ("dry_run", (12,), {"invoice_day": 6}),
    ],
)
async def test_what_may_be_done_twice_is_tried_again(
    ask: Ask, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    good = answer(DEFINITIONS if name == "get_billing_period_definitions" else DEFINITION)
    script = Script(httpx.ReadTimeout("slow"), answer({}, 503), good)
    await ask(script, name, *args, **kwargs)
    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "logged"),
    [
        ("get_billing_period_definition", (12,), {}, "billingPeriodDefinitions"),
        (
            "get_billing_period_definition_by_subscription",
            (31,),
            {},
            "billingPeriodDefinitions/GetBySubscription",
        ),
        ("move_subscription", (31,), {"to": 12}, "subscriptions/billingPeriodDefinition"),
        ("post_draft_invoice", (8, 9), {}, "Invoices"),
    ],
)
async def test_the_log_names_no_ids(
    ask: Ask,
    caplog: pytest.LogCaptureFixture,
    name: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    logged: str,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="tallyhook"), pytest.raises(APIError):
        await ask(Script(answer({}, 404)), name, *args, **kwargs)
    lines = [record.getMessage() for record in caplog.records if record.name == "tallyhook"]
    assert lines == [f"{logged}: 404"]


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("move_subscription", (31,), {"to": InvoiceDate(6)}),
        ("new_billing_period_definition", (7, Cycle.MONTHLY, InvoiceDate(6)), {}),
    ],
)
async def test_what_would_make_two_is_not(
    ask: Ask, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    script = Script(httpx.ReadTimeout("slow"), answer(DEFINITION))
    with pytest.raises(NoAnswer) as caught:
        await ask(script, name, *args, **kwargs)
    assert caught.value.maybe_applied
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 404, 405])
async def test_refusals(ask: Ask, status: int) -> None:
    said = {
        "ErrorId": 0,
        "HttpStatusCode": status,
        "Errors": [{"Key": "invoiceDay", "Value": "from 1 to 31"}, {"Key": "", "Value": "think again"}],
    }
    with pytest.raises(APIError) as caught:
        await ask(Script(answer(said, status)), "edit_billing_period_definition", 12, invoice_day=32)
    assert type(caught.value) is errors.BY_STATUS.get(status, APIError)
    assert str(caught.value) == f"{status} invoiceDay: from 1 to 31; think again (invoiceDay)"
    assert (caught.value.aux_code, caught.value.error_id) == ("invoiceDay", "")


@pytest.mark.parametrize("body", ["", "<html>", "7", '{"Errors": 7}'])
async def test_pages_of_proxies(ask: Ask, body: str) -> None:
    with pytest.raises(errors.BadGateway, match="no error document"):
        await ask(Script(answer(body, 502)), "get_billing_period_definition", 12)


@pytest.mark.parametrize("body", ["", "<html>", "7", "{}"])
async def test_what_is_no_list(ask: Ask, body: str) -> None:
    with pytest.raises(DecodeError):
        await ask(Script(answer(body)), "get_billing_period_definitions", 7)


async def test_an_entry_that_makes_no_sense_is_told_beside_the_others(ask: Ask) -> None:
    body = f"[{DEFINITION}, {DEFINITION.replace('40.10', 'true')}, 7, {DEFINITION}, {{}}]"
    found = await ask(Script(answer(body)), "get_billing_period_definitions", 7)
    assert [definition.id for definition in found] == [12, 12]
    assert [error.path for error in found.unreadable] == ["[1].subscriptions[0].amount", "[2]", "[4]"]


SUBSCRIPTION = """{"id": 31, "customerId": 7, "planCode": "BOX", "status": "Active", "amount": 58.0,
    "nextRechargeDate": "2026-12-01T00:00:00", "billingPeriodDefinitionId": 12, "coupons": [],
    "subscriptionProducts": [{"id": 41, "subscriptionId": 31, "quantity": 0, "amount": 0, "isIncluded": true,
      "planProduct": {"productId": 5, "productCode": "GB25", "quantity": 0, "resetType": "EndOfPeriod"}}]}"""
DRAFT = """{"id": 81, "customerId": 7, "billingPeriodId": 12, "status": "Ready", "total": 59,
    "draftCharges": [
    {"id": 91, "name": "25 GB more", "quantity": 9, "unitPrice": 1.0, "amount": 9,
     "subscriptionProductId": 41},
    {"id": 92, "name": "Base", "quantity": 1, "unitPrice": 50, "amount": 50}]}"""
INVOICE = """{"id": 95, "invoiceNumber": 3, "customerId": 7, "draftInvoiceId": 81, "total": 58, "charges": [
    {"id": 91, "name": "25 GB more", "quantity": 8, "amount": 8, "subscriptionProductId": 41}]}"""


async def test_usage_is_a_quantity(ask: Ask) -> None:
    script = Script(answer(SUBSCRIPTION))
    subscription = await ask(script, "get_subscription", 31)
    assert script.requests[0].url.path == "/v1/subscriptions/31"
    product = subscription.product("GB25")
    assert (product.id, product.quantity, subscription.is_active) == (41, 0, True)
    with pytest.raises(LookupError, match="no products 'OIL'"):
        subscription.product("OIL")
    script = Script(answer(json.dumps(product.raw, default=str)))
    await ask(script, "set_quantity", product, Decimal("8.5"), hold=True)
    (request,) = script.requests
    assert (request.method, request.url.path) == ("PUT", "/v1/SubscriptionProducts")
    assert dict(request.url.params) == {"temporarilyDisableAutoPost": "true"}
    assert (script.sent["quantity"], script.sent["planProduct"]["productCode"]) == ("8.5", "GB25")
    await ask(script, "change_quantity", product, -2, preview=True)
    assert script.sent == {"subscriptionProductId": 41, "deltaQuantity": -2}
    for quantity, error in (
        (-1, ValueError),
        (1.5, TypeError),
        (True, TypeError),
        (Decimal("NaN"), ValueError),
    ):
        with pytest.raises(error):
            await ask(script, "set_quantity", product, quantity)


async def test_drafts_are_listed_changed_and_posted(ask: Ask) -> None:
    script = Script(answer(f'[{DRAFT}, {{"id": "x"}}]'))
    drafts = await ask(script, "get_draft_invoices", customer_id=7, page_number=2)
    assert dict(script.requests[0].url.params) == {
        "query": "status:Ready;customerId:7",
        "pageSize": "1000",
        "pageNumber": "2",
    }
    assert ([draft.id for draft in drafts], len(drafts.unreadable)) == ([81], 1)
    script = Script(answer(DRAFT))
    draft = await ask(script, "get_draft_invoice", drafts[0])
    assert (draft.is_ready, [charge.quantity for charge in draft.draft_charges]) == (True, [9, 1])
    changes = (ChargeChange(91, quantity=8), ChargeChange(92, deletes=True))
    await ask(script, "change_draft_invoice", draft, *changes, notes="audited")
    assert script.requests[-1].method == "PATCH"
    assert script.sent == {
        "id": 81,
        "draftCharges": [
            {"id": 91, "operation": "Update", "quantity": 8},
            {"id": 92, "operation": "Delete"},
        ],
        "notes": "audited",
    }
    script = Script(answer(INVOICE))
    invoice = await ask(script, "post_draft_invoice", draft, 91, 92)
    assert dict(script.requests[0].url.params) == {"draftInvoiceId": "81", "draftChargeIds": "91,92"}
    assert (invoice.draft_invoice_id, invoice.total) == (81, 58)
    script = Script(answer(f"[{INVOICE}]"))
    assert [each.id for each in await ask(script, "get_invoices", 7)] == [95]
    with pytest.raises(TypeError):
        await ask(script, "change_draft_invoice", draft)
    with pytest.raises(ValueError, match="something to change"):
        await ask(script, "change_draft_invoice", draft, ChargeChange(91))
    with pytest.raises(TypeError):
        await ask(script, "change_draft_invoice", draft, ChargeChange(91, quantity=1.5))


@pytest.mark.parametrize("failure", [httpx.ReadTimeout("slow"), answer({}, 503)])
async def test_a_post_is_never_made_twice(ask: Ask, failure: httpx.Response | Exception) -> None:
    script = Script(failure, answer(INVOICE))
    with pytest.raises((NoAnswer, errors.ServiceUnavailable)):
        await ask(script, "post_draft_invoice", 81)
    assert len(script.requests) == 1


async def test_a_404_may_have_a_message_only(ask: Ask) -> None:
    with pytest.raises(errors.NotFound, match="No HTTP resource"):
        await ask(Script(answer({"Message": "No HTTP resource was found"}, 404)), "get_invoice", 9)


async def test_the_key_never_shows(ask: Ask) -> None:
    said = {"Errors": [{"Key": f"Basic {KEY}", "Value": f"'Basic {KEY}' is nobody's"}]}
    with pytest.raises(errors.Unauthorized) as caught:
        await ask(Script(answer(said, 401)), "get_billing_period_definition", 12)
    assert KEY not in str(caught.value) + repr(caught.value)
    assert "•••" in caught.value.message
    assert caught.value.aux_code == "Basic •••"


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize("key", ["", "two words", "a\nb", "schlüssel"])
def test_keys_that_no_header_can_hold(client: type, key: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        client(key)
    assert not key or key not in str(caught.value)
