"""What came of a hook that a command has sent: printed, and told by the exit code."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tallyhook import signing
from tallyhook_mock import Fault, FaultKind, Server, serve
from tallyhook_mock.server import bind

from .command import Command, run
from .loopback import SECRET, Api, catalog, listening

TRIGGER = ("trigger", "newSubscription", "--customer", "ida")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(catalog()) as running:
        Api(running).subscribe("ida")
        yield running


def closed_port() -> int:
    with bind("127.0.0.1", 0) as free:
        return int(free.getsockname()[1])


def test_an_answer_is_waited_for_and_told(server: Server) -> None:
    status = 200
    with listening(lambda _: status) as listener:
        server.listen(listener.url)
        done = run(*TRIGGER, mock=server.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert re.search(rf"newSubscription about ida\n  → 200 in [\d,]+ ms  {listener.url}\n", done.stdout)
        (hook,) = server.hooks()
        name = Command(server.url).gives("hooks", "list")[0]["id"][:8]
        assert [attempt.status for attempt in hook.deliveries[0].attempts] == [200]

        status = 503
        done = run("hooks", "replay", name, mock=server.url)
        assert done.returncode == 1
        assert "→ 503 in" in done.stdout
        assert "sent again at 2026-01-01 00:01:00 UTC" in done.stdout

        status = 204
        done = run("hooks", "retry", name, mock=server.url)
        assert (done.returncode, done.stderr) == (0, "")
        assert "→ 204 in" in done.stdout
        shown = run("hooks", "replay", name, "--json", mock=server.url)
        assert json.loads(shown.stdout)["deliveries"][-1]["attempts"][0]["status"] == 204


def test_a_dead_port_is_named(server: Server) -> None:
    port = closed_port()
    server.listen(f"http://127.0.0.1:{port}/hooks")
    done = run(*TRIGGER, mock=server.url)
    assert done.returncode == 1
    assert f"→ connection refused by 127.0.0.1:{port}  http://127.0.0.1:{port}/hooks" in done.stdout


def test_what_is_not_sent_now_is_not_waited_for(server: Server) -> None:
    command = Command(server.url)
    with listening() as listener:
        server.listen(listener.url)
        server.fault(Fault(FaultKind.REORDER))
        assert run(*TRIGGER, mock=server.url).returncode == 1
        command.says("listeners", "pause", listener.url)
        done = run(*TRIGGER, mock=server.url)
        assert done.returncode == 1
        assert "the listener is paused" in done.stdout
        assert not listener.received


def test_a_hook_goes_anywhere_and_with_another_body(server: Server, tmp_path: Path) -> None:
    with listening() as known, listening() as other:
        server.listen(known.url)
        run(*TRIGGER, mock=server.url)
        name = Command(server.url).gives("hooks", "list")[0]["id"][:8]
        done = run("hooks", "replay", name, "--to", other.url, mock=server.url)
        assert done.returncode == 0, done
        assert "→ 200 in" in done.stdout
        assert other.received[0].body == known.received[0].body

        shown = run("hooks", "show", name, "--body", mock=server.url).stdout
        assert json.loads(shown) == json.loads(known.received[0].body)
        file = tmp_path / "edited.json"
        file.write_text(shown.replace("newSubscription", "subscriptionChanged"))
        assert run("hooks", "replay", name, "--body", str(file), mock=server.url).returncode == 0
        hook = known.received[-1]
        assert hook.type == "subscriptionChanged"
        assert signing.CHEDDAR.verify(hook.headers, hook.body, [SECRET], at=datetime.now(UTC))

        file.write_text("{")
        done = run("hooks", "replay", name, "--body", str(file), mock=server.url)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        done = run("hooks", "replay", name, "--to", f"http://127.0.0.1:{closed_port()}/", mock=server.url)
        assert done.returncode == 1
        assert "→ connection refused by 127.0.0.1:" in done.stdout


def test_a_value_of_the_body_is_overridden(server: Server) -> None:
    command = Command(server.url)
    with listening() as listener:
        server.listen(listener.url)
        command.says(*TRIGGER, "--override", "subscription.plan.code=BIG", "--override", "customer.code=eve")
        content = json.loads(listener.received[0].body)
        assert (content["subscription"]["plan"]["code"], content["customer"]["code"]) == ("BIG", "eve")
        for written, why in (
            ("subscription.plan.cod=BIG", "did you mean 'code'?"),
            ("nix", "is not of the form PATH=VALUE"),
            ("customer.code.first=a", "below a plain value"),
        ):
            assert why in command.complains(2, *TRIGGER, "--override", written)
        assert len(listener.received) == 1


def test_a_billable_hook_before_its_time_names_the_command_that_is_meant(server: Server) -> None:
    command = Command(server.url)
    billable = ("trigger", "subscriptionBillable", "--customer", "ida")
    with listening() as listener:
        server.listen(listener.url)
        assert "`tallyhook bill ida` runs the period" in command.complains(1, *billable)
        assert not listener.received
        assert " 200 in " in command.says(*billable, "--early")
