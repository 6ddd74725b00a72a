"""Review a held invoice: declare what it should contain, compare, and correct the differences."""

from tallyhook.review.compare import AddCharge, Change, Changes, DeleteCharge, SetQuantity, compare
from tallyhook.review.outcome import (
    EarlierInvoiceOutstanding,
    Outcome,
    OutcomeUnknown,
    ReviewFailed,
    Standing,
    Unresolved,
)
from tallyhook.review.review import Period, Review

__all__ = [
    "AddCharge",
    "Change",
    "Changes",
    "DeleteCharge",
    "EarlierInvoiceOutstanding",
    "Outcome",
    "OutcomeUnknown",
    "Period",
    "Review",
    "ReviewFailed",
    "SetQuantity",
    "Standing",
    "Unresolved",
    "compare",
]
