"""The mock as one ASGI application: all faces on one engine."""

from datetime import datetime

from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.cheddar.app import cheddar_app
from tallyhook_mock.cheddar.faults import faulty_cheddar
from tallyhook_mock.cleverbridge.app import cleverbridge_app, is_cleverbridge
from tallyhook_mock.cleverbridge.faults import faulty_cleverbridge
from tallyhook_mock.console.app import console_app, is_console
from tallyhook_mock.control.app import control_app
from tallyhook_mock.fusebill.app import fusebill_app
from tallyhook_mock.fusebill.faults import faulty_fusebill
from tallyhook_mock.fusebill.routes import is_fusebill
from tallyhook_mock.mock import Mock

__all__ = ["create_app"]


def create_app(mock: Mock, *, console_token: str = "") -> ASGIApp:
    """The billing systems' APIs, control under `/_mock`, and the console. Its lifespan is `mock.running`.

    `console_token` lets browsers of other machines use the console; without one they can't.
    """

    def now() -> datetime:
        return mock.clock.now()

    def are_over() -> bool:
        return mock.faults.are_over

    cheddar = faulty_cheddar(
        cheddar_app(lambda: mock.state, now, mock.changed), lambda: mock.state, now, mock.strike, are_over
    )
    cleverbridge = faulty_cleverbridge(
        cleverbridge_app(lambda: mock.systems.cleverbridge, now, mock.changed, lambda: mock.state.users),
        mock.strike,
        are_over,
    )
    fusebill = faulty_fusebill(
        fusebill_app(lambda: mock.systems.fusebill, now, mock.changed),
        lambda: mock.systems.fusebill,
        mock.strike,
        are_over,
    )
    control = control_app(mock)
    console = console_app(mock, token=console_token)

    def face(scope: Scope) -> ASGIApp:
        if scope["type"] != "http" or scope["path"].startswith("/_mock"):
            return control
        path = scope["path"]
        if is_console(path):
            return console
        if is_cleverbridge(path):
            return cleverbridge
        return fusebill if is_fusebill(path) else cheddar

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await face(scope)(scope, receive, send)

    return app
