"""Timelines, which show what happened to each customer: billing events and deliveries of hooks."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from tallyhook_mock.core.base import Happening, Value
from tallyhook_mock.core.hooks import CHEDDAR, Attempt, Delivery
from tallyhook_mock.faults import FaultKind
from tallyhook_mock.systems.cheddar.state import Event

__all__ = ["DELIVERED", "FAULT", "IGNORED", "NOT_DELIVERED", "Entry", "Timeline"]

# The kinds of entries that don't come from a billing system.
DELIVERED = "hookDelivered"
NOT_DELIVERED = "hookNotDelivered"
FAULT = "fault"
IGNORED = "ignored"


class Entry(Value, frozen=True):
    """One entry of a timeline.

    `invoice` is an invoice number. `amount` is the amount of a transaction, charge or credit. A credit's
    amount is negative. `item` is the code of an item or a charge. `quantity` is an item's new quantity. A
    field that doesn't apply is None or empty.
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
    """The latest timeline entries of every customer, and the total number of entries of each kind."""

    def __init__(self, kept: int = 1000) -> None:
        """Create empty timelines, which keep at most `kept` entries for each customer."""
        self.counts: Counter[str] = Counter()
        self._kept = kept
        self._entries: dict[tuple[str, str, str], list[Entry]] = {}  # by system, product and customer
        self._dropped: Counter[tuple[str, str, str]] = Counter()  # how many entries were dropped

    def entries(self, account: str, *, system: str = CHEDDAR, product: str = "") -> tuple[Entry, ...]:
        """Return an account's entries, oldest first. The entries of a deleted account are kept."""
        return tuple(self._entries.get((system, product, account), ()))

    def numbered(self, account: str, *, system: str = CHEDDAR, product: str = "") -> Mapping[int, Entry]:
        """Return an account's entries by number.

        The account's first entry has number 1. Dropping old entries doesn't change the numbers of the others.
        """
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
        self._put((CHEDDAR, event.customer.product.code, event.customer.code), entry)

    def noted(self, system: str, what: Happening) -> None:
        """Add an event of a system other than Cheddar."""
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
        """Add a fault that was applied to a call or a hook. If `customer` is empty, only count it."""
        self._put((system, product, customer), Entry(at, FAULT, f"{fault}: {where}", "system"))

    def ignored(self, action: str, names: Iterable[str], product: str, customer: str, at: datetime) -> None:
        """Add the names of a call's unknown parameters. If `customer` is empty, only count the entry."""
        note = f"{action}: {', '.join(names)}"
        self._put((CHEDDAR, product, customer), Entry(at, IGNORED, note, "system"))

    def _put(self, key: tuple[str, str, str], entry: Entry) -> None:
        self.counts[entry.kind] += 1
        if not key[-1]:
            return
        entries = self._entries.get(key)
        if entries is None:
            # A list, because even an empty deque takes the memory of 64 entries, and most customers have few.
            entries = self._entries[key] = []
        entries.append(entry)
        if len(entries) > self._kept:
            del entries[0]
            self._dropped[key] += 1
