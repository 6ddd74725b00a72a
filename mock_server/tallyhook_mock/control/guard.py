"""Who may control the mock: programs on this machine, and no page of another site in a browser on it."""

from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.sender import is_loopback

__all__ = ["Guard", "other_site", "stranger"]


class Guard:
    """ASGI middleware that answers 403 to everybody else."""

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
    """What is to be said to a client that is not on this machine, or does not know that it is."""
    client, headers = scope.get("client"), Headers(scope=scope)
    # A proxy on this machine says whom it speaks for: that can make a stranger of a client, not the reverse.
    forwarded = ",".join(headers.getlist("x-forwarded-for"))
    addresses = [address.strip() for address in forwarded.split(",") if forwarded]
    if client is None or not all(map(is_loopback, [client[0], *addresses])):
        return "is for clients on this machine only"
    if not is_loopback(_split(f"//{headers.get('host', '')}").hostname or ""):
        # A foreign name that has come to point here: DNS rebinding.
        return "answers to localhost, 127.0.0.1 and [::1] only"
    return None


def other_site(scope: Scope) -> str | None:
    """What is to be said to the page of another site."""
    headers = Headers(scope=scope)
    origin = headers.get("origin")
    is_foreign = origin is not None and _split(origin).netloc.lower() != headers.get("host", "").lower()
    if is_foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return "takes no calls from pages of another site"
    return None


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")
