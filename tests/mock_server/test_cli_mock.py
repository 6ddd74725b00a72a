"""The command line, as a process."""

import os
import re
import signal
import socket
import subprocess
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import TextIO

import httpx
import pytest

import tallyhook
from tallyhook import chargemonk, cleverbridge, fusebill
from tallyhook_mock.catalog.reading import load_catalog
from tallyhook_mock.server import bind

COMMAND = [sys.executable, "-c", "from tallyhook_mock.cli import main; main()"]
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False
    )


@contextmanager
def running(*arguments: str, stderr: TextIO | None = None, **variables: str) -> Iterator[str]:
    """What `tallyhook mock` says when it serves; stopped as a person stops it."""
    command = [*COMMAND, "mock", "--port", "0", *arguments]
    environment = ENVIRONMENT | variables
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            banner = ""
            while "╰" not in banner:
                line = process.stdout.readline()
                assert line, banner
                banner += line
            yield banner
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def root(banner: str) -> str:
    found = re.search(r"(https?://\S+)/_mock", banner)
    assert found
    return found[1]


def test_the_version_is_told() -> None:
    assert run("--version").stdout == f"tallyhook {tallyhook.__version__}\n"


def test_the_mock_alone_has_something_to_sell() -> None:
    with running() as banner:
        assert "ops@example.com / cheddar" in banner
        assert "acme-secret-key" in banner
        url = root(banner)
        answer = httpx.get(f"{url}/xml/plans/get/productCode/ACME", auth=("ops@example.com", "cheddar"))
        assert answer.status_code == 200
        assert 'code="SMALL"' in answer.text
        assert httpx.get(f"{url}/_mock/clock").json()["mode"] == "real"


def test_the_addresses_that_it_prints_are_those_that_clients_need() -> None:
    with running() as banner:
        urls = dict(re.findall(r"│ (\w+) +(https?://\S+)", banner))
        with tallyhook.Client("ACME", "ops@example.com", "cheddar", base_url=urls["Cheddar"]) as first:
            assert first.get_plans()
        with (
            cleverbridge.Client("ops@example.com", "cheddar", base_url=urls["Cleverbridge"]) as second,
            pytest.raises(tallyhook.APIError, match="S1001"),
        ):
            second.get_subscription("S1001")
        with (
            fusebill.Client("secret", base_url=urls["Fusebill"]) as third,
            pytest.raises(tallyhook.Unauthorized, match="an API key is required"),
        ):
            third.get_subscription(1)
        with (
            chargemonk.Client("secret", base_url=urls["Chargemonk"]) as fourth,
            pytest.raises(tallyhook.Unauthorized, match="api_token"),
        ):
            fourth.list_invoices()


def test_the_collector_of_a_process_that_only_serves_seldom_looks_at_everything() -> None:
    program = "import atexit, gc; atexit.register(lambda: print(gc.get_threshold()[2])); "
    command = [*COMMAND[:2], program + COMMAND[2], "mock", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        while "╰" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0].split() == ["100"]


def test_brackets_in_a_catalogue_are_only_text(tmp_path: Path) -> None:
    """rich would take them for markup: drop them from a secret, or fail at a closing one."""
    file = tmp_path / "catalog.toml"
    file.write_text(
        '[[users]]\nemail = "a@b.example"\npassword = "x"\n[product]\ncode = "[b]ONE[/i]"\n'
        'secret = "s[red]ecret[/q]"\n[[product.plans]]\ncode = "[u]P"\nname = "P"\n'
        '[[product.listeners]]\nurl = "http://127.0.0.1:9/[hooks]"\n'
    )
    with running("--catalog", str(file)) as banner:
        for written in ("[b]ONE[/i] ([u]P)", "secret s[red]ecret[/q]", "http://127.0.0.1:9/[hooks]"):
            assert written in banner


def test_what_a_client_asks_for_does_not_control_the_terminal() -> None:
    """Any page in a browser can make the browser ask."""
    command = [*COMMAND, "mock", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        banner = ""
        while "╰" not in banner:
            banner += process.stdout.readline()
        control = "%1b]0;title%07%1b[2J%c2%9b2J%e2%80%ae%0d"
        for path in (f"/xml/{control}/x", f"/xml/customers/get/productCode/ACME/code/{control}"):
            httpx.get(f"{root(banner)}{path}", auth=("ops@example.com", "cheddar"))
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[0]
    assert "]0;title" in said
    assert {letter for letter in said if unicodedata.category(letter) in ("Cc", "Cf")} == {"\n"}


def test_a_catalogue_a_start_and_a_frozen_clock(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(
        '[[users]]\nemail = "a@b.example"\npassword = "hidden"\n[product]\ncode = "ONE"\nsecret = "s"\n'
        '[[product.listeners]]\nurl = "http://127.0.0.1:9/hooks"\n'
    )
    with running("--catalog", str(file), "--start", "2026-03-04T05:06:07Z", "--frozen") as banner:
        assert "a@b.example" in banner
        assert "hidden" not in banner
        assert "2026-03-04 05:06:07 UTC, frozen" in banner
        assert "http://127.0.0.1:9/hooks (ONE: all hooks)" in banner
        shown = httpx.get(f"{root(banner)}/_mock/clock").json()
        assert shown == {"now": "2026-03-04T05:06:07+00:00", "mode": "frozen"}


def test_a_saved_state_is_what_is_served_and_shown(tmp_path: Path) -> None:
    """Neither the catalogue nor the clock of the command line is served again, so neither may be shown."""
    file, errors = tmp_path / "world", tmp_path / "errors"
    with running("--state", str(file), "--frozen", "--start", "2026-01-01") as banner:
        assert run("clock", "advance", "1mo", "--mock", root(banner)).returncode == 0
    catalog = tmp_path / "other.json"
    catalog.write_text(
        '{"users": [{"email": "b@c.example", "password": "long enough"}],'
        ' "products": [{"code": "OTHER", "secret": "other-secret"}]}'
    )
    with (
        errors.open("w") as written,
        running(
            "--state", str(file), "--catalog", str(catalog), "--seed", "7", "--real", stderr=written
        ) as banner,
    ):
        assert "2026-02-01 00:00:00 UTC, frozen" in banner
        assert "ACME" in banner
        assert "OTHER" not in banner
        assert "ops@example.com" in banner
        assert run("clock", "show", "--mock", root(banner)).stdout.startswith("clock  2026-02-01")
    assert "these options have no effect: --catalog, --real, --seed; delete" in errors.read_text()


def test_nobody_is_on_this_machine_because_a_header_says_so() -> None:
    forged = {"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
    with (
        running("--host", "0.0.0.0", "--console-token", "an open secret", FORWARDED_ALLOW_IPS="*") as banner,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as towards,
    ):
        towards.connect(("192.0.2.1", 9))  # sends nothing, and tells this machine's own address
        away, port = towards.getsockname()[0], root(banner).rpartition(":")[2]
        if ip_address(away).is_loopback:
            pytest.skip("this machine has no address but its loopback")
        with httpx.Client(base_url=f"http://{away}:{port}", trust_env=False) as client:
            for path in ("/_mock/clock", "/_mock/listeners"):
                answer = client.get(path, headers=forged | {"Host": "localhost"})
                assert (answer.status_code, "on this machine only" in answer.text) == (403, True)
            assert client.get("/", headers=forged | {"Host": "localhost"}).status_code == 403


def test_a_catalogue_with_a_byte_order_mark(tmp_path: Path) -> None:
    """As Windows' editors write it."""
    toml, as_json = tmp_path / "catalog.toml", tmp_path / "catalog.json"
    toml.write_text('[product]\ncode = "ONE"\nsecret = "s"\n', "utf-8-sig")
    as_json.write_text('{"product": {"code": "ONE", "secret": "s"}}', "utf-8-sig")
    assert load_catalog(toml) == load_catalog(as_json) == {"product": {"code": "ONE", "secret": "s"}}


def test_tls_names_the_authority(tmp_path: Path) -> None:
    with running("--tls", "--tls-dir", str(tmp_path), "--hostname", "billing.test") as banner:
        assert str(tmp_path / "ca.pem") in banner
        assert root(banner).startswith("https://")


def test_what_can_not_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('[[users]]\nemail = "a@b.example"\n')
    with bind("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        for arguments, complaint in [
            (("--port", port), f"port {port} is in use; choose another with --port N"),
            (("--host", "no.such.host.invalid"), "can't listen at no.such.host.invalid:8421: "),
            (("--catalog", str(broken)), f"{broken}: users[0].password: a value is required"),
            (("--catalog", str(tmp_path / "none.toml")), "none.toml: No such file or directory"),
            (("--start", "soon"), "--start: 'soon' is not an ISO 8601 moment"),
            (("--start", "9999-01-01"), "--start: 9999-01-01T00:00:00+00:00 is out of range: "),
            (("--hostname", "billing.test"), "--hostname works only with --tls"),
            (("--tls-dir", "certificates"), "--tls-dir works only with --tls"),
            (("--console-token", ""), "--console-token: a value is required"),
            (("--tls", "--tls-dir", str(broken)), f"can't create a certificate in {broken}: "),
        ]:
            done = run("mock", *arguments)
            assert done.returncode == 2, done
            assert complaint in done.stderr
            assert done.stderr.count("\n") == 1
            assert done.stdout == ""


MOCKS_OWN = ("cryptography", "httptools", "jinja2", "respx", "starlette", "uvicorn")


def run_without(missing: Sequence[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where some libraries are not installed."""
    code = f"import sys; sys.modules.update(dict.fromkeys({missing!r})); {COMMAND[-1]}"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENVIRONMENT, check=False)


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("click", ["inbox"]),
        ("rich", ["inbox"]),
        ("uvicorn", ["mock"]),
        ("starlette", ["demo"]),
        ("cryptography", ["mock", "--tls", "--port", "0"]),
    ],
)
def test_a_missing_extra_is_named(missing: str, arguments: list[str]) -> None:
    done = run_without([missing], *arguments)
    assert done.returncode == 2
    assert done.stderr == f"tallyhook: {missing} is missing; pip install 'tallyhook[mock]'\n"


def test_what_looks_after_a_receiver_needs_nothing_of_the_mocks(tmp_path: Path) -> None:
    body = tmp_path / "hook.json"
    body.write_bytes(b"{}")
    for arguments, code, told in [
        (("--help",), 0, "doctor"),
        (("inbox", "list", "--inbox", str(tmp_path / "none.sqlite")), 2, "the file does not exist"),
        (("doctor", "--url", "http://127.0.0.1:9/hooks"), 1, "TALLYHOOK_KEYS is not set"),
        (("verify", str(body), "--key", "wick", "--signature", "00"), 1, "was cut, or is not Cheddar's"),
    ]:
        done = run_without(MOCKS_OWN, *arguments)
        assert done.returncode == code, done
        assert told in done.stdout + done.stderr


def test_the_console_has_a_door_for_other_machines_if_there_is_a_token() -> None:
    for arguments in ((), ("--console-token", "an open secret")):
        with running(*arguments) as banner:
            assert re.search(r"console +http", banner)
            assert "an open secret" not in banner
            url = root(banner)
            assert httpx.get(url).status_code == 200
            away = httpx.get(url, headers={"Host": "mock.example"})
            assert away.status_code == 403
            assert ("The token that the mock was started with" in away.text) is bool(arguments)
