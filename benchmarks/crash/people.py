"""A person who changes invoices while the receivers work, as if in the billing system's own pages."""

import random
from collections import Counter
from contextlib import suppress

from benchmarks.crash.books import Adjustment, Usage
from tallyhook import APIError, AsyncClient, Charge, Customer, Invoice, InvoicePeriod

__all__ = ["Person", "announced", "content", "custom"]

OUTSTANDING = InvoicePeriod.OUTSTANDING


class Person:
    """A person who changes one customer's outstanding invoice, with a client that has no faults.

    `added` counts the charges that the person added, and `deleted` those that the person deleted.
    `has_meddled` is True if the person changed something while a review may have been running, so that the
    review may have to ask a person.
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
        """Before any review begins, maybe add a charge that is equal to one that will be declared."""
        if self._dice.random() < 0.5:
            await self._add(self._dice.choice(self._usage.adjustments))

    async def imitate(self) -> None:
        """Add a charge that is equal to the first one that will be declared."""
        await self._add(self._usage.adjustments[0])

    async def act(self, likely: float) -> None:
        """While a review may be running, maybe add an equal charge, delete a charge, or run the invoice.

        `likely` is the probability that the person does anything.
        """
        if self._dice.random() >= likely or announced(await self._client.get_customer(self._code)).is_paid:
            return  # if the invoice is paid, the outstanding one may be another period's
        self.has_meddled = True
        with suppress(APIError):  # the invoice has been run in the meantime
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
    """Return the invoice of the customer's second period, which is the one under review."""
    return sorted(customer.subscription.invoices, key=lambda invoice: invoice.number or 0)[1]


def custom(invoice: Invoice) -> list[Charge]:
    return [charge for charge in invoice.charges if charge.type == "custom"]


def content(charges: list[Charge]) -> Counter[Adjustment]:
    """Count the charges by their content, without the marks that a review adds to descriptions."""
    return Counter(
        Adjustment(charge.code, charge.each_amount, charge.description.partition("(ref ")[0].rstrip())
        for charge in charges
    )
