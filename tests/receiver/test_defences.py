"""Attacks over real HTTP: forgery, replay, unknown networks, floods of headers."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.cheddar import KEY, FakeCheddar, signed

from tallyhook import events, signing
from tallyhook_receiver import Cheddar, Receiver
from tallyhook_receiver.asgi import MAX_HEADER_BYTES, MAX_HEADERS

from .test_asgi import raw, serving

BODY = FakeCheddar().hook(activityType="subscriptionChanged")
NEW_KEY = "the next key"


class Listener:
    """A receiver in a real server, and the customers whose hooks it has handled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handled: list[str] = []

    @contextlib.contextmanager
    def serving(
        self, *keys: str, proxy_headers: bool = True, http: str = "auto", **options: object
    ) -> Iterator[str]:
        receiver = Receiver(
            Cheddar("ACME", keys or (KEY,)),
            inbox=self.path / "inbox.sqlite",
            **options,  # type: ignore[arg-type]  # each test knows its own
        )

        @receiver.on(events.SubscriptionChanged)
        def moved(hook: events.SubscriptionChanged) -> None:
            self.handled.append(hook.customer.code)

        with serving(receiver.asgi, proxy_headers=proxy_headers, http=http) as port:
            yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def listener(tmp_path: Path) -> Listener:
    return Listener(tmp_path)


def post(url: str, body: bytes = BODY, **headers: str) -> int:
    return httpx.post(url, content=body, headers=signed(body) | headers).status_code


def test_a_forged_body_with_genuine_headers_is_refused(listener: Listener) -> None:
    forged = BODY.replace(b"NORA", b"MALL")
    genuine = {signing.SIGNATURE_HEADER: signing.sign(BODY, KEY), signing.TOKEN_HEADER: signing.token(BODY)}
    with listener.serving() as url:
        assert httpx.post(url, content=forged, headers=genuine).status_code == 401
        genuine[signing.TOKEN_HEADER] = signing.token(forged)
        assert httpx.post(url, content=forged, headers=genuine).status_code == 401
        assert listener.handled == []
        assert httpx.post(url, content=BODY, headers=genuine).status_code == 200


def test_a_key_is_rotated_while_hooks_come(listener: Listener) -> None:
    bodies = [FakeCheddar().hook(activityType="subscriptionChanged", activityActor=str(n)) for n in range(3)]
    with listener.serving(NEW_KEY, KEY) as url:
        for body, key in ((bodies[0], KEY), (bodies[1], NEW_KEY)):
            assert httpx.post(url, content=body, headers=signed(body, key)).status_code == 200
    with listener.serving(NEW_KEY) as url:
        assert httpx.post(url, content=bodies[2], headers=signed(bodies[2], KEY)).status_code == 401
    assert len(listener.handled) == 2


def test_the_replay_of_a_capture_does_nothing(listener: Listener) -> None:
    with listener.serving() as url:
        assert [post(url) for _ in range(3)] == [200, 200, 200]
    with listener.serving() as url:  # another process, much later
        assert post(url, activity="replayed") == 200
        # A changed body would be another hook, but it can't be signed without the key.
        assert httpx.post(url, content=BODY + b" ", headers=signed(BODY)).status_code == 401
    assert listener.handled == ["NORA"]


@pytest.mark.parametrize("proxy_headers", [True, False], ids=["server reads it too", "server leaves it"])
@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("198.51.100.7", 200),
        ("203.0.113.9, 198.51.100.7", 200),
        ("198.51.100.7, 203.0.113.9", 403),
        ("203.0.113.9", 403),
        ("", 403),
    ],
)
def test_only_known_networks_get_in_through_the_proxy(
    listener: Listener, proxy_headers: bool, forwarded: str, status: int
) -> None:
    networks, proxies = ["198.51.100.0/24"], ["127.0.0.0/8"]
    with listener.serving(proxy_headers=proxy_headers, senders=networks, trusted_proxies=proxies) as url:
        assert post(url, **{"X-Forwarded-For": forwarded}) == status
    assert listener.handled == ["NORA"] * (status == 200)


def test_a_stranger_is_refused_before_his_body_is_read(listener: Listener) -> None:
    with listener.serving(senders=["198.51.100.0/24"]) as url:
        answer = raw(httpx.URL(url).port or 0, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"connection: close" in answer.lower()


def test_too_many_headers(listener: Listener) -> None:
    usual = 7  # those that the client adds, and two for the signature
    with listener.serving() as url:
        assert post(url, **{f"X-{n}": "" for n in range(MAX_HEADERS - usual - 5)}) == 200
        assert post(url, **{f"X-{n}": "" for n in range(MAX_HEADERS)}) == 431


def test_headers_too_large(listener: Listener) -> None:
    with listener.serving() as url:
        assert post(url, **{"X-Padding": "x" * (MAX_HEADER_BYTES - 1000)}) == 200
        assert post(url, **{"X-Padding": "x" * MAX_HEADER_BYTES}) == 431


def test_endless_headers_end(listener: Listener) -> None:
    with listener.serving(http="h11") as url:  # uvicorn's other parser has no limit
        answer = raw(httpx.URL(url).port or 0, b"POST / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000)
    assert answer.startswith(b"HTTP/1.1 400")
