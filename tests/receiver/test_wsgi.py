"""The WSGI application and `answer`: with wsgiref's checker, in Flask, and in gunicorn, which forks."""

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import flask
import httpx
import pytest
from tests.cheddar import KEY, FakeCheddar, signed
from werkzeug.serving import make_server

from tallyhook import AsyncClient, Client, PaymentInput, events
from tallyhook.review import Review
from tallyhook_mock import serve
from tallyhook_receiver import Cheddar, Receiver, Record, SharedKey

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
BODY = FakeCheddar().hook(activityType="subscriptionChanged")


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", max_body=10_000)

    @receiver.on(events.SubscriptionChanged)
    def moved(hook: events.SubscriptionChanged) -> None:
        pass

    yield receiver
    receiver.close()


def call(receiver: Receiver, method: str = "POST", body: bytes = BODY, **environ: Any) -> tuple[str, bytes]:
    """The status line and the body of a call, checked by wsgiref."""
    request: dict[str, Any] = {"REQUEST_METHOD": method, "wsgi.input": io.BytesIO(body), "QUERY_STRING": ""}
    request |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in signed(body).items()}
    request |= {"CONTENT_LENGTH": str(len(body)), "REMOTE_ADDR": "192.0.2.7"}
    request |= {"SCRIPT_NAME": "", "PATH_INFO": "/"} | environ
    setup_testing_defaults(request)
    said: list[str] = []

    def start_response(status: str, headers: Any, error: Any = None) -> Any:
        said.append(status)
        return io.BytesIO().write

    answer = validator(receiver.wsgi)(request, start_response)
    content = b"".join(answer)
    answer.close()  # type: ignore[attr-defined]  # the checker insists on it, and its type doesn't tell
    return said[0], content


def test_receives(receiver: Receiver) -> None:
    assert call(receiver) == ("200 OK", b"")
    assert call(receiver, PATH_INFO="/any/path") == ("200 OK", b"")


def test_refusals(receiver: Receiver) -> None:
    assert call(receiver, "GET")[0] == "405 Method Not Allowed"
    assert call(receiver, HTTP_X_CG_SIGNATURE="wrong")[0] == "401 Unauthorized"
    assert call(receiver, body=b"{}")[0] == "400 Bad Request"
    assert call(receiver, CONTENT_LENGTH="10001")[0].startswith("413 ")
    assert call(receiver, HTTP_COOKIE="x" * 20_000)[0].startswith("431 ")
    many = {f"HTTP_X_{number}": "" for number in range(100)}
    assert call(receiver, **many)[0].startswith("431 ")


def test_only_known_networks(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite", senders=["198.51.100.0/24"])
    assert call(receiver)[0] == "403 Forbidden"


def test_a_body_whose_length_is_not_announced(receiver: Receiver) -> None:
    chunked = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    assert call(receiver, **chunked)[0] == "200 OK"
    large = BODY + b" " * 10_000
    assert call(receiver, body=large, **chunked)[0].startswith("413 ")
    # Without either, the end of the body is unknown, so it isn't read.
    assert call(receiver, CONTENT_LENGTH="")[0] == "401 Unauthorized"


@pytest.mark.parametrize("arrived", [0, 1, len(b'{"type":"paid"}')])
def test_a_sender_that_leaves_within_the_body(tmp_path: Path, arrived: int) -> None:
    """Nothing is kept of the hook, even if what has arrived looks like one. The sender repeats it."""
    receiver = Receiver(SharedKey("shop", "key"), inbox=tmp_path / "inbox.sqlite")
    receiver.on("paid")(lambda event: pytest.fail("handled"))
    server = make_server("127.0.0.1", 0, receiver.wsgi)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=60) as connection:
        body = b'{"type":"paid"}   '
        head = f"POST / HTTP/1.1\r\nHost: x\r\nX-Api-Key: key\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[:arrived])
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    server.shutdown()
    thread.join()
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert receiver.run(kept(receiver)) == []
    receiver.close()


async def kept(receiver: Receiver) -> Sequence[Record]:
    await receiver.inbox.open()
    return await receiver.inbox.list()


class Endless(io.RawIOBase):
    """A body without an end, which counts the bytes that are asked for."""

    asked = 0

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.asked += size
        return b"x" * size


@pytest.mark.parametrize("announced", ["0" * 20 + str(10**8), "0" * 4000 + "10001", "9" * 4000, str(10**8)])
def test_no_more_of_a_body_is_read_than_the_limit(receiver: Receiver, announced: str) -> None:
    stream = Endless()
    status, _ = call(receiver, CONTENT_LENGTH=announced, **{"wsgi.input": stream})
    assert status.startswith("413 ")
    assert stream.asked <= 10_001


def test_a_length_with_zeros_before_it(receiver: Receiver) -> None:
    assert call(receiver, CONTENT_LENGTH="0" * 4000 + str(len(BODY)))[0] == "200 OK"
    headers = signed(BODY) | {"Content-Length": "0" * 10_000 + str(len(BODY))}
    assert receiver.answer("POST", headers, BODY).status == 200


def test_the_health_of_the_inbox(receiver: Receiver, tmp_path: Path) -> None:
    assert call(receiver, "GET", PATH_INFO="/healthz") == ("200 OK", b'{"health": "ok"}\n')
    assert call(receiver, "HEAD", PATH_INFO="/healthz") == ("200 OK", b"")
    nowhere = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "none" / "inbox.sqlite")
    status, content = call(nowhere, "GET", PATH_INFO="/healthz")
    assert (status, content) == ("503 Service Unavailable", b'{"health": "no inbox"}\n')
    nowhere.close()


def test_many_threads_at_once_are_one_handling(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite")
    handled: list[str] = []

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        await asyncio.sleep(0.05)
        handled.append(hook.customer.code)

    with ThreadPoolExecutor(16) as threads:
        answers = [
            future.result() for future in [threads.submit(call, receiver, "POST", BODY) for _ in range(32)]
        ]
    receiver.close()
    assert set(answers) == {("200 OK", b"")}
    assert handled == ["NORA"]


def test_reviews_share_one_client_whatever_thread_they_come_in(tmp_path: Path) -> None:
    """The client's connections belong to the receiver's event loop."""
    plans = [
        {
            "code": "PRO",
            "recurringChargeAmount": "20.00",
            "items": [{"code": "GB", "overageAmount": "2.00", "isPeriodic": True}],
        }
    ]
    catalog = {
        "users": [{"email": "ops@example.com", "password": "wick"}],
        "products": [{"code": "ACME", "secret": KEY, "plans": plans}],
    }
    with serve(catalog, start="2026-01-01T09:00:00Z") as server:
        access = ("ACME", "ops@example.com", "wick")
        product = Cheddar("ACME", KEY, AsyncClient(*access, base_url=server.xml))
        receiver = Receiver(product, inbox=tmp_path / "inbox.sqlite")

        @receiver.review
        def audit(review: Review) -> None:
            review.set_quantity("GB", 15)

        with wsgi_server(receiver.wsgi) as url, Client(*access, base_url=server.xml) as client:
            card = PaymentInput(
                cc_number="4111111111111111",
                cc_expiration="12/2030",
                cc_first_name="Ida",
                cc_last_name="Lamp",
                cc_zip="90210",
            )
            for code in ("C1", "C2", "C3"):
                client.new_customer(code, "Ida", "Lamp", "ida@example.com", "PRO", payment=card)
            server.listen(f"{url}/hooks", ["subscriptionBillable"])
            server.advance("32d")
            customers = [client.get_customer(code) for code in ("C1", "C2", "C3")]
        receiver.close()
    invoices = [customer.subscription.invoices[-2] for customer in customers]
    assert [[made.amount for made in invoice.transactions] for invoice in invoices] == [
        [Decimal("50.00")]
    ] * 3


@contextlib.contextmanager
def wsgi_server(app: Any) -> Iterator[str]:
    """A server with one thread per request."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_answer_without_an_event_loop_of_ones_own(receiver: Receiver) -> None:
    """As an AWS Lambda handler calls it."""
    for _ in range(3):
        assert receiver.answer("POST", signed(BODY), BODY).status == 200
    receiver.close()
    receiver.close()
    assert receiver.answer("POST", signed(BODY), BODY).status == 200  # opened again
    assert receiver.answer("POST", {}, BODY).status == 401


def test_answer_within_a_handler_would_wait_for_itself(tmp_path: Path) -> None:
    receiver = Receiver(Cheddar("ACME", KEY), inbox=tmp_path / "inbox.sqlite")
    raised: list[str] = []

    @receiver.on(events.SubscriptionChanged)
    async def moved(hook: events.SubscriptionChanged) -> None:
        with pytest.raises(RuntimeError, match="wait for itself") as error:
            receiver.answer("POST", {}, b"")
        raised.append(str(error.value))

    assert receiver.answer("POST", signed(BODY), BODY).status == 200
    receiver.close()
    assert raised


def document(what: str) -> str:
    """The block of docs/operations.md that contains this text."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if what in block]
    return str(found)


def test_mounted_in_flask_as_the_document_says(receiver: Receiver) -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "home")
    exec(document("DispatcherMiddleware"), {"app": app, "receiver": receiver})
    client = app.test_client()
    assert client.get("/").text == "home"
    assert client.get("/hooks/healthz").json == {"health": "ok"}
    answer = client.post("/hooks", data=BODY, headers=signed(BODY))
    assert (answer.status_code, answer.data) == (200, b"")


APPLICATION = """
import asyncio, os, sys, time
from pathlib import Path
from tallyhook import events
from tallyhook_receiver import Cheddar, Receiver, Record, SharedKey

here = Path({here!r})
receiver = Receiver(Cheddar("ACME", {key!r}), inbox=here / "inbox.sqlite", answer_within=0.2)
{before}

@receiver.on(events.SubscriptionChanged)
def moved(hook):
    time.sleep({seconds})
    with (here / "handled").open("a") as file:
        file.write(f"{{hook.customer.code}} {{os.getpid()}}\\n")

app = receiver.wsgi
"""


@contextlib.contextmanager
def gunicorn(folder: Path, *options: str, seconds: float = 0.0, before: str = "") -> Iterator[Any]:
    """Serve the application with gunicorn, yield its URL and process, and terminate it."""
    source = APPLICATION.format(here=str(folder), key=KEY, seconds=seconds, before=before)
    (folder / "wsgi_app.py").write_text(source)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "wsgi_app:app", "--bind", f"127.0.0.1:{port}"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--no-control-socket", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(url, timeout=60)
                break
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        finally:
            process.kill()


def hook_of(code: str) -> bytes:
    return FakeCheddar().hook(activityType="subscriptionChanged", customer={"id": code, "code": code})


@pytest.mark.parametrize(
    "options",
    [
        ("--preload", "--workers", "2", "--threads", "4"),
        ("--workers", "2", "--threads", "4"),
        ("--preload", "--workers", "2"),
    ],
    ids=["preloaded threads", "threads", "preloaded processes"],
)
def test_under_gunicorn(tmp_path: Path, options: tuple[str, ...]) -> None:
    codes = [f"C{number}" for number in range(12)]
    with gunicorn(tmp_path, *options) as (url, _), ThreadPoolExecutor(8) as threads:

        def deliver(code: str) -> int:
            body = hook_of(code)
            for _ in range(60):
                status = httpx.post(url, content=body, headers=signed(body), timeout=60).status_code
                if status != 503:  # another process has the same hook
                    break
                time.sleep(1)
            return status

        assert list(threads.map(deliver, codes * 2)) == [200] * 24
    handled = [line.split()[0] for line in (tmp_path / "handled").read_text().splitlines()]
    assert sorted(handled) == sorted(codes)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log, log


def test_gunicorn_ends_only_when_the_work_is_done(tmp_path: Path) -> None:
    body = hook_of("LATE")
    with gunicorn(tmp_path, "--preload", "--threads", "2", seconds=1.0) as (url, _):
        answer = httpx.post(url, content=body, headers=signed(body), timeout=60)
        assert (answer.status_code, answer.json()) == (503, {"hook": "in progress"})
        assert not (tmp_path / "handled").exists()
    assert (tmp_path / "handled").read_text().startswith("LATE ")
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log, log
    with gunicorn(tmp_path, "--threads", "2", seconds=1.0) as (url, _):
        assert httpx.post(url, content=body, headers=signed(body), timeout=60).status_code == 200
    assert len((tmp_path / "handled").read_text().splitlines()) == 1


def test_an_inbox_that_was_opened_before_the_fork_is_not_used(tmp_path: Path) -> None:
    """A fork copies no threads, and processes that share a SQLite connection corrupt the file."""
    with gunicorn(
        tmp_path, "--preload", before="assert receiver.run(receiver._health.answer()).status == 200"
    ) as (url, _):
        body = hook_of("C1")
        answer = httpx.post(url, content=body, headers=signed(body), timeout=60)
        assert (answer.status_code, answer.json()) == (503, {"hook": "no inbox"})
    assert "opened before the fork" in (tmp_path / "log").read_text()
