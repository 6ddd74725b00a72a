"""Worlds that are saved: as a snapshot, and with `--state` before every answer."""

import pickle
import socket
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tallyhook_mock import Fault, FaultKind, Mock, create_app, serve
from tallyhook_mock.clock import parse_moment
from tallyhook_mock.journal import Journal, Record
from tallyhook_mock.server import configure
from tallyhook_mock.snapshot import SnapshotError, pack, read_file, unpack, write_file

from . import command
from .loopback import EMAIL, PASSWORD, Received, catalog, listening

KILLS = 50
CUSTOMERS = 12


def big_catalog() -> dict[str, Any]:
    made = catalog()
    made["products"][0]["customers"] = [
        {"code": f"C{number}", "planCode": "GLOW", "firstName": "Ada", "lastName": "Byron"}
        for number in range(CUSTOMERS)
    ]
    made["cleverbridge"] = {"products": [{"id": 1, "name": "Box", "price": "9.00"}]}
    return made


def run(file: Path, listening: socket.socket) -> None:
    """The process that is killed: a mock as `tallyhook mock --state` serves it."""
    import uvicorn

    mock = Mock(big_catalog(), start=parse_moment("2026-01-01T00:00:00Z"), seed=0, journal=Journal(file))
    uvicorn.Server(configure(create_app(mock))).run(sockets=[listening])


class Life:
    """One process of many on the same file, and what it answered."""

    def __init__(self, file: Path) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process: BaseProcess = get_context("fork").Process(target=run, args=(file, self._socket))
        self._process.start()
        self.client = httpx.Client(base_url=self.url, timeout=30, auth=(EMAIL, PASSWORD))

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._socket.close()

    def close(self) -> None:
        """After the kill, when no thread uses the client any more."""
        self.client.close()


@pytest.mark.timeout(900)
def test_what_was_answered_is_there_after_every_kill(tmp_path: Path) -> None:
    chance = Random(7)
    charges: dict[str, str] = {}  # the customer of each charge that was answered, by its code
    paid: dict[str, Any] = {}  # invoices that were shown as paid, by id
    latest = parse_moment("2026-01-01T00:00:00Z")
    lock = threading.Lock()

    def charge(life: Life, turn: int) -> None:
        with suppress(httpx.TransportError):
            for number in range(10_000):
                code, customer = f"K{turn}N{number}", f"C{number % CUSTOMERS}"
                answer = life.client.post(
                    f"/xml/customers/add-charge/productCode/LANTERN/code/{customer}",
                    data={"chargeCode": code, "quantity": "1", "eachAmount": "0.01"},
                )
                assert answer.status_code == 200, answer.text
                with lock:
                    charges[code] = customer

    def look(life: Life) -> None:
        with suppress(httpx.TransportError):
            while True:
                customer = f"C{chance.randrange(CUSTOMERS)}"
                shown = life.client.get(f"/_mock/customers/{customer}/invoices").json()["invoices"]
                with lock:
                    paid.update({each["id"]: (customer, each) for each in shown if each["state"] == "paid"})

    def advance(life: Life) -> None:
        nonlocal latest
        with suppress(httpx.TransportError):
            while True:
                answer = life.client.post("/_mock/clock", json={"advance": "5d"})
                latest = max(latest, parse_moment(answer.json()["now"]))

    file = tmp_path / "world"
    for turn in range(KILLS):
        life = Life(file)
        shown = {
            code: life.client.get(f"/_mock/customers/{code}/invoices").json()["invoices"]
            for code in (f"C{number}" for number in range(CUSTOMERS))
        }
        there = {line["code"] for each in shown.values() for invoice in each for line in invoice["charges"]}
        assert not charges.keys() - there
        for customer, known in paid.values():
            assert known in shown[customer]
        assert parse_moment(life.client.get("/_mock/clock").json()["now"]) >= latest
        charges.clear()
        paid.clear()
        workers = [
            threading.Thread(target=charge, args=(life, turn)),
            threading.Thread(target=look, args=(life,)),
            threading.Thread(target=advance, args=(life,)),
        ]
        for worker in workers:
            worker.start()
        time.sleep(chance.uniform(0.02, 0.2))
        life.kill()
        for worker in workers:
            worker.join()
        life.close()
    assert latest > parse_moment("2026-02-01T00:00:00Z")  # billing was under way


def test_a_snapshot_is_a_world_to_come_back_to() -> None:
    """It bills the same again, ids included, though its listener answers the hooks in another order."""

    def one_after_another(hook: Received) -> int:
        time.sleep(0.02 * int(hook.customer.removeprefix("C")))
        return 200

    def the_last_one_first(hook: Received) -> int:
        time.sleep(0.02 * (CUSTOMERS - int(hook.customer.removeprefix("C"))))
        return 200

    with (
        listening() as listener,
        serve(big_catalog(), start="2026-01-01") as server,
        httpx.Client(base_url=server.url) as api,
    ):
        server.listen(listener.url, ["subscriptionBillable"])
        server.advance("20d")
        before = api.get("/_mock/customers").json()
        assert api.post("/_mock/snapshots", json={"name": "start"}).status_code == 201
        played = []
        for listener.answer in (one_after_another, the_last_one_first):
            restored(api, "start")
            server.advance("40d")
            played.append(
                [api.get(f"/_mock/customers/C{number}/invoices").json() for number in range(CUSTOMERS)]
            )
        assert "paid" in {invoice["state"] for invoice in played[0][0]["invoices"]}
        assert played[0] == played[1]
        restored(api, "start")
        assert api.get("/_mock/customers").json() == before
        assert [each["name"] for each in api.get("/_mock/snapshots").json()["snapshots"]] == ["start"]
        assert api.delete("/_mock/snapshots/start").status_code == 204
        assert api.post("/_mock/snapshots/start/restore").status_code == 404


def restored(api: httpx.Client, name: str) -> None:
    api.post(f"/_mock/snapshots/{name}/restore").raise_for_status()


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_snapshot_holds_planned_faults(kind: FaultKind) -> None:
    fault = Fault(kind, times=3, customer="ida")
    with serve(catalog()) as server, httpx.Client(base_url=f"{server.url}/_mock") as control:
        server.fault(fault)
        control.post("/snapshots", json={"name": "armed"}).raise_for_status()
        planned = control.get("/faults").json()
        control.delete("/faults").raise_for_status()
        control.post("/snapshots/armed/restore").raise_for_status()
        assert control.get("/faults").json() == planned
        assert len(planned["faults"]) == 1


def test_a_world_is_taken_up_after_an_orderly_end_and_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "world"
    first = Life(file)
    first.client.post("/_mock/clock", json={"advance": "45d"}).raise_for_status()
    bought = {"customer": "Ida", "product": 1, "quantity": 2}
    first.client.post("/_mock/cleverbridge/subscriptions", json=bought)
    paths = ("/_mock/customers", "/_mock/cleverbridge/subscriptions")
    shown = [first.client.get(path).json() for path in paths]
    first.kill()
    first.close()
    for _ in range(2):
        again = Life(file)
        assert [again.client.get(path).json() for path in paths] == shown
        again.kill()
        again.close()


def test_a_kill_during_an_advance_leaves_a_running_clock_running(tmp_path: Path) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer(_: object) -> int:
        is_asked.set()
        may_answer.wait(60)
        return 200

    with listening(answer) as listener:
        first = Life(tmp_path / "world")
        wish = {"url": listener.url, "events": ["subscriptionBillable"]}
        first.client.post("/_mock/listeners", json=wish).raise_for_status()
        first.client.post("/_mock/clock", json={"mode": "real"}).raise_for_status()

        def advance() -> None:
            with suppress(httpx.TransportError):
                first.client.post("/_mock/clock", json={"advance": "60d"})

        mover = threading.Thread(target=advance)
        mover.start()
        assert is_asked.wait(60)
        first.kill()
        may_answer.set()
        mover.join()
        first.close()
        again = Life(tmp_path / "world")
        clock = again.client.get("/_mock/clock").json()
        later = again.client.get("/_mock/clock").json()
        again.kill()
        again.close()
    assert clock["mode"] == "real"
    assert parse_moment("2026-02-01T00:00:00Z") <= parse_moment(clock["now"])
    assert parse_moment(clock["now"]) < parse_moment(later["now"]) < parse_moment("2026-02-02T00:00:00Z")


def test_attempts_at_hooks_are_there_after_a_kill_and_go_on(tmp_path: Path) -> None:
    statuses = iter([500, 503])
    with listening(lambda _: next(statuses, 200)) as listener:
        first = Life(tmp_path / "world")
        wish = {"url": listener.url, "events": ["subscriptionBillable"]}
        first.client.post("/_mock/listeners", json=wish).raise_for_status()
        until = {"to": "2026-02-01T00:00:30Z"}
        first.client.post("/_mock/clock", json=until).raise_for_status()
        paths = ["/_mock/hooks", *(f"/_mock/customers/C{number}/invoices" for number in range(CUSTOMERS))]
        paths += [f"/_mock/customers/C{number}/timeline" for number in range(CUSTOMERS)]
        shown = [first.client.get(path).json() for path in paths]
        answers = [try_["status"] for hook in shown[0]["hooks"] for try_ in attempts(hook)]
        assert sorted(answers) == [200] * (CUSTOMERS - 2) + [500, 503]
        first.kill()
        first.close()
        again = Life(tmp_path / "world")
        assert [again.client.get(path).json() for path in paths] == shown
        again.client.post("/_mock/clock", json={"advance": "1d"}).raise_for_status()
        hooks = again.client.get("/_mock/hooks").json()["hooks"]
        assert sorted(len(attempts(hook)) for hook in hooks) == [1] * (CUSTOMERS - 2) + [2, 2]
        assert len(listener.received) == CUSTOMERS + 2
        for number in range(CUSTOMERS):
            invoices = again.client.get(f"/_mock/customers/C{number}/invoices").json()["invoices"]
            assert [each["state"] for each in invoices][:2] == ["open", "paid"]
        again.kill()
        again.close()


def attempts(hook: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for delivery in hook["deliveries"] for each in delivery["attempts"]]


def test_one_process_at_a_time_has_a_file(tmp_path: Path) -> None:
    file = tmp_path / "world"
    first = Life(file)
    assert first.client.get("/_mock/clock").status_code == 200
    done = command.run("mock", "--state", str(file), "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"another mock is using it, process {first.pid}; stop that one" in done.stderr
    first.kill()
    first.close()
    Journal(file).close()
    Journal(file).close()


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"", "not a snapshot"),
        (b"PK\x03\x04", "not a snapshot"),
        (b"tallyhook world 999\n\n", "newer version"),
        (pack({"a": 1})[:-1], "damaged"),
        (b"tallyhook world 1\n\n", "older version"),
    ],
)
def test_a_file_that_is_none_is_refused(written: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "world").write_bytes(written)
    with pytest.raises(SnapshotError, match=why):
        Journal(tmp_path / "world")


async def logged(folder: Path) -> tuple[Path, bytes]:
    """A file whose log has three records."""
    journal = Journal(folder / "world")
    journal.begin(pack({"generation": 1}), 1)
    for number in range(3):
        journal.append(Record("strike", parse_moment("2026-01-01T00:00:00Z"), None, [f"aim {number}", None]))
        await journal.durable()
    journal.close()
    log = folder / "world.log"
    return log, log.read_bytes()


def framed(line: bytes) -> bytes:
    return len(line).to_bytes(4) + zlib.crc32(line).to_bytes(4) + line


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda log: log, 3),
        (lambda log: log[:-1], 2),
        (lambda log: log + b"\0\0\0", 3),
        (lambda log: log + bytes(4096), 3),
        (lambda log: log[:-5] + bytes(4096), 2),
    ],
)
async def test_a_log_may_end_within_a_record(
    damage: Callable[[bytes], bytes], left: int, tmp_path: Path
) -> None:
    log, written = await logged(tmp_path)
    log.write_bytes(damage(written))
    journal = Journal(tmp_path / "world")
    assert len(journal.records) == left
    journal.close()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda log: log.replace(b"aim 0", b"aim 7"), "damaged"),
        (lambda log: log.replace(b"aim 1", b"aim 7"), "damaged"),
        (lambda log: log.replace(b"aim 0", bytes(5)), "damaged"),
        (lambda log: b"", "not the log of a mock"),
        (lambda log: log.replace(b"log 1", b"log 2"), "not the log of a mock"),
        (lambda log: log + framed(b"\x80"), "another version"),
        (lambda log: log + framed(b"\xc1"), "another version"),
    ],
)
async def test_a_log_that_is_none_is_refused(
    damage: Callable[[bytes], bytes], why: str, tmp_path: Path
) -> None:
    """What was answered stands in it, so it isn't left out without a word."""
    log, written = await logged(tmp_path)
    log.write_bytes(damage(written))
    done = command.run("mock", "--state", str(tmp_path / "world"), "--port", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert log.read_bytes() == damage(written)


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch /tmp/bomb",)


@pytest.mark.parametrize("evil", [_Bomb(), pickle.PickleBuffer, getattr, Path("x"), pickle.loads])
def test_a_file_can_run_nothing(evil: object) -> None:
    with pytest.raises(SnapshotError, match="not allowed in a snapshot"):
        unpack(pack({"world": evil}))


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "world"
    write_file(file, pack([1, 2]))
    write_file(file, pack([1, 2, 3]))
    assert read_file(file) == [1, 2, 3]
    assert [each.name for each in tmp_path.iterdir()] == ["world"]
