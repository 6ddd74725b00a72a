"""The crash benchmark itself: it finds nothing, and doubles where the journal is off."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[2]


def crash(*options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.crash", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_killed_receivers_charge_once() -> None:
    code, figures = crash("--runs", "5", "--seed", "3")
    assert code == 0
    assert figures["kills"] >= figures["runs"] == 5
    assert [figures[wrong] for wrong in ("double", "lost", "early", "stuck")] == [0, 0, 0, 0]


def test_replicas_on_postgres_charge_once() -> None:
    code, figures = crash("--runs", "2", "--seed", "3", "--receivers", "2", "--inbox", "postgres")
    assert code == 0
    assert figures["kills"] >= figures["runs"] == 2


def test_without_its_journal_the_review_charges_twice() -> None:
    code, figures = crash("--runs", "12", "--seed", "3", "--without-journal")
    assert code == 1
    assert figures["double"] > 0
