"""Cleverbridge's JSON API as an ASGI application."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from tallyhook_mock.core.base import Refusal
from tallyhook_mock.faults import Fault
from tallyhook_mock.middleware import MAX_BODY, Aim, Face, api_app, basic_user
from tallyhook_mock.systems.cleverbridge.calls import ROOT, ROUTES
from tallyhook_mock.systems.cleverbridge.documents import answer, refusal_answer
from tallyhook_mock.systems.cleverbridge.model import malformed
from tallyhook_mock.systems.cleverbridge.request import read_body, read_query
from tallyhook_mock.systems.cleverbridge.state import State, full_id

if TYPE_CHECKING:
    from tallyhook_mock.mock import Mock

__all__ = ["ACTIONS", "cleverbridge_app", "face"]

_JSON = "application/json"
ACTIONS = tuple(f"subscription/{call}" for call in ROUTES)
# The errors that faults answer with. All are inferred.
_ERRORS = {
    500: Refusal(500, "The server broke; the call may have been carried out or not"),
    502: Refusal(502, "The server got no answer from a system behind it"),
    503: Refusal(503, "The server is down for maintenance; try again later"),
}


def face(mock: "Mock") -> Face:
    """Return the mock's Cleverbridge API. A fault's `customer` is the id of a subscription."""
    app = cleverbridge_app(
        lambda: mock.systems.of(State), mock.caught_up, mock.changed, lambda: mock.state.users
    )
    return Face(_serves, app, _aim, _refused)


def _serves(path: str) -> bool:
    return path.lower().startswith(ROOT)


def cleverbridge_app(
    state: Callable[[], State],
    now: Callable[[], datetime],
    changed: Callable[[], None],
    users: Callable[[], Mapping[str, str]],
) -> ASGIApp:
    """Return an application that serves Cleverbridge's API at paths that begin with `ROOT`.

    Args:
        state: returns the current state.
        now: returns the time of a call, with a time zone.
        changed: called after each call, before it is answered, to take the events that the call created.
        users: returns the passwords by user name. They are only used if the state has no users of its own.
    """

    def respond(request: Request, body: bytes | None) -> Response:
        return answer(_carry_out(state(), users(), request, body, now()))

    return api_app(respond, refusal_answer, changed, MAX_BODY, _ERRORS[500])


def _carry_out(
    state: State, users: Mapping[str, str], request: Request, body: bytes | None, at: datetime
) -> dict[str, Any]:
    """Carry out a call, and return the document to answer with."""
    if body is None:
        raise Refusal(413, f"The body is longer than {MAX_BODY} bytes")
    name = basic_user(state.users or users, request.headers.get("authorization", ""))
    if name is None:
        raise Refusal(
            401,
            "Basic authentication with a known name and password is required",
            {"WWW-Authenticate": 'Basic realm="Cleverbridge"'},
        )
    path = request.scope["path"]
    route = ROUTES.get(path[len(ROOT) :].rstrip("/").lower())
    if route is None:
        calls = ", ".join(f"{ROOT}{call}" for call in ROUTES)
        raise Refusal(404, f"There is no {path}; there are {calls}")
    method, handle = route
    if request.method != method:
        raise Refusal(405, f"{path} must be called with {method}", {"Allow": method})
    _check_media(request)
    query = read_query(request.scope["query_string"])
    if method != "GET":
        query.nothing_else()
    elif body.strip():
        raise malformed(f"{path} takes no body")
    fields = query if method == "GET" else read_body(body)
    state.actor = name
    return handle(state, fields, at)


def _check_media(request: Request) -> None:
    """Raise Refusal unless the header Accept, and for a POST also Content-Type, names JSON.

    Both headers are required and may name JSON or XML (documented). The mock doesn't support XML.
    """
    accepted = request.headers.get("accept", "")
    if not any(each in accepted for each in (_JSON, "application/*", "*/*")):
        raise malformed(f"Accept: {_JSON} is required; this mock speaks no XML")
    if (
        request.method == "POST"
        and request.headers.get("content-type", "").partition(";")[0].strip() != _JSON
    ):
        raise malformed(f"Content-Type: {_JSON} is required for a POST; this mock speaks no XML")


def _aim(scope: Scope, body: bytes) -> Aim:
    """Return what faults are compared with: the call's action, and as its customer, the subscription's id."""
    action = f"subscription/{scope['path'][len(ROOT) :].rstrip('/').lower()}"
    try:
        fields = read_query(scope["query_string"]) if scope["method"] == "GET" else read_body(body)
        return Aim(action, customer=full_id(fields.text("SubscriptionId")), system="cleverbridge")
    except Refusal:
        return Aim(action, system="cleverbridge")


def _refused(fault: Fault) -> Response:
    """Return the error answer that a fault asks for."""
    return refusal_answer(_ERRORS[fault.status])
