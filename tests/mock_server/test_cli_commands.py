"""Commands on a running mock, each as a process."""

import shutil
import subprocess
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tallyhook_mock import Server, serve
from tallyhook_mock.core.hooks import DeliveryState
from tallyhook_mock.server import bind
from tallyhook_mock.systems.cheddar.model import OUTSTANDING

from .command import ENVIRONMENT, SCRIPT, Command, run
from .loopback import Api, catalog, listening


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        yield running


@pytest.fixture
def command(server: Server) -> Command:
    return Command(server.url)


def test_what_a_listener_answers_does_not_control_the_terminal(
    server: Server, command: Command, tmp_path: Path
) -> None:
    hostile = "\x1b]0;title\x07\x1b[2J\x9b2J\u202e\r\x08 [/b]".encode()
    with answering(hostile) as url:
        server.listen(url, ["newSubscription"])
        Api(server).subscribe("\u202eida [/b]")
        server.settle()
        (hook,) = command.gives("hooks", "list")
        again = ("hooks", "replay", hook["id"])
        assert command.gives("hooks", "show", hook["id"])["deliveries"][0]["attempts"][0]["answer"]
        for arguments in (
            ("hooks", "show", hook["id"]),
            ("hooks", "show", hook["id"], "--json"),
            ("hooks", "list"),
            again,
            ("customers",),
            ("customers", "--json"),
            ("calls",),
        ):
            done = run(*arguments, mock=server.url)
            said = done.stdout + done.stderr
            assert "Traceback" not in said
            assert {letter for letter in said if unicodedata.category(letter) in ("Cc", "Cf")} <= {
                "\n",
                "\t",
            }, arguments
        assert "]0;title" in run("hooks", "show", hook["id"], mock=server.url).stdout


@contextmanager
def answering(content: bytes) -> Iterator[str]:
    """A listener that refuses every hook with these bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(500)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}/hooks"
        finally:
            listener.shutdown()
            thread.join()


def test_the_clock_is_shown_moved_and_switched(server: Server, command: Command) -> None:
    Api(server).subscribe("ida")
    assert command.says("clock", "show") == "clock  2026-01-01 00:00:00 UTC, frozen\n"
    told = command.says("clock", "advance", "1mo")
    assert told.startswith("clock  2026-02-01 00:00:00 UTC, frozen\n")
    assert any(line.split() == ["transaction", "1"] for line in told.splitlines())
    assert "Nothing was due in this time." in command.says("clock", "to", "2026-02-03T04:05")
    assert command.gives("clock", "show") == {"now": "2026-02-03T04:05:00+00:00", "mode": "frozen"}
    assert command.gives("clock", "real")["mode"] == "real"
    assert command.gives("clock", "frozen")["mode"] == "frozen"
    assert "is in the past" in command.complains(2, "clock", "to", "2026-01-01")


def test_customers_and_their_invoices(server: Server, command: Command) -> None:
    assert "`tallyhook seed 10`" in command.says("customers")
    with listening(lambda _: 500) as listener:
        server.listen(listener.url, ["subscriptionBillable"])
        Api(server).subscribe("ida [of] lamp/1")
        Api(server).call("customers/add-item-quantity", code="ida [of] lamp/1", itemCode="OIL", quantity="5")
        server.advance("1mo")
        (shown,) = command.gives("customers")
        assert (shown["plan"], shown["current"], shown["outstanding"]) == ("GLOW", "20.00", "27.50")
        assert shown["outstandingState"] == "held"
        assert "ida [of] lamp/1" in command.says("customers")

        told = command.says("invoice", "ida [of] lamp/1", "--outstanding")
        lines = [line.split() for line in told.splitlines()]
        assert ["invoice", "#2", "of", "ida", "[of]", "lamp/1,", "the", "outstanding", "one"] in lines
        assert ["OIL", "5", "used,", "2", "included"] in lines
        assert ["OIL", "item", "3", "2.50", "7.50"] in lines
        assert ["total", "27.50"] in lines
    current = command.gives("invoice", "ida [of] lamp/1")
    assert (current["number"], current["state"], current["total"]) == (3, "open", "20.00")
    assert "GLOW_RECURRING   recurring, projected" in command.says("invoice", "ida [of] lamp/1")
    paid = command.says("invoice", "ida [of] lamp/1", "--number", "1")
    assert "20.00 approved: SIMULATED approved payment" in paid
    assert command.complains(1, "invoice", "ida [of] lamp/1", "--number", "7") == (
        "ida [of] lamp/1 has no invoice #7; there is #3, #2, #1"
    )
    assert command.complains(1, "invoice", "eve") == "Customer not found"


def test_listeners_are_added_paused_resumed_and_removed(server: Server, command: Command) -> None:
    assert "`tallyhook listeners add URL`" in command.says("listeners", "list")
    with listening() as listener:
        made = command.gives("listeners", "add", listener.url, "--events", "newSubscription")
        assert made["events"] == ["newSubscription"]
        assert "is paused" in command.says("listeners", "pause", listener.url)
        assert "paused" in command.says("listeners", "list")
        Api(server).subscribe("ida")
        server.settle()
        assert not listener.received
        assert "gets hooks again" in command.says("listeners", "resume", made["id"][:8])
        server.settle()
        assert [hook.type for hook in listener.received] == ["newSubscription"]
        other = command.gives("listeners", "add", f"{listener.url}/other")
        assert command.gives("listeners", "remove", other["id"])["id"] == other["id"]
        assert command.says("listeners", "remove", made["id"]).endswith(" is removed\n")
    assert command.gives("listeners", "list") == []
    assert "no listener is called" in command.complains(1, "listeners", "remove", made["id"])
    assert "not one of newSubscription" in command.complains(
        2, "listeners", "add", "http://localhost/", "--events", "signup"
    )


@pytest.mark.parametrize(
    ("first", "second", "is_told"),
    [
        ((), (), True),
        ((), ("--events", "newSubscription"), True),
        (("--events", "newSubscription"), ("--events", "newSubscription"), True),
        (("--events", "newSubscription"), ("--events", "transaction"), False),
        ((), ("--system", "fusebill"), False),
    ],
)
def test_a_url_that_gets_hooks_twice_is_told(
    command: Command, first: tuple[str, ...], second: tuple[str, ...], is_told: bool
) -> None:
    url = "http://127.0.0.1:9/hooks"
    before = command.gives("listeners", "add", url, *first)["id"]
    done = run("listeners", "add", url, *second, mock=command.url)
    assert (done.returncode, "now gets hooks" in done.stdout) == (0, True)
    assert ("has the same URL, which now gets its hooks twice" in done.stderr) is is_told
    assert (before[:8] in done.stderr) is is_told


@pytest.mark.parametrize("arguments", ["hooks list", "calls", "faults add dropAfter"])
@pytest.mark.parametrize(("code", "is_known"), [("ida", True), ("idaa", False), ("a/b", False)])
def test_an_unknown_customer_is_told(server: Server, arguments: str, code: str, is_known: bool) -> None:
    Api(server).subscribe("ida")
    done = run(*arguments.split(), "--customer", code, mock=server.url)
    assert (done.returncode, bool(done.stdout)) == (0, True)
    assert done.stderr == ("" if is_known else f"tallyhook: --customer: there is no {code!r}\n")


def test_a_listener_that_is_removed_lets_invoices_go(server: Server, command: Command) -> None:
    for customer in ("ida", "ben"):
        Api(server).subscribe(customer)
    with listening(lambda _: 307) as moved, listening(lambda _: 500) as broken:
        for url in (moved.url, broken.url):
            server.listen(url, ["subscriptionBillable"])
        server.advance("1mo")
        # The other one is waited for still.
        assert command.says("listeners", "remove", moved.url).endswith(" is removed\n")
        server.listen(moved.url, ["subscriptionBillable"])  # no help for what is held
        told = command.says("listeners", "remove", broken.url)
        assert told.endswith(" is removed; 2 held invoices are released without its answer\n")
    server.advance("1h")
    for customer in ("ida", "ben"):
        assert Api(server).invoices(customer)[1].findtext("paidTransactionId")


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (
            "80",
            [
                "2026-02-01 00:00:00   hookNotDelivered  system",
                "                      subscriptionBillable to http://127.0.0.1:9/hooks:",
                "                      connection refused by 127.0.0.1:9",
            ],
        ),
        (
            "",  # into a pipe
            [
                "026-02-01 00:00:00\thookNotDelivered\t\t\tsubscriptionBillable to "
                "http://127.0.0.1:9/hooks: connection refused by 127.0.0.1:9\tsystem"
            ],
        ),
    ],
)
def test_a_timeline_can_be_read_anywhere(server: Server, columns: str, lines: list[str]) -> None:
    Api(server).subscribe("ida")
    server.listen("http://127.0.0.1:9/hooks", ["subscriptionBillable"])
    server.advance("1mo")
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "COLUMNS"}
    environment |= {"COLUMNS": columns} if columns else {}
    command = [SCRIPT, "timeline", "ida", "--mock", server.url]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
    shown = "\n".join(line.strip() and line[1:].rstrip() for line in told.stdout.splitlines())
    assert "\n".join(lines) in shown


@pytest.mark.parametrize("name", ["é/x", "a/b/restore", "/", "-1", "%2F"])
def test_a_snapshot_with_any_name_is_said_to_be_missing(command: Command, name: str) -> None:
    command.says("snapshot", "save", "before")
    for verb in ("restore", "delete"):
        why = command.complains(1, "snapshot", verb, name)
        assert why == f"there is no snapshot {name!r}; existing snapshots: before"


def test_hooks_are_listed_shown_retried_canceled_and_replayed(server: Server, command: Command) -> None:
    status = 500
    with listening(lambda _: status) as listener:
        server.listen(listener.url, ["newSubscription", "subscriptionBillable"])
        Api(server).subscribe("ida")
        server.settle()
        (hook,) = command.gives("hooks", "list", "--state", "pending", "--customer", "ida")
        name = hook["id"][:8]
        told = command.says("hooks", "list", "--type", "newSubscription")
        assert f"{name}   2026-01-01 00:00:00   newSubscription   ida" in told
        assert "pending after 1, last 500" in told
        told = command.says("hooks", "show", name)
        for said in (
            f"to {listener.url}: pending, next at 2026-01-01 00:01:00",
            "1. 2026-01-01 00:00:00  500",
            f"> X-CG-SIGNATURE: {listener.received[0].headers['x-cg-signature']}",
        ):
            assert said in told
        assert "retry it instead" in command.complains(1, "hooks", "replay", name)
        status = 200
        assert " 200 in " in command.says("hooks", "retry", name)
        assert command.gives("hooks", "show", name)["isSettled"]
        assert "replay it instead" in command.complains(1, "hooks", "retry", name)
        assert command.gives("hooks", "replay", name)["isSettled"]
        assert len(listener.received) == 3
        assert "200, replay" in command.says("hooks", "list")
        status = 500
        server.advance("1mo")
        (held,) = command.gives("hooks", "list", "--limit", "1")
        shown = [line.split() for line in command.says("hooks", "show", held["id"]).splitlines()]
        assert ["invoice", "#2"] in shown
        assert "is canceled" in command.says("hooks", "cancel", held["id"])
        server.advance("1h")
        assert Api(server).invoices("ida")[1].findtext("paidTransactionId")
    assert "no hook is called" in command.complains(1, "hooks", "show", "nix")
    assert "hooks are called" in command.complains(1, "hooks", "show", "1e39")


def test_lists_can_be_narrowed_to_every_state(server: Server, command: Command) -> None:
    Api(server).subscribe("ida")
    Api(server).call("customers/cancel", code="ida")
    server.advance("2mo")
    for hook_state in DeliveryState:
        assert command.gives("hooks", "list", "--state", hook_state.value) == []
    for state in ("active", "canceled", *OUTSTANDING):
        found = [each["code"] for each in command.gives("customers", "list", "--state", str(state))]
        assert found == (["ida"] if state in ("canceled", "lapsed") else [])


def test_a_triggered_hook_is_signed_and_holds_nothing(server: Server, command: Command) -> None:
    Api(server).subscribe("ida")
    assert "no listener of LANTERN wants transaction hooks" in command.complains(
        2, "trigger", "transaction", "--customer", "ida"
    )
    with listening() as listener:
        server.listen(listener.url, ["subscriptionBillable"])
        told = command.says("trigger", "subscriptionBillable", "--customer", "ida", "--early")
        assert "subscriptionBillable about ida" in told
        (hook,) = listener.received
        assert (hook.type, hook.customer) == ("subscriptionBillable", "ida")
    assert command.gives("invoice", "ida")["state"] == "open"
    assert command.complains(1, "trigger", "transaction", "--customer", "eve") == "Customer not found"
    assert "'signup' is not one of" in command.complains(2, "trigger", "signup", "--customer", "ida")


def test_faults_are_planned_listed_and_cleared(command: Command) -> None:
    assert "No faults are planned" in command.says("faults", "list")
    wish = ("--status", "503", "--retry-after", "7", "--action", "customers/get", "--times", "2")
    made = command.gives("faults", "add", "error", *wish)
    assert (made["status"], made["retryAfter"], made["times"]) == (503, 7, 2)
    assert command.says("faults", "add", "reorder", "--by", "5min") == "reorder is planned\n"
    told = command.says("faults", "list")
    assert "action=customers/get" in told
    assert "by=300s" in told
    assert "unknown" in command.complains(2, "faults", "add", "lock", "--seconds", "1")
    assert command.says("faults", "clear") == "all faults are cleared\n"
    assert command.gives("faults", "list") == []
    command.says("faults", "add", "reorder", "--by", "5min")
    assert command.gives("faults", "clear") == []


def test_who_can_not_be_reached_is_said_in_one_line() -> None:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    for url, complaint in (
        (f"http://127.0.0.1:{port}", "start one with `tallyhook mock`, or name it with --mock URL"),
        ("localhost:8421", "is not a URL such as http://127.0.0.1:8421"),
    ):
        done = run("clock", "show", "--mock", url)
        assert (done.returncode, done.stdout) == (2, "")
        assert complaint in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["localhost:8421", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://"])
def test_a_wrong_url_is_blamed_on_where_it_stands(url: str) -> None:
    for done, where in (
        (run("clock", mock=url), "TALLYHOOK_MOCK"),
        (run("clock", "--mock", url, mock="http://127.0.0.1:8421"), "--mock"),
    ):
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"tallyhook: {where}: {url!r} is not a URL")


@pytest.mark.parametrize("end", ["/_mock", "/_mock/"])
def test_the_address_of_the_control_api_is_not_the_mocks(server: Server, end: str) -> None:
    for words in (("clock",), ("customers",), ("invoice", "ida"), ("clock", "advance", "1d")):
        done = run(*words, mock=f"{server.url}{end}")
        assert (done.returncode, done.stdout) == (2, "")
        assert "is the address of the control API: leave out /_mock" in done.stderr


@pytest.mark.parametrize("type", ["", "subscriptionBilable", "SubscriptionBillable", "customers/new"])
def test_hooks_of_an_unknown_type_are_not_just_missing(server: Server, command: Command, type: str) -> None:
    assert command.complains(2, "hooks", "list", "--type", type).startswith("type: one of newSubscription,")
    assert httpx.get(f"{server.url}/_mock/hooks", params={"type": type}).status_code == 400
    for known in ("subscriptionBillable", "CustomerCreated"):
        assert command.gives("hooks", "list", "--type", known) == []


def test_a_mock_that_speaks_tls_is_trusted_if_it_is_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(catalog(), tls=True) as server:
        assert server.authority is not None
        command = Command(server.url)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert "certificate verify failed" in command.complains(2, "clock", "show")
        (tmp_path / "tallyhook" / "tls").mkdir(parents=True)
        shutil.copy(server.authority, tmp_path / "tallyhook" / "tls" / "ca.pem")
        assert command.gives("clock", "show")["mode"] == "frozen"


def test_several_products_have_to_be_told_apart() -> None:
    second = {"code": "WICK", "secret": "s", "plans": [{"code": "W"}]}
    with serve(catalog()) as server:
        command = Command(server.url)
        server.call(lambda: server.mock.add_catalog({"products": [second]}))
        Api(server).subscribe("ida")
        command.says("customers", "add", "eve", "--plan", "W", "--product", "WICK")
        shown = [
            (words[0], words[3])
            for line in command.says("customers").splitlines()
            if len(words := line.split()) > 3
        ]
        assert ("ida", "LANTERN") in shown
        assert ("eve", "WICK") in shown
        (eve,) = command.gives("customers", "--product", "WICK")
        assert (eve["product"], eve["code"]) == ("WICK", "eve")
        assert command.gives("invoice", "eve")["plan"] == "W"  # only one product has an eve
        for wrong in (
            ("customers", "--product", "WIK"),
            ("hooks", "list", "--product", "WIK"),
            ("calls", "--product", "WIK"),
            ("timeline", "ida", "--product", "WIK"),
        ):
            assert "there is no 'WIK'; the mock has LANTERN, WICK" in command.complains(2, *wrong)
        assert "one of LANTERN, WICK is required" in command.complains(
            2, "customers", "add", "max", "--plan", "W"
        )
        assert "no product has a customer 'max'" in command.complains(1, "bill", "max")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_is_printed(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0, done
    assert f"_TALLYHOOK_COMPLETE={shell}_complete" in done.stdout


def completed(url: str, *words: str) -> set[str]:
    """What the script is told for these words, the last of which is being typed."""
    done = run(
        mock=url,
        _TALLYHOOK_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["tallyhook", *words]),
        COMP_CWORD=str(len(words)),
    )
    assert (done.returncode, done.stderr) == (0, "")
    return {line.partition(",")[2] for line in done.stdout.splitlines() if line}


def test_the_shell_completes_commands_types_and_what_the_mock_has() -> None:
    with serve(catalog()) as server:
        Api(server).subscribe("ida")
        listener = Command(server.url).gives("listeners", "add", "http://127.0.0.1:9/hooks")
        assert completed(server.url, "cust") == {"customers"}
        assert {"add", "edit", "list"} == completed(server.url, "customers", "")
        assert "--plan" in completed(server.url, "customers", "add", "--")
        assert completed(server.url, "trigger", "subscriptionBi") == {"subscriptionBillable"}
        assert completed(server.url, "bill", "i") == {"ida"}
        assert completed(server.url, "hooks", "list", "--product", "LAN") == {"LANTERN"}
        assert completed(server.url, "listeners", "pause", "") == {listener["id"].partition("-")[0]}
    assert completed("http://127.0.0.1:9", "bill", "i") == set()


def test_the_rules_are_listed_as_the_mock_follows_them(command: Command) -> None:
    told = {each["name"]: each for each in command.gives("rules")}
    assert told["month_end"]["value"] == "run-over"
    assert list(told["month_end"]["meanings"]) == ["run-over", "last-day"]
    assert "month_end" in command.says("rules")
