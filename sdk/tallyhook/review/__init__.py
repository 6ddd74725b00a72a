"""The invoice review: declare what an invoice should hold, compare, and apply the difference."""

from tallyhook.review.applying import EarlierInvoiceOutstanding, Outcome, ReviewFailed, Standing
from tallyhook.review.changes import AddCharge, Change, Changes, DeleteCharge, SetQuantity, compare
from tallyhook.review.review import Period, Review

__all__ = [
    "AddCharge",
    "Change",
    "Changes",
    "DeleteCharge",
    "EarlierInvoiceOutstanding",
    "Outcome",
    "Period",
    "Review",
    "ReviewFailed",
    "SetQuantity",
    "Standing",
    "compare",
]
