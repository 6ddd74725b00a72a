"""The answers to a hook's sender: a status and a constant word, nothing of the payload."""

import json
import math
from typing import NamedTuple

__all__ = [
    "BAD_SIGNATURE",
    "DONE",
    "FAILED",
    "HEADERS_TOO_LARGE",
    "IGNORED",
    "NOT_A_SENDER",
    "TOO_LARGE",
    "TOO_OLD",
    "TOO_SLOW",
    "UNDECODABLE",
    "WRONG_METHOD",
    "Answer",
    "later",
]


class Answer(NamedTuple):
    """What a door sends back; `word` tells the answers to hooks apart."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    word: str = ""


def _answer(status: int, word: str, *headers: tuple[str, str]) -> Answer:
    body = json.dumps({"hook": word}).encode() + b"\n"
    kind, length = ("Content-Type", "application/json"), ("Content-Length", str(len(body)))
    return Answer(status, (kind, length, *headers), body, word)


# Almost every answer is this one, and the status says it all: servers write a body by itself, which makes two
# packets of an answer.
DONE = Answer(200, (("Content-Type", "text/plain"), ("Content-Length", "0")), b"", "done")
IGNORED = _answer(200, "ignored")
UNDECODABLE = _answer(400, "undecodable")
BAD_SIGNATURE = _answer(401, "not signed with a known key")
TOO_OLD = _answer(401, "too old")
WRONG_METHOD = _answer(405, "POST only", ("Allow", "POST"))
# What is left of the body would be read as the next request: the connection can't be used again.
TOO_SLOW = _answer(408, "too slow", ("Connection", "close"))
TOO_LARGE = _answer(413, "too large", ("Connection", "close"))
NOT_A_SENDER = _answer(403, "not from a known sender", ("Connection", "close"))
HEADERS_TOO_LARGE = _answer(431, "headers too large", ("Connection", "close"))
FAILED = _answer(500, "failed")


def later(seconds: float, word: str = "not yet") -> Answer:
    """Not acknowledged: whatever the hook holds stays held, and the hook comes again."""
    return _answer(503, word, ("Retry-After", str(max(1, math.ceil(seconds)))))
