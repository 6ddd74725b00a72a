"""Access control and security headers for the console."""

import hashlib
import hmac

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallyhook_mock.console.forms import answer, read_fields
from tallyhook_mock.console.page import page
from tallyhook_mock.control.guard import other_site, stranger

__all__ = ["ENTRY", "Guard"]

_COOKIE = "tallyhook_pass"
_DOOR = "/console/door"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no-referrer, browsers would not send the origin of a form either.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def _pass_for(token: str) -> str:
    """Return a cookie that proves that a browser sent the token. The token can't be read from the cookie."""
    return hmac.new(token.encode(), b"tallyhook console", hashlib.sha256).hexdigest()


class Guard:
    """ASGI middleware that controls access, and adds security headers to every answer.

    A client gets a 403 unless it is on this machine or has sent the token. A request that changes something
    must also come from a page of this console. The module `forms` checks the form's token as well.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def strict(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        why = self._objection(scope)
        answer: ASGIApp = self._app if why is None else self._refusal(Request(scope), why)
        await answer(scope, receive, strict)

    def _objection(self, scope: Scope) -> str | None:
        path: str = scope["path"]
        is_open = bool(self._token) and (path == _DOOR or path.startswith("/console/static/"))
        why = None if is_open or self._has_pass(scope) else stranger(scope)
        if why is None and scope["method"] not in ("GET", "HEAD"):
            why = other_site(scope)
        return why

    def _has_pass(self, scope: Scope) -> bool:
        shown = HTTPConnection(scope).cookies.get(_COOKIE, "")
        return bool(self._token) and hmac.compare_digest(shown.encode(), _pass_for(self._token).encode())

    def _refusal(self, request: Request, why: str) -> Response:
        return page(
            request,
            "closed.html",
            "Refused",
            status=403,
            why=f"The console {why}.",
            has_door=bool(self._token),
        )


async def _enter(request: Request) -> RedirectResponse:
    """Give a browser a cookie for the console if it sends the token. Answers 403 for a wrong token."""
    form = await read_fields(request)
    token: str = request.app.state.token
    if not token or not hmac.compare_digest(form.get("pass", "").encode(), token.encode()):
        raise HTTPException(403, "Wrong token.")
    response = answer(form)
    is_tls = request.url.scheme == "https"
    response.set_cookie(_COOKIE, _pass_for(token), httponly=True, samesite="strict", secure=is_tls)
    return response


ENTRY = Route("/door", _enter, methods=["POST"])
