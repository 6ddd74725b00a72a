"""The mock as one ASGI application: all faces on one engine."""

from collections.abc import Callable
from datetime import datetime

from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.console.paths import is_console
from tallyhook_mock.core.money import exact
from tallyhook_mock.mock import Mock
from tallyhook_mock.recording import recorded
from tallyhook_mock.systems.chargemonk.api import chargemonk_app, is_chargemonk
from tallyhook_mock.systems.cheddar.api import cheddar_app
from tallyhook_mock.systems.cheddar.faults import faulty_cheddar
from tallyhook_mock.systems.cleverbridge.api import cleverbridge_app, is_cleverbridge
from tallyhook_mock.systems.cleverbridge.faults import faulty_cleverbridge
from tallyhook_mock.systems.fusebill.api import fusebill_app, is_fusebill
from tallyhook_mock.systems.fusebill.faults import faulty_fusebill

__all__ = ["create_app"]


def create_app(mock: Mock, *, console_token: str = "") -> ASGIApp:
    """The billing systems' APIs, control under `/_mock`, and the console. Its lifespan is `mock.running`.

    `console_token` lets browsers of other machines use the console; without one they can't.
    """

    def now() -> datetime:
        return mock.clock.now()

    def keep(name: str, app: ASGIApp) -> ASGIApp:
        """An application whose calls are in the journal, if there is one."""
        mock.replayers[name] = app
        return recorded(app, name, mock.journal, mock.record, _may_change) if mock.journal else app

    cheddar = faulty_cheddar(
        keep(
            "cheddar",
            cheddar_app(lambda: mock.state, now, mock.changed, strict=mock.is_strict, ignored=mock.ignored),
        ),
        lambda: mock.state,
        now,
        mock.strike,
        mock.called,
    )
    cleverbridge = faulty_cleverbridge(
        keep(
            "cleverbridge",
            cleverbridge_app(lambda: mock.systems.cleverbridge, now, mock.changed, lambda: mock.state.users),
        ),
        mock.strike,
        mock.called,
    )
    fusebill = faulty_fusebill(
        keep("fusebill", fusebill_app(lambda: mock.systems.fusebill, now, mock.changed)),
        lambda: mock.systems.fusebill,
        mock.strike,
        mock.called,
    )

    chargemonk = chargemonk_app(lambda: mock.systems.chargemonk, now, mock.changed)

    def build_control() -> ASGIApp:
        from tallyhook_mock.control.app import control_app

        return control_app(mock)

    def build_console() -> ASGIApp:
        from tallyhook_mock.console.app import console_app

        return console_app(mock, token=console_token)

    control, console = keep("control", _Later(build_control)), keep("console", _Later(build_console))
    lifespan = Router(lifespan=lambda _: mock.running())

    def face(scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return lifespan
        path = scope["path"]
        if path.startswith("/_mock"):
            return control
        if is_console(path):
            return console
        if is_cleverbridge(path):
            return cleverbridge
        if is_chargemonk(path):
            return chargemonk
        return fusebill if is_fusebill(path) else cheddar

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with exact():
            await face(scope)(scope, receive, send)

    return app


def _may_change(scope: Scope) -> bool:
    """Whether a call does something by itself. A move of the clock is noted as what comes of it."""
    path, method = scope["path"], scope["method"]
    if path.startswith("/xml/"):
        return not path.split("/")[3:4] or not path.split("/")[3].startswith("get")
    if path.startswith("/_mock/customers/") and path.endswith("/bill"):
        return False
    return method not in ("GET", "HEAD") and path not in ("/_mock/clock", "/console/clock/advance")


class _Later:
    """A face that is loaded when it is first asked for: the mock of a test is up sooner without it."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = self._build()
        await self._app(scope, receive, send)
