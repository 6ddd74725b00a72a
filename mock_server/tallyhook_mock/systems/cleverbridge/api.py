"""The JSON API as an ASGI application, and what each of its calls does."""

import base64
import binascii
import hmac
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.systems.cleverbridge import rules
from tallyhook_mock.systems.cleverbridge.documents import (
    answer,
    broken,
    outcome_document,
    refusal_answer,
    subscription_document,
)
from tallyhook_mock.systems.cleverbridge.model import Manner, Refusal, State, UpdateAction
from tallyhook_mock.systems.cleverbridge.request import Fields, read_body, read_query
from tallyhook_mock.systems.cleverbridge.rules import NewPrice, Target

__all__ = ["MAX_BODY", "ROOT", "ROUTES", "Handler", "cleverbridge_app", "is_cleverbridge"]

MAX_BODY = 1_000_000

logger = logging.getLogger("tallyhook_mock.cleverbridge")


def is_cleverbridge(path: str) -> bool:
    """Whether a path belongs to this face."""
    return path.lower().startswith(ROOT)


def cleverbridge_app(
    state: Callable[[], State],
    now: Callable[[], datetime],
    changed: Callable[[], None],
    users: Callable[[], Mapping[str, str]],
) -> ASGIApp:
    """Cleverbridge's API for the paths that `is_cleverbridge` knows.

    Args:
        state: the engine's state at the time of a call.
        now: the moment of a call, aware.
        changed: called after each call, before its answer: take the events that it left.
        users: names and passwords of those who may call while the state has no users of its own.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await _read(request)
        # From here to the answer nothing waits, so that a call sees and leaves the state whole.
        headers: dict[str, str] = {}
        try:
            try:
                response = answer(_carry_out(state(), users(), request, body, now(), headers))
            finally:
                changed()
        except Refusal as refusal:
            response = refusal_answer(refusal, headers)
        except Exception:
            logger.exception("a call broke")
            response = refusal_answer(broken())
        await response(scope, receive, send)

    return app


async def _read(request: Request) -> bytes | None:
    """The body; None if it is too long. It is read to the end all the same, so that the answer is heard."""
    body = b""
    is_too_long = False
    async for chunk in request.stream():
        is_too_long = is_too_long or len(body) + len(chunk) > MAX_BODY
        if not is_too_long:
            body += chunk
    return None if is_too_long else body


def _carry_out(
    state: State,
    users: Mapping[str, str],
    request: Request,
    body: bytes | None,
    at: datetime,
    headers: dict[str, str],
) -> dict[str, Any]:
    """The answer to a call; `headers` takes what goes with its refusal."""
    if body is None:
        raise Refusal(413, "RequestTooLong", f"The body is longer than {MAX_BODY} bytes")
    name = _sign_in(state.users or users, request.headers.get("authorization", ""))
    if name is None:
        headers["WWW-Authenticate"] = 'Basic realm="Cleverbridge"'
        raise Refusal(401, "Unauthorized", "Basic authentication with a known name and password is required")
    path = request.scope["path"]
    route = ROUTES.get(path[len(ROOT) :].rstrip("/").lower())
    if route is None:
        calls = ", ".join(f"{ROOT}{call}" for call in ROUTES)
        raise Refusal(404, "CallNotFound", f"There is no {path}; there are {calls}")
    method, handle = route
    if request.method != method:
        headers["Allow"] = method
        raise Refusal(405, "MethodNotAllowed", f"{path} is to be called by {method}")
    fields = read_query(request.scope["query_string"]) if method == "GET" else read_body(body)
    state.actor = name
    return handle(state, fields, at)


def _sign_in(users: Mapping[str, str], authorization: str) -> str | None:
    """The name of the user whose credentials these are; None if they are nobody's."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    known = users.get(name)
    return name if known is not None and hmac.compare_digest(known.encode(), password.encode()) else None


ROOT = "/subscription/"

Handler: TypeAlias = Callable[[State, Fields, datetime], dict[str, Any]]


def get_subscription(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    state.catch_up(at)  # when the clock runs by itself, what is due now may not have been done yet
    return subscription_document(state.subscription(fields.text("subscriptionId")))


def update_item(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    target, quantity = _target(fields), fields.whole("Quantity")
    return outcome_document(rules.update(state, target, quantity, _manner(fields), at))


def increase_quantity(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """`Quantity` is what is added (inferred)."""
    target, quantity = _target(fields), fields.whole("Quantity")
    return outcome_document(rules.increase_quantity(state, target, quantity, _manner(fields), at))


def update_price(state: State, fields: Fields, at: datetime) -> dict[str, Any]:
    """`CustomerPrice`, its fields, and that `ProductId` may be left out are inferred."""
    target = _target(fields, needs_product=False)
    price = fields.below("CustomerPrice")
    new = NewPrice(price.text("Currency"), price.amount("Value"), price.flag("IsGross", False))
    return outcome_document(rules.set_price(state, target, new, _manner(fields), at))


def _target(fields: Fields, *, needs_product: bool = True) -> Target:
    return Target(
        fields.text("SubscriptionId"),
        fields.whole("RunningNumber"),
        fields.whole("ProductId") if needs_product or "ProductId" in fields else None,
        fields.text("ProductName", ""),
        fields.text("CouponCode", ""),
    )


def _manner(fields: Fields) -> Manner:
    alignment = fields.below("AlignmentSettings")
    return Manner(
        is_aligned=alignment.flag("AlignToCurrentInterval", False),
        is_extended=alignment.flag("ExtendInterval", False),
        is_preview=alignment.flag("GetCustomerPricePreviewOnly", False),
        action=fields.choice("UpdateAction", UpdateAction, UpdateAction.UPDATE),
        mails=fields.flag("GenerateMail", True),
    )


# By the name of the call in lower case, since names are read in any: the method, and what carries it out.
ROUTES: Mapping[str, tuple[str, Handler]] = {
    "getsubscription": ("GET", get_subscription),
    "updatesubscriptionitem": ("POST", update_item),
    "increasesubscriptionitemquantity": ("POST", increase_quantity),
    "updatesubscriptionitemprice": ("POST", update_price),
}
