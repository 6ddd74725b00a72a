"""When billing period definitions bill (how often, and on which day), and how draft charges change."""

from calendar import monthrange
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tallyhook import money
from tallyhook._call import flag, text, whole

_LEAP_YEAR = 2000


class Cycle(StrEnum):
    """How often a billing period definition bills (documented). This can't be changed later."""

    MONTHLY = "Monthly"
    YEARLY = "Yearly"


class BillingPeriodType(StrEnum):
    """What determines the day on which a billing period definition bills (documented)."""

    CUSTOMER_ACTIVATION = "CustomerActivation"
    FIRST_SUBSCRIPTION_ACTIVATION = "FirstSubscriptionActivation"
    SPECIFIED_DATE = "SpecifiedDate"


@dataclass(frozen=True, slots=True)
class InvoiceDate:
    """The day on which a billing period definition bills.

    If `month` is None, this is `day` of every month. Otherwise, this is `day` of that month in every year.
    But if the cycle is monthly, `month` is the month of the next recharge (documented).

    Raises:
        ValueError: there is no such day.
    """

    day: int
    month: int | None = None

    def __post_init__(self) -> None:
        for number in (self.day, self.month):
            if number is not None:
                whole(number, "An invoice's day or month")
        if self.month is not None and not 1 <= self.month <= 12:
            raise ValueError("An invoice month must be from 1 to 12")
        longest = 31 if self.month is None else monthrange(_LEAP_YEAR, self.month)[1]
        if not 1 <= self.day <= longest:
            raise ValueError(f"An invoice day must be from 1 to {longest}")

    def fields(self) -> dict[str, int]:
        """Return the date as fields of a request."""
        return {"invoiceDay": self.day} | ({} if self.month is None else {"invoiceMonth": self.month})


@dataclass(frozen=True, slots=True)
class ChargeChange:
    """A change to one charge of a draft invoice. A field that is None stays the same.

    Charges can't be added.
    """

    id: int
    quantity: Decimal | int | None = None
    unit_price: Decimal | int | None = None
    name: str | None = None
    description: str | None = None
    deletes: bool = False

    def fields(self) -> dict[str, object]:
        """Return the change as fields of a request.

        Raises:
            TypeError: a number is a float, which isn't exact.
            ValueError: a number is not finite, or every field is None, so nothing would change.
        """
        named = whole(self.id, "A charge's id")
        if flag(self.deletes, "deletes"):
            return {"id": named, "operation": "Delete"}
        numbers = {"quantity": self.quantity, "unitPrice": self.unit_price}
        texts = {"name": self.name, "description": self.description}
        changes: dict[str, object] = {
            name: money.exact_number(value, "A quantity or a price")
            for name, value in numbers.items()
            if value is not None
        }
        changes |= {name: text(value, f"A {name}") for name, value in texts.items() if value is not None}
        if not changes:
            raise ValueError(f"Pass something to change in charge {self.id}")
        return {"id": named, "operation": "Update", **changes}
