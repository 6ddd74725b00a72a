"""The ASGI door on any request: an answer that is documented, and a 2xx only for what was signed."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallyhook_receiver import Cheddar, Receiver

from .loose import nodes

KEY, OLD_KEY = b"the key of these tests", b"the key before"
MAX_BODY = 4000
DOCUMENTED = {200, 400, 401, 405, 408, 413, 431}
HOOK = (Path(__file__).parents[1] / "fixtures" / "hooks" / "subscriptionChanged.json").read_bytes()


class Request(NamedTuple):
    method: str
    headers: list[tuple[bytes, bytes]]
    chunks: list[bytes]
    leaves: bool  # before the body's end


class World:
    """A receiver in a loop of its own, whose handlers see every hook."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.receiver = Receiver(Cheddar("HARBOUR", [KEY, OLD_KEY]), inbox=":memory:", max_body=MAX_BODY)
        self.handled = 0
        for kind in ("subscriptionChanged", "newSubscription"):
            self.receiver.on(kind)(self.count)

    async def count(self, hook: object) -> None:
        self.handled += 1

    def kept(self) -> int:
        """How many hooks the inbox holds."""
        return sum(self.runner.run(self.receiver.inbox.stats()).hooks.values())

    def answer(self, request: Request) -> tuple[int, bytes] | None:
        return self.runner.run(self._answer(request))

    async def _answer(self, request: Request) -> tuple[int, bytes] | None:
        left = [*request.chunks] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if request.leaves and len(left) == 1:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": request.method, "headers": request.headers, "path": "/"}
        await self.receiver.asgi(scope, receive, send)
        if not sent:
            return None
        start, body = sent
        assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
        return start["status"], body["body"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    world.runner.run(world.receiver.open())
    yield world
    world.runner.run(world.receiver.aclose())
    world.runner.close()


def rightly_signed(request: Request) -> bool:
    """The documented rule by the standard library alone, over what arrived."""
    token = hashlib.md5(b"".join(request.chunks)).hexdigest().encode()
    right = {hmac.new(key, token, hashlib.sha256).hexdigest().encode() for key in (KEY, OLD_KEY)}
    given = [value.strip() for name, value in request.headers if name.lower() == b"x-cg-signature"]
    return len(given) == 1 and given[0] in right


def signature(body: bytes, key: bytes = KEY) -> bytes:
    return hmac.new(key, hashlib.md5(body).hexdigest().encode(), hashlib.sha256).hexdigest().encode()


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    match draw(st.integers(0, 3)):
        case 0:
            return draw(st.binary(max_size=200))
        case 1:
            return HOOK
        case 2:
            hook = {
                "activityType": draw(st.sampled_from(["subscriptionChanged", "subscriptionBillable", "x"]))
            }
            product = {"code": draw(st.sampled_from(["HARBOUR", "HARBOUR", "OTHER"]))}
            return json.dumps(hook | {"product": product, "subscription": draw(nodes)}).encode()
        case _:
            return b'{"a":"' + b"x" * draw(st.integers(MAX_BODY - 20, MAX_BODY + 20)) + b'"}'


@st.composite
def requests(draw: st.DrawFn) -> Request:
    body = draw(bodies())
    signatures = [
        signature(body),
        signature(body),
        signature(body, OLD_KEY),
        signature(body, b"another"),
        signature(body, b""),
        signature(body + b" "),
        signature(body)[:-1],
        signature(body).upper(),
        draw(st.binary(max_size=80)),
    ]
    headers = [
        (b"X-CG-SIGNATURE", value) for value in draw(st.lists(st.sampled_from(signatures), max_size=2))
    ]
    names = st.binary(max_size=20) | st.sampled_from(
        [b"content-length", b"x-cg-token", b"x-forwarded-for", b"transfer-encoding", b"X-cg-Signature"]
    )
    values = st.binary(max_size=40) | st.sampled_from([b"0", b"9" * 5000, b"-1", b"\xb2", b"4001", b"4000"])
    headers += draw(st.lists(st.tuples(names, values), max_size=5))
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=3)))
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    method = draw(st.sampled_from(["POST"] * 6 + ["GET", "post", "", "P\x00ST"]))
    return Request(method, draw(st.permutations(headers)), chunks, draw(st.integers(0, 9)) == 0)


@given(request_=requests())
def test_any_request_gets_a_documented_answer_and_nothing_unsigned_gets_in(
    world: World, request_: Request
) -> None:
    before, kept = world.handled, world.kept()
    answer = world.answer(request_)
    if answer is None:
        assert request_.leaves
    else:
        status, said = answer
        assert status in DOCUMENTED
        if said:
            assert set(json.loads(said)) == {"hook"}
            assert len(said) < 60
        else:
            assert status == 200
        if status in (200, 400):
            assert rightly_signed(request_)
    if answer is None or answer[0] != 200:
        assert world.handled == before
    if not rightly_signed(request_):
        assert world.kept() == kept


@given(body=bodies())
def test_what_is_signed_gets_in(world: World, body: bytes) -> None:
    """So that the test above does not pass by refusing everything."""
    answer = world.answer(Request("POST", [(b"x-cg-signature", signature(body))], [body], False))
    assert answer is not None
    if len(body) > MAX_BODY:
        assert answer[0] == 413
    elif body == HOOK:
        assert answer[0] == 200
    else:
        assert answer[0] in ({401, 400} if b'"OTHER"' in body else {200, 400})
