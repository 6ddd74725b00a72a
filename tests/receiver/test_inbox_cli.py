"""`tallyhook inbox` on a file and in PostgreSQL."""

import asyncio
import io
import json
import os
import sqlite3
import subprocess
import sys
import unicodedata
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import pytest
from tests.cheddar import KEY, Clock, FakeCheddar, answer_lost, signed
from tests.receiver.conftest import FileStore, Store
from tests.receiver.letters import ADDING, adding, letter

from tallyhook.review import Outcome, Review, Standing
from tallyhook.review.journal import (
    Added,
    Asked,
    Declaration,
    Declared,
    DeclaredCharge,
    Entry,
    Refused,
    Resolved,
    Verified,
)
from tallyhook_mock.cli import main
from tallyhook_receiver import Cheddar, Receiver, Record, State

FAILED, DONE, UNDECODABLE, WORKING = ("f" * 64, "d" * 64, "ab" * 32, "ac" * 32)


class Said(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Run(Protocol):
    def __call__(self, url: str, *arguments: str, answer: str = "") -> Said: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command's entry point in this process, which is faster."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(url: str, *arguments: str, answer: str = "") -> Said:
        monkeypatch.setenv("TALLYHOOK_INBOX", url)
        monkeypatch.setattr("sys.argv", ["tallyhook", "inbox", *arguments])
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        with pytest.raises(SystemExit) as ended:
            main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return run


OUTCOME = Outcome(
    declared=Declaration(quantities={"GB": Decimal(15)}),
    standing=Standing.OUTSTANDING,
    total_before=Decimal("20.00"),
    total_after=Decimal("52.50"),
)


@pytest.fixture
def url(shared_store: Store) -> str:
    """An inbox with a hook in each of four states."""
    asyncio.run(_fill(shared_store))
    return shared_store.url


async def _fill(store: Store) -> None:
    inbox = store.inbox()
    await inbox.open()
    for key in (FAILED, DONE, WORKING):
        await inbox.claim(letter(key, body=b'{"email": "nora@quill.example"}'), "me", 3600)
    declared = Declared(declaration=Declaration(), changes=("add A  1 × 1.10",))
    for entry in (declared, ADDING, Added(number=1, charge_id="c7"), Refused(number=2)):
        await inbox.append(FAILED, "me", entry)
    store.advance(seconds=1)
    await inbox.finish(FAILED, "me", State.FAILED, 'Traceback\n  File "audit.py"\nKeyError: [no usage]\n')
    store.advance(seconds=1)
    await inbox.finish(DONE, "me", State.DONE, msgspec.json.encode(OUTCOME).decode())
    store.advance(seconds=1)
    await inbox.keep(letter(UNDECODABLE, type="", body=b"\xff"), State.UNDECODABLE, "no JSON")
    await inbox.close()


def test_lists(run: Run, url: str) -> None:
    shown = run(url, "list").stdout
    assert [line.split()[:2] for line in shown.splitlines() if line[1:17].strip(" ─")][1:] == [
        [UNDECODABLE[:16], "undecodable"],
        [DONE[:16], "done"],
        [FAILED[:16], "failed"],
        [WORKING[:16], "working"],
    ]
    assert "KeyError: [no usage]" in shown
    assert "standing" not in shown
    assert "nora" not in shown


def test_lists_name_the_product_if_there_are_several(run: Run, shared_store: Store) -> None:
    """Two products may have customers with the same code, and invoices with the same number."""

    async def keep(key: str, product: str) -> None:
        inbox = shared_store.inbox()
        await inbox.open()
        await inbox.keep(letter(key, product=product), State.UNDECODABLE, "no JSON")
        await inbox.close()

    for key, product, shown in ((FAILED, "SHOP", False), (DONE, "LAB", True)):
        asyncio.run(keep(key, product))
        listed = run(shared_store.url, "list").stdout
        assert ("SHOP" in listed, "LAB" in listed) == (shown, shown)


def test_lists_some_for_programs(run: Run, url: str) -> None:
    assert [hook["key"] for hook in json.loads(run(url, "list", "--json").stdout)] == [
        UNDECODABLE,
        DONE,
        FAILED,
        WORKING,
    ]
    (failed,) = json.loads(run(url, "list", "--state", "failed", "--json").stdout)
    assert failed.keys() >= {"received", "changed"}
    assert failed | {"received": "", "changed": ""} == {
        "key": FAILED,
        "state": "failed",
        "product": "ACME",
        "type": "subscriptionBillable",
        "customer": "",
        "invoice": "",
        "due": None,
        "attempts": 1,
        "deliveries": 1,
        "received": "",
        "changed": "",
    }
    assert len(json.loads(run(url, "list", "--limit", "2", "--json").stdout)) == 2


def test_shows(run: Run, url: str) -> None:
    shown = run(url, "show", FAILED[:16]).stdout
    for said in (
        FAILED,
        "subscriptionBillable of ACME",
        "tried once",
        "KeyError: [no usage]",
        "declared: add A  1 × 1.10",
        "adding 1: A  1 × 1.10",
        "added 1: as c7",
        "refused 2: it was not added",
    ):
        assert said in shown
    assert "nora" not in shown
    assert "nora@quill.example" in run(url, "show", FAILED[:16], "--body").stdout


@pytest.mark.parametrize(
    ("word", "resolved", "state"),
    [
        (["--never-added"], Resolved(number=1), State.WAITING),
        (["--ours", "c9", "--note", "seen"], Resolved(number=1, charge_id="c9", note="seen"), State.WAITING),
        (["--accept"], Resolved(accept=True), State.WAITING),
        (["--never-added", "verified before"], Resolved(number=1), State.DONE),
    ],
)
def test_a_person_resolves(
    run: Run, shared_store: Store, word: list[str], resolved: Resolved, state: State
) -> None:
    key, was_done = "abcd" * 16, word[-1] == "verified before"

    async def fill() -> None:
        inbox = shared_store.inbox()
        await inbox.open()
        await inbox.claim(letter(key, body=FakeCheddar().hook()), "me", 60)
        charge = DeclaredCharge(code="A", each_amount=Decimal("1.10"))
        declaration = Declaration(charges=(charge,))
        await inbox.append(key, "me", Declared(declaration=declaration))
        await inbox.append(key, "me", ADDING)
        await inbox.append(key, "me", Asked(declaration=declaration, stands=("it bills 21.10",)))
        if was_done:
            await inbox.append(key, "me", Verified(at=datetime(2030, 3, 1, tzinfo=UTC)))
        await inbox.finish(key, "me", State.UNRESOLVED, "nobody can tell: on the invoice: c9")
        await inbox.close()

    async def look() -> tuple[Record | None, list[Entry]]:
        inbox = shared_store.inbox()
        await inbox.open()
        found = await inbox.get(key), list(await inbox.entries(key))
        await inbox.close()
        return found

    asyncio.run(fill())
    url = shared_store.url
    listed = run(url, "list").stdout
    assert "NORA" in listed
    assert "11" in listed
    shown = run(url, "show", key).stdout
    for said in ("unresolved", "on the invoice: c9", "A  1 × 1.10", "invoice 11 of customer NORA", "resolve"):
        assert said in shown
    assert "it bills 21.10" in shown.partition("meant")[0]
    assert run(url, "resolve", key).returncode == 2
    assert run(url, "resolve", key, "--accept", "--never-added").returncode == 2
    assert run(url, "resolve", key, "--never-added", "--adding", "7").returncode == 1
    assert run(url, "resolve", key, *word[: -1 if was_done else None]).returncode == 0
    record, entries = asyncio.run(look())
    assert record is not None
    assert (record.state, record.due is not None) == (state, was_done)
    assert isinstance(entries[-1], Resolved)
    assert msgspec.structs.replace(entries[-1], at=None) == resolved
    assert run(url, "resolve", key, "--accept").returncode == 1  # it is no longer unresolved


@pytest.mark.parametrize("is_verified", [True, False])
@pytest.mark.parametrize(
    ("closing", "number"),
    [
        ([Added(number=3, charge_id="c3")], 2),
        ([Refused(number=3), Added(number=2, charge_id="c2")], 1),
        ([Resolved(number=3), Resolved(number=2, charge_id="c2")], 1),
        ([], 3),
    ],
)
def test_a_decision_is_about_the_last_request_whose_outcome_is_unknown(
    run: Run, shared_store: Store, closing: list[Entry], number: int, is_verified: bool
) -> None:
    key, url = "abcd" * 16, shared_store.url

    async def fill() -> None:
        inbox = shared_store.inbox()
        await inbox.open()
        await inbox.claim(letter(key, body=FakeCheddar().hook()), "me", 60)
        verified = [Verified(at=datetime(2030, 3, 1, tzinfo=UTC))] if is_verified else []
        for entry in (adding(1), adding(2), adding(3), *verified, *closing):
            await inbox.append(key, "me", entry)
        await inbox.finish(key, "me", State.UNRESOLVED)
        await inbox.close()

    asyncio.run(fill())
    then = "the receiver looks at its invoice again" if is_verified else "the next delivery continues"
    assert run(url, "resolve", key, "--never-added").stdout == f"{key[:16]} is resolved: {then}\n"
    shown = json.loads(run(url, "show", key, "--json").stdout)
    assert shown["state"] == ("done" if is_verified else "waiting")
    assert (shown["journal"][-1]["type"], shown["journal"][-1]["number"]) == ("resolved", number)


@pytest.mark.parametrize(
    "refused", ["INSERT ON journal", "UPDATE OF due ON hooks", "UPDATE ON hooks WHEN NEW.state = 'done'"]
)
def test_a_decision_that_can_not_be_stored_can_be_made_again(
    run: Run, file_store: FileStore, refused: str
) -> None:
    key = "abcd" * 16

    async def fill() -> None:
        inbox = file_store.inbox()
        await inbox.open()
        await inbox.claim(letter(key, body=FakeCheddar().hook()), "me", 60)
        await inbox.append(key, "me", Verified(at=datetime(2030, 3, 1, tzinfo=UTC)))
        await inbox.append(key, "me", Asked(declaration=Declaration(), stands=(), is_second_look=True))
        await inbox.finish(key, "me", State.UNRESOLVED, "nobody can tell")
        await inbox.close()

    def execute(statement: str) -> None:
        with closing(sqlite3.connect(file_store.url)) as connection, connection:
            connection.execute(statement)

    asyncio.run(fill())
    execute(f"CREATE TRIGGER refuse BEFORE {refused} BEGIN SELECT RAISE(FAIL, 'disk full'); END")
    assert run(file_store.url, "resolve", key, "--accept").returncode == 2
    (hook,) = json.loads(run(file_store.url, "list", "--json").stdout)
    assert hook["state"] == "unresolved"
    assert "nobody can tell" in run(file_store.url, "show", key).stdout
    execute("DROP TRIGGER refuse")
    assert run(file_store.url, "resolve", key, "--accept").returncode == 0


# Runs a command, and kills its process after a number of calls of the inbox.
DYING = """
import functools, os, signal, sys
from tallyhook_mock.cli import main
from tallyhook_receiver import SQLiteInbox
from tallyhook_receiver.inbox.postgres import PostgresInbox

calls = int(sys.argv.pop(1))

def dying(method):
    @functools.wraps(method)
    async def call(*arguments):
        global calls
        result = await method(*arguments)
        calls -= 1
        if calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

for inbox in (SQLiteInbox, PostgresInbox):
    for name, method in list(vars(inbox).items()):
        if not name.startswith("_") and callable(method):
            setattr(inbox, name, dying(method))
main()
"""


@pytest.mark.parametrize("calls", range(3, 7))
@pytest.mark.parametrize("asked_by", ["the review", "a second look"])
def test_a_decision_whose_command_is_killed_is_made_or_can_be_made_again(
    run: Run, shared_store: Store, calls: int, asked_by: str
) -> None:
    """A hook that was acknowledged isn't delivered again, so it must not be left to a next delivery."""
    cheddar, clock, url = FakeCheddar(faults={2: answer_lost}), Clock(), shared_store.url
    client, used = cheddar.async_client(retries=0), [5]
    receiver = Receiver(Cheddar("ACME", KEY, client), inbox=shared_store.inbox(), clock=clock)
    receiver.review(lambda review: review.charge("A", used[-1]))

    def deliver(body: bytes) -> int:
        return receiver.answer("POST", signed(body), body).status

    assert deliver(cheddar.hook()) == 200
    cheddar.billed_charges[0]["eachAmount"] = "6.00"
    if asked_by == "the review":
        used.append(7)
        again = cheddar.hook(activityDatetime="2030-03-01T01:00:00+00:00")
        assert deliver(again) == 500
    else:
        clock.put_on(timedelta(minutes=6))
        assert receiver.run(receiver.look_again()) == 1
    (hook,) = json.loads(run(url, "list", "--json").stdout)
    assert hook["state"] == "unresolved"
    cheddar.billed_charges.clear()
    command = ["inbox", "resolve", hook["key"], "--never-added", "--adding", "1", "--inbox", url]
    subprocess.run([sys.executable, "-c", DYING, str(calls), *command], timeout=60, check=False)
    (hook,) = json.loads(run(url, "list", "--json").stdout)
    then = "waiting" if asked_by == "the review" else "done"
    assert hook["state"] in ("unresolved", then)
    if hook["state"] == "unresolved":
        assert run(url, *command[1:6]).returncode == 0
    if asked_by == "the review":
        assert deliver(again) == 200
    else:
        clock.now = datetime.now(UTC) + timedelta(minutes=1)
        assert receiver.run(receiver.look_again()) == 1
    assert cheddar.content() == [("A", "1", Decimal(used[-1]), "")]
    (hook,) = json.loads(run(url, "list", "--json").stdout)
    assert hook["state"] == "done"
    assert asked_by == "the review" or hook["due"] is None
    receiver.close()


@pytest.mark.parametrize("again", ["retry", "another body"])
@pytest.mark.parametrize("then", ["", "a look", "a failure and a look"])
def test_what_a_person_resolves_is_not_done_until_the_review_is(
    run: Run, tmp_path: Path, again: str, then: str
) -> None:
    """A hook that was done once is reviewed again, and this review asks a person.

    The second look that the first review has planned asks too, before or after that.
    """
    cheddar, clock, inbox = FakeCheddar(faults={2: answer_lost}), Clock(), tmp_path / "i.sqlite"
    client = cheddar.async_client(retries=0)
    used: list[int | str] = [5]
    receiver = Receiver(Cheddar("ACME", KEY, client), inbox=inbox, clock=clock)

    @receiver.review
    async def audit(review: Review) -> None:
        review.charge("A", used[-1])

    def look() -> None:
        clock.put_on(timedelta(minutes=6))
        assert receiver.run(receiver.look_again()) == 1

    def deliver(body: bytes) -> int:
        return receiver.answer("POST", signed(body), body).status

    assert deliver(body := cheddar.hook()) == 200
    (key,) = (hook["key"] for hook in json.loads(run(str(inbox), "list", "--json").stdout))
    used.append(7)
    if again == "retry":
        assert run(str(inbox), "retry", key).returncode == 0
    else:
        body = cheddar.hook(activityDatetime="2030-03-01T01:00:00+00:00")
    cheddar.billed_charges[0]["eachAmount"] = "6.00"
    if then == "a failure and a look":
        used.append("no number")
        assert deliver(body) == 500
        used.pop()
        look()
        assert run(str(inbox), "resolve", key, "--accept").returncode == 1
    assert deliver(body) == 500
    if then == "a look":
        look()
    cheddar.billed_charges.clear()  # a person deletes the charge, and says that it isn't the review's
    assert run(str(inbox), "resolve", key, "--never-added", "--adding", "1").returncode == 0
    assert run(str(inbox), "list", "--state", "waiting").stdout.count("NORA") == 1
    assert deliver(body) == 200
    assert cheddar.content() == [("A", "1", Decimal("7.00"), "")]
    receiver.close()


def test_what_a_second_look_has_asked_is_looked_at_again_once_it_is_resolved(
    run: Run, tmp_path: Path
) -> None:
    cheddar, clock, inbox = FakeCheddar(faults={2: answer_lost}), Clock(), tmp_path / "i.sqlite"
    receiver = Receiver(Cheddar("ACME", KEY, cheddar.async_client(retries=0)), inbox=inbox, clock=clock)

    @receiver.review
    async def audit(review: Review) -> None:
        review.charge("A", 5)

    body = cheddar.hook()
    assert receiver.answer("POST", signed(body), body).status == 200
    (key,) = (hook["key"] for hook in json.loads(run(str(inbox), "list", "--json").stdout))
    cheddar.billed_charges[0]["eachAmount"] = "6.00"
    clock.put_on(timedelta(minutes=6))
    receiver.run(receiver.look_again())
    assert run(str(inbox), "list", "--state", "unresolved").stdout.count("NORA") == 1
    cheddar.billed_charges.clear()
    assert run(str(inbox), "resolve", key, "--never-added", "--adding", "1").returncode == 0
    clock.now = datetime.now(UTC) + timedelta(minutes=1)  # `resolve` plans the second look by the real clock
    assert receiver.run(receiver.look_again()) == 1
    assert cheddar.content() == [("A", "1", Decimal("5.00"), "")]
    assert run(str(inbox), "list", "--state", "done").stdout.count("NORA") == 1
    receiver.close()


@pytest.mark.parametrize("columns", ["100", None])
def test_what_a_hook_contains_does_not_control_the_terminal(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: str | None
) -> None:
    control = "\x1b]0;title\x07\x1b[2J\x9b2J\r\x08"
    inbox = str(tmp_path / "i.sqlite")
    receiver = Receiver(Cheddar("ACME", KEY), inbox=inbox)

    @receiver.on("transaction")
    async def fail(hook: Any) -> None:
        raise ValueError(f"nobody is called {hook.customer.code}, as was said in\n{control} 鍵")

    fake = FakeCheddar()
    for body in (
        fake.hook(activityType="transaction", customer={"id": "1", "code": f"NORA{control}"}),
        fake.hook(activityType=f"else{control}"),
        f"no JSON: {control}".encode(),
    ):
        receiver.answer("POST", signed(body), body)
    receiver.close()
    if columns is None:
        monkeypatch.delenv("COLUMNS")
    keys = [hook["key"] for hook in json.loads(run(inbox, "list", "--json").stdout)]
    said = [run(inbox, "list"), *(run(inbox, "show", key, "--body") for key in keys)]
    shown = "".join(each.stdout for each in said)
    assert {letter for letter in shown if unicodedata.category(letter) == "Cc"} <= {"\n", "\t"}
    for text in ("title", "鍵", "no JSON", "NORA", "else"):
        assert text in shown


def test_shows_what_came_of_a_review(run: Run, url: str) -> None:
    shown = run(url, "show", DONE).stdout
    assert "review, the invoice was outstanding" in shown
    assert "52.50" in shown
    assert '{"' not in shown


def test_shows_for_programs(run: Run, url: str) -> None:
    shown = json.loads(run(url, "show", FAILED, "--json").stdout)
    assert [entry["type"] for entry in shown["journal"]] == ["declared", "adding", "added", "refused"]
    assert shown["note"].endswith("KeyError: [no usage]\n")
    assert "body" not in shown
    shown = json.loads(run(url, "show", FAILED, "--json", "--body").stdout)
    assert shown["body"] == '{"email": "nora@quill.example"}'


def test_has_a_hook_handled_again(run: Run, url: str) -> None:
    done = run(url, "retry", DONE[:16])
    assert (done.returncode, done.stderr) == (0, "")
    assert "dddddddddddddddd is handled again at its next delivery" in done.stdout
    assert [hook["key"] for hook in json.loads(run(url, "list", "--state", "waiting", "--json").stdout)] == [
        DONE
    ]
    again = json.loads(run(url, "retry", DONE, "--json").stdout)
    assert (again["key"], again["state"]) == (DONE, "waiting")


def test_forgets_after_asking(run: Run, url: str) -> None:
    asked = run(url, "forget", FAILED[:16], answer="n\n")
    assert asked.returncode == 1
    assert "its review may add all charges again" in asked.stderr
    assert run(url, "show", FAILED).returncode == 0
    assert run(url, "forget", FAILED[:16], answer="y\n").stdout.endswith("ffffffffffffffff is deleted\n")
    assert run(url, "forget", DONE[:16], "--yes").stdout == "dddddddddddddddd is deleted\n"
    assert json.loads(run(url, "forget", UNDECODABLE, "--yes", "--json").stdout)["key"] == UNDECODABLE
    assert [hook["key"] for hook in json.loads(run(url, "list", "--json").stdout)] == [WORKING]


def test_counts(run: Run, url: str) -> None:
    assert json.loads(run(url, "stats", "--json").stdout) | {"size": 0, "oldest": ""} == {
        "hooks": {
            "working": 1,
            "done": 1,
            "waiting": 0,
            "failed": 1,
            "unresolved": 0,
            "ignored": 0,
            "undecodable": 1,
        },
        "entries": 4,
        "size": 0,
        "oldest": "",
    }
    shown = run(url, "stats").stdout
    assert "4 journal entries" in shown
    assert "the oldest hook was received" in shown


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("show", "e"), "no hook's key begins with e, or several do"),
        (("show", "a"), "no hook's key begins with a, or several do"),
        (("retry", ""), "no hook's key begins with , or several do"),
        (("forget", "0", "--yes"), "no hook's key begins with 0, or several do"),
        (("retry", "ac"), "a worker is handling it now; try again when it has finished"),
        (("forget", "ac", "--yes"), "a worker is handling it now; try again when it has finished"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(
    run: Run, url: str, arguments: tuple[str], complaint: str
) -> None:
    done = run(url, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"tallyhook: {complaint}\n")


@pytest.mark.parametrize(
    ("where", "complaint"),
    [
        ("nowhere.sqlite", "nowhere.sqlite: the file does not exist"),
        ("empty.sqlite", "this file holds no inbox"),
        ("mysql://ida:hidden@host/inbox", "an inbox must be a path"),
        ("postgresql://ida:hidden@/inbox?host={folder}", "PostgreSQL: connection"),
        ("postgresql://ida:hidden%zz@host", "the inbox's URL can't be read"),
    ],
)
def test_an_inbox_that_is_not_there(run: Run, tmp_path: Path, where: str, complaint: str) -> None:
    (tmp_path / "empty.sqlite").touch()
    url = where.format(folder=tmp_path) if "://" in where else str(tmp_path / where)
    done = run(url, "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hidden" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["empty.sqlite"]


def test_an_inbox_that_a_file_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, url: str, tmp_path: Path
) -> None:
    """Containers get their secrets as files."""

    def told() -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    (tmp_path / "secret").write_text(f"{url}\n")
    monkeypatch.delenv("TALLYHOOK_INBOX", raising=False)
    monkeypatch.setenv("TALLYHOOK_INBOX_FILE", str(tmp_path / "secret"))
    monkeypatch.setattr("sys.argv", ["tallyhook", "inbox", "stats", "--json"])
    code, out, err = told()
    assert (code, json.loads(out)["entries"], err) == (0, 4, "")
    (tmp_path / "secret").unlink()
    code, out, err = told()
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("tallyhook: TALLYHOOK_INBOX_FILE: ")


def test_as_a_process(url: str) -> None:
    command = [sys.executable, "-c", "from tallyhook_mock.cli import main; main()", "inbox", "stats"]
    done = subprocess.run(
        [*command, "--inbox", url, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        env={name: value for name, value in os.environ.items() if name != "TALLYHOOK_INBOX"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["entries"] == 4
