"""Builds the ASGI application of the control API."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount

from tallyhook_mock.catalog.table import CatalogError
from tallyhook_mock.clock import ClockBusy
from tallyhook_mock.control import (
    accounts,
    calls,
    catalog,
    clock,
    faults,
    hooks,
    listeners,
    openapi,
    snapshots,
)
from tallyhook_mock.control.guard import Guard
from tallyhook_mock.core.base import Refusal
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems import parts
from tallyhook_mock.systems.cheddar.refusal import Refusal as CheddarRefusal

__all__ = ["control_app"]

_ROUTES = [
    *clock.ROUTES,
    *catalog.ROUTES,
    *listeners.ROUTES,
    *hooks.ROUTES,
    *(route for part in parts("control").values() for route in part.ROUTES),
    *faults.ROUTES,
    *snapshots.ROUTES,
    *accounts.ROUTES,
    *calls.ROUTES,
]
_ROUTES.append(openapi.route(_ROUTES))


def control_app(mock: Mock) -> Starlette:
    """Return the ASGI application for everything under `/_mock`."""
    app = Starlette(
        routes=[Mount("/_mock", routes=_ROUTES)],
        middleware=[Middleware(Guard)],
        exception_handlers={
            HTTPException: _http_error,
            CatalogError: _bad_catalog,
            ClockBusy: _busy,
            CheddarRefusal: _refused_by_cheddar,
            Refusal: _refused,
        },
    )
    app.state.mock = mock
    return app


def _http_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _bad_catalog(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 400)


def _busy(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 409)


def _refused_by_cheddar(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, CheddarRefusal)
    return JSONResponse({"error": str(error)}, error.status)


def _refused(_: Request, error: Exception) -> JSONResponse:
    """Return the response for a refusal by a system other than Cheddar: 404 stays 404, any other status
    becomes 400.
    """
    assert isinstance(error, Refusal)
    return JSONResponse({"error": str(error)}, 404 if error.status == 404 else 400)
