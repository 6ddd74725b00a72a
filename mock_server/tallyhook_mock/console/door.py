"""Lets browsers on other machines use the console, once they have sent the token."""

import hmac

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from tallyhook_mock.console.forms import answer, read_fields
from tallyhook_mock.console.guard import COOKIE, pass_for

__all__ = ["ROUTES"]


async def enter(request: Request) -> RedirectResponse:
    """Give a browser a cookie for the console if it sends the token. Answers 403 for a wrong token."""
    form = await read_fields(request)
    token: str = request.app.state.token
    if not token or not hmac.compare_digest(form.get("pass", "").encode(), token.encode()):
        raise HTTPException(403, "Wrong token.")
    response = answer(form)
    is_tls = request.url.scheme == "https"
    response.set_cookie(COOKIE, pass_for(token), httponly=True, samesite="strict", secure=is_tls)
    return response


ROUTES = [Route("/door", enter, methods=["POST"])]
