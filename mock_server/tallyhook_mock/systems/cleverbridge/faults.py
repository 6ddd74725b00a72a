"""Faults on calls: what a call is about, and how an error looks here."""

from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from tallyhook_mock.calls import Watched
from tallyhook_mock.faults import Fault
from tallyhook_mock.faulty import Aim, with_faults
from tallyhook_mock.systems.cleverbridge.api import MAX_BODY, is_cleverbridge
from tallyhook_mock.systems.cleverbridge.calls import ROOT, ROUTES
from tallyhook_mock.systems.cleverbridge.documents import broken, refusal_answer
from tallyhook_mock.systems.cleverbridge.model import Refusal, full_id
from tallyhook_mock.systems.cleverbridge.request import read_body, read_query

__all__ = ["ACTIONS", "faulty_cleverbridge"]

ACTIONS = tuple(f"subscription/{call}" for call in ROUTES)

# All inferred.
_ERRORS = {
    500: broken(),
    502: Refusal(502, "The server got no answer from a system behind it"),
    503: Refusal(503, "The server is down for maintenance; try again later"),
}


def faulty_cleverbridge(
    app: ASGIApp,
    strike: Callable[[Aim], Fault | None],
    made: Callable[[Aim, str, Watched, float, Fault | None], None],
) -> ASGIApp:
    """The API, with what `strike` says done to each call. Faults know a customer by the subscription's id."""
    return with_faults(app, _aim, _refused, strike, made, max_body=MAX_BODY)


def _aim(scope: Scope, body: bytes) -> Aim | None:
    """The call as its action, and its subscription as the customer; None if it isn't one of this face's."""
    if scope["type"] != "http" or not is_cleverbridge(scope["path"]):
        return None
    action = f"subscription/{scope['path'][len(ROOT) :].rstrip('/').lower()}"
    try:
        fields = read_query(scope["query_string"]) if scope["method"] == "GET" else read_body(body)
        return Aim(action, customer=full_id(fields.text("SubscriptionId")), system="cleverbridge")
    except Refusal:
        return Aim(action, system="cleverbridge")


def _refused(fault: Fault) -> Response:
    """The answer to a call that a fault makes fail."""
    headers = {"Retry-After": str(fault.retry_after)} if fault.status == 503 else {}
    return refusal_answer(_ERRORS[fault.status], headers)
