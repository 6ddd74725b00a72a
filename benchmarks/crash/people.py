"""Somebody else who works on the invoices, in the billing system's own pages as it were."""

import random
from collections import Counter
from contextlib import suppress

from benchmarks.crash.books import Adjustment, Usage
from tallyhook import APIError, AsyncClient, Charge, Customer, Invoice, InvoicePeriod

__all__ = ["Person", "announced", "content", "custom"]

OUTSTANDING = InvoicePeriod.OUTSTANDING


class Person:
    """Works on one customer's outstanding invoice, by a client that nothing gets in the way of.

    `added` and `deleted` is what their charges said, and those that they deleted. `has_meddled`: they did
    something while a review may have been at work, so that the review may have to ask.
    """

    def __init__(self, client: AsyncClient, code: str, usage: Usage, seed: int) -> None:
        self.added: Counter[Adjustment] = Counter()
        self.deleted: Counter[Adjustment] = Counter()
        self.has_run = False
        self.has_meddled = False
        self._client = client
        self._code = code
        self._usage = usage
        self._dice = random.Random(seed)

    async def prepare(self) -> None:
        """Before any review begins: a charge that is the same as one that will be declared, or nothing."""
        if self._dice.random() < 0.5:
            await self._add(self._dice.choice(self._usage.adjustments))

    async def imitate(self) -> None:
        """Add a charge that is the same as the first that will be declared."""
        await self._add(self._usage.adjustments[0])

    async def act(self, likely: float) -> None:
        """While a review may be at work: add an equal charge, delete one, or run the invoice."""
        if self._dice.random() >= likely or announced(await self._client.get_customer(self._code)).is_paid:
            return  # by then another period's invoice may be the outstanding one
        self.has_meddled = True
        with suppress(APIError):  # the invoice was run meanwhile
            match self._dice.choice(["add", "add", "delete", "run"]):
                case "add":
                    await self._add(self._dice.choice(self._usage.adjustments))
                case "delete":
                    await self._delete()
                case "run":
                    await self._client.run_outstanding(self._code)
                    self.has_run = True

    async def _add(self, equal: Adjustment) -> None:
        await self._client.add_charge(
            self._code, equal.code, 1, equal.amount, equal.description, invoice_period=OUTSTANDING
        )
        self.added[equal] += 1

    async def _delete(self) -> None:
        if charges := custom(announced(await self._client.get_customer(self._code))):
            charge = self._dice.choice(charges)
            await self._client.delete_charge(self._code, charge.id, invoice_period=OUTSTANDING)
            self.deleted += content([charge])


def announced(customer: Customer) -> Invoice:
    """The invoice of the customer's second period, which is the one that is reviewed."""
    return sorted(customer.subscription.invoices, key=lambda invoice: invoice.number or 0)[1]


def custom(invoice: Invoice) -> list[Charge]:
    return [charge for charge in invoice.charges if charge.type == "custom"]


def content(charges: list[Charge]) -> Counter[Adjustment]:
    """What charges say, without a review's mark."""
    return Counter(
        Adjustment(charge.code, charge.each_amount, charge.description.partition("(ref ")[0].rstrip())
        for charge in charges
    )
