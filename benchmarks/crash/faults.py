"""The faults besides the deaths of receivers. Each can be switched on by its name."""

from dataclasses import dataclass

from tallyhook_mock.faults import Fault, FaultKind

__all__ = ["HOOKS", "KINDS", "NO_SCENE", "SCENES", "Scene"]

KINDS = {
    "late": "a write waits on its way for longer than its client does, and is carried out all the same",
    "stop": "a receiver is stopped (SIGSTOP) for longer than its lease, at any point of its work",
    "clock": "the clock of receivers and SQLite inbox is set back or ahead by hours",
    "people": "somebody else adds an equal charge, deletes one, or runs the invoice",
    "documents": "answers are stale, rewritten, another customer's, another call's, or a proxy's error page",
    "declarations": "what a review declares changes from attempt to attempt",
    "power": "the machine loses its power: SQLite's files go back to their last fsync",
    "database": "PostgreSQL is killed (kill -9) or stopped at once, and started again",
}
# Faults of hooks, which are always on. The proxy causes the faults of calls.
HOOKS = (
    Fault(FaultKind.DUPLICATE, probability=0.15),
    Fault(FaultKind.TIMEOUT, probability=0.1, seconds=0.05),
    Fault(FaultKind.LOSE_ANSWER, probability=0.1),
)


@dataclass(frozen=True)
class Scene:
    """One fault that is certain to happen, instead of all the random ones.

    The first receiver that reaches the point `sleeps_at` is stopped, and resumed when another receiver has
    done the work. If `turns_back` is True, the clock is then set back to the time at which the receiver was
    stopped. If `forgets` is True, the invoice already has an equal charge that somebody else added. The first
    call that adds a charge is not carried out, and is answered with an older document.
    """

    what: str
    sleeps_at: str = ""
    turns_back: bool = False
    forgets: bool = False


NO_SCENE = Scene("")
SCENES = {
    "late-entry": Scene(
        "a receiver stops before it writes down anything, and goes on when another has done the work",
        sleeps_at="before append Declared",
    ),
    "late-request": Scene(
        "a receiver stops between an entry and its request, and goes on when another has waited that out, has"
        " done the work, and the clock was set back",
        sleeps_at="after append Adding",
        turns_back=True,
    ),
    "forgotten": Scene(
        "an adding is answered with an old document, and forgotten, where somebody's equal charge stands",
        forgets=True,
    ),
}
