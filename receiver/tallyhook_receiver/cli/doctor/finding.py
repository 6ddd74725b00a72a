"""The findings of the doctor's checks."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How serious a finding is. Only `BAD` makes `tallyhook doctor` exit with 1."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. Findings never quote a key or password.

    `says` describes the result, and `fix` says how to fix the problem.
    """

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
