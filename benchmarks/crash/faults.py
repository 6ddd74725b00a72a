"""What goes wrong beside the deaths of receivers, each to be switched on by its name."""

from tallyhook_mock.faults import Fault, FaultKind

__all__ = ["HOOKS", "KINDS"]

KINDS = {
    "late": "a write waits on its way for longer than its client does, and is carried out all the same",
    "stop": "a receiver is stopped (SIGSTOP) for longer than its lease, at any point of its work",
    "clock": "the clock of receivers and SQLite inbox is set back or ahead by hours",
    "people": "somebody else adds an equal charge, deletes one, or runs the invoice",
    "documents": "answers are stale, another customer's, rewritten, or a proxy's own error page",
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
