"""The WSGI application, for threaded servers and frameworks such as Flask and Django."""

from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

from tallyhook_receiver.asgi import MAX_HEADER_BYTES, MAX_HEADERS
from tallyhook_receiver.health import Health
from tallyhook_receiver.intake import Intake, announced_length
from tallyhook_receiver.responses import HEADERS_TOO_LARGE, INCOMPLETE, TOO_LARGE, Response

Run = Callable[[Coroutine[Any, Any, Response]], Response]


class WSGIApp:
    """The WSGI application. Serve it alone, or mount it in another application, at any path.

    Each request blocks its thread until the response is ready, while the work runs in the receiver's event
    loop. Configure your server to limit how long a sender may take to send a body.
    """

    def __init__(self, intake: Intake, health: Health, run: Run) -> None:
        self._intake = intake
        self._health = health
        self._run = run

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = self._respond(environ)
        start_response(f"{response.status} {HTTPStatus(response.status).phrase}", list(response.headers))
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else response.body]

    def _respond(self, environ: WSGIEnvironment) -> Response:
        headers = _headers(environ)
        if headers is None:
            return self._intake.refused(HEADERS_TOO_LARGE)
        method, peer = environ["REQUEST_METHOD"], environ.get("REMOTE_ADDR") or None
        if self._health.is_asked(method, environ.get("PATH_INFO", "")):
            return self._run(self._health.answer())
        if (refusal := self._intake.precheck(method, headers, peer)) is not None:
            return refusal
        announced = announced_length(headers)
        body = _read(environ, announced, self._intake.max_body)
        if body is None:
            return self._intake.refused(TOO_LARGE)
        if len(body) < (announced or 0):  # the sender has left
            return self._intake.refused(INCOMPLETE)
        return self._run(self._intake.receive(headers, body, peer))


def _headers(environ: WSGIEnvironment) -> dict[str, str] | None:
    """Return a request's headers, with lower-case names.

    Returns None if there are too many headers, or if they are too large.
    """
    headers: dict[str, str] = {}
    size = 0
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            key = name.removeprefix("HTTP_")
        elif name in ("CONTENT_LENGTH", "CONTENT_TYPE"):
            key = name
        else:
            continue
        size += len(key) + len(value)
        headers[key.replace("_", "-").lower()] = value
    return None if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES else headers


def _read(environ: WSGIEnvironment, announced: int | None, limit: int) -> bytes | None:
    """Return a request's body, or None if it is longer than `limit` bytes.

    If neither the request nor the server says where the body ends, the body is treated as empty.
    """
    stream: InputStream = environ["wsgi.input"]
    length = announced
    if length is None:
        length = limit + 1 if environ.get("wsgi.input_terminated") else 0
    body = bytearray()
    while len(body) < length and (piece := stream.read(length - len(body))):
        body += piece
    return None if len(body) > limit else bytes(body)
