"""Builds the ASGI application of the console."""

from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from tallyhook_mock.console import calls, clock, faults, hooks, listeners, live, overview
from tallyhook_mock.console.guard import ENTRY, Guard
from tallyhook_mock.console.page import THEME, page
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems import parts

__all__ = ["console_app"]


def console_app(mock: Mock, *, token: str = "") -> Starlette:
    """Return the ASGI application of a mock's console.

    Browsers on this machine can use the console. Browsers on other machines can use it only if `token` is set
    and they enter it.
    """
    app = Starlette(
        routes=[
            Route("/", overview.show),
            Mount(
                "/console",
                routes=[
                    *clock.ROUTES,
                    *(route for part in parts("console").values() for route in part.ROUTES),
                    *hooks.ROUTES,
                    *calls.ROUTES,
                    *listeners.ROUTES,
                    *faults.ROUTES,
                    THEME,
                    ENTRY,
                    Route("/live", live.stream),
                    Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
                ],
            ),
        ],
        middleware=[Middleware(Guard, token=token)],
        exception_handlers={HTTPException: _refused},
    )
    app.state.mock = mock
    app.state.token = token
    # Every form must send this token. Only pages of this console contain it, and other sites can't read them.
    app.state.form_token = mock.form_token
    return app


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return page(
        request,
        "error.html",
        "Not found" if error.status_code == 404 else "Refused",
        status=error.status_code,
        headers=error.headers,
        why=error.detail,
    )
