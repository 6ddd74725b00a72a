"""Lets only programs on this machine control the mock, and refuses web pages of other sites."""

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.sender import is_loopback

__all__ = ["Guard", "other_site", "stranger"]


class Guard:
    """ASGI middleware that answers 403 to clients on other machines and to pages of other sites."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        why = _objection(scope) if scope["type"] == "http" else None
        if why is None:
            await self._app(scope, receive, send)
        else:
            await JSONResponse({"error": why}, 403)(scope, receive, send)


def _objection(scope: Scope) -> str | None:
    why = stranger(scope) or other_site(scope)
    return None if why is None else f"the control API {why}"


def stranger(scope: Scope) -> str | None:
    """Return the reason to refuse a client that is on another machine or sent a foreign Host header.

    Returns None for any other client.
    """
    client, headers = scope.get("client"), Headers(scope=scope)
    # X-Forwarded-For from a local proxy can make a client remote, but never local.
    forwarded = ",".join(headers.getlist("x-forwarded-for"))
    addresses = [address.strip() for address in forwarded.split(",") if forwarded]
    if client is None or not all(map(is_loopback, [client[0], *addresses])):
        return "is for clients on this machine only"
    if not is_loopback(_split(f"//{headers.get('host', '')}").hostname or ""):
        # A foreign host name that resolves to this machine: DNS rebinding.
        return "answers to localhost, 127.0.0.1 and [::1] only"
    return None


def other_site(scope: Scope) -> str | None:
    """Return the reason to refuse a call from a page of another site. Returns None for any other call."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    is_foreign = origin is not None and _split(origin).netloc.lower() != headers.get("host", "").lower()
    if is_foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "does not take calls from pages of other sites"
    return None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
