"""`/_mock/hooks`: what was sent, what was answered, and what an operator does about it."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tallyhook_mock.control.requests import bad, missing, mock_of, only, path_id
from tallyhook_mock.delivery import hook_headers
from tallyhook_mock.engine import ids
from tallyhook_mock.engine.hooks import Attempt, Delivery, DeliveryState, Hook

__all__ = ["ROUTES"]

_FILTERS = ("type", "customer", "state")


async def index(request: Request) -> JSONResponse:
    """All hooks, oldest first; narrowed by type, customer code and the state of a delivery."""
    wanted = request.query_params
    only(wanted, _FILTERS)
    if "state" in wanted and wanted["state"] not in tuple(DeliveryState):
        raise bad(f"state: one of {', '.join(DeliveryState)} is required")
    hooks = mock_of(request).state.hooks.log.values()
    return JSONResponse({"hooks": [_summary(hook) for hook in hooks if _fits(hook, wanted)]})


async def read(request: Request) -> JSONResponse:
    return JSONResponse(_full(request, _named(request)))


async def retry(request: Request) -> JSONResponse:
    """Send it now; the answer does not wait for the listeners'."""
    hook = _named(request)
    mock_of(request).retry(hook)
    return JSONResponse(_full(request, hook), 202)


async def cancel(request: Request) -> JSONResponse:
    """Give it up, as an operator does by hand; a held invoice is released."""
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
        and wanted.get("customer", hook.customer) == hook.customer
        and ("state" not in wanted or any(each.state == wanted["state"] for each in hook.deliveries))
    )


def _summary(hook: Hook) -> dict[str, Any]:
    return {
        "id": ids.text(hook.id),
        "type": hook.type,
        "product": hook.product,
        "customer": hook.customer,
        "at": hook.at.isoformat(),
        "isSettled": hook.is_settled,
        "deliveries": [_delivery(delivery) for delivery in hook.deliveries],
    }


def _full(request: Request, hook: Hook) -> dict[str, Any]:
    secret = mock_of(request).state.products[hook.product].secret
    return {
        **_summary(hook),
        "headers": hook_headers(hook.body, secret),
        "body": hook.body.decode(),
        "json": json.loads(hook.body),
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    is_coming = delivery.state is DeliveryState.PENDING
    return {
        "listener": delivery.listener.url,
        "state": delivery.state,
        "nextAt": delivery.next_at.isoformat() if is_coming else None,
        "attempts": [_attempt(attempt) for attempt in delivery.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "at": attempt.at.isoformat(),
        "status": attempt.status,
        "seconds": round(attempt.seconds, 3),
        "answer": attempt.answer,
    }


ROUTES = [
    Route("/hooks", index, methods=["GET"]),
    Route("/hooks/{id}", read, methods=["GET"]),
    Route("/hooks/{id}/retry", retry, methods=["POST"]),
    Route("/hooks/{id}/cancel", cancel, methods=["POST"]),
]
