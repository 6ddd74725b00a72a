"""`/_mock/hooks`: the hooks, the listeners' answers, and commands such as retry and cancel."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.catalog.table import Required, Table
from tallyhook_mock.control.requests import (
    PAGE,
    asks,
    bad,
    missing,
    mock_of,
    named_product,
    page,
    path_id,
    takes,
)
from tallyhook_mock.core import ids
from tallyhook_mock.core.hooks import CHEDDAR, Attempt, Delivery, DeliveryState, Hook
from tallyhook_mock.systems import hook_types, policies

__all__ = ["ROUTES"]

_FILTERS = ("type", "product", "customer", "state", "system")


@asks(*_FILTERS, "order", *PAGE)
async def index(request: Request) -> JSONResponse:
    """List the hooks, oldest first, or newest first with `order=newest`."""
    wanted = request.query_params
    if wanted.get("order", "oldest") not in ("oldest", "newest"):
        raise bad("order: one of oldest, newest is required")
    if "system" in wanted and wanted["system"] not in (CHEDDAR, *policies()):
        raise bad(f"system: one of {', '.join((CHEDDAR, *policies()))} is required")
    if "state" in wanted and wanted["state"] not in tuple(DeliveryState):
        raise bad(f"state: one of {', '.join(DeliveryState)} is required")
    if "type" in wanted and wanted["type"] not in hook_types():
        raise bad(f"type: one of {', '.join(hook_types())} is required")
    log = mock_of(request).state.hooks.log.values()
    hooks = reversed(log) if wanted.get("order") == "newest" else log
    found, more = page(
        (hook for hook in hooks if _fits(hook, wanted)), wanted, lambda hook: ids.text(hook.id)
    )
    return JSONResponse({"hooks": [_summary(hook) for hook in found], **more})


async def read(request: Request) -> JSONResponse:
    return JSONResponse(_full(request, _named(request)))


class TriggerTable(Table):
    type: Required
    customer: Required
    product: Required | None = None
    override: dict[str, Any] = field(default_factory=dict)  # maps paths in the hook's body to new values


@takes(TriggerTable)
async def trigger(request: Request, wish: TriggerTable) -> JSONResponse:
    """Send a hook of a `type` about a `customer`'s current state. The customer doesn't change."""
    mock = mock_of(request)
    customer = mock.state.customer(named_product(request, wish.product), wish.customer)
    try:
        hook = mock.trigger(customer, wish.type, wish.override)
    except ValueError as error:
        raise bad(str(error)) from None
    return JSONResponse(_full(request, hook), 202)


async def retry(request: Request) -> JSONResponse:
    """Send the hook now to the listeners that have not acknowledged it. Doesn't wait for their answers."""
    return _sent_again(request, mock_of(request).retry)


async def replay(request: Request) -> JSONResponse:
    """Send the hook again to the listeners that have acknowledged it. Doesn't wait for their answers."""
    return _sent_again(request, mock_of(request).replay)


def _sent_again(request: Request, send: Callable[[Hook], None]) -> JSONResponse:
    hook = _named(request)
    try:
        send(hook)
    except ValueError as error:
        raise HTTPException(409, str(error)) from None
    return JSONResponse(_full(request, hook), 202)


async def cancel(request: Request) -> JSONResponse:
    """Cancel the hook. If it held an invoice, the invoice is released."""
    hook = _named(request)
    mock_of(request).cancel(hook)
    return JSONResponse(_full(request, hook))


def _named(request: Request) -> Hook:
    hook = mock_of(request).state.hooks.log.get(path_id(request))
    if hook is None:
        raise missing("there is no such hook")
    return hook


def _fits(hook: Hook, wanted: Mapping[str, str]) -> bool:
    return (
        wanted.get("type", hook.type) == hook.type
        and wanted.get("product", hook.product) == hook.product
        and wanted.get("customer", hook.customer) == hook.customer
        and wanted.get("system", hook.system) == hook.system
        and ("state" not in wanted or any(each.state == wanted["state"] for each in hook.deliveries))
    )


def _summary(hook: Hook) -> dict[str, Any]:
    return {
        "id": ids.text(hook.id),
        "type": hook.type,
        "system": hook.system,
        "product": hook.product,
        "customer": hook.customer,
        "at": hook.at.isoformat(),
        "isSettled": hook.is_settled,
        "deliveries": [_delivery(delivery) for delivery in hook.deliveries],
    }


def _full(request: Request, hook: Hook) -> dict[str, Any]:
    return {
        **_summary(hook),
        "headers": mock_of(request).deliveries.headers(hook, hook.deliveries[0].listener),
        "body": hook.body.decode(),
        "json": json.loads(hook.body),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    is_coming = delivery.state is DeliveryState.PENDING
    return {
        "listener": delivery.listener.url,
        "state": delivery.state,
        "nextAt": delivery.next_at.isoformat() if is_coming else None,
        "isPostponed": is_coming and delivery.is_postponed,
        "isReplay": delivery.is_replay,
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at.isoformat(),
        "status": attempt.status,
        "seconds": round(attempt.seconds, 3),
        "headers": dict(attempt.headers),
        "answer": attempt.answer,
        "fault": attempt.fault or None,
    }


ROUTES = [
    Route("/hooks", index, methods=["GET"]),
    Route("/hooks", trigger, methods=["POST"]),
    Route("/hooks/{id}", read, methods=["GET"]),
    Route("/hooks/{id}/retry", retry, methods=["POST"]),
    Route("/hooks/{id}/replay", replay, methods=["POST"]),
    Route("/hooks/{id}/cancel", cancel, methods=["POST"]),
]
