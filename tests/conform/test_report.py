"""What a run reports: ten rules that a mock follows otherwise, written as settings and then assumed."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tallyhook_mock.conform import report
from tallyhook_mock.conform.account import Unusable
from tallyhook_mock.conform.probes import PROBES
from tallyhook_mock.conform.rehearsal import Rehearsal, rehearse
from tallyhook_mock.conform.report import Outcome
from tallyhook_mock.conform.state import Progress, State
from tallyhook_mock.systems.cheddar.settings import SETTINGS
from tallyhook_mock.testing.session import Session

# With one of these the other makes no difference, so that nobody can tell.
MOOT = {"declined_one_time", "promotion_scope"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    made = Session(lambda: tmp_path_factory.mktemp("session"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def flipped() -> dict[str, Any]:
    draw = Random(10)
    rules = draw.sample(sorted(set(SETTINGS) - MOOT - {"dunning"}), 9)
    chosen: dict[str, Any] = {rule: draw.choice(SETTINGS[rule].alternatives[1:]) for rule in rules}
    return {**chosen, "dunning": ["1d", "3d", "5d"]}


def played(session: Session, rules: dict[str, Any], file: Path) -> State:
    rehearsal = Rehearsal(session, rules)
    try:
        state = rehearsal.state()
        rehearsal.run(state, file).start(PROBES)
    finally:
        rehearsal.close()
    return state


@pytest.fixture(scope="module")
def state(session: Session, flipped: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> State:
    return played(session, flipped, tmp_path_factory.mktemp("run") / "state.json")


@pytest.fixture(scope="module")
def verdicts(state: State) -> list[report.Verdict]:
    return report.judge(state, {}, rehearse)


def test_ten_flipped_rules_are_reported_and_no_other(
    verdicts: list[report.Verdict], flipped: dict[str, Any]
) -> None:
    otherwise = {each.rule: each.found for each in verdicts if each.outcome is Outcome.DIFFERENT}
    assert otherwise == flipped
    assert report.counts(verdicts) == {
        "as assumed": len(SETTINGS) - 10,
        "different": 10,
        "not found out": 0,
        "waiting": 0,
    }
    for each in verdicts:
        assert bool(each.ours) == (each.outcome is Outcome.DIFFERENT)
        assert each.theirs


def test_a_mock_with_the_written_rules_is_as_assumed(
    session: Session, verdicts: list[report.Verdict], flipped: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(report.rules_toml(verdicts))
    assert tomllib.loads(file.read_text())["rules"] == flipped
    assumed = report.read_rules(file)
    again = report.judge(played(session, dict(assumed), tmp_path / "state.json"), assumed, rehearse)
    assert {each.outcome for each in again} == {Outcome.AS_ASSUMED}
    assert report.rules_toml(again) == report.rules_toml(verdicts)


def test_as_text_both_documents_stand_below_each_other(verdicts: list[report.Verdict]) -> None:
    text = report.as_text(verdicts)
    assert f"{len(SETTINGS)} rules: {len(SETTINGS) - 10} as assumed, 10 different, 0 not found out" in text
    assert "dunning: different, 1d 3d 5d instead of 2d 2d 2d 2d (documented)" in text
    assert text.count("  the service:\n") == text.count("  Tallyhook's mock:\n") == 10


def test_as_a_page_both_documents_stand_side_by_side(verdicts: list[report.Verdict], state: State) -> None:
    page = report.as_html(verdicts, state)
    assert page.count("<h2") == 10
    assert '<tr class="differs">' in page
    assert "&lt;number&gt;" in page
    assert "<number>" not in page


def test_what_was_not_found_out_says_why() -> None:
    rules = {"month_end": Progress(reason="no & plan"), "dunning": Progress(), "tax_rounding": Progress()}
    state = State(base_url="u", product="P", user="me", prefix="x", probes=rules)
    verdicts = report.judge(state, {}, rehearse)
    assert [(each.rule, each.outcome.value, each.why) for each in verdicts] == [
        ("dunning", "waiting", "not started"),
        ("month_end", "not found out", "no & plan"),
        ("tax_rounding", "waiting", "not started"),
    ]
    assert "no &amp; plan" in report.as_html(verdicts, state)
    assert report.rules_toml(verdicts) == "[rules]\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("rules = 1", "has no readable"),
        ("x = 1", "has no readable"),
        ("[rules", "has no readable"),
        ("[rules]\nmonth_ends = 'x'", "there is no rule 'month_ends'"),
    ],
)
def test_rules_that_can_not_be_read(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(content)
    with pytest.raises(Unusable, match=told):
        report.read_rules(file)
