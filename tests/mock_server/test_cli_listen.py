"""`tallyhook listen`, as a process that is ended as a person ends it."""

import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve

from .command import ENVIRONMENT, SCRIPT, run
from .loopback import SECRET, Api, Received, catalog, listening


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        Api(running).subscribe("ida")
        yield running


@pytest.fixture(autouse=True)
def hangups_are_not_ignored() -> Iterator[None]:
    """The tests may run under nohup, and commands inherit what it ignores."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


class Listening:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def hook(self) -> Any:
        return json.loads(self.line())


@contextmanager
def listen(
    server: Server, *arguments: str, end: int = signal.SIGINT, within: Sequence[str] = ()
) -> Iterator[Listening]:
    command = [*within, SCRIPT, "listen", "--mock", server.url, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stderr is not None
        try:
            assert process.stderr.readline().startswith(f"listening to LANTERN at {server.url}")
            yield Listening(process)
        finally:
            process.send_signal(end)
            assert process.wait(60) == 0
        assert process.stderr.read() == ""


def trigger(server: Server, type: str) -> None:
    wish = {"type": type, "customer": "ida"}
    assert httpx.post(f"{server.url}/_mock/hooks", json=wish).status_code == 202


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_prints_verified_hooks_and_leaves_no_trace(server: Server, end: int) -> None:
    with listen(server, "--events", "transaction", "--events", "subscriptionBillable", end=end) as heard:
        trigger(server, "transaction")
        assert heard.line().split() == [
            "2026-01-01", "00:00:00", "transaction", "ida", "invoice", "#1", "204",
        ]  # fmt: skip
        (listener,) = httpx.get(f"{server.url}/_mock/listeners").json()["listeners"]
        assert listener["events"] == ["subscriptionBillable", "transaction"]
        forged = httpx.post(listener["url"], content=b"{}", headers={"X-CG-SIGNATURE": "0" * 64})
        assert forged.status_code == 401
        assert "not signed with the product's key" in heard.line()
    assert httpx.get(f"{server.url}/_mock/listeners").json()["listeners"] == []


# As a script starts a command with `&`, and as nohup does.
IN_THE_BACKGROUND = ("sh", "-c", 'trap "" INT HUP; exec "$@"', "sh")


def test_started_in_the_background_it_leaves_no_trace_either(server: Server) -> None:
    with listen(server, end=signal.SIGTERM, within=IN_THE_BACKGROUND) as heard:
        for ignored in (signal.SIGINT, signal.SIGHUP):
            heard.send_signal(ignored)
        trigger(server, "transaction")
        assert "transaction" in heard.line()
    assert httpx.get(f"{server.url}/_mock/listeners").json()["listeners"] == []


def test_it_passes_on_what_came_and_answers_what_came_back(server: Server) -> None:
    def answer(_: Received) -> int:
        return 503

    with listening(answer) as behind, listen(server, "--forward", behind.url, "--json") as heard:
        trigger(server, "subscriptionCanceled")
        line = heard.hook()
        assert (line["isVerified"], line["status"]) == (True, 503)
        assert line["hook"]["activityType"] == "subscriptionCanceled"
        server.settle()
        (hook,) = server.hooks()
        (attempt,) = hook.deliveries[0].attempts
        assert (attempt.status, attempt.answer) == (503, "x" * 2048)
        (passed,) = behind.received
        assert passed.body == hook.body
        assert {
            name.lower(): value for name, value in attempt.headers.items()
        }.items() <= passed.headers.items()


def test_who_is_behind_and_gone_is_no_acknowledgement(server: Server) -> None:
    with listening() as behind:
        gone = behind.url
    with listen(server, "--forward", gone, "--json") as heard:
        trigger(server, "transaction")
        assert heard.hook()["status"] == 502


def test_what_can_not_be_listened_to_is_said(server: Server) -> None:
    for arguments, complaint in (
        (("--forward", "localhost:8000"), "--forward: 'localhost:8000' is not a URL"),
        (("--product", "WICK"), "--product: there is no 'WICK'; the mock has LANTERN"),
        (("--events", "signup"), "signup: not one of newSubscription"),
    ):
        done = run("listen", *arguments, mock=server.url)
        assert (done.returncode, done.stdout) == (2, "")
        assert complaint in done.stderr
    assert SECRET not in done.stderr
