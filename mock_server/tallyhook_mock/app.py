"""Builds the mock's ASGI application: the billing systems' APIs, the control API and the console."""

from collections.abc import Callable
from contextlib import suppress

from starlette.requests import ClientDisconnect
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from tallyhook_mock.core.money import exact
from tallyhook_mock.middleware import Face, with_faults
from tallyhook_mock.mock import Mock
from tallyhook_mock.systems import parts

__all__ = ["create_app"]


def create_app(mock: Mock, *, console_token: str = "") -> ASGIApp:
    """Return the mock as one ASGI application, whose lifespan runs the mock (see `Mock.running`).

    The application serves the billing systems' APIs, the control API under `/_mock`, and the console.
    Browsers on other machines can use the console only if `console_token` is set and they enter it.
    """

    def keep(name: str, app: ASGIApp) -> ASGIApp:
        """Return `app`, wrapped so that its calls are recorded if the mock has a journal."""
        return mock.persistence.recorded(app, name, _may_change)

    faces: list[tuple[Callable[[str], bool], ASGIApp]] = []
    for name, api in parts("api").items():
        face: Face = api.face(mock)
        app = with_faults(face, keep(name, face.app), mock.strike, mock.called)
        # `parts` begins with Cheddar. Here it must be last, because it serves every path that is left.
        faces.insert(0, (face.serves, app))

    def build_control() -> ASGIApp:
        from tallyhook_mock.control.app import control_app

        return control_app(mock)

    def build_console() -> ASGIApp:
        from tallyhook_mock.console.app import console_app

        return console_app(mock, token=console_token)

    control, console = keep("control", _Later(build_control)), keep("console", _Later(build_console))
    lifespan = Router(lifespan=lambda _: mock.running())

    def chosen(scope: Scope) -> ASGIApp:
        if scope["type"] != "http":
            return lifespan
        path = scope["path"]
        if path.startswith("/_mock"):
            return control
        if is_console(path):
            return console
        return next(app for serves, app in faces if serves(path))

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        # A client that leaves within its request gets no answer.
        with exact(), suppress(ClientDisconnect):
            await chosen(scope)(scope, receive, send)

    return whole


def is_console(path: str) -> bool:
    """Return whether a path belongs to the console, without loading the console."""
    return path == "/" or path == "/console" or path.startswith("/console/")


def _may_change(scope: Scope) -> bool:
    """Return whether a call may change the mock's state, and so must be recorded in the journal.

    Calls that move the clock are not recorded, because each step that they cause is recorded.
    """
    path, method = scope["path"], scope["method"]
    if path.startswith("/xml/"):
        return not path.split("/")[3:4] or not path.split("/")[3].startswith("get")
    if path.startswith("/_mock/customers/") and path.endswith("/bill"):
        return False
    return method not in ("GET", "HEAD") and path not in ("/_mock/clock", "/console/clock/advance")


class _Later:
    """An ASGI application that is built on its first call, so that a mock in a test starts faster."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = self._build()
        await self._app(scope, receive, send)
