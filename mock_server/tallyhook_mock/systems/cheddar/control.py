"""`/_mock/customers` and `/_mock/customers/…/invoices`: who owes what."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Required, Table
from tallyhook_mock.control import accounts, shown
from tallyhook_mock.control.requests import PAGE, asks, missing, mock_of, named_product, page, takes
from tallyhook_mock.core import ids
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.forecast import forecast
from tallyhook_mock.systems.cheddar.invoices import Charge, Invoice, Transaction
from tallyhook_mock.systems.cheddar.picture import tell
from tallyhook_mock.systems.cheddar.products import PlanItem

__all__ = ["ROUTES"]


@asks("product", *PAGE)
async def timeline(request: Request) -> JSONResponse:
    """Oldest first; `?product=` is needed if there are several."""
    product = named_product(request, request.query_params.get("product"))
    code = request.path_params["code"]
    entries = mock_of(request).timeline.numbered(code, product=product.code)
    if not entries:
        raise missing(f"there is no customer {code!r}")
    return JSONResponse({"customer": code, **shown.timeline_shown(request, entries)})


@asks("product")
async def drawn(request: Request) -> Response:
    """The timeline as a picture, of a customer who is still there."""
    mock, product = mock_of(request), named_product(request, request.query_params.get("product"))
    customer = mock.state.customer(product, request.path_params["code"])
    return shown.drawn(tell(mock, customer))


@asks("product", "invoices")
async def coming(request: Request) -> JSONResponse:
    """The next `?invoices=` as things stand now, 3 unless it says so; nothing changes by it."""
    mock, given = mock_of(request), request.query_params
    count = accounts.wanted(given)
    customer = mock.state.customer(named_product(request, given.get("product")), request.path_params["code"])
    return JSONResponse(
        accounts.coming(customer.code, forecast(mock.state, customer, count, mock.clock.now()))
    )


class DeclineTable(Table):
    customer: Required
    count: Annotated[int, Meta(ge=0, le=1000)] = 1
    product: Required | None = None


@takes(DeclineTable)
async def decline(request: Request, wish: DeclineTable) -> JSONResponse:
    """Have the gateway refuse the next `count` charges of a `customer`."""
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), wish.customer)
    mock.decline(customer, wish.count)
    return JSONResponse({"customer": customer.code, "count": customer.declines})


class ApprovalTable(Table):
    customer: Required
    product: Required | None = None


@takes(ApprovalTable)
async def approve(request: Request, wish: ApprovalTable) -> JSONResponse:
    """Let a `customer` who is asked by PayPal agree."""
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), wish.customer)
    mock.approve_paypal(customer)
    return JSONResponse({"customer": customer.code})


_CUSTOMERS = [
    Route("/customers/{code:path}/timeline", timeline, methods=["GET"]),
    Route("/customers/{code:path}/timeline.svg", drawn, methods=["GET"]),
    Route("/customers/{code:path}/forecast", coming, methods=["GET"]),
    Route("/declines", decline, methods=["POST"]),
    Route("/approvals", approve, methods=["POST"]),
]


@asks("product", *PAGE)
async def index(request: Request) -> JSONResponse:
    """Everybody, in the order of creation; `?product=` is needed if there are several."""
    customers = mock_of(request).state.customers(named_product(request, request.query_params.get("product")))
    found, more = page(customers, request.query_params, lambda customer: customer.code)
    return JSONResponse({"customers": [_summary(customer) for customer in found], **more})


@asks("product", *PAGE)
async def read(request: Request) -> JSONResponse:
    """All invoices of a customer, newest first."""
    product = named_product(request, request.query_params.get("product"))
    customer = mock_of(request).state.customer(product, request.path_params["code"])
    invoices = sorted(customer.invoices, key=lambda invoice: invoice.number, reverse=True)
    found, more = page(invoices, request.query_params, lambda invoice: str(invoice.number))
    return JSONResponse({"customer": customer.code, "invoices": [_invoice(each) for each in found], **more})


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


_INVOICES = [
    Route("/customers", index, methods=["GET"]),
    Route("/customers/{code:path}/invoices", read, methods=["GET"]),
]

ROUTES = [*_CUSTOMERS, *_INVOICES]
