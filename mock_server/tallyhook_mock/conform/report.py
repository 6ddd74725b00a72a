"""Reports what a run found out about each rule, as text, as an HTML page, or as settings for a mock."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tallyhook_mock.conform.account import Unusable
from tallyhook_mock.conform.probe import Finding, Value, told
from tallyhook_mock.conform.state import Progress, State
from tallyhook_mock.systems.cheddar.settings import SETTINGS

__all__ = [
    "Outcome",
    "Verdict",
    "as_html",
    "as_text",
    "counts",
    "default",
    "judge",
    "read_rules",
    "rules_toml",
]


class Outcome(StrEnum):
    AS_ASSUMED = "as assumed"
    DIFFERENT = "different"
    NOT_FOUND_OUT = "not found out"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one rule: which alternative was expected, and which one was found."""

    rule: str
    standing: str
    assumed: Value
    outcome: Outcome
    found: Value | None = None
    why: str = ""  # why the rule was not found out, or what its probe waits for
    theirs: str = ""  # the document of the service
    ours: str = ""  # the answer of a mock that follows the assumption

    @property
    def meaning(self) -> str:
        """The meaning of the alternative that was found, or if none was found, of the expected one."""
        return SETTINGS[self.rule].meanings.get(told(self.found or self.assumed), "")

    @property
    def sides(self) -> list[tuple[str, str, bool]]:
        """Each line of `theirs`, the matching line of `ours`, and whether the two lines differ."""
        theirs, ours = self.theirs.splitlines(), self.ours.splitlines()
        rows = []
        for _, a, b, c, d in SequenceMatcher(None, theirs, ours, autojunk=False).get_opcodes():
            for number in range(max(b - a, d - c)):
                left = theirs[a + number] if a + number < b else ""
                right = ours[c + number] if c + number < d else ""
                rows.append((left, right, left != right))
        return rows


def judge(
    state: State,
    assumed: Mapping[str, Value],
    rehearse: Callable[[Collection[str]], Mapping[str, Finding]],
) -> list[Verdict]:
    """Return a verdict for every rule of a run.

    `assumed` maps rules to the alternatives that are expected instead of the defaults. `rehearse`
    runs probes on a mock that follows the expected rules. It is called only for rules that the service
    applies differently.
    """
    expected = {rule: assumed.get(rule, default(rule)) for rule in state.probes}
    differing = [
        rule
        for rule, progress in state.probes.items()
        if progress.finding is not None and progress.finding.value != expected[rule]
    ]
    ours = rehearse(differing) if differing else {}
    return [
        _verdict(rule, expected[rule], progress, ours.get(rule))
        for rule, progress in sorted(state.probes.items())
    ]


def _verdict(rule: str, assumed: Value, progress: Progress, ours: Finding | None) -> Verdict:
    standing, found = SETTINGS[rule].standing, progress.finding
    if found is not None:
        outcome = Outcome.AS_ASSUMED if found.value == assumed else Outcome.DIFFERENT
        mine = ours.shows if ours else ""
        return Verdict(rule, standing, assumed, outcome, found.value, theirs=found.shows, ours=mine)
    if progress.reason:
        return Verdict(rule, standing, assumed, Outcome.NOT_FOUND_OUT, why=progress.reason)
    until = progress.wait_until
    why = f"continues at {until:%Y-%m-%d %H:%M} of the service's time" if until else "not started"
    return Verdict(rule, standing, assumed, Outcome.WAITING, why=why)


def default(rule: str) -> Value:
    setting = SETTINGS[rule]
    return setting.default if setting.alternatives else setting.default.split()


def counts(verdicts: Iterable[Verdict]) -> dict[str, int]:
    found = Counter(verdict.outcome for verdict in verdicts)
    return {outcome.value: found[outcome] for outcome in Outcome}


def as_text(verdicts: Sequence[Verdict]) -> str:
    """Return the report as text, for a terminal or an email.

    Rules with the outcome "different" are shown with both documents. All other rules take one line each.
    """
    parts = []
    for verdict in verdicts:
        if verdict.outcome is Outcome.DIFFERENT:
            parts.append(
                f"{verdict.rule}: different, {told(verdict.found or [])} instead of {told(verdict.assumed)}"
                f" ({verdict.standing})\n  {verdict.meaning}\n"
                f"  the service:\n{_indented(verdict.theirs)}\n  Tallyhook's mock:\n{_indented(verdict.ours)}"
            )
        else:
            more = verdict.why or told(verdict.assumed)
            parts.append(f"{verdict.rule}: {verdict.outcome}, {more} ({verdict.standing})")
    told_counts = ", ".join(f"{count} {name}" for name, count in counts(verdicts).items())
    return "\n".join([*parts, f"{len(verdicts)} rules: {told_counts}"]) + "\n"


def as_html(verdicts: Sequence[Verdict], state: State) -> str:
    """Return the report as a self-contained HTML page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["told"] = told
    page = environment.get_template("report.html")
    return page.render(verdicts=verdicts, state=state, counts=counts(verdicts), Outcome=Outcome)


def rules_toml(verdicts: Iterable[Verdict]) -> str:
    """Return a `[rules]` table that makes a mock behave like the service. Defaults are left out."""
    lines = ["[rules]"]
    for verdict in verdicts:
        value = verdict.found if verdict.found is not None else verdict.assumed
        if value != default(verdict.rule):
            lines.append(f"{verdict.rule} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def read_rules(file: Path) -> dict[str, Value]:
    """Read the `[rules]` table of a TOML file.

    Raises Unusable if the file can't be read, has no such table, or names an unknown rule.
    """
    import tomllib

    try:
        content: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        rules = content["rules"]
        unknown = [rule for rule in rules if rule not in SETTINGS]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Unusable(f"{file} has no readable [rules]: {error}") from None
    if unknown:
        raise Unusable(f"{file}: there is no rule {unknown[0]!r}; `tallyhook rules` lists them")
    return dict(rules)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
