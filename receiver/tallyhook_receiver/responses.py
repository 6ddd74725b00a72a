"""The responses to a hook's sender. Each contains a status and a fixed word, but nothing from the hook."""

import json
import math
from typing import NamedTuple

# The default `Retry-After` in seconds, close to Cheddar's first retry (inferred).
RETRY_AFTER = 60.0


class Response(NamedTuple):
    """An HTTP response. `word` says in a word or two what happened to the hook, such as `done`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    word: str = ""


def json_response(status: int, about: str, word: str, *headers: tuple[str, str]) -> Response:
    """Return a response whose body is a JSON object with one field, for example `{"hook": "done"}`."""
    body = json.dumps({about: word}).encode() + b"\n"
    content = (("Content-Type", "application/json"), ("Content-Length", str(len(body))))
    return Response(status, (*content, *headers), body, word)


def _hook(status: int, word: str, *headers: tuple[str, str]) -> Response:
    return json_response(status, "hook", word, *headers)


DONE = Response(200, (("Content-Type", "text/plain"), ("Content-Length", "0")), b"", "done")
IGNORED = _hook(200, "ignored")
UNDECODABLE = _hook(400, "undecodable")
BAD_SIGNATURE = _hook(401, "not signed with a known key")
TOO_OLD = _hook(401, "too old")
UNCONFIRMED = _hook(401, "not confirmed")
WRONG_METHOD = _hook(405, "POST only", ("Allow", "POST"))
# These responses close the connection. Otherwise, the rest of the body would be read as the next request.
INCOMPLETE = _hook(400, "incomplete", ("Connection", "close"))
TOO_SLOW = _hook(408, "too slow", ("Connection", "close"))
TOO_LARGE = _hook(413, "too large", ("Connection", "close"))
NOT_A_SENDER = _hook(403, "not from a known sender", ("Connection", "close"))
HEADERS_TOO_LARGE = _hook(431, "headers too large", ("Connection", "close"))
FAILED = _hook(500, "failed")
UNRESOLVED = _hook(500, "unresolved")


def later(seconds: float, word: str = "not yet") -> Response:
    """Return a 503 whose `Retry-After` header is `seconds`.

    The invoice remains held, and the sender delivers the hook again.
    """
    return _hook(503, word, ("Retry-After", str(max(1, math.ceil(seconds)))))
