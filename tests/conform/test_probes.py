"""Every alternative of every rule: a mock that follows it is recognised by the rule's probe."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tallyhook_mock.conform.probe import Need
from tallyhook_mock.conform.probes import PROBES
from tallyhook_mock.conform.rehearsal import Rehearsal
from tallyhook_mock.systems.cheddar.settings import SETTINGS
from tallyhook_mock.testing.session import Session

DUNNING: list[list[str]] = [["2d", "2d", "2d", "2d"], ["2d", "2d", "2d"], ["2d"] * 5, ["1d", "36h"], []]


def alternatives(rule: str) -> list[Any]:
    return list(SETTINGS[rule].alternatives) or DUNNING


CASES = [(rule, value) for rule in PROBES for value in alternatives(rule)]
HOOKS = [rule for rule, probe in PROBES.items() if Need.LISTENER in probe.needs]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    made = Session(lambda: tmp_path_factory.mktemp("session"))
    yield made
    made.close()


def test_every_setting_has_a_probe() -> None:
    assert set(PROBES) == set(SETTINGS)


def test_no_rule_begins_like_another() -> None:
    """Customers are told apart by the beginning of their codes."""
    for rule in PROBES:
        assert not [other for other in PROBES if other.startswith(f"{rule}_")]


@pytest.mark.parametrize(("rule", "value"), CASES, ids=[f"{rule}={value}" for rule, value in CASES])
def test_an_alternative_is_recognised(session: Session, tmp_path: Path, rule: str, value: Any) -> None:
    rehearsal = Rehearsal(session, {rule: value})
    try:
        state = rehearsal.state()
        if rule not in HOOKS:
            state.listener_url = ""
        rehearsal.run(state, tmp_path / "state.json").start([rule])
        progress = state.probes[rule]
        assert progress.finding is not None, progress.reason
        assert progress.finding.value == value
        assert progress.finding.shows
        assert (rehearsal.account.customers(), state.plans) == ([], [])
    finally:
        rehearsal.close()


@pytest.mark.parametrize("seed", range(4))
def test_probes_do_not_disturb_each_other(session: Session, tmp_path: Path, seed: int) -> None:
    """All at once, in any order, on a mock whose rules are drawn."""
    draw = Random(seed)
    rules = {rule: draw.choice(alternatives(rule)) for rule in SETTINGS}
    rehearsal = Rehearsal(session, rules)
    try:
        state = rehearsal.state()
        rehearsal.run(state, tmp_path / "state.json", shuffle=draw).start(PROBES)
    finally:
        rehearsal.close()
    for rule, done in state.probes.items():
        if not done.reason.startswith("it makes no difference: "):
            assert done.finding is not None, (rule, done.reason)
            assert done.finding.value == rules[rule], rule
