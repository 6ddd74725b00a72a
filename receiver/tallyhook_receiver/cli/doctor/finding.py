"""The result of a check."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The severity of a finding. Only `BAD` makes the command fail."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The check, its result, and how to fix it. Findings never quote a key or password."""

    check: str
    verdict: Verdict
    says: str
    fix: str = ""


def good(check: str, says: str) -> Finding:
    return Finding(check, Verdict.GOOD, says)


def doubtful(check: str, says: str, fix: str) -> Finding:
    return Finding(check, Verdict.DOUBTFUL, says, fix)


def bad(check: str, says: str, fix: str) -> Finding:
    return Finding(check, Verdict.BAD, says, fix)


def skipped(check: str, why: str) -> Finding:
    return Finding(check, Verdict.SKIPPED, why)
