"""Control routes that show Cheddar's customers, and their invoices, forecasts and timelines.

`/_mock/customers/…/bill` advances the clock until a customer's period is billed. `/_mock/calls` carries out
an API call without credentials.
"""

from typing import Annotated, Any
from urllib.parse import urlencode

from msgspec import Meta, field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallyhook_mock.catalog.table import Required, Table, Text
from tallyhook_mock.control import accounts, shown
from tallyhook_mock.control.requests import PAGE, asks, bad, missing, mock_of, named_product, page, takes
from tallyhook_mock.control.shown import moment_shown
from tallyhook_mock.core import ids
from tallyhook_mock.core.money import amount_text, quantity_text
from tallyhook_mock.duration import Duration, parse_duration
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems.cheddar.api import actions_of, handler
from tallyhook_mock.systems.cheddar.forecast import forecast
from tallyhook_mock.systems.cheddar.known_parameters import unknown_parameters
from tallyhook_mock.systems.cheddar.model import Charge, Customer, Invoice, InvoiceState, Transaction
from tallyhook_mock.systems.cheddar.picture import tell
from tallyhook_mock.systems.cheddar.products import PlanItem
from tallyhook_mock.systems.cheddar.request import Call
from tallyhook_mock.systems.cheddar.request import read as read_call

__all__ = ["ROUTES", "bill_period"]


@asks("product", *PAGE)
async def timeline(request: Request) -> JSONResponse:
    """Return a customer's timeline, oldest first. `?product=` is required if there are several products."""
    product = named_product(request, request.query_params.get("product"))
    code = request.path_params["code"]
    entries = mock_of(request).timeline.numbered(code, product=product.code)
    if not entries:
        raise missing(f"there is no customer {code!r}")
    return JSONResponse({"customer": code, **shown.timeline_shown(request, entries)})


@asks("product")
async def drawn(request: Request) -> Response:
    """Return a picture of a customer's timeline. There is no picture of a deleted customer."""
    mock, product = mock_of(request), named_product(request, request.query_params.get("product"))
    customer = mock.state.customer(product, request.path_params["code"])
    return shown.drawn(tell(mock, customer))


@asks("product", "invoices")
async def coming(request: Request) -> JSONResponse:
    """Return a forecast of a customer's next invoices. `?invoices=` is their number (3 by default).

    The forecast changes nothing.
    """
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
    """Make the gateway decline the next `count` charges of a `customer`."""
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), wish.customer)
    mock.decline(customer, wish.count)
    return JSONResponse({"customer": customer.code, "count": customer.declines})


class ApprovalTable(Table):
    customer: Required
    product: Required | None = None


@takes(ApprovalTable)
async def approve(request: Request, wish: ApprovalTable) -> JSONResponse:
    """Agree to pay by PayPal on behalf of a `customer`."""
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), wish.customer)
    mock.approve_paypal(customer)
    return JSONResponse({"customer": customer.code})


class CallTable(Table):
    call: Required
    product: Required | None = None
    parameters: dict[str, str] = field(default_factory=dict)


@takes(CallTable)
async def make(request: Request, wish: CallTable) -> JSONResponse:
    """Carry out a call of Cheddar's API, such as `customers/new`, with `parameters` as its form.

    Planned faults don't affect the call, and it isn't logged. Unknown parameters are refused.
    """
    mock = mock_of(request)
    controller, _, action = wish.call.partition("/")
    product = named_product(request, wish.product)
    handle = handler(actions_of(controller), action)
    parameters = read_call([], b"", urlencode(wish.parameters).encode())
    if unknown := unknown_parameters(wish.call, parameters):
        raise bad(f"parameters: {wish.call} knows no {', '.join(unknown)}")
    mock.state.actor = "operator"
    try:
        document = handle(Call(mock.state, product, parameters, mock.clock.now(), ""))
    finally:
        mock.changed()  # even after a refusal: a declined transaction leaves events
    return JSONResponse({"call": wish.call, "product": product.code, "document": document})


class BillTable(Table):
    product: Required | None = None
    within: Text = "1d"


@takes(BillTable)
async def bill(request: Request, wish: BillTable) -> JSONResponse:
    """Advance the clock until a customer's period is billed: bill date, hooks, an hour's wait, execution.

    Returns the invoice.
    """
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), request.path_params["code"])
    try:
        within = parse_duration(wish.within)
    except ValueError as error:
        raise bad(f"within: {error}") from None
    try:
        invoice = await bill_period(mock, customer, within)
    except LookupError as error:
        raise HTTPException(409, str(error)) from None
    except ValueError as error:  # the end of the calendar
        raise bad(str(error)) from None
    return JSONResponse({"customer": customer.code, "invoice": invoice.number, "state": invoice.state})


async def bill_period(mock: Mock, customer: Customer, within: Duration) -> Invoice:
    """Advance the clock until a customer's period is billed. Returns the invoice, which may not be paid.

    The clock moves to the bill date. Hooks are delivered, and retried on schedule, until they are
    acknowledged. One hour later the invoice is executed. If the customer already has a held or released
    invoice, the clock only moves until that invoice is executed. After the bill date, the clock moves by
    at most `within`, even if the invoice is still held. Raises LookupError if there is nothing to bill,
    ClockBusy if the clock is already being moved, and ValueError if the clock would reach the end of the
    calendar.
    """
    await mock.advance(mock.clock.now(), or_now=True)  # first deliver the hooks that are already due
    invoice = next((each for each in customer.invoices if _is_under_way(each)), None)
    if invoice is None:
        invoice = customer.subscription.current
        if customer.subscription.is_canceled:
            raise LookupError(
                f"{customer.code} has no period that could be billed: the subscription is canceled"
            )
        if invoice is None:
            raise LookupError(
                f"{customer.code} has no period that could be billed:"
                f" the frequency of the plan {customer.subscription.plan.code} is none"
            )
        await mock.advance(invoice.billing_at, or_now=True)
    last = within.after(mock.clock.now())
    while _is_under_way(invoice) and (due := mock.next_due()) is not None and due <= last:
        await mock.advance(due, or_now=True)
    return invoice


def _is_under_way(invoice: Invoice) -> bool:
    """Return whether an invoice is held, or released but not executed yet.

    The result is false for a declined invoice, which has been executed.
    """
    return invoice.state in (InvoiceState.HELD, InvoiceState.RELEASED)


@asks("product", *PAGE)
async def index(request: Request) -> JSONResponse:
    """Return all customers in order of creation. `?product=` is required if there are several products."""
    customers = mock_of(request).state.customers(named_product(request, request.query_params.get("product")))
    found, more = page(customers, request.query_params, lambda customer: customer.code)
    return JSONResponse({"customers": [_summary(customer) for customer in found], **more})


@asks("product", *PAGE)
async def read(request: Request) -> JSONResponse:
    """Return a customer's invoices, newest first."""
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
        "billingDatetime": moment_shown(current.billing_at if current else None),
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
        "billingDatetime": moment_shown(invoice.billing_at),
        "previousBillingDatetime": moment_shown(invoice.previous_at),
        "runDatetime": moment_shown(invoice.run_at),
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
        "at": moment_shown(made.at),
        "amount": amount_text(made.amount),
        "response": "approved" if made.approved else "declined",
        "responseReason": made.reason,
        "memo": made.memo,
    }


ROUTES = [
    Route("/customers/{code:path}/timeline", timeline, methods=["GET"]),
    Route("/customers/{code:path}/timeline.svg", drawn, methods=["GET"]),
    Route("/customers/{code:path}/forecast", coming, methods=["GET"]),
    Route("/declines", decline, methods=["POST"]),
    Route("/approvals", approve, methods=["POST"]),
    Route("/calls", make, methods=["POST"]),
    Route("/customers/{code:path}/bill", bill, methods=["POST"]),
    Route("/customers", index, methods=["GET"]),
    Route("/customers/{code:path}/invoices", read, methods=["GET"]),
]
