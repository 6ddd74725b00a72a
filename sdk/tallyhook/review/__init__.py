"""The invoice review: declare what an invoice should hold, compare, and apply the difference."""

from tallyhook.review.applying import EarlierInvoiceOutstanding, ReviewFailed
from tallyhook.review.changes import AddCharge, Change, Changes, DeleteCharge, SetQuantity, compare
from tallyhook.review.outcome import Outcome, Standing
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
