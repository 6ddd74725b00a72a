"""`/_mock/customers` and `/_mock/customers/…/invoices`: who owes what, as the engine sees it."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.control.requests import mock_of, named_product, only
from tallyhook_mock.engine import ids
from tallyhook_mock.engine.cheddar.customer import Customer
from tallyhook_mock.engine.cheddar.invoice import Charge, Invoice, Transaction
from tallyhook_mock.engine.cheddar.product import PlanItem
from tallyhook_mock.engine.money import amount_text, quantity_text

__all__ = ["ROUTES"]


async def index(request: Request) -> JSONResponse:
    """Everybody, in the order of creation; `?product=` is needed if there are several."""
    only(request.query_params, ("product",))
    customers = mock_of(request).state.customers(named_product(request, request.query_params))
    return JSONResponse({"customers": [_summary(customer) for customer in customers]})


async def read(request: Request) -> JSONResponse:
    """All invoices of a customer, newest first."""
    only(request.query_params, ("product",))
    product = named_product(request, request.query_params)
    customer = mock_of(request).state.customer(product, request.path_params["code"])
    invoices = sorted(customer.invoices, key=lambda invoice: invoice.number, reverse=True)
    return JSONResponse({"customer": customer.code, "invoices": [_invoice(each) for each in invoices]})


def _summary(customer: Customer) -> dict[str, Any]:
    subscription = customer.subscription
    current, outstanding = subscription.current, subscription.outstanding
    return {
        "code": customer.code,
        "name": f"{customer.details.get('firstName', '')} {customer.details.get('lastName', '')}".strip(),
        "plan": subscription.plan.code,
        "cancelType": subscription.cancel_type,
        "billingDatetime": _moment(current.billing_at if current else None),
        "current": None if current is None else amount_text(current.total),
        "outstanding": None if outstanding is None else amount_text(outstanding.total),
        "outstandingState": None if outstanding is None else outstanding.state,
    }


def _invoice(invoice: Invoice) -> dict[str, Any]:
    subscription = invoice.subscription.customer.subscription
    period = {id(subscription.current): "current", id(subscription.outstanding): "outstanding"}
    return {
        "id": ids.text(invoice.id),
        "number": invoice.number,
        "type": invoice.type,
        "state": invoice.state,
        "invoicePeriod": period.get(id(invoice)),
        "plan": invoice.plan.code,
        "billingDatetime": _moment(invoice.billing_at),
        "previousBillingDatetime": _moment(invoice.previous_at),
        "runDatetime": _moment(invoice.run_at),
        "items": [_item(planned, invoice) for planned in invoice.plan.items],
        "charges": [_charge(line) for line in invoice.lines()],
        "subtotal": amount_text(invoice.subtotal),
        "tax": amount_text(invoice.tax),
        "total": amount_text(invoice.total),
        "carried": amount_text(invoice.carried),
        "transactions": [_transaction(made) for made in invoice.transactions],
    }


def _item(planned: PlanItem, invoice: Invoice) -> dict[str, str]:
    return {
        "code": planned.item.code,
        "name": planned.item.name,
        "quantity": quantity_text(invoice.quantity(planned.item.code)),
        "quantityIncluded": quantity_text(planned.quantity_included),
    }


def _charge(line: Charge) -> dict[str, str]:
    return {
        "id": ids.text(line.id) if line.id else "",
        "code": line.code,
        "type": line.type,
        "quantity": quantity_text(line.quantity),
        "eachAmount": amount_text(line.each_amount),
        "amount": amount_text(line.amount),
        "description": line.description,
    }


def _transaction(made: Transaction) -> dict[str, Any]:
    return {
        "id": ids.text(made.id),
        "at": _moment(made.at),
        "amount": amount_text(made.amount),
        "response": "approved" if made.approved else "declined",
        "responseReason": made.reason,
        "memo": made.memo,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


ROUTES = [
    Route("/customers", index, methods=["GET"]),
    Route("/customers/{code:path}/invoices", read, methods=["GET"]),
]
