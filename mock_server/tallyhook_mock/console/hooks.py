"""`/console/hooks`: the hooks, the listeners' answers, and commands to retry, replay or cancel a hook."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tallyhook import signing
from tallyhook_mock.console.forms import Form, command, mock_of
from tallyhook_mock.console.listing import shown
from tallyhook_mock.console.page import page
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import Attempt, DeliveryState, Hook
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems import hook_types
from tallyhook_mock.systems.cheddar.products import Product

__all__ = ["ROUTES"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects the hooks to show. An empty field matches every hook."""

    type: str
    state: str
    customer: str

    @classmethod
    def of(cls, wanted: Mapping[str, str]) -> "Filter":
        return cls(*(wanted.get(name, "").strip() for name in ("type", "state", "customer")))

    def __bool__(self) -> bool:
        return bool(self.type or self.state or self.customer)

    def fits(self, hook: Hook) -> bool:
        return (
            self.type in ("", hook.type)
            and self.customer in ("", hook.customer)
            and (not self.state or any(each.state == self.state for each in hook.deliveries))
        )


_ORDERS: dict[str, Callable[[Hook], Any]] = {
    "type": lambda hook: (hook.type, hook.id),
    "customer": lambda hook: (hook.customer, hook.id),
    "sent": lambda hook: hook.id,
}


async def index(request: Request) -> Response:
    """Show the hooks, newest first unless the query asks for another order."""
    wanted = Filter.of(request.query_params)
    return page(
        request,
        "hooks.html",
        "Hooks",
        shown=shown(
            request,
            mock_of(request).state.hooks.log,
            read=ids.parse,
            write=ids.text,
            fits=wanted.fits if wanted else None,
            newest_first=True,
            orders=_ORDERS,
        ),
        wanted=wanted,
        types=hook_types(),
        states=list(DeliveryState),
    )


async def show(request: Request) -> Response:
    mock = mock_of(request)
    hook = mock.state.hooks.log.get(ids.parse(request.path_params["id"]) or 0)
    if hook is None:
        raise HTTPException(404, "There is no such hook.")
    product = mock.state.products.get(hook.product)
    attempts = [attempt for delivery in hook.deliveries for attempt in delivery.attempts]
    latest = max(attempts, key=lambda attempt: attempt.at, default=None)
    return page(
        request,
        "hook.html",
        f"{hook.type} of {hook.customer}",
        hook=hook,
        product=product,
        latest=latest,
        curl=_curl(hook, latest) if latest else "",
        checks=_check_signature(hook, product, latest) if latest and product else [],
    )


@dataclass(frozen=True, slots=True)
class Check:
    """One header of a signature: the value that was sent, and the value that was recomputed."""

    name: str
    sent: str
    computed: str

    @property
    def is_right(self) -> bool:
        return self.sent == self.computed


def _check_signature(hook: Hook, product: Product, attempt: Attempt) -> list[Check]:
    """Recompute the signature of a delivery attempt from the hook's body and the product's current secret.

    Returns one comparison for each header.
    """
    written = attempt.headers.get(signing.STANDARD_TIMESTAMP_HEADER, "0")  # for schemes that sign a time
    computed = signing.SCHEMES[product.signature].sign(
        hook.body, product.secret, id=ids.text(hook.id), at=datetime.fromtimestamp(int(written), UTC)
    )
    return [Check(name, attempt.headers.get(name, ""), value) for name, value in computed.items()]


def _curl(hook: Hook, latest: Attempt) -> str:
    """Return a shell command that sends the request of the attempt `latest` again."""
    url = next(each.listener.url for each in hook.deliveries if latest in each.attempts)
    headers = (shlex.quote(f"{name}: {value}") for name, value in latest.headers.items())
    body = shlex.quote(hook.body.decode("utf-8", "replace"))
    return " \\\n  ".join(
        (f"curl {shlex.quote(url)}", *(f"-H {each}" for each in headers), f"--data-raw {body}")
    )


async def retry(mock: Mock, form: Form) -> str:
    mock.retry(_named(mock, form))
    return "The hook is being sent."


async def replay(mock: Mock, form: Form) -> str:
    mock.replay(_named(mock, form))
    return "The hook is being sent again. Nothing else changes."


async def cancel(mock: Mock, form: Form) -> str:
    mock.cancel(_named(mock, form))
    return "The hook is canceled, and no longer holds an invoice."


def _named(mock: Mock, form: Form) -> Hook:
    hook = mock.state.hooks.log.get(ids.parse(form.get("id", "")) or 0)
    if hook is None:
        raise ValueError("this hook no longer exists")
    return hook


ROUTES = [
    Route("/hooks", index),
    Route("/hooks/{id}", show),
    command("/hooks/retry", retry),
    command("/hooks/replay", replay),
    command("/hooks/cancel", cancel),
]
