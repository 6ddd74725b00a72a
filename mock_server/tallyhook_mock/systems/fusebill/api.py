"""The JSON API as an ASGI application: which call a request is, and how it is answered."""

import hmac
import logging
from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.systems.fusebill import (
    calls_customers,
    calls_definitions,
    calls_invoices,
    calls_subscriptions,
)
from tallyhook_mock.systems.fusebill.documents import error_document, write
from tallyhook_mock.systems.fusebill.listing import Page
from tallyhook_mock.systems.fusebill.model import State
from tallyhook_mock.systems.fusebill.refusal import Refusal
from tallyhook_mock.systems.fusebill.request import DIGITS, Call, Handler, Query

__all__ = ["ACTIONS", "MAX_BODY", "ROUTES", "WrongMethod", "find", "fusebill_app", "is_fusebill", "refused"]

MAX_BODY = 1_000_000

ROUTES = (
    *calls_definitions.ROUTES,
    *calls_subscriptions.ROUTES,
    *calls_customers.ROUTES,
    *calls_invoices.ROUTES,
)
ACTIONS = tuple(dict.fromkeys(action for _, _, action, _ in ROUTES))

logger = logging.getLogger("tallyhook_mock.fusebill")


def fusebill_app(
    state: Callable[[], State], now: Callable[[], datetime], changed: Callable[[], None]
) -> ASGIApp:
    """Fusebill's API for the paths that `is_fusebill` knows.

    Args:
        state: the engine's state at the time of a call.
        now: the moment of a call, aware.
        changed: called after each call, before its answer: take what happened.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _read_body(request)
        # From here to the answer nothing waits, so that a call sees and leaves the state whole.
        try:
            try:
                response = _answer(_carry_out(state(), request, body, now()))
            finally:
                changed()
        except Refusal as refusal:
            response = refused(refusal)
        except Exception:
            logger.exception("a call broke")
            response = refused(Refusal(500, "server", "something broke; the mock's log says what"))
        await response(scope, receive, send)

    return app


def refused(refusal: Refusal) -> Response:
    """The answer to a call that was not carried out."""
    headers = {"WWW-Authenticate": 'Basic realm="Fusebill"'} if refusal.status == 401 else {}
    if isinstance(refusal, WrongMethod):
        headers["Allow"] = ", ".join(refusal.allowed)
    return Response(write(error_document(refusal)), refusal.status, headers, "application/json")


def _answer(document: object) -> Response:
    if document is None:
        return Response(status_code=204)
    if isinstance(document, Page):
        return Response(write(document.entries), 200, dict(document.headers), "application/json")
    return Response(write(document), media_type="application/json")


async def _read_body(request: Request) -> bytes | None:
    """None if it is too long. It is read to the end all the same, so that the answer is heard."""
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= MAX_BODY:
            body += chunk
    return bytes(body) if length <= MAX_BODY else None


def _carry_out(state: State, request: Request, body: bytes | None, at: datetime) -> object:
    _sign_in(state, request.headers.get("authorization", ""))
    _, handle, number = find(request.method, request.scope["path"])
    if body is None:
        raise Refusal(413, "body", f"longer than {MAX_BODY} bytes")
    state.catch_up(at)  # when the clock runs by itself, what is due now may not have been done yet
    state.actor = "api"
    query = Query(request.scope["query_string"])
    document: object = handle(Call(state, number, body, query, at))
    return document


def _sign_in(state: State, authorization: str) -> None:
    """The key itself stands behind `Basic` (documented), not a user and a password."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "basic" or not any(
        hmac.compare_digest(key.strip().encode(), known.encode()) for known in state.api_keys
    ):
        raise Refusal(401, "Authorization", "an API key is required: Basic <key>")


class WrongMethod(Refusal):
    """A resource that has only these methods."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(405, "method", f"only {' and '.join(allowed)} can be used here")
        self.allowed = allowed


def is_fusebill(path: str) -> bool:
    """Whether a path belongs to this face."""
    return path.lower().startswith("/v1/")


def find(method: str, path: str) -> tuple[str, Handler, int]:
    """The action that a request asks for, what carries it out, and the id in its path, 0 if there is none.

    Capitals make no difference to paths (inferred). Refusal for a resource or a method that there is not.
    """
    steps = path.lower().strip("/").split("/")[1:]
    fitting = [route for route in ROUTES if _fits(route[1].split("/"), steps)]
    if not fitting:
        raise Refusal(404, "path", "there is no such resource")
    for allowed, pattern, action, handle in fitting:
        if allowed == method:
            written = next(
                (step for step, part in zip(steps, pattern.split("/"), strict=True) if part == _ID), "0"
            )
            if not (written.isascii() and written.isdigit() and len(written) <= DIGITS):
                raise Refusal(404, "id", "an id is a whole number")
            return action, handle, int(written)
    raise WrongMethod(tuple(dict.fromkeys(route[0] for route in fitting)))


_ID = "{id}"


def _fits(pattern: list[str], steps: list[str]) -> bool:
    return len(pattern) == len(steps) and all(
        part in (_ID, step) for part, step in zip(pattern, steps, strict=True)
    )
