"""The WSGI door: for Flask, Django and everything else that is called from threads."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING
from wsgiref.types import InputStream, StartResponse, WSGIEnvironment

from tallyhook_receiver.answers import HEADERS_TOO_LARGE, TOO_LARGE, Answer
from tallyhook_receiver.asgi import MAX_HEADER_BYTES, MAX_HEADERS

if TYPE_CHECKING:
    from tallyhook_receiver.receiver import Receiver

__all__ = ["Door"]


class Door:
    """A WSGI application: serve it by itself, or mount it in another one, on any path.

    Each request waits for its answer in the thread that it came in; the work is done in the receiver's own
    event loop. How long a sender may take over a body is the server's to say.
    """

    def __init__(self, receiver: "Receiver") -> None:
        self._receiver = receiver

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(answer.headers))
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        headers = _headers(environ)
        if headers is None:
            return self._receiver.refused(HEADERS_TOO_LARGE)
        method, peer = environ["REQUEST_METHOD"], environ.get("REMOTE_ADDR") or None
        if self._receiver.health.is_asked(method, environ.get("PATH_INFO", "")):
            return self._receiver.run(self._receiver.health.answer())
        if (refusal := self._receiver.greet(method, headers, peer)) is not None:
            return refusal
        body = _read(environ, headers.get("content-length", ""), self._receiver.max_body)
        if body is None:
            return self._receiver.refused(TOO_LARGE)
        return self._receiver.answer(method, headers, body, peer)


def _headers(environ: WSGIEnvironment) -> dict[str, str] | None:
    """The request's headers, names in lower case; None if they are too large."""
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


def _read(environ: WSGIEnvironment, announced: str, limit: int) -> bytes | None:
    """The body, or None if it is longer than the limit. Where nothing tells its end there is none."""
    stream: InputStream = environ["wsgi.input"]
    if announced.isdecimal():
        length = int(announced)
    elif environ.get("wsgi.input_terminated"):
        length = limit + 1
    else:
        length = 0
    body = bytearray()
    while len(body) < length and (piece := stream.read(length - len(body))):
        body += piece
    return None if len(body) > limit else bytes(body)
