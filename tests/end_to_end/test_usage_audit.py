"""One audit function on all four systems: exact bills, and reports of failures."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

import tallyhook
from tallyhook import chargemonk, cleverbridge, fusebill
from tallyhook.audit import (
    Audit,
    Chargemonk,
    Cheddar,
    Cleverbridge,
    FileJournal,
    Fusebill,
    Kind,
    Outcome,
    Standing,
    System,
    apply,
)
from tallyhook.audit.journal import Adding, Entry, Running, Setting
from tallyhook_mock import Server, serve
from tallyhook_mock.faults import Fault, FaultKind

from .stage import CARD

PROGRAM = Path(__file__).parents[2] / "examples" / "usage_audit.py"
START, EVE, DAY = "2026-03-17T00:00:00Z", "2026-04-16T12:00:00Z", "2026-04-17T01:00:00Z"
END = datetime(2026, 4, 17, tzinfo=UTC)
USER, PASSWORD, KEY, TOKEN = "desk@acme.example", "a pass word", "wick-and-oil", "test_monk"
GB25 = {"code": "GB25", "price": "1.00", "chargeTiming": "EndOfPeriod", "quantityReset": "EndOfPeriod"}
USED = Decimal(8)  # 200 GB over the included quantity, in blocks of 25


def catalog(**cleverbridge_fields: Any) -> dict[str, Any]:
    """A base of 50 a month and a dollar per block, in each system's format."""
    return {
        "users": [{"email": USER, "password": PASSWORD}],
        "products": [
            {
                "code": "ACME",
                "secret": "hush",
                "plans": [
                    {
                        "code": "BASE",
                        "recurringChargeAmount": "50.00",
                        "items": [{"code": "GB25", "overageAmount": "1.00", "isPeriodic": True}],
                    }
                ],
            }
        ],
        "cleverbridge": {
            "users": [{"name": "grace", "password": PASSWORD}],
            "products": [
                {"id": 101, "name": "Base", "price": "50.00"},
                {"id": 102, "name": "25 GB more", "price": "1.00", "billingMode": "ARREARS"},
            ],
            "subscriptions": [
                {"id": "S1001", "items": [{"productId": 101}, {"productId": 102}], **cleverbridge_fields}
            ],
        },
        "fusebill": {
            "apiKeys": [KEY],
            "autoPost": False,
            "plans": [{"code": "BASE", "products": [{"code": "BASE", "price": "50.00"}, GB25]}],
            "customers": [{"id": 1, "name": "Ida", "subscriptions": [{"id": 11, "planCode": "BASE"}]}],
        },
        "chargemonk": {
            "apiTokens": [TOKEN],
            "inferredCalls": True,
            "plans": [{"code": "BASE", "price": "50.00"}],
            "subscriptions": [{"id": "mill", "planCode": "BASE"}],
        },
    }


class Stage:
    """The four clients on one mock, in the order of their windows."""

    def __init__(self, server: Server) -> None:
        self.server = server
        url: Any = {"base_url": server.url, "backoff": 0, "retries": 0}
        self.cheddar = tallyhook.Client("ACME", USER, PASSWORD, **url | {"base_url": server.xml})
        self.fusebill = fusebill.Client(KEY, **url | {"base_url": f"{server.url}/v1"})
        self.cleverbridge = cleverbridge.Client("grace", PASSWORD, **url)
        self.chargemonk = chargemonk.Client(TOKEN, add_charge_path="addCharge", **url)
        # A listener that never answers 2xx has Cheddar hold its invoices.
        self.control("POST", "listeners", {"url": "http://127.0.0.1:9/nobody"})
        self.cheddar.new_customer("IDA", "Ida", "Lamp", "ida@lamp.example", "BASE", payment=CARD)
        for draft in self.fusebill.get_draft_invoices():  # the first bill
            self.fusebill.post_draft_invoice(draft)
        metered = self.fusebill.get_subscription(11).product("GB25")
        self.fusebill.set_quantity(metered, 6)  # usage so far

    @property
    def systems(self) -> list[System]:
        items = {"blocks": "GB25"}
        return [
            Cheddar(self.cheddar, items),
            Fusebill(self.fusebill, items),
            Cleverbridge(self.cleverbridge, ["S1001"], {"blocks": 2}),
            Chargemonk(self.chargemonk, {"mill": END}, {"blocks": Decimal("1.00")}),
        ]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        answer = httpx.request(method, f"{self.server.url}/_mock/{path}", json=body, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    def now(self) -> datetime:
        return self.server.mock.clock.now()

    def audit(self, journal: FileJournal | None, used: Decimal = USED, **options: Any) -> list[Outcome]:
        def usage(audit: Audit) -> None:
            audit.set_quantity("blocks", used)
            audit.run_when_done()

        return list(apply(usage, self.systems, journal, now=self.now, **options))

    def bills(self) -> dict[str, list[str]]:
        """The totals of each account's bills, without the first. Cheddar's count only once they have run."""
        customer = self.cheddar.get_customer("IDA")
        invoices = [each for each in customer.subscription.invoices if each.transactions]
        ran = [str(sum(charge.quantity * charge.each_amount for charge in each.charges)) for each in invoices]
        found = {
            "cheddar": [f"{Decimal(total):.2f}" for total in ran if Decimal(total)][:1],
            "fusebill": self.control("GET", "fusebill/customers/1/bills")["bills"][:-1],
            "cleverbridge": self.control("GET", "cleverbridge/subscriptions/S1001")["bills"][:-1],
            "chargemonk": self.control("GET", "chargemonk/subscriptions/mill")["bills"][:-1],
        }
        return {
            name: [each if isinstance(each, str) else each["total"] for each in bills]
            for name, bills in found.items()
        }

    def close(self) -> None:
        for client in (self.cheddar, self.fusebill, self.cleverbridge, self.chargemonk):
            client.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    with serve(catalog(), start=START) as server:
        made = Stage(server)
        yield made
        made.close()


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "audit.jsonl")


def standings(outcomes: list[Outcome]) -> list[tuple[str, str]]:
    return [(each.window.system, each.standing) for each in outcomes]


EXACT = {"cheddar": ["58.00"], "fusebill": ["58.00"], "cleverbridge": ["58.00"], "chargemonk": ["58.00"]}


def test_one_function_audits_four_systems(stage: Stage, journal: FileJournal) -> None:
    stage.server.advance_to(EVE)
    rehearsed = stage.audit(journal, dry_run=True)
    assert standings(rehearsed) == [("cleverbridge", "dry run"), ("chargemonk", "dry run")]
    eve = stage.audit(journal)
    assert standings(eve) == [("cleverbridge", "set"), ("chargemonk", "set")]
    assert [str(each.changes[0]) for each in eve] == ["blocks: 0 → 8"] * 2
    assert [each.window.kind for each in eve] == [Kind.DEADLINE, Kind.COLLECT]
    assert standings(stage.audit(journal)) == standings(eve)  # a repeated audit adds nothing twice
    stage.server.advance_to(DAY)
    day = stage.audit(journal)
    assert standings(day)[:2] == [("cheddar", "executed"), ("fusebill", "executed")]
    assert [str(each.changes[0]) for each in day[:2]] == ["blocks: ? → 8", "blocks: 6 → 8"]
    assert stage.bills() == EXACT
    # Each outcome says what it can't promise.
    assert [bool(each.not_promised) for each in (*day[:2], *eve)] == [False, True, True, True]
    assert "nothing holds the bill" in str(eve[0])
    assert stage.audit(journal) == []
    assert stage.bills() == EXACT


def test_being_late_is_reported_and_changes_nothing(journal: FileJournal) -> None:
    with serve(catalog(reminderDays=7), start=START) as server:
        stage = Stage(server)
        server.advance_to("2026-04-10T00:01:00Z")  # a minute after the reminder date
        late = stage.audit(journal)[0]
        assert (late.standing, late.is_good) == (Standing.LATE, False)
        assert "closed at 2026-04-10 00:00" in late.problem
        assert stage.cleverbridge.get_subscription("S1001").item(2).quantity == 0
        server.advance_to(DAY)
        assert stage.bills()["cleverbridge"] == ["50.00"]
        stage.close()


class Killed(BaseException):
    """The process dies here."""


class Dying(FileJournal):
    """A journal that kills the process before or after an entry of `kind` is written."""

    kind: type[Entry]
    is_after: bool

    def append(self, entry: Entry) -> None:
        if isinstance(entry, self.kind) and not self.is_after:
            raise Killed
        super().append(entry)
        if isinstance(entry, self.kind):
            raise Killed


@pytest.mark.parametrize("kind", [Setting, Adding, Running])
@pytest.mark.parametrize("is_after", [False, True])
def test_a_process_that_dies_in_the_middle_is_gone_on_with(
    stage: Stage, tmp_path: Path, kind: type[Entry], is_after: bool
) -> None:
    path = tmp_path / "audit.jsonl"
    for moment in (EVE, DAY):
        stage.server.advance_to(moment)
        dying = Dying(path)
        dying.kind, dying.is_after = kind, is_after
        with suppress(Killed):
            stage.audit(dying)
        for _ in range(2):
            for outcome in stage.audit(FileJournal(path)):
                assert outcome.is_good or outcome.standing is Standing.UNKNOWN
            stage.server.advance("6m")  # wait, since an added charge may arrive late
        assert all(each.is_good for each in stage.audit(FileJournal(path)))
    assert stage.bills() == EXACT


def test_a_charge_that_may_still_arrive_is_not_added_again(stage: Stage, tmp_path: Path) -> None:
    stage.server.advance_to(EVE)
    dying = Dying(tmp_path / "audit.jsonl")
    dying.kind, dying.is_after = Adding, True
    with pytest.raises(Killed):
        stage.audit(dying)
    outcome = stage.audit(FileJournal(tmp_path / "audit.jsonl"))[-1]
    assert (outcome.standing, outcome.window.system) == (Standing.UNKNOWN, "chargemonk")
    assert stage.chargemonk.list_subscription_unbilled_charges("mill") == ()


@pytest.mark.parametrize(
    ("action", "system"),
    [
        ("subscription/updatesubscriptionitem", "cleverbridge"),
        ("draftInvoices/patch", "fusebill"),
        ("draftInvoices/get", "fusebill"),
    ],
)
@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER])
def test_a_call_that_fails_stops_no_other_and_is_told(
    stage: Stage, journal: FileJournal, action: str, system: str, kind: FaultKind
) -> None:
    for moment in (EVE, DAY):
        stage.server.advance_to(moment)
        if (moment == DAY) is (system == "fusebill"):
            stage.server.fault(Fault(kind, action=action))
            (bad,) = [each for each in stage.audit(journal) if not each.is_good]
            assert bad.window.system == system
            assert bad.standing in (Standing.FAILED, Standing.UNKNOWN)
            assert bad.problem
        assert all(each.is_good for each in stage.audit(journal))
    assert stage.bills() == EXACT


@pytest.mark.parametrize("kind", [FaultKind.ERROR, FaultKind.DROP_AFTER])
def test_a_post_without_an_answer_is_not_made_twice(
    stage: Stage, journal: FileJournal, kind: FaultKind
) -> None:
    stage.server.advance_to(DAY)
    stage.server.fault(Fault(kind, action="invoices/post"))
    (bad,) = [each for each in stage.audit(journal) if not each.is_good and each.window.system == "fusebill"]
    assert bad.standing is (Standing.UNKNOWN if kind is FaultKind.DROP_AFTER else Standing.FAILED)
    stage.audit(journal)
    assert stage.bills()["fusebill"] == ["58.00"]


def test_what_can_not_be_brought_about_is_told(stage: Stage, journal: FileJournal) -> None:
    """A draft accepts no new charge, and a pending charge can't be removed."""
    stage.fusebill.set_quantity(stage.fusebill.get_subscription(11).product("GB25"), 0)
    stage.server.advance_to(EVE)
    stage.audit(journal)
    fewer = stage.audit(journal, Decimal(5))
    assert standings(fewer) == [("cleverbridge", "set"), ("chargemonk", "failed")]
    assert "can't be reduced" in fewer[1].problem
    broken = stage.audit(journal, Decimal("5.5"))
    assert "must be a whole number" in broken[0].problem
    stage.server.advance_to(DAY)
    assert [each.window.system for each in stage.audit(journal)] == ["cheddar"]
    # The audit ignores a draft without a line for the usage.
    assert len(stage.fusebill.get_draft_invoices()) == 1


@pytest.mark.parametrize(
    ("system", "moment", "impossible", "problem"),
    [
        ("cheddar", DAY, "8.00001", "at most 4 decimals"),
        ("cleverbridge", EVE, "5.5", "must be a whole number"),
        ("chargemonk", EVE, "5.555", "at most 2 decimals"),
        ("chargemonk", EVE, "2", "3 is already charged and can't be reduced"),
    ],
)
def test_an_impossible_quantity_is_refused_before_anything_is_sent(
    stage: Stage, journal: FileJournal, system: str, moment: str, impossible: str, problem: str
) -> None:
    """So the right quantity needn't wait for a request that may still arrive."""
    stage.server.advance_to(moment)
    if impossible == "2":
        stage.chargemonk.add_charge("mill", "blocks, up to today", "1.00", quantity=3)
    for is_dry in (True, False):
        (refused,) = [
            each
            for each in stage.audit(journal, Decimal(impossible), dry_run=is_dry)
            if each.window.system == system
        ]
        assert (refused.standing, problem in refused.problem) == (Standing.FAILED, True)
        assert not journal.entries(refused.window.key)
    assert all(each.is_good for each in stage.audit(journal) if each.window.system == system)
    stage.server.advance_to(DAY)
    assert stage.bills()[system] == ["58.00"]


@pytest.mark.parametrize("is_first", [False, True])
@pytest.mark.parametrize("system", ["fusebill", "cleverbridge", "chargemonk"])
def test_beside_an_impossible_quantity_no_other_is_set(
    stage: Stage, journal: FileJournal, system: str, is_first: bool
) -> None:
    stage.server.advance_to(DAY if system == "fusebill" else EVE)
    possible, impossible = {"blocks": "9"}, {"other": "5.55555"}
    tried: dict[str, System] = {
        "fusebill": Fusebill(stage.fusebill, {"blocks": "GB25", "other": "SEATS"}),
        "cleverbridge": Cleverbridge(stage.cleverbridge, ["S1001"], {"blocks": 2, "other": 1}),
        "chargemonk": Chargemonk(
            stage.chargemonk, {"mill": END}, {"blocks": Decimal("1.00"), "other": Decimal("1.00")}
        ),
    }

    def usage(audit: Audit) -> None:
        for item, quantity in (impossible | possible if is_first else possible | impossible).items():
            audit.set_quantity(item, quantity)

    (outcome,) = apply(usage, [tried[system]], journal, now=stage.now)
    assert outcome.standing is Standing.FAILED
    assert not journal.entries(outcome.window.key)
    assert all(each.is_good for each in stage.audit(journal) if each.window.system == system)
    stage.server.advance_to(DAY)
    assert stage.bills()[system] == ["58.00"]


def test_what_adds_needs_a_journal(stage: Stage) -> None:
    stage.server.advance_to(EVE)
    outcomes = stage.audit(None)
    assert standings(outcomes) == [("cleverbridge", "set"), ("chargemonk", "failed")]
    assert outcomes[1].problem == "adding charges needs a journal"


@pytest.mark.parametrize(
    ("quantity", "error"),
    [
        (1.5, TypeError),
        (True, TypeError),
        ("lots", ValueError),
        (-1, ValueError),
        (Decimal("NaN"), ValueError),
    ],
)
def test_nonsense_is_not_declared(stage: Stage, quantity: Any, error: type[Exception]) -> None:
    stage.server.advance_to(EVE)
    window = next(iter(stage.systems[2].windows(stage.now())))
    audit = Audit(window, {"blocks": Decimal(0)})
    with pytest.raises(error):
        audit.set_quantity("blocks", quantity)
    with pytest.raises(LookupError, match="no item 'seats'"):
        audit.set_quantity("seats", 1)


def test_an_item_is_declared_once(stage: Stage, journal: FileJournal) -> None:
    """Two meters of one item: the second must not replace the first."""
    stage.server.advance_to(DAY)

    def usage(audit: Audit) -> None:
        for metered in (3, 5):
            audit.set_quantity("blocks", metered)
        audit.run_when_done()

    (outcome,) = apply(usage, stage.systems[:1], journal, now=stage.now)
    assert (outcome.standing, outcome.changes) == (Standing.FAILED, ())
    assert "declare the sum once" in outcome.problem


def test_a_function_that_raises_does_not_stop_the_other_windows(stage: Stage, journal: FileJournal) -> None:
    stage.server.advance_to(DAY)

    def usage(audit: Audit) -> None:
        if audit.window.system == "cheddar":
            raise OSError("the database is away")
        audit.set_quantity("blocks", 8)

    outcomes = list(apply(usage, stage.systems[:2], journal, now=stage.now))
    assert [outcome.standing for outcome in outcomes] == [Standing.FAILED, Standing.SET]
    assert outcomes[0].problem == "OSError: the database is away"


def test_a_journal_with_a_line_that_was_cut_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = FileJournal(path)
    entry = Running(window="w", at=END)
    journal.append(entry)
    with path.open("ab") as file:
        file.write(b'{"type":"runn')
    again = FileJournal(path)
    again.append(entry)
    assert FileJournal(path).entries("w") == [entry, entry]
    path.write_bytes(b"nonsense\n")
    with pytest.raises(ValueError, match="line 1"):
        FileJournal(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size")
@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_journal_whose_disk_was_full_goes_on(tmp_path: Path, room: int) -> None:
    """The same process goes on, or another one."""
    program = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from tallyhook.audit import FileJournal
from tallyhook.audit.journal import Running

path, room = Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal, entry = FileJournal(path), Running(window="w", at=datetime.now(UTC))
journal.append(entry)
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, most))
try:
    journal.append(entry)
except OSError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert journal.entries("w") == [entry]
    journal.append(entry)
    assert FileJournal(path).entries("w") == journal.entries("w") == [entry, entry]
    print("as it should be")
"""
    path = tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", program, str(path), str(room)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("as it should be\n", "")
    assert len(FileJournal(path).entries("w")) == 2


def test_the_program_for_cron(stage: Stage, tmp_path: Path) -> None:
    url = json.dumps(stage.server.url)
    (tmp_path / "accounts.toml").write_text(
        f"""
        [cheddar]
        product = "ACME"
        user = "{USER}"
        password = "{PASSWORD}"
        items = {{ blocks = "GB25" }}
        url = {json.dumps(stage.server.xml)}
        [fusebill]
        key = "{KEY}"
        items = {{ blocks = "GB25" }}
        url = {json.dumps(stage.server.url + "/v1")}
        [cleverbridge]
        user = "grace"
        password = "{PASSWORD}"
        subscriptions = ["S1001"]
        items = {{ blocks = 2 }}
        url = {url}
        [chargemonk]
        token = "{TOKEN}"
        subscriptions = {{ mill = 2026-04-17T00:00:00Z }}
        prices = {{ blocks = "1.00" }}
        add_charge_path = "addCharge"
        url = {url}
        """
    )

    def run(now: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROGRAM), "accounts.toml", "--now", now, *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    stage.server.advance_to(EVE)
    rehearsed = run(EVE)
    assert (rehearsed.returncode, rehearsed.stderr) == (0, "")
    assert "cleverbridge S1001, deadline: dry run" in rehearsed.stdout
    assert "chargemonk mill, collect: set" in run(EVE, "--apply").stdout
    stage.server.advance_to(DAY)
    assert "cheddar IDA, hold: executed" in run(DAY, "--apply").stdout
    assert run(DAY, "--apply").stdout == ""
    assert stage.bills() == EXACT
