"""The mock as one ASGI application: all faces on one engine."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.cheddar.app import cheddar_app
from tallyhook_mock.control.app import control_app
from tallyhook_mock.mock import Mock

__all__ = ["create_app"]


def create_app(mock: Mock) -> ASGIApp:
    """Cheddar's API, and everything under `/_mock` for control. Its lifespan is `mock.running`."""
    cheddar = cheddar_app(lambda: mock.state, lambda: mock.clock.now(), mock.changed)
    control = control_app(mock)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_cheddar = scope["type"] == "http" and not scope["path"].startswith("/_mock")
        await (cheddar if is_cheddar else control)(scope, receive, send)

    return app
