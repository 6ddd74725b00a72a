"""What an examination comes to."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a finding is meant; only `BAD` fails the examination."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and what to do about it. Neither quotes a key or a password."""

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
