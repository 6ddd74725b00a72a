"""Fusebill's API as an ASGI application."""

import hmac
import logging
from collections.abc import Callable
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.engine.fusebill.refusal import Refusal
from tallyhook_mock.engine.fusebill.state import State
from tallyhook_mock.fusebill.calls import ACTIONS, Call
from tallyhook_mock.fusebill.documents import error_document, write
from tallyhook_mock.fusebill.routes import WrongMethod, find

__all__ = ["MAX_BODY", "fusebill_app", "refused"]

MAX_BODY = 1_000_000

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
    action, number = find(request.method, request.scope["path"])
    if body is None:
        raise Refusal(413, "body", f"longer than {MAX_BODY} bytes")
    state.catch_up(at)  # when the clock runs by itself, what is due now may not have been done yet
    state.actor = "api"
    document: object = ACTIONS[action](Call(state, number, body, at))
    return document


def _sign_in(state: State, authorization: str) -> None:
    """The key itself stands behind `Basic` (documented), not a user and a password."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "basic" or not any(
        hmac.compare_digest(key.strip().encode(), known.encode()) for known in state.api_keys
    ):
        raise Refusal(401, "Authorization", "an API key is required: Basic <key>")
