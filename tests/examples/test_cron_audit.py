"""examples/cron_audit.py"""

import asyncio
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from tallyhook import Client
from tallyhook.review import Review
from tallyhook.review.journal import Entry
from tallyhook_mock import Fault, FaultKind
from tallyhook_mock.testing import Cheddar

from .conftest import EXAMPLES, Load


@pytest.fixture(autouse=True)
def held(cheddar: Cheddar) -> None:
    """Ada's invoice waits, as nobody acknowledges its hook."""
    cheddar.listener("http://127.0.0.1:9/hooks")
    cheddar.advance("1mo")
    cheddar.assert_held("ada")


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "cron_audit.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.usefixtures("environment")
def test_it_tells_then_bills_then_has_nothing_to_do(cheddar: Cheddar) -> None:
    told = run()
    assert told.returncode == 0, told.stderr
    assert "invoice 2: dry run" in told.stdout
    assert "77.50" in told.stdout
    assert cheddar.bills("ada")[1].quantities["GB"] == 0  # nothing was sent

    done = run("--apply")
    assert "the invoice was run" in done.stdout, done.stderr
    for again in (run("--apply"), run()):
        assert (again.returncode, again.stdout) == (0, "")
    # 20.00, 3 seats at 10.00, 13 GB above the two included, and the credit
    cheddar.assert_billed("ada", "77.50")
    cheddar.assert_credited("ada", "SORRY", "5.00")


@pytest.mark.usefixtures("environment")
def test_a_declined_invoice_is_left_to_cheddar(cheddar: Cheddar) -> None:
    cheddar.decline("ada", count=2)
    assert "the run was declined" in run("--apply").stdout
    assert run("--apply").stdout == ""
    cheddar.advance("2d")
    cheddar.advance("2d")
    cheddar.assert_billed("ada", "77.50")


@pytest.mark.usefixtures("environment")
def test_a_canceled_customer_is_left_alone(cheddar: Cheddar, client: Client) -> None:
    client.cancel("ada")
    assert (run().stdout, run("--apply").stdout) == ("", "")
    assert client.get_customer("ada").subscription.is_canceled


@pytest.mark.usefixtures("environment")
def test_one_that_goes_wrong_does_not_hinder_the_others(cheddar: Cheddar, client: Client) -> None:
    cheddar.plan("FREE", price="1.00")  # without gigabytes
    cheddar.customer("bob", plan="FREE")
    cheddar.advance("1mo")
    done = run("--apply")
    assert done.returncode == 1
    assert "bob: plan FREE doesn't track item 'GB'" in done.stderr
    assert "bob" not in done.stdout
    assert client.get_customer("ada").subscription.invoices[2].is_paid


def test_only_one_at_a_time(cheddar: Cheddar, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    example = load("cron_audit")
    assert asyncio.run(example.main(apply=False)) == 0
    audit, seconds = example.audit, []

    def slow_audit(review: Review) -> None:
        seconds.append(run("--apply"))
        audit(review)

    monkeypatch.setattr(example, "audit", slow_audit)
    assert asyncio.run(example.main(apply=True)) == 0
    (second,) = seconds
    assert second.returncode == 1
    assert "database is locked" in second.stderr
    cheddar.assert_billed("ada", "77.50")


@pytest.mark.parametrize("survived", range(3))  # what was declared; the credit to be added; the credit added
def test_cut_at_every_entry_of_its_journal(cheddar: Cheddar, load: Load, survived: int) -> None:
    example = load("cron_audit")
    append, written = example.SqliteJournal.append, 0

    async def cut(journal: Any, entry: Entry) -> None:
        nonlocal written
        if written == survived:
            raise KeyboardInterrupt
        written += 1
        await append(journal, entry)

    example.SqliteJournal.append = cut
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(example.main(apply=True))
    cheddar.assert_held("ada")
    cheddar.assert_credited("ada", "SORRY", "5.00", times=int(survived == 2))
    example.SqliteJournal.append = append
    # Nothing tells whether the quantities were set. A late one would change the next invoice after the run.
    later, failed = datetime.now(UTC), 0
    while failed < 3:
        with time_machine.travel(later + failed * timedelta(minutes=3)):
            if asyncio.run(example.main(apply=True)) == 0:
                break
        cheddar.assert_held("ada")
        failed += 1
    assert failed == (0 if survived == 0 else 2)
    cheddar.assert_credited("ada", "SORRY", "5.00")
    cheddar.assert_billed("ada", "77.50")


def test_a_lost_answer_charges_once(cheddar: Cheddar, load: Load) -> None:
    lost = cheddar.fault(Fault(FaultKind.DROP_AFTER, action="customers/add-charge"))
    assert asyncio.run(load("cron_audit").main(apply=True)) == 0
    assert lost.struck == 1
    cheddar.assert_credited("ada", "SORRY", "5.00")
    cheddar.assert_billed("ada", "77.50")


def test_a_secret_that_is_missing_is_named(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CHEDDAR_")}
    command = [sys.executable, str(EXAMPLES / "cron_audit.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60)
    assert done.returncode == 1
    assert "KeyError: 'CHEDDAR_USER'" in done.stderr
