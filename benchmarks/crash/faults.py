"""What goes wrong beside the deaths of receivers, each to be switched on by its name."""

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
# Of hooks, always on; what happens to calls is the proxy's.
HOOKS = (
    Fault(FaultKind.DUPLICATE, probability=0.15),
    Fault(FaultKind.TIMEOUT, probability=0.1, seconds=0.05),
    Fault(FaultKind.LOSE_ANSWER, probability=0.1),
)


@dataclass(frozen=True)
class Scene:
    """One thing that goes wrong for certain, in place of everything that may.

    `sleeps_at` is the point at which the first receiver to come there is stopped. It goes on when another
    has done the work; where `turns_back`, by a clock that was set back to where it was when it stopped.
    `forgets`: somebody else's equal charge stands on the invoice, and the first adding is answered with the
    document before it, and is not carried out.
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
