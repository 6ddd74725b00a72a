"""`tallyhook conform` as it is called, on a mock behind a real socket."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.cli import main
from tallyhook_mock.conform.probe import Probe
from tallyhook_mock.conform.probes import PROBES

PROMOTION = {"name": "Spring", "percentage": 20, "months": 3, "coupons": [{"code": "SPRING"}]}
CATALOG = {
    "users": [{"email": "me@example.com", "password": "secret"}],
    "products": [
        {"code": "TEST", "secret": "s", "ccZipDeclines": "90001", "promotions": [PROMOTION]},
        {"code": "OTHER", "secret": "s"},
    ],
    "rules": {"canceled_again": "refused", "new_card_while_held": "runs"},
}

SCRIPT = str(Path(sys.executable).with_name("tallyhook"))

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(CATALOG) as served:
        yield served


@pytest.fixture(autouse=True)
def _where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALLYHOOK_PASSWORD", "secret")


def run(*arguments: str) -> Done:
    return called("conform", *arguments)


def called(*arguments: str) -> Done:
    """As a process does it, in this one."""
    command, out, err = ["tallyhook", *arguments], io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Done(command, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


def account(server: Server) -> list[str]:
    return ["--base-url", f"{server.url}/xml", "--product", "TEST", "--user", "me@example.com"]


def left(server: Server) -> int:
    state = server.mock.state
    return len([*state.everybody()]) + len(state.hooks.listeners) + len(state.products["TEST"].plans)


def test_a_run_on_a_mock_whose_clock_it_moves(server: Server, tmp_path: Path) -> None:
    files = ["--html", "report.html", "--write", "rules.toml"]
    rules = ["canceled_again", "new_card_while_held", "month_end", "declined_one_time"]
    only = [part for rule in rules for part in ("--only", rule)]
    done = run(*account(server), "--advance", *files, *only, "--declining-zip", "90001")
    assert done.returncode == 1, done
    assert "4 rules: 2 as assumed, 2 different, 0 not found out, 0 waiting" in done.stdout
    written = (tmp_path / "rules.toml").read_text()
    assert written == '[rules]\ncanceled_again = "refused"\nnew_card_while_held = "runs"\n'
    assert '<h2 id="canceled_again">' in (tmp_path / "report.html").read_text()
    assert "secret" not in (tmp_path / "conform.json").read_text()
    assert left(server) == 0
    # Told of these rules, nothing is different; `continue` tells what was found once more.
    again = run("continue", "--rules", "rules.toml", "--json")
    assert again.returncode == 0, again
    assert {each["outcome"] for each in json.loads(again.stdout)} == {"as assumed"}


def test_a_run_that_waits_goes_on_or_is_cleaned(server: Server, tmp_path: Path) -> None:
    begun = run("start", *account(server), "--only", "new_card_while_held", "--wait", "0s")
    assert begun.returncode == 0, begun
    assert "new_card_while_held: waiting, continues at 20" in begun.stdout
    twice = run("start", *account(server))
    assert (twice.returncode, twice.stderr.count("\n")) == (2, 1)
    assert "is not finished: run `tallyhook conform continue` or `clean`" in twice.stderr
    gone_on = run("continue", "--advance")
    assert (gone_on.returncode, gone_on.stdout.count("different, runs")) == (1, 1), gone_on
    assert left(server) == 0


def test_a_run_is_cleaned(server: Server) -> None:
    assert run("start", *account(server), "--only", "new_card_while_held", "--wait", "0s").returncode == 0
    assert left(server) > 3
    cleaned = run("clean")
    assert cleaned.stdout == "Removed 1 customers. Nothing of the run is left in TEST.\n"
    assert left(server) == 0
    again = run("clean")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "conform.json doesn't exist: start with `tallyhook conform start`" in again.stderr


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (["--product", "NONE"], "refuses me@example.com"),
        (["--base-url", "ftp://x"], "--base-url: 'ftp://x' is not a URL such as"),
        (["--base-url", "http://127.0.0.1:1/xml"], "no answer from http://127.0.0.1:1/xml"),
        (["--only", "month_ends"], "--only: there is no probe of 'month_ends'"),
        (["--wait", "soon"], "--wait: 'soon' is not a duration"),
        (["--listen", "nowhere"], "--listen: 'nowhere' is not an address such as 127.0.0.1:8700"),
        (["--rules", "none.toml"], "none.toml has no readable [rules]"),
        (["--state", "none/state.json"], "none/state.json can't be written"),
    ],
)
def test_what_is_wrong_is_one_line(server: Server, tmp_path: Path, changed: list[str], told: str) -> None:
    done = run("start", *account(server), *changed)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done
    assert told in done.stderr
    assert left(server) == 0


@pytest.mark.parametrize("command", ["start", "continue", "clean"])
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_password_that_nobody_can_be_asked_for(server: Server, command: str, is_begun: bool) -> None:
    begin = ["start", *account(server), "--only", "new_card_while_held", "--wait", "0s"]
    if is_begun:
        assert run(*begin).returncode == 0
    done = subprocess.run(
        [SCRIPT, "conform", *(begin if command == "start" else [command])],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        env={name: value for name, value in os.environ.items() if name != "TALLYHOOK_PASSWORD"},
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done
    if is_begun == (
        command == "start"
    ):  # a run to continue or clean is missing, or is in the way of a new one
        assert "TALLYHOOK_PASSWORD" not in done.stderr
        assert "conform.json" in done.stderr
    else:
        assert "the password is missing: set TALLYHOOK_PASSWORD, or pass --password" in done.stderr
    if is_begun:
        assert run("clean").returncode == 0
    assert left(server) == 0


def test_a_wrong_password(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALLYHOOK_PASSWORD", "other")
    done = run("start", *account(server))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done
    assert "(401: Authentication required): check the user, the password and the product TEST" in done.stderr
    assert not (tmp_path / "conform.json").exists()


def test_calls_are_recorded_and_compared(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [SCRIPT, "record", "--upstream", f"{server.url}/xml", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as proxy:
        assert proxy.stderr is not None
        try:
            told = proxy.stderr.readline()
            url = told.partition(" at ")[2].partition(";")[0]
            assert url.endswith("/xml"), told
            auth = ("me@example.com", "secret")
            assert httpx.get(f"{url}/promotions/get/productCode/TEST", auth=auth).status_code == 200
            assert httpx.get(f"{url}/customers/get/productCode/TEST/code/no", auth=auth).status_code == 404
        finally:
            proxy.send_signal(signal.SIGINT)
            assert proxy.wait(30) == 0
        assert proxy.stderr.read() == "2 calls are in recording.jsonl\n"
    compared = called("compare", "recording.jsonl")
    assert compared.stdout == "2 calls: 2 the same, 0 with differences, 0 left out\n", compared
    recorded = (tmp_path / "recording.jsonl").read_text()
    changed = recorded.replace("Spring", "Autumn", 1).replace('"status":200', '"status":500')
    (tmp_path / "recording.jsonl").write_text(changed)
    differing = called("compare", "recording.jsonl", "--json")
    assert differing.returncode == 1
    found = [each["path"] for call in json.loads(differing.stdout) for each in call["differences"]]
    assert found[0] == "HTTP status"
    shown = called("compare", "recording.jsonl")
    assert "  HTTP status\n    recorded: 500\n    mock:     200\n" in shown.stdout


@pytest.mark.parametrize(
    ("calls", "told"),
    [
        (0, "0 calls: 0 the same, 0 with differences, 0 left out\n"),
        (1, "1 calls: 0 the same, 0 with differences, 1 left out\n"),
        (2, "2 calls: 0 the same, 0 with differences, 2 left out\n"),
    ],
)
def test_a_comparison_of_no_call_is_no_success(tmp_path: Path, calls: int, told: str) -> None:
    call = {
        "at": "2026-01-01T00:00:00Z",
        "method": "GET",
        "call": "customers/get",
        "path": [["productCode", "ACME"], ["code", "older"]],
        "query": [],
        "form": [],
        "status": 200,
        "document": '<customers><customer code="older"/></customers>',
    }
    (tmp_path / "recording.jsonl").write_text(f"{json.dumps(call)}\n" * calls)
    compared = called("compare", "recording.jsonl")
    assert compared.returncode == 2
    assert compared.stdout.endswith(told)
    assert compared.stderr == "tallyhook: no call of recording.jsonl can be compared\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compare", "none.jsonl"], "none.jsonl can't be read: No such file or directory"),
        (["record", "--upstream", "getcheddar.com"], "--upstream: 'getcheddar.com' is not a URL such as"),
        (
            ["record", "--upstream", "http://x", "--to", "none/file"],
            "none/file can't be written: No such",
        ),
        (["record", "--upstream", "http://x", "--host", "192.0.2.1"], "can't listen at 192.0.2.1:8422"),
    ],
)
def test_what_can_not_be_recorded_or_compared_is_one_line(arguments: list[str], told: str) -> None:
    done = called(*arguments)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, ""), done
    assert told in done.stderr


def test_after_an_interrupt_it_says_how_to_go_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(visit: object) -> None:
        raise KeyboardInterrupt

    probe = Probe("tax_rounding", (interrupted,))
    monkeypatch.setitem(PROBES, "tax_rounding", probe)  # type: ignore[arg-type] # it is a dict
    done = run("start", *account(server), "--only", "tax_rounding")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(
        "interrupted; `tallyhook conform continue` resumes, `tallyhook conform clean` deletes everything\n"
    )
    assert run("clean").returncode == 0
    assert left(server) == 0
