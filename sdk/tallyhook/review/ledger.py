"""Which charges on an invoice are ours, as the journal's entries tell."""

from collections.abc import Callable, Iterable, Sequence

from tallyhook.cheddar.models import Charge, Invoice
from tallyhook.journal import Added, Adding, DeclaredCharge, Entry, Refused

__all__ = ["Ledger"]


class Ledger:
    """The addings of all attempts so far, and the ids of the charges that came of them."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._addings: dict[int, Adding] = {}
        self._numbers: dict[str, int] = {}  # charge id -> the adding it came of
        self._refused: set[int] = set()
        for entry in entries:
            self.write(entry)

    def write(self, entry: Entry) -> None:
        match entry:
            case Adding(number=number):
                self._addings[number] = entry
            case Added(number=number, charge_id=charge_id):
                self._numbers[charge_id] = number
            case Refused(number=number):
                self._refused.add(number)

    def adding(self, charge: DeclaredCharge, invoice: Invoice) -> Adding:
        """The entry to write before this charge is added to the invoice as it is now."""
        number = max(self._addings, default=0) + 1
        return Adding(number=number, charge=charge, before=tuple(c.id for c in invoice.charges if c.id))

    def is_claimed(self, number: int) -> bool:
        return number in self._numbers.values()

    def claims(self, invoice: Invoice, sent: int | None = None) -> list[Added]:
        """The entries to write for charges that are ours and were not known to be.

        An adding whose outcome is unknown claims one charge of its content that wasn't there before it. It is
        never given up: the request may still arrive. The adding that was just `sent` chooses first, and is
        content with a charge that nobody else claims and whose description the server has rewritten.
        """
        open_addings = [
            a for n, a in self._addings.items() if n not in self._refused and not self.is_claimed(n)
        ]
        open_addings.sort(key=lambda adding: adding.number != sent)
        free = [charge for charge in invoice.charges if charge.id not in self._numbers]
        claims: dict[int, Added] = {}

        def claim(adding: Adding, is_ours: Callable[[Charge], bool]) -> None:
            new = (charge for charge in free if charge.id not in adding.before)
            if (found := next(filter(is_ours, new), None)) is not None:
                free.remove(found)
                claims[adding.number] = Added(number=adding.number, charge_id=found.id)

        for adding in open_addings:
            claim(adding, adding.charge.is_same)
        if open_addings and open_addings[0].number == sent and sent not in claims:
            claim(open_addings[0], open_addings[0].charge.is_like)
        return list(claims.values())

    def adopt(self, declared: Sequence[DeclaredCharge], invoice: Invoice) -> None:
        """Without a journal: take each declared charge that is already on the invoice as ours."""
        for charge in declared:
            adding = self.adding(charge, invoice)
            free = (found for found in invoice.charges if found.id not in self._numbers)
            if found := next(filter(charge.is_same, free), None):
                self.write(adding)
                self.write(Added(number=adding.number, charge_id=found.id))

    def ours(self, invoice: Invoice) -> list[tuple[Charge, DeclaredCharge]]:
        """Our charges on the invoice, each with what we had asked for."""
        return [
            (charge, self._addings[self._numbers[charge.id]].charge)
            for charge in invoice.charges
            if charge.id in self._numbers
        ]
