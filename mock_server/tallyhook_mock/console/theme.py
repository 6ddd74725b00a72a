"""The colour theme: light, dark, or the operating system's. A cookie stores it, so no script is needed."""

from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import Route

from tallyhook_mock.console.forms import answer, read_form

__all__ = ["ROUTES", "theme_of"]

_COOKIE = "tallyhook_theme"
_THEMES = ("auto", "light", "dark")
_YEAR = 365 * 24 * 3600


def theme_of(request: Request) -> str:
    wanted = request.cookies.get(_COOKIE, "")
    return wanted if wanted in _THEMES else "auto"


async def choose(request: Request) -> RedirectResponse:
    form = await read_form(request)
    response = answer(form)
    if form.get("theme") in _THEMES:
        response.set_cookie(_COOKIE, form["theme"], max_age=_YEAR, httponly=True, samesite="strict")
    return response


ROUTES = [Route("/theme", choose, methods=["POST"])]
