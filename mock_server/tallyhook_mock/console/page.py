"""Renders templates, with the values that every page needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.routing import Route

from tallyhook_mock.console import words
from tallyhook_mock.console.forms import Notice, answer, mock_of, read_form
from tallyhook_mock.console.systems import links
from tallyhook_mock.core import ids
from tallyhook_mock.core.money import quantity_text
from tallyhook_mock.picture import story

__all__ = ["THEME", "page"]

# The script sends this header when it refreshes a page, so that the refresh does not consume the notice.
_LOOK = "x-tallyhook-look"

# The colour theme: light, dark, or the operating system's. A cookie stores it, so no script is needed.
_THEME = "tallyhook_theme"
_THEMES = ("auto", "light", "dark")
_YEAR = 365 * 24 * 3600

_ROOM = Path(__file__).parents[1]
_environment = Environment(
    loader=ChoiceLoader(
        [
            FileSystemLoader(_ROOM / "console" / "templates"),
            # `fusebill/customer.html` is among the templates of the system `fusebill`.
            PrefixLoader(
                {
                    folder.parent.name: FileSystemLoader(folder)
                    for folder in (_ROOM / "systems").glob("*/templates")
                }
            ),
        ]
    ),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "day": words.day,
    "id": ids.text,
    "json": words.pretty_json,
    "milliseconds": words.milliseconds,
    "moment": words.moment,
    "money": words.money,
    "quantity": quantity_text,
    "span": words.span,
    "words": story.words,
}
_environment.globals |= {
    "account_url": words.account_url,
    "customer_url": words.customer_url,
    "hook_url": words.hook_url,
}


def page(
    request: Request,
    template: str,
    title: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Render a template with `values`, and with the values that every page needs."""
    is_look = _LOOK in request.headers
    notice = None if is_look else Notice.of(request)
    path, mock = request.url.path, mock_of(request)
    bar, menu = links(mock.systems)
    html = _environment.get_template(template).render(
        title=title,
        mock=mock,
        bar=bar,
        menu=menu,
        here=f"{path}?{request.url.query}" if request.url.query else path,
        path=path,
        form_token=request.app.state.form_token,
        theme=_theme_of(request),
        notice=notice,
        **values,
    )
    response = HTMLResponse(html, status, headers)
    if notice is not None:
        Notice.take_off(response)
    return response


def _theme_of(request: Request) -> str:
    wanted = request.cookies.get(_THEME, "")
    return wanted if wanted in _THEMES else "auto"


async def _choose_theme(request: Request) -> RedirectResponse:
    form = await read_form(request)
    response = answer(form)
    if form.get("theme") in _THEMES:
        response.set_cookie(_THEME, form["theme"], max_age=_YEAR, httponly=True, samesite="strict")
    return response


THEME = Route("/theme", _choose_theme, methods=["POST"])
