"""The simulated PayPal page on which a payer agrees to pay."""

from collections.abc import Callable
from datetime import datetime
from html import escape

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from tallyhook_mock.core import ids
from tallyhook_mock.systems.cheddar import subscriptions
from tallyhook_mock.systems.cheddar.model import Customer
from tallyhook_mock.systems.cheddar.refusal import Refusal, not_found
from tallyhook_mock.systems.cheddar.state import State
from tallyhook_mock.systems.cheddar.xml_documents import display_name

__all__ = ["PATH", "ask", "paypal_app"]

# The path of this page in Cheddar's own simulator.
PATH = "/service/paypal/simulate"


def ask(customer: Customer, origin: str) -> None:
    """If a customer is waiting for PayPal, set the URL of the page on which the customer agrees to pay.

    `origin` is this server's `http://HOST`.
    """
    subscription = customer.subscription
    if subscription.waits_for_paypal:
        place = f"productId/{ids.text(customer.product.id)}/id/{ids.text(customer.id)}"
        subscription.redirect_url = f"{origin}{PATH}/{place}"


def paypal_app(
    state: Callable[[], State], now: Callable[[], datetime], changed: Callable[[], None]
) -> Starlette:
    """Return an app with the PayPal page. Its arguments are those of `cheddar_app`.

    GET shows a form. POST agrees to pay and redirects to the `returnUrl`.
    """

    async def show(request: Request) -> Response:
        page = _page(_waiting(state(), request))
        return HTMLResponse(page, headers={"Content-Security-Policy": "default-src 'none'"})

    async def approve(request: Request) -> Response:
        here = f"{request.url.scheme}://{request.headers.get('host', '')}"
        if request.headers.get("origin", here) != here:
            raise Refusal(403, "Only this page itself may agree")
        customer = _waiting(state(), request)
        back = _address(customer, "returnUrl")
        state().actor = "PayPal"
        subscriptions.approve_paypal(state(), customer, now())
        changed()
        return RedirectResponse(back, 303)

    path = f"{PATH}/productId/{{product}}/id/{{customer}}"
    return Starlette(
        routes=[Route(path, show, methods=["GET"]), Route(path, approve, methods=["POST"])],
        exception_handlers={Refusal: _refused},
    )


def _waiting(state: State, request: Request) -> Customer:
    product = state.product_by_id(ids.parse(request.path_params["product"]))
    if product is None:
        raise not_found("Product not found")
    customer = state.customer_by_id(product, ids.parse(request.path_params["customer"]))
    if not customer.subscription.waits_for_paypal:
        raise Refusal(410, "This subscription is not waiting for PayPal")
    return customer


def _address(customer: Customer, name: str) -> str:
    payment = customer.subscription.payment
    assert payment is not None  # a subscription that waits for PayPal is paid by PayPal
    return payment.details[name]


def _page(customer: Customer) -> str:
    back = _address(customer, "cancelUrl")
    # Other URLs, such as javascript:, must not become links.
    is_link = back.lower().startswith(("http://", "https://"))
    plan = f"{customer.product.name}: {display_name(customer.subscription.plan)}"
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>PayPal, simulated</title>\n'
        f"<h1>PayPal, simulated</h1>\n<p>Pay for {escape(plan)}</p>\n"
        '<form method="post"><button>Agree</button></form>\n'
        + (f'<p><a href="{escape(back)}">Not now</a></p>\n' if is_link else "")
    )


def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return PlainTextResponse(error.message, error.status)
