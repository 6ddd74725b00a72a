"""What happened to each customer, in order: the engines' events and the deliveries of their hooks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.base import Happening, Value
from tallyhook_mock.core.hooks import CHEDDAR, Attempt, Delivery
from tallyhook_mock.faults import FaultKind
from tallyhook_mock.systems.cheddar.state import Event

__all__ = ["DELIVERED", "FAULT", "IGNORED", "NOT_DELIVERED", "Entry", "Timeline"]

# The kinds of the entries that are no events of the engine.
DELIVERED = "hookDelivered"
NOT_DELIVERED = "hookNotDelivered"
FAULT = "fault"
IGNORED = "ignored"


class Entry(Value, frozen=True):
    """One line. `invoice` is a number, `amount` that of the transaction, the charge or (below 0) the credit.

    `item` is the code of an item, `quantity` what its counter stands at; of a charge, `item` is its code.
    None, or empty: there is none.
    """

    at: datetime
    kind: str
    note: str
    actor: str
    invoice: int | None = None
    amount: Decimal | None = None
    item: str = ""
    quantity: Decimal | None = None


class Timeline:
    """The latest entries of every customer, and how many of each kind there have been in all."""

    def __init__(self, kept: int = 1000) -> None:
        """`kept`: entries per customer; the oldest go first."""
        self.counts: Counter[str] = Counter()
        self._kept = kept
        self._entries: dict[tuple[str, str, str], list[Entry]] = {}  # by system, product and customer
        self._dropped: Counter[tuple[str, str, str]] = Counter()  # how many are not kept any more

    def entries(self, product: str, customer: str) -> Iterable[Entry]:
        """Oldest first; a deleted customer keeps its own."""
        return tuple(self._entries.get((CHEDDAR, product, customer), ()))

    def entries_of(self, system: str, account: str) -> Iterable[Entry]:
        """Those of an account of one of the systems beside Cheddar, such as `fusebill`; oldest first."""
        return tuple(self._entries.get((system, "", account), ()))

    def numbered(self, account: str, *, system: str = CHEDDAR, product: str = "") -> Mapping[int, Entry]:
        """The same by number, counted from the first that there ever was."""
        key = (system, product, account)
        return dict(enumerate(self._entries.get(key, ()), self._dropped.get(key, 0) + 1))

    def happened(self, event: Event) -> None:
        moved = event.transaction or event.charge
        entry = Entry(
            event.at,
            event.kind,
            event.note,
            event.actor,
            event.invoice.number if event.invoice else None,
            moved.amount if moved else None,
            event.charge.code if event.charge else event.item,
            event.quantity,
        )
        self._add(event.customer.product.code, event.customer.code, entry)

    def noted(self, system: str, what: Happening) -> None:
        """Something that happened in one of the systems beside Cheddar."""
        entry = Entry(
            what.at, what.kind, what.note, what.actor, what.invoice, what.amount, what.item, what.quantity
        )
        self._put((system, "", what.account), entry)

    def attempted(self, delivery: Delivery, attempt: Attempt) -> None:
        hook = delivery.hook
        kind = DELIVERED if attempt.acknowledged else NOT_DELIVERED
        result = attempt.answer if attempt.status is None else str(attempt.status)
        note = f"{hook.type} to {delivery.listener.url}: {result}"
        if attempt.fault:
            note += f" ({attempt.fault})"
        self._put(hook.account, Entry(attempt.at, kind, note, "system"))

    def struck(
        self, fault: FaultKind, where: str, product: str, customer: str, at: datetime, system: str = CHEDDAR
    ) -> None:
        """A fault. One that is about no customer is only counted."""
        self._put((system, product, customer), Entry(at, FAULT, f"{fault}: {where}", "system"))

    def ignored(self, action: str, names: Iterable[str], product: str, customer: str, at: datetime) -> None:
        """The parameters of a call that nobody understands; `customer` is empty if it is about none."""
        note = f"{action}: {', '.join(names)}"
        self._put((CHEDDAR, product, customer), Entry(at, IGNORED, note, "system"))

    def _add(self, product: str, customer: str, entry: Entry) -> None:
        self._put((CHEDDAR, product, customer), entry)

    def _put(self, key: tuple[str, str, str], entry: Entry) -> None:
        self.counts[entry.kind] += 1
        if not key[-1]:
            return
        entries = self._entries.get(key)
        if entries is None:
            # No deque: an empty one has room for 64, and most of a hundred thousand customers have a few.
            entries = self._entries[key] = []
        entries.append(entry)
        if len(entries) > self._kept:
            del entries[0]
            self._dropped[key] += 1
