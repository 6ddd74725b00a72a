"""Audit the usage of every account, in all billing systems, with one function.

    def usage(audit: Audit) -> None:
        audit.set_quantity("GB25", blocks_used(audit.window.account, audit.window.end))
        audit.run_when_done()

    systems = (Cheddar(client, {"GB25": "GB"}), Fusebill(other, {"GB25": "GB25"}))
    for outcome in apply(usage, systems, FileJournal("audit.jsonl")):
        print(outcome)

A window is the time in which you can still change the next bill. There are three kinds of windows. Only
`hold` guarantees that nothing is billed unaudited: the invoice waits, and is executed after its lines have
been read back. With `deadline`, quantities must be set before a date; the outcome says if they were late.
With `collect`, charges are collected for the next invoice. Each outcome says what its billing system can't
guarantee.
"""

from tallyhook.audit.audit import Audit, Executor, System, apply
from tallyhook.audit.journal import FileJournal, Journal, MemoryJournal
from tallyhook.audit.outcome import AuditFailed, Change, Outcome, Standing
from tallyhook.audit.systems import Chargemonk, Cheddar, Cleverbridge, Fusebill
from tallyhook.audit.window import Kind, Window
from tallyhook.review.apply import UNKNOWN_FOR

__all__ = [
    "UNKNOWN_FOR",
    "Audit",
    "AuditFailed",
    "Change",
    "Chargemonk",
    "Cheddar",
    "Cleverbridge",
    "Executor",
    "FileJournal",
    "Fusebill",
    "Journal",
    "Kind",
    "MemoryJournal",
    "Outcome",
    "Standing",
    "System",
    "Window",
    "apply",
]
