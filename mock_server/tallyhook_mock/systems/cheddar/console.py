"""Console pages: `/console/customers`, one customer's page, `/console/invoices` and `/console/rules`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.console.forms import Form, command, mock_of, required
from tallyhook_mock.console.listing import events, shown
from tallyhook_mock.console.page import page
from tallyhook_mock.core import ids
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.bills import COMING
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.style import STYLE
from tallyhook_mock.systems.cheddar.forecast import forecast
from tallyhook_mock.systems.cheddar.model import OUTSTANDING, Customer, Invoice, InvoiceState, InvoiceType
from tallyhook_mock.systems.cheddar.picture import tell
from tallyhook_mock.systems.cheddar.products import PlanItem, Product
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Setting, written
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

__all__ = ["ROUTES"]

_PERIODS = 6


@dataclass(frozen=True, slots=True)
class Quantities:
    """The counters of a customer's items. There is one column per period, newest first."""

    periods: list[Invoice]
    items: list[PlanItem]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter for customers or invoices. Empty fields match everything."""

    text: str
    plan: str
    state: str

    @classmethod
    def of(cls, request: Request) -> "Filter":
        return cls(*(request.query_params.get(name, "").strip() for name in ("q", "plan", "state")))

    def __bool__(self) -> bool:
        return bool(self.text or self.plan or self.state)

    def fits_customer(self, customer: Customer) -> bool:
        details, outstanding = customer.details, customer.subscription.outstanding
        names = (details.get(name, "") for name in ("firstName", "lastName", "company", "email"))
        states = (_subscription_state(customer), outstanding.state if outstanding else "")
        return (
            self.plan in ("", customer.subscription.plan.code)
            and (not self.state or self.state in states)
            and any(self.text.casefold() in text.casefold() for text in (customer.code, *names))
        )

    def fits_invoice(self, invoice: Invoice) -> bool:
        code = invoice.subscription.customer.code
        is_named = self.text == str(invoice.number) or self.text.casefold() in code.casefold()
        return self.state in ("", invoice.state) and is_named


def _subscription_state(customer: Customer) -> str:
    return "canceled" if customer.subscription.is_canceled else "active"


_CUSTOMER_ORDERS: dict[str, Callable[[Customer], Any]] = {
    "code": lambda customer: customer.code,
    "name": lambda customer: [customer.details.get(name, "") for name in ("lastName", "firstName")],
    "plan": lambda customer: (customer.subscription.plan.code, customer.code),
    "next": lambda customer: _first(customer.subscription.current, lambda invoice: invoice.billing_at),
    "expected": lambda customer: _first(customer.subscription.current, lambda invoice: invoice.total),
    "outstanding": lambda customer: _first(customer.subscription.outstanding, lambda invoice: invoice.total),
}
_INVOICE_ORDERS: dict[str, Callable[[Invoice], Any]] = {
    "number": lambda invoice: invoice.number,
    "customer": lambda invoice: (invoice.subscription.customer.code, invoice.number),
    "billed": lambda invoice: (invoice.billing_at, invoice.number),
    "total": lambda invoice: invoice.total,
}


def _first(invoice: Invoice | None, what: Callable[[Invoice], Any]) -> tuple[Any, ...]:
    """Return a customer's sort key: the value that `what` reads from the customer's `invoice`.

    Customers without an invoice come first, or last in descending order.
    """
    return () if invoice is None else (what(invoice),)


async def index(request: Request) -> Response:
    """Show the customers that match the filter.

    They are in order of creation unless the request asks for another order.
    """
    state, wanted = mock_of(request).state, Filter.of(request)
    return page(
        request,
        "cheddar/customers.html",
        "Customers",
        shown=shown(
            request,
            state.everybody(),
            read=ids.parse,
            write=ids.text,
            fits=wanted.fits_customer if wanted else None,
            orders=_CUSTOMER_ORDERS,
        ),
        wanted=wanted,
        plans=sorted({plan for product in state.products.values() for plan in product.plans}),
        states=("active", "canceled", *(each for each in InvoiceState if each in OUTSTANDING)),
    )


async def invoices(request: Request) -> Response:
    """Show the invoices that match the filter.

    They are newest first unless the request asks for another order.
    """
    wanted = Filter.of(request)
    return page(
        request,
        "cheddar/invoices.html",
        "Invoices",
        shown=shown(
            request,
            mock_of(request).state.invoices(),
            read=ids.parse,
            write=ids.text,
            fits=wanted.fits_invoice if wanted else None,
            newest_first=True,
            orders=_INVOICE_ORDERS,
        ),
        wanted=wanted,
        states=list(InvoiceState),
    )


async def show(request: Request) -> Response:
    mock, code = mock_of(request), request.query_params.get("code", "")
    product = _product(mock, request.query_params.get("product"))
    entries = mock.timeline.numbered(code, product=product.code)
    try:
        customer = mock.state.customer(product, code)
    except Refusal:
        if not entries:
            raise HTTPException(404, "There is no such customer.") from None
        return page(
            request,
            "cheddar/customer_gone.html",
            code,
            product=product,
            code=code,
            entries=events(request, entries),
        )
    return page(
        request,
        "cheddar/customer.html",
        customer.code,
        product=product,
        customer=customer,
        subscription=customer.subscription,
        quantities=_quantities(customer),
        coming=forecast(mock.state, customer, COMING, mock.now()),
        invoices=sorted(customer.invoices, key=lambda invoice: -invoice.number),
        # The mock draws the picture itself and escapes all text from outside.
        picture=Markup(paint(tell(mock, customer), styled=False)),
        entries=events(request, entries),
        hooks=mock.state.hooks.about(product.code, customer.code)[:-6:-1],
        types=HOOK_TYPES,
    )


async def picture_style(request: Request) -> Response:
    return Response(STYLE, media_type="text/css")


async def rules(request: Request) -> Response:
    """Show every product's settings with their current values."""
    products = [*mock_of(request).state.products.values()]
    return page(request, "cheddar/rules.html", "Rules", products=products, chosen=_chosen)


def _chosen(product: Product) -> list[tuple[Setting, str]]:
    return [(setting, written(getattr(product.rules, name))) for name, setting in SETTINGS.items()]


async def decline(mock: Mock, form: Form) -> str:
    customer, count = _named(mock, form), required(form, "count")
    if not count.isascii() or not count.isdigit() or int(count[:5]) > 1000:
        raise ValueError("count: a whole number from 0 to 1000 is required")
    mock.decline(customer, int(count))
    times = {0: "no charge", 1: "the next charge"}.get(customer.declines, f"the next {count} charges")
    return f"The gateway will refuse {customer.code} {times}."


async def approve(mock: Mock, form: Form) -> str:
    customer = _named(mock, form)
    mock.approve_paypal(customer)
    return f"{customer.code} agreed at PayPal."


async def trigger(mock: Mock, form: Form) -> str:
    customer = _named(mock, form)
    hook = mock.trigger(customer, required(form, "type"))
    return f"A {hook.type} hook about {customer.code} is on its way."


def _named(mock: Mock, form: Form) -> Customer:
    return mock.state.customer(_product(mock, form.get("product")), required(form, "code"))


def _product(mock: Mock, code: str | None) -> Product:
    try:
        return mock.product(code)
    except LookupError:
        raise HTTPException(404, "There is no such product.") from None


def _quantities(customer: Customer) -> Quantities:
    periods = [
        each for each in reversed(customer.subscription.invoices) if each.type is InvoiceType.SUBSCRIPTION
    ]
    return Quantities(periods[:_PERIODS], list(customer.subscription.plan.items))


ROUTES = [
    Route("/customers", index),
    Route("/invoices", invoices),
    Route("/customer", show),
    Route("/rules", rules),
    Route("/picture.css", picture_style),
    command("/customer/decline", decline),
    command("/customer/approve", approve),
    command("/customer/trigger", trigger),
]
