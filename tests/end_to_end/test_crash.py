"""The crash benchmark finds no error, and finds one when any of our safeguards is removed."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.crash.faults import SCENES
from benchmarks.crash.mutants import MUTANTS

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
WRONG = ("double", "lost", "quantity", "early", "stuck")


def crash(*options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.crash", "--seed", "3", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("faults", ["late", "stop,declarations,clock"])
def test_killed_receivers_charge_once(faults: str) -> None:
    code, figures = crash("--runs", "2", "--hooks", "3", "--receivers", "2", "--faults", faults)
    assert [figures[wrong] for wrong in WRONG] == [0, 0, 0, 0, 0], figures
    assert code == 0
    assert figures["kills"] >= figures["runs"] == 2


def test_replicas_on_postgres_charge_once() -> None:
    code, figures = crash("--runs", "2", "--receivers", "2", "--inbox", "postgres", "--faults", "none")
    assert code == 0, figures
    assert figures["kills"] >= figures["runs"] == 2


@pytest.mark.parametrize("scene", list(SCENES))
def test_a_scene_ends_well(scene: str) -> None:
    code, figures = crash("--runs", "1", "--scene", scene)
    assert code == 0, figures
    assert figures["stops"] == bool(SCENES[scene].sleeps_at)
    assert figures["asked"] == 0


def test_each_mutant_is_tried() -> None:
    (tried,) = (
        mark for mark in test_code_without_a_safeguard_is_found_out.pytestmark if mark.name == "parametrize"
    )
    assert {mutant for mutant, _, _ in tried.args[1]} == set(MUTANTS)


@pytest.mark.parametrize(
    ("mutant", "options", "found"),
    [
        # Without marks in the case that marks alone would prevent.
        ("no-journal", ("--runs", "1", "--hooks", "6", "--faults", "none", "--no-marks"), "double"),
        ("acknowledges-first", ("--runs", "1", "--hooks", "6", "--faults", "none"), "lost"),
        (
            "lost-is-refused",
            ("--runs", "2", "--hooks", "8", "--faults", "late", "--no-deaths", "--no-marks"),
            "double",
        ),
        (
            "nothing-read-back",
            ("--seed", "4", "--runs", "1", "--hooks", "16", "--faults", "documents", "--no-deaths"),
            "quantity",
        ),
        ("before-ignored", ("--runs", "1", "--scene", "forgotten"), "lost"),
        ("no-lease-check", ("--runs", "1", "--scene", "late-request"), "double"),
        ("foreign-entries", ("--runs", "1", "--scene", "late-entry"), "double"),
        ("no-quantities", ("--runs", "1", "--hooks", "3", "--faults", "none"), "quantity"),
    ],
)
def test_code_without_a_safeguard_is_found_out(mutant: str, options: tuple[str, ...], found: str) -> None:
    code, figures = crash("--mutant", mutant, *options)
    assert code == 1
    assert figures[found] > 0, figures
