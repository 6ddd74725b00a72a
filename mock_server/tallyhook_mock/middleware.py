"""ASGI middleware for a billing system's API: logs each call, and applies planned faults."""

import asyncio
import base64
import binascii
import hmac
import logging
import re
import time
from collections.abc import Callable, Mapping
from html import unescape

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallyhook_mock.connection import drop
from tallyhook_mock.core.base import Refusal, Value
from tallyhook_mock.core.hooks import CHEDDAR
from tallyhook_mock.faults import Fault, FaultKind

__all__ = [
    "MAX_BODY",
    "Aim",
    "Face",
    "Watched",
    "api_app",
    "basic_user",
    "buffered",
    "receive_body",
    "with_faults",
]

logger = logging.getLogger(__name__)

_REASON = re.compile(rb'<error(?:[^>]* auxCode="([^":]+):[^"]*")?[^>]*>([^<]+)</error>')  # field, message
MAX_BODY = 1_000_000  # bytes of a call's body
_LONGEST_REASON = 500  # characters
_LONGEST_REFUSAL = 64_000  # bytes that are searched for the reason


class Aim(Value, frozen=True):
    """What a call is about: its action, and the codes of its product and customer, empty if unknown.

    `on_outstanding` tells whether the call concerns an outstanding invoice. In systems other than Cheddar,
    `customer` is the account, and the account's timeline shows the faults that were applied to the call.
    """

    action: str
    product: str = ""
    customer: str = ""
    on_outstanding: bool = False
    system: str = CHEDDAR


class Face(Value, frozen=True):
    """A billing system's API, and how planned faults apply to its calls.

    Attributes:
        serves: returns whether a path belongs to the API.
        aim: returns what a request is about, or None if the request isn't a call. It also accepts calls that
            the API would refuse, because a fault may apply to them. If the API has no `aim`, no faults
            apply.
        refused: returns the answer for an ERROR or LOCK fault, in the system's format.
    """

    serves: Callable[[str], bool]
    app: ASGIApp
    aim: Callable[[Scope, bytes], Aim | None] | None = None
    refused: Callable[[Fault], Response] | None = None


async def buffered(receive: Receive, most: int) -> tuple[bytes, bool, Receive]:
    """Return a call's body, whether the body is complete, and a `receive` that reads it from the start.

    Reading stops after more than `most` bytes, or when the client disconnects.
    """
    messages: list[Message] = []
    body, is_whole = b"", False
    while len(body) <= most and not is_whole:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        is_whole = len(body) <= most and not message.get("more_body", False)
    kept = iter(messages)

    async def again() -> Message:
        message = next(kept, None)
        return await receive() if message is None else message

    return body, is_whole, again


async def receive_body(request: Request, most: int) -> bytes | None:
    """Return a request's body, or None if it is longer than `most` bytes.

    Even a longer body is read to its end, because otherwise the client might not get the answer.
    """
    body, length = bytearray(), 0
    async for chunk in request.stream():
        length += len(chunk)
        if length <= most:
            body += chunk
    return bytes(body) if length <= most else None


def api_app(
    respond: Callable[[Request, bytes | None], Response],
    refused: Callable[[Refusal], Response],
    changed: Callable[[], None],
    max_body: int,
    broken: Refusal,
) -> ASGIApp:
    """Return an ASGI application that serves an API.

    `respond` carries out a call and returns the response. Its second argument is the request's body, or None
    if the body is longer than `max_body` bytes. Nothing is awaited while `respond` runs, so each call sees a
    consistent state. `changed` is called after each call, before its response is sent, to log the call's
    events. If `respond` raises a Refusal, `refused` turns it into the response. Any other exception is
    logged, and `refused` turns `broken` into the response.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await receive_body(request, max_body)
        try:
            try:
                response = respond(request, body)
            finally:
                changed()
        except Refusal as refusal:
            response = refused(refusal)
        except Exception:
            logger.exception("a call of %s failed", request.url.path)
            response = refused(broken)
        await response(scope, receive, send)

    return app


def basic_user(users: Mapping[str, str], authorization: str) -> str | None:
    """Return the name of the user whose credentials an Authorization header contains.

    Returns None if it doesn't contain the credentials of any user. `users` maps names to passwords.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    known = users.get(name)
    return name if known is not None and hmac.compare_digest(known.encode(), password.encode()) else None


class Watched:
    """Passes an answer on to the client, and remembers its status and, if it is an error, its text."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._status: int | None = None
        self._is_whole = False
        self._answer = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif message["type"] == "http.response.body":
            self._is_whole = not message.get("more_body", False)
            if self._status is not None and self._status >= 400 and len(self._answer) < _LONGEST_REFUSAL:
                self._answer += message.get("body", b"")
        await self._send(message)

    @property
    def status(self) -> int | None:
        """The answer's status, or None if the answer was not sent completely."""
        return self._status if self._is_whole else None

    @property
    def reason(self) -> str:
        """The answer's error text, on one line, after the field's name. Empty if the call succeeded."""
        found = _REASON.search(self._answer)
        said = b": ".join(filter(None, found.groups())) if found else self._answer
        text = bytes(said).decode("utf-8", "replace")
        return " ".join((unescape(text) if found else text).split())[:_LONGEST_REASON]


def with_faults(
    face: Face,
    app: ASGIApp,
    strike: Callable[[Aim], Fault | None],
    made: Callable[[Aim, str, Watched, float, Fault | None], None],
) -> ASGIApp:
    """Wrap `app`, which serves `face`, so that planned faults apply to its calls.

    `strike` returns the fault to apply to a call, or None. `made` is called after each call, with what the
    call was about, its method, its answer, the real seconds that it took, and the fault.
    """

    aim, refused = face.aim, face.refused
    if aim is None or refused is None:
        return app

    async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        body, _, again = await buffered(receive, MAX_BODY)
        # This comes before the call is carried out, because the call may delete its customer.
        target = aim(scope, body)
        if target is None:
            await app(scope, again, send)
            return
        fault, answer = strike(target), Watched(send)
        try:
            await _carry_out(app, scope, again, answer.send, fault, refused)
        finally:
            made(target, scope["method"], answer, time.perf_counter() - began, fault)

    return faulty


async def _carry_out(
    app: ASGIApp,
    scope: Scope,
    again: Receive,
    send: Send,
    fault: Fault | None,
    refused: Callable[[Fault], Response],
) -> None:
    match fault:
        case None:
            await app(scope, again, send)
        case Fault(kind=FaultKind.LATENCY):
            await asyncio.sleep(fault.seconds)
            await app(scope, again, send)
        case Fault(kind=FaultKind.DROP_BEFORE):
            await drop(scope, again)
        case Fault(kind=FaultKind.DROP_AFTER):
            await app(scope, again, _nowhere)
            await drop(scope, again)
        case Fault(kind=FaultKind.TRUNCATE):
            await app(scope, again, _half(send))
            await drop(scope, again)
        case _:
            response = refused(fault)
            if response.status_code == 503:
                response.headers["Retry-After"] = str(fault.retry_after)
            await response(scope, again, send)


async def _nowhere(message: Message) -> None:
    """Discard a message of the answer."""


def _half(send: Send) -> Send:
    """Return a `send` that sends the headers, but only the first half of the body."""

    async def cut(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message["body"]
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)

    return cut
