"""`/console/customers`, and the page of a customer: plan, quantities, invoices, and timeline."""

from dataclasses import dataclass

from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook_mock.console.forms import Form, command, mock_of, required
from tallyhook_mock.console.listing import events, shown
from tallyhook_mock.console.page import page
from tallyhook_mock.console.systems import COMING
from tallyhook_mock.core import ids
from tallyhook_mock.mock import Mock
from tallyhook_mock.picture.painting import paint
from tallyhook_mock.picture.style import STYLE
from tallyhook_mock.systems.cheddar.customers import Customer
from tallyhook_mock.systems.cheddar.forecast import forecast
from tallyhook_mock.systems.cheddar.invoices import Invoice, InvoiceType
from tallyhook_mock.systems.cheddar.picture import tell
from tallyhook_mock.systems.cheddar.products import PlanItem, Product
from tallyhook_mock.systems.cheddar.refusal import Refusal
from tallyhook_mock.systems.cheddar.settings import SETTINGS, Setting, written
from tallyhook_mock.systems.cheddar.state import HOOK_TYPES

__all__ = ["ROUTES"]

_PERIODS = 6


@dataclass(frozen=True, slots=True)
class Quantities:
    """The counters of a customer's items: one column per period, the newest first."""

    periods: list[Invoice]
    items: list[PlanItem]


async def index(request: Request) -> Response:
    """All customers in order of creation; `q` narrows them by code, name, company or email."""
    wanted = request.query_params.get("q", "").strip()
    sought = wanted.casefold()
    return page(
        request,
        "cheddar/customers.html",
        "Customers",
        shown=shown(
            request,
            mock_of(request).state.everybody(),
            read=ids.parse,
            write=ids.text,
            fits=(lambda customer: _fits(customer, sought)) if sought else None,
        ),
        wanted=wanted,
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
        # Drawn by this program, with all foreign text escaped.
        picture=Markup(paint(tell(mock, customer), styled=False)),
        entries=events(request, entries),
        hooks=mock.state.hooks.about(product.code, customer.code)[:-6:-1],
        types=HOOK_TYPES,
    )


async def picture_style(request: Request) -> Response:
    return Response(STYLE, media_type="text/css")


async def rules(request: Request) -> Response:
    """The settings of every product, with the alternatives that it follows."""
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


def _fits(customer: Customer, wanted: str) -> bool:
    details = customer.details
    texts = (
        customer.code,
        *(details.get(name, "") for name in ("firstName", "lastName", "company", "email")),
    )
    return any(wanted in text.casefold() for text in texts)


def _quantities(customer: Customer) -> Quantities:
    periods = [
        each for each in reversed(customer.subscription.invoices) if each.type is InvoiceType.SUBSCRIPTION
    ]
    return Quantities(periods[:_PERIODS], list(customer.subscription.plan.items))


ROUTES = [
    Route("/customers", index),
    Route("/customer", show),
    Route("/rules", rules),
    Route("/picture.css", picture_style),
    command("/customer/decline", decline),
    command("/customer/approve", approve),
    command("/customer/trigger", trigger),
]
