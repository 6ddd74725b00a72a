"""How often and when a period bills."""

from calendar import monthrange
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["BillingPeriodType", "Cycle", "InvoiceDate"]

_LEAP_YEAR = 2000


class Cycle(StrEnum):
    """How often a period bills (documented); it can't change."""

    MONTHLY = "Monthly"
    YEARLY = "Yearly"


class BillingPeriodType(StrEnum):
    """Where a period's date comes from (documented)."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


@dataclass(frozen=True, slots=True)
class InvoiceDate:
    """The day that a period bills on: `day` of every month, or of one `month` every year.

    Raises:
        ValueError: there is no such day.
    """

    day: int
    month: int | None = None

    def __post_init__(self) -> None:
        if self.month is not None and not 1 <= self.month <= 12:
            raise ValueError("An invoice month is from 1 to 12")
        longest = 31 if self.month is None else monthrange(_LEAP_YEAR, self.month)[1]
        if not 1 <= self.day <= longest:
            raise ValueError(f"An invoice day is from 1 to {longest}")

    def fields(self) -> dict[str, int]:
        """The date on the wire."""
        return {"invoiceDay": self.day} | ({} if self.month is None else {"invoiceMonth": self.month})
