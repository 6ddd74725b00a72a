"""The mock as one ASGI application: all faces on one engine."""

from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.cheddar.app import cheddar_app
from tallyhook_mock.cheddar.faults import faulty_cheddar
from tallyhook_mock.console.app import console_app, is_console
from tallyhook_mock.control.app import control_app
from tallyhook_mock.mock import Mock

__all__ = ["create_app"]


def create_app(mock: Mock, *, console_token: str = "") -> ASGIApp:
    """Cheddar's API, control under `/_mock`, and the console. Its lifespan is `mock.running`.

    `console_token` lets browsers of other machines use the console; without one they can't.
    """
    cheddar = cheddar_app(lambda: mock.state, lambda: mock.clock.now(), mock.changed)
    faulty = faulty_cheddar(
        cheddar, lambda: mock.state, lambda: mock.clock.now(), mock.strike, lambda: mock.faults.are_over
    )
    control = control_app(mock)
    console = console_app(mock, token=console_token)

    def face(scope: Scope) -> ASGIApp:
        if scope["type"] != "http" or scope["path"].startswith("/_mock"):
            return control
        return console if is_console(scope["path"]) else faulty

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await face(scope)(scope, receive, send)

    return app
